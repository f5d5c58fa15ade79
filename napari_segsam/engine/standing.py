"""What a person says of an object as a whole: how far it is, and whether anything may still change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Status = Literal["draft", "done", "flagged", "approved"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Standing:
    """How an object stands.

    Attributes:
        status: ``draft`` until the person says more; ``flagged`` asks somebody to look again.
        locked: no commit, brush or deletion changes its voxels.
    """

    status: Status = "draft"
    locked: bool = False
