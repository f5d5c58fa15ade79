"""What the registry says of one model."""

from __future__ import annotations

import tomllib
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
"""Of weights files; the last three are what torch.save writes, and are read without executing anything in them."""


class ModelEntry(BaseModel):
    """One ``[model.NAME]`` table of ``weights/registry.toml``.

    A model comes with the package, is downloaded from a pinned commit of the hub, or lies on a page from which only a
    person can fetch it.

    Attributes:
        name: what ``--model`` takes.
        family: the architecture: a key of the model configurations, or a family of the zoo.
        title: what a person calls it.
        repo: ``owner/name`` on the Hugging Face hub, else empty.
        revision: commit of ``repo``, 40 hex digits.
        page: where a person fetches it, else empty.
        file: file name in the package or on the page, or path in ``repo``.
        sha256: of the file; 64 hex digits, empty where the page does not say.
        size: of the file in bytes, None where the page does not say.
        megabytes: roughly, where only that is known.
        side: of the square picture that the model sees, in pixels.
        base: registry name of the model that this one is a difference to, else empty.
        words: what the file cannot say of itself, see :class:`napari_segsam.core.model_choice.ModelChoice`.
        licence: SPDX name and whose.
        input: what it takes.
        window: which intensities it sees, per modality.
        limits: what it cannot do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    family: str
    title: str = ""
    repo: str = ""
    revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    page: Annotated[str, Field(pattern=r"^(https://\S+)?$")] = ""
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w./-]*\.(safetensors|pth|pt|bin)$")]
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    size: Annotated[int | None, Field(gt=0)] = None
    megabytes: Annotated[float | None, Field(gt=0)] = None
    side: Annotated[int | None, Field(gt=0)] = None
    base: str = ""
    words: Annotated[tuple[str, ...], Field(strict=False)] = ()
    licence: str
    input: str
    window: dict[str, str] = {}
    limits: str

    @model_validator(mode="after")
    def _one_source(self) -> ModelEntry:
        if bool(self.repo) != bool(self.revision):
            raise ValueError("repo and revision belong together")
        if self.repo and self.page:
            raise ValueError("a model has a repo or a page, not both")
        if not self.page and not (self.sha256 and self.size):
            raise ValueError("what is loaded without a person needs its sha256 and its size")
        if self.embedded and not self.file.endswith(".safetensors"):
            raise ValueError("what comes with the package is a .safetensors file")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the file comes with the package and needs no network."""
        return not self.repo and not self.page

    @property
    def downloadable(self) -> bool:
        """Whether the program can fetch it."""
        return bool(self.repo)

    @property
    def source(self) -> str:
        """Where the file lies: for a person to read."""
        if self.embedded:
            return "in the package"
        return self.page or f"{self.repo}@{self.revision[:12]}"

    @property
    def file_name(self) -> str:
        """The last part of ``file``."""
        return PurePosixPath(self.file).name

    @property
    def how_to_get(self) -> str:
        """What to do where the file is not here; the end of a sentence."""
        if self.embedded:
            return "reinstall napari-segsam, or pass another model with --model"
        if self.downloadable:
            return f"download it with `segsam models download {self.name}`"
        return f"take its file from {self.page} and run `segsam models take {self.name} FILE`"


def read_registry(text: str) -> dict[str, ModelEntry]:
    """The text of ``registry.toml`` -> entries by name, in the file's order.

    Raises:
        pydantic.ValidationError: an entry that misses something or says something unknown.
    """
    tables = tomllib.loads(text).get("model", {})
    return {name: ModelEntry(name=name, **table) for name, table in tables.items()}


class Unpublished(BaseModel):
    """One ``[unpublished.NAME]`` table: a system that has no weights to fetch.

    Attributes:
        title: what a person calls it.
        page: its authors'.
        instead: what can be done here all the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    title: str
    page: Annotated[str, Field(pattern=r"^https://\S+$")]
    instead: str


def read_unpublished(text: str) -> tuple[Unpublished, ...]:
    """The text of ``registry.toml`` -> the systems without weights, in the file's order.

    Raises:
        pydantic.ValidationError: a table that misses something or says something unknown.
    """
    return tuple(Unpublished(**table) for table in tomllib.loads(text).get("unpublished", {}).values())
