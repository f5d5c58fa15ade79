"""``segsam train``: train a model as a configuration file says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_segsam.core.errors import UnreadableInputError


def train(
    config: Annotated[Path, typer.Argument(help="A training configuration in TOML.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in its folder stopped.")] = False,
) -> None:
    """Train; checkpoint, log and curves appear in the run's folder."""
    if not config.is_file():
        raise UnreadableInputError(f"{config}: there is no such configuration file; check its name.")
    from napari_segsam.train.loop import train as run

    run(config, resume)
