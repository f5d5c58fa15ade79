"""Labels of the open scan out to files, each proven before it is said, and in from them: on the inference thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_segsam.core.errors import BadLabelsError, SegsamError, WriteError
from napari_segsam.core.labels import MAX_LABEL, LabelMap
from napari_segsam.core.terminology import spoken
from napari_segsam.core.volume import Volume
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.protocols import Executor
from napari_segsam.gui.layer_data import Origin
from napari_segsam.io.dicom.source import Source, read_source, source_of
from napari_segsam.io.formats import files_of, is_dicom
from napari_segsam.io.labels.export import export_labels
from napari_segsam.io.labels.importing import read_any

T = TypeVar("T")
LOG = logging.getLogger(__name__)
OTHER_SCAN = "Another scan was opened before {file} was read; open {file} again."


@dataclass(frozen=True)
class Format:
    """A way to write a label map.

    Attributes:
        kind: as ``segsam convert --to`` calls it.
        title: as a person calls it.
        suffixes: of its files, the usual one first.
        is_dicom: whether it refers to the scan's images, and says what is what in codes.
    """

    kind: str
    title: str
    suffixes: tuple[str, ...]
    is_dicom: bool = False


FORMATS = (
    Format("nifti", "NIfTI", (".nii.gz", ".nii")),
    Format("nrrd", "3D Slicer segmentation", (".seg.nrrd", ".nrrd")),
    Format("nrrd", "MetaImage", (".mha",)),
    Format("dicom-seg", "DICOM segmentation", (".dcm",), is_dicom=True),
    Format("rtstruct", "DICOM RT structure set", (".dcm",), is_dicom=True),
)


@dataclass(frozen=True, eq=False)
class Scan:
    """What labels were drawn on, and where that was read from."""

    volume: Volume
    origin: Origin | None

    def source(self) -> Source:
        """The images that DICOM objects refer to; made up where the scan is no DICOM. Reads their headers.

        Raises:
            UnreadableInputError: the scan's files have gone or changed.
        """
        if self.origin is None:
            return source_of(self.volume)
        return read_source(self.origin.path, self.origin.series, volume=self.volume)


def format_of(path: Path) -> Format:
    """The first format whose files are named like this.

    Raises:
        WriteError: none is.
    """
    lower = path.name.lower()
    for written in FORMATS:
        if lower.endswith(written.suffixes):
            return written
    suffixes = ", ".join(dict.fromkeys(s for f in FORMATS for s in f.suffixes))
    raise WriteError(f"{path.name}: labels are written as {suffixes}; choose one of these suffixes.")


def write_proven(path: Path, labels: LabelMap, written: Format, scan: Scan, codes: Path | None = None) -> str:
    """Write a label map beside its place, read it back, compare it, and move it there; may take long.

    Args:
        path: where to.
        labels: on the scan's grid; names that no voxel has are left out.
        written: how.
        scan: whose images DICOM objects refer to.
        codes: a file of codes for names that have none.

    Returns:
        What was done, and what to know about the file.

    Raises:
        SegsamError: it is a file of the scan, could not be written, or did not read back equal; what was there is
            unchanged.
    """
    voxels_of = np.bincount(labels.voxels.ravel(order="K"), minlength=MAX_LABEL + 1)
    held = {value: label for value, label in labels.labels.items() if voxels_of[value]}
    source = scan.source() if written.is_dicom else None
    kept, resampled = LabelMap(labels.grid, labels.voxels, held), scan.volume.resampled
    read = files_of(scan.origin.path) if scan.origin else ()
    notes = export_labels(path, kept, written.kind, source, codes=codes, resampled=resampled, scan=read)
    objects = "1 object" if len(held) == 1 else f"{len(held)} objects"
    return " ".join(
        [f"Saved {objects} to {path.name} in {path.absolute().parent}; read back, the file holds the same.", *notes]
    )


class LabelFiles:
    """Exports and imports for one Controller.

    Args:
        controller: whose session's labels they are.
        executor: runs what takes long.
        tell: what goes on or went well, in a sentence.
        refuse: what did not, with what to do.
    """

    def __init__(
        self,
        controller: Controller,
        executor: Executor,
        tell: Callable[[str], None],
        refuse: Callable[[str], None],
    ) -> None:
        self._controller, self._executor = controller, executor
        self._tell, self._refuse = tell, refuse

    def export(self, path: Path, written: Format, origin: Origin | None, codes: Path | None = None) -> None:
        """Write the committed labels as they are now."""
        session = self._controller.session
        snapshot = LabelMap(session.labels.grid, session.labels.voxels.copy(), dict(session.labels.labels))
        scan, revision = Scan(session.volume, origin), session.revision

        def saved(done: str) -> None:
            if session.revision == revision:
                session.mark_saved()
            self._tell(done)

        self._tell(f"Writing {path.name} …")
        self._submit(lambda: write_proven(path, snapshot, written, scan, codes), saved, ("export", path))

    def bring_in(self, path: Path, origin: Origin | None) -> None:
        """Make what a file holds committed labels of the open scan, in one step that can be undone."""
        session = self._controller.session
        scan, notes = Scan(session.volume, origin), list[str]()

        def read() -> LabelMap:
            source = scan.source() if is_dicom(path) else None
            found = read_any(path, scan.volume.grid, source, notes.append)
            if not found.voxels.any():
                raise BadLabelsError(f"{path.name} holds no labels, only background; nothing was changed.")
            return found

        def done(found: LabelMap) -> None:
            if self._controller.session is not session:
                self._refuse(OTHER_SCAN.format(file=path.name))
                return
            is_first = not session.labels.labels and session.next_undo is None
            self._controller.bring_in(found, path.name)
            if is_first:
                session.mark_saved()  # what is there is in the file, too
            self._tell(" ".join([_opened(path, found, session.labels), *notes]))

        def read_now(found: LabelMap) -> None:
            self._controller.after_stroke(lambda: done(found))

        self._tell(f"Reading {path.name} …")
        self._submit(read, read_now, ("import", path))

    def _submit(self, job: Callable[[], T], done: Callable[[T], None], key: tuple[str, Path]) -> None:
        def failed(error: BaseException) -> None:
            if not isinstance(error, SegsamError):
                LOG.error("The %s of a label file failed", key[0], exc_info=error)
            self._tell("")
            self._refuse(str(error) or type(error).__name__)

        self._executor.submit(job, done, failed, key=key, priority=-1)


def _opened(path: Path, found: LabelMap, here: LabelMap) -> str:
    """What came of a file's labels among those that were there."""
    other = [spoken(n.name) for v, n in found.labels.items() if v not in here.labels or here.labels[v].name != n.name]
    renumbered = f" Another value than in the file, since that was taken: {', '.join(other)}." if other else ""
    return f"Opened {path.name} below what was committed.{renumbered}"
