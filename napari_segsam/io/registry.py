"""The registry of models: what each one is, where its file comes from, and that it is the right file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_segsam.core.errors import BadCheckpointError, UnknownNameError
from napari_segsam.io import hub

DEFAULT_MODEL = "nano"
_SUFFIX = ".safetensors"


class ModelEntry(BaseModel):
    """One ``[model.NAME]`` table of ``weights/registry.toml``.

    Attributes:
        name: what ``--model`` takes.
        family: the architecture, a key of the model configurations.
        repo: ``owner/name`` on the Hugging Face hub; empty for a file that comes with the package.
        revision: commit of ``repo``, 40 hex digits.
        file: file name in the package, or path in ``repo``.
        sha256: of the file; 64 hex digits.
        size: of the file in bytes.
        licence: SPDX name and whose.
        input: what it takes.
        window: which intensities it sees, per modality.
        limits: what it cannot do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    family: str
    repo: str = ""
    revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w./-]*\.safetensors$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]
    licence: str
    input: str
    window: dict[str, str]
    limits: str

    @model_validator(mode="after")
    def _hub_or_package(self) -> ModelEntry:
        if bool(self.repo) != bool(self.revision):
            raise ValueError("repo and revision belong together")
        return self

    @property
    def embedded(self) -> bool:
        """Whether the file comes with the package and needs no network."""
        return not self.repo


def read_registry(text: str) -> dict[str, ModelEntry]:
    """The text of ``registry.toml`` -> entries by name, in the file's order.

    Raises:
        pydantic.ValidationError: an entry that misses something or says something unknown.
    """
    tables = tomllib.loads(text).get("model", {})
    return {name: ModelEntry(name=name, **table) for name, table in tables.items()}


@lru_cache(maxsize=1)
def registry() -> Mapping[str, ModelEntry]:
    """The models that this installation knows, by name."""
    return read_registry(_package_file("registry.toml").read_text(encoding="utf-8"))


def locate(name_or_path: str | Path, models: Mapping[str, ModelEntry] | None = None) -> Path:
    """The weights file of a registry name, verified, or a local file as it is.

    Args:
        name_or_path: a registry name (downloaded if it is not here yet), or the path of a ``.safetensors`` file.
        models: the registry to look in; the package's own by default.

    Raises:
        UnknownNameError: neither a name nor a file; names the nearest models.
        BadCheckpointError: no such file, no safetensors file, or not the file that the registry names.
        DownloadError: not here and not to be had now.
    """
    known = registry() if models is None else models
    entry = known.get(str(name_or_path))
    if entry is not None:
        return verify(entry, where(entry) or hub.fetch(entry.repo, entry.revision, entry.file))
    if isinstance(name_or_path, Path) or _looks_like_path(name_or_path):
        return _local(Path(name_or_path))
    raise UnknownNameError("model", name_or_path, known)


def where(entry: ModelEntry) -> Path | None:
    """Where the model's file should be on this machine, None if it was never downloaded; touches no network."""
    if entry.embedded:
        return _package_file(entry.file)
    return hub.cached(entry.repo, entry.revision, entry.file)


def verify(entry: ModelEntry, path: Path) -> Path:
    """``path`` itself, once its size and sha256 are the registry's; remembered until the file changes.

    Raises:
        BadCheckpointError: another file than the registry names; a download is removed, so that it can be repeated.
    """
    if not path.is_file():
        raise BadCheckpointError(f"{entry.name}: {entry.file} is missing; {_remedy(entry)}.")
    stat = path.stat()
    if stat.st_size != entry.size:
        problem = f"has {stat.st_size} bytes instead of {entry.size}"
    elif (found := _sha256(path, stat.st_size, stat.st_mtime_ns)) != entry.sha256:
        problem = f"has the sha256 {found[:12]}… instead of {entry.sha256[:12]}…"
    else:
        return path
    if not entry.embedded:
        hub.discard(path)
    raise BadCheckpointError(f"{entry.name}: {path.name} {problem} and was not loaded; {_remedy(entry)}.")


def _remedy(entry: ModelEntry) -> str:
    if entry.embedded:
        return "reinstall napari-segsam, or pass another model with --model"
    return f"download it again with `segsam models download {entry.name}`"


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hash of a file; its size and time are arguments so that a changed file is hashed again."""
    digest = sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _looks_like_path(name: str) -> bool:
    return name.endswith(_SUFFIX) or os.sep in name or "/" in name or Path(name).is_file()


def _local(path: Path) -> Path:
    if not path.is_file():
        raise BadCheckpointError(f"{path}: there is no such weights file; pass the path of a {_SUFFIX} file.")
    if path.suffix != _SUFFIX:
        raise BadCheckpointError(
            f"{path.name}: weights are read from {_SUFFIX} files only, which can hold no code; convert it first."
        )
    return path


def _package_file(name: str) -> Path:
    return Path(str(files("napari_segsam.weights").joinpath(name)))
