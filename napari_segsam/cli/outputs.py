"""Output files that appear together or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from napari_segsam.core.errors import WriteError
from napari_segsam.io.atomic import sync_folder

SIDECAR = ".labels.json"


class Staging:
    """Collects output files in a hidden folder beside their places, and moves them there in one go.

    Usable as a context manager: leaving it without :meth:`commit` removes everything that was staged, so a
    failure, a full disk or Ctrl+C leaves what was there before and nothing half-written.
    """

    def __init__(self, targets: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
        """Refuse outputs that cannot work before anything is computed.

        Args:
            targets: the files that will be written.
            inputs: files that are being read and must not be overwritten.

        Raises:
            WriteError: a folder that is not there, a target that is a folder, one name twice, or an input.
        """
        self._targets = [t for t in targets]
        read = {p.resolve() for p in inputs}
        places = [t.resolve() for t in self._targets]
        for target, place in zip(self._targets, places, strict=True):
            _check_place(target)
            if place in read:
                raise WriteError(f"{target} is also an input; name another output file.")
            if places.count(place) > 1 or any(place == p.with_name(p.name + SIDECAR) for p in places):
                raise WriteError(f"{target} is named for two outputs; give each its own file.")
        self._folders: dict[Path, Path] = {}

    def __enter__(self) -> Staging:
        try:
            for target in self._targets:
                self.path(target)  # a folder that takes no files is refused now, not after the work
        except WriteError:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    def path(self, target: Path) -> Path:
        """Where to write what will become ``target``: the same file name in a hidden folder beside it.

        Raises:
            WriteError: the folder takes no files.
        """
        parent = target.absolute().parent
        if parent not in self._folders:
            try:
                self._folders[parent] = Path(tempfile.mkdtemp(prefix=".segsam-", dir=parent))
            except OSError as error:
                raise WriteError(f"{parent}: cannot write there ({error.strerror}); choose another folder.") from error
        return self._folders[parent] / target.name

    def write_bytes(self, target: Path, content: bytes) -> None:
        """Stage ``content`` as ``target`` and read it back.

        Raises:
            WriteError: the disk is full, or the file did not read back equal.
        """
        path = self.path(target)
        try:
            with path.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            same = path.read_bytes() == content
        except OSError as error:
            raise WriteError(
                f"{target}: not written ({error.strerror}); nothing was changed. Free space or choose another folder."
            ) from error
        if not same:
            raise WriteError(f"{target}: did not read back equal; nothing was changed. Check the disk.")

    def write_json(self, target: Path, value: object) -> None:
        """Stage ``value`` as indented JSON."""
        self.write_bytes(target, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())

    def commit(self) -> None:
        """Move every staged file into its place; if one move fails, undo those before it.

        Raises:
            WriteError: nothing was changed.
        """
        moves = [
            (f, (parent / f.name).resolve())
            for parent, folder in self._folders.items()
            for f in sorted(folder.iterdir())
        ]
        done: list[tuple[Path, Path | None]] = []
        for number, (staged, place) in enumerate(moves):
            try:
                done.append((place, _move(staged, place, staged.with_name(f".old-{number}"))))
            except OSError as error:
                _undo(done)
                raise WriteError(
                    f"{place}: not written ({error.strerror}); nothing was changed. Choose another file."
                ) from error
        for parent in self._folders:
            sync_folder(parent)


def check_label_maps(*targets: Path | None) -> None:
    """Refuse a label map with a suffix that no writer has, before anything is computed.

    Raises:
        WriteError: names the suffixes there are.
    """
    from napari_segsam.io.label_files import LABEL_SUFFIXES

    for target in targets:
        if target is not None and not target.name.lower().endswith(tuple(LABEL_SUFFIXES)):
            suffixes = ", ".join(LABEL_SUFFIXES)
            raise WriteError(f"{target}: a label map is written as {suffixes}; choose one of these suffixes.")


def _check_place(target: Path) -> None:
    if target.is_dir():
        raise WriteError(f"{target} is a folder; name a file in it.")
    if not target.absolute().parent.is_dir():
        raise WriteError(f"{target.absolute().parent} does not exist; make the folder first.")


def _move(staged: Path, place: Path, aside: Path) -> Path | None:
    """Put ``staged`` at ``place``; what was there is kept ``aside`` until the staging folder goes."""
    kept = None
    if place.exists():
        shutil.copy2(place, aside)
        kept = aside
    staged.replace(place)
    return kept


def _undo(done: list[tuple[Path, Path | None]]) -> None:
    for place, kept in reversed(done):
        if kept is None:
            place.unlink(missing_ok=True)
        else:
            kept.replace(place)
