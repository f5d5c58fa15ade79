"""The registry of models: which file a name means, that it is the right one, and what to do where it is not here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from napari_segsam.core.errors import BadCheckpointError, DownloadError, UndecidedModelError, UnknownNameError
from napari_segsam.core.model_choice import ModelChoice
from napari_segsam.io import hub
from napari_segsam.io.atomic import replacing
from napari_segsam.io.model_entry import SUFFIXES, ModelEntry, Unpublished, read_registry, read_unpublished

DEFAULT_MODEL = "nano"


@dataclass(frozen=True)
class Located:
    """The files behind what a person asked for.

    Attributes:
        path: the weights, verified where the registry knows their sha256.
        name: the registry's, None for a file given by its path.
        words: what the file cannot say of itself: its family where several are alike, and options of it.
        base: the file that ``path`` is a difference to, if it is one.
    """

    path: Path
    name: str | None
    words: tuple[str, ...]
    base: Path | None


@lru_cache(maxsize=1)
def registry() -> Mapping[str, ModelEntry]:
    """The models that this installation knows, by name."""
    return read_registry(_package_file("registry.toml").read_text(encoding="utf-8"))


def resolve(text: str, models: Mapping[str, ModelEntry] | None = None) -> Located:
    """What ``--model`` takes -> files: a name or file, words and a base behind an ``@`` (:class:`ModelChoice`).

    A row of the registry brings its own words and its base; so does a file that is called as a row's file is, since the
    files of some families are alike. What the person says goes before.

    Raises:
        SegsamError: see :func:`locate` and :meth:`ModelChoice.checked`.
        UndecidedModelError: the base is not here; another file may be named instead.
    """
    known = registry() if models is None else models
    choice = ModelChoice.checked(text)
    path = locate(choice.model, known)
    entry = known.get(choice.model)
    row = entry or next((e for e in known.values() if not e.embedded and e.file_name == path.name), None)
    words = choice.words if row is None else tuple(dict.fromkeys((*choice.words, *row.words)))
    base = None if choice.base is None else locate(choice.base, known)
    if base is None and row is not None and row.base:
        base = _base(row, known[row.base])
    return Located(path, None if entry is None else entry.name, words, base)


def locate(
    name_or_path: str | Path,
    models: Mapping[str, ModelEntry] | None = None,
    download: hub.Download | None = None,
) -> Path:
    """The weights file of a registry name, verified, or a local file as it is.

    Args:
        name_or_path: a registry name (downloaded if it is not here yet and can be), or the path of a weights file.
        models: the registry to look in; the package's own by default.
        download: see :func:`hub.fetch`.

    Raises:
        UnknownNameError: neither a name nor a file; names the nearest models.
        BadCheckpointError: no such file, no weights file, or not the file that the registry names.
        DownloadError: not here and not to be had now.
    """
    known = registry() if models is None else models
    entry = known.get(str(name_or_path))
    if entry is not None:
        return verify(entry, where(entry) or _fetch(entry, download))
    if isinstance(name_or_path, Path) or _looks_like_path(name_or_path):
        return _local(Path(name_or_path))
    raise UnknownNameError("model", name_or_path, known)


def where(entry: ModelEntry) -> Path | None:
    """Where the model's file should be on this machine, None if it was never fetched; touches no network."""
    if entry.embedded:
        return _package_file(entry.file)
    if (taken := _taken(entry)).is_file():
        return taken
    return hub.cached(entry.repo, entry.revision, entry.file) if entry.downloadable else None


def take(entry: ModelEntry, file: Path) -> Path:
    """Copy a file that a person fetched to where this model's file is looked for.

    Raises:
        BadCheckpointError: not the file that the registry names.
        WriteError: no room, or a folder that may not be written to.
    """
    _compare(entry, file, f"{file.name} is kept as it is")
    target = _taken(entry)
    with replacing(target) as [beside]:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, beside)
    return target


def verify(entry: ModelEntry, path: Path) -> Path:
    """``path`` itself, once its size and sha256 are the registry's; remembered until the file changes.

    Raises:
        BadCheckpointError: another file than the registry names; a download is removed, so that it can be repeated.
    """
    try:
        _compare(entry, path, entry.how_to_get)
    except BadCheckpointError:
        if not entry.embedded and path.is_file():
            hub.discard(path)
        raise
    return path


def _compare(entry: ModelEntry, path: Path, remedy: str) -> None:
    if not path.is_file():
        raise BadCheckpointError(f"{entry.name}: {entry.file} is missing; {remedy}.")
    stat = path.stat()
    if entry.size is not None and stat.st_size != entry.size:
        problem = f"has {stat.st_size} bytes instead of {entry.size}"
    elif entry.sha256 and (found := _sha256(path, stat.st_size, stat.st_mtime_ns)) != entry.sha256:
        problem = f"has the sha256 {found[:12]}… instead of {entry.sha256[:12]}…"
    else:
        return
    raise BadCheckpointError(f"{entry.name}: {path.name} {problem} and was not loaded; {remedy}.")


def _fetch(entry: ModelEntry, download: hub.Download | None) -> Path:
    if not entry.downloadable:
        raise DownloadError(f"{entry.name} is not here and cannot be downloaded: {entry.how_to_get}.")
    return hub.fetch(entry.repo, entry.revision, entry.file, download)


def _base(row: ModelEntry, base: ModelEntry) -> Path:
    path = where(base)
    if path is None:
        how = f"{base.how_to_get}, or write @base=FILE behind the name"
        raise UndecidedModelError(
            f"{row.name} holds only what differs from {base.name}, which is not here: {how}.",
            {},
            base.title or base.name,
        )
    return verify(base, path)


def unpublished() -> tuple[Unpublished, ...]:
    """The systems that have no weights to fetch."""
    return read_unpublished(_package_file("registry.toml").read_text(encoding="utf-8"))


def _taken(entry: ModelEntry) -> Path:
    return hub.cache_folder() / "taken" / entry.name / entry.file_name


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hash of a file; its size and time are arguments so that a changed file is hashed again."""
    digest = sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _looks_like_path(name: str) -> bool:
    return name.endswith(SUFFIXES) or os.sep in name or "/" in name or Path(name).is_file()


def _local(path: Path) -> Path:
    if not path.is_file():
        raise BadCheckpointError(f"{path}: there is no such weights file; pass the path of a {_LISTED} file.")
    if path.suffix not in SUFFIXES:
        raise BadCheckpointError(f"{path.name}: weights are read from {_LISTED} files only; convert it first.")
    return path


_LISTED = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"


def _package_file(name: str) -> Path:
    return Path(str(files("napari_segsam.weights").joinpath(name)))
