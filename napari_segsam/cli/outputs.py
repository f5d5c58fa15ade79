"""Output files that appear together or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from napari_segsam.core.errors import WriteError
from napari_segsam.io.atomic import move_together
from napari_segsam.io.inputs import is_read
from napari_segsam.io.labels.names import names_path


class Staging:
    """Collects output files in a hidden folder beside their places, and moves them there in one go.

    Usable as a context manager: leaving it without :meth:`commit` removes everything that was staged, so a
    failure, a full disk or Ctrl+C leaves what was there before and nothing half-written.
    """

    def __init__(self, targets: Iterable[Path], inputs: Iterable[Path] = ()) -> None:
        """Refuse outputs that cannot work before anything is computed.

        Args:
            targets: the files that will be written; the names of a label map's values come beside it.
            inputs: files and folders that are being read; nothing that is in them may be overwritten.

        Raises:
            WriteError: a folder that is not there, a target that is no regular file, one name twice, or an input.
        """
        self._targets = list(targets)
        places = [p for target in self._targets for p in (target, names_path(target))]
        named = Counter(p.resolve() for p in places)
        read = list(inputs)
        for place in places:
            _check_place(place)
            if is_read(place, read):
                raise WriteError(f"{place} is an input or a part of one; name another output file.")
            if named[place.resolve()] > 1:
                raise WriteError(f"{place} is named for two outputs; give each its own file.")
        self._folders: dict[Path, Path] = {}

    def __enter__(self) -> Staging:
        try:
            for target in self._targets:
                self.path(target)  # a folder that takes no files is refused now, not after the work
        except BaseException:
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
        """Move every staged file into its place; if one move fails or is interrupted, take back those before it.

        Raises:
            WriteError: nothing was changed.
        """
        moves = [
            (staged, (parent / staged.name).resolve())
            for parent, folder in self._folders.items()
            for staged in sorted(folder.iterdir())
        ]
        try:
            move_together(moves)
        except OSError as error:
            raise WriteError(
                f"{', '.join(map(str, self._targets))}: not written ({error.strerror}); nothing was changed. "
                "Free space or choose another folder."
            ) from error


def check_label_maps(*targets: Path | None) -> None:
    """Refuse a label map with a suffix that no writer has, before anything is computed.

    Raises:
        WriteError: names the suffixes there are.
    """
    from napari_segsam.io.labels.files import LABEL_SUFFIXES

    for target in targets:
        if target is not None and not target.name.lower().endswith(tuple(LABEL_SUFFIXES)):
            suffixes = ", ".join(LABEL_SUFFIXES)
            raise WriteError(f"{target}: a label map is written as {suffixes}; choose one of these suffixes.")


def _check_place(place: Path) -> None:
    if place.is_dir():
        raise WriteError(f"{place} is a folder; name a file in it.")
    if place.exists() and not place.is_file():
        raise WriteError(f"{place} is a device or the like and not a file; name a file (or - for standard output).")
    if not place.absolute().parent.is_dir():
        raise WriteError(f"{place.absolute().parent} does not exist; make the folder first.")
