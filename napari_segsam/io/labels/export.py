"""The one way out for label maps, whatever asks for it: written beside its place, read back, compared, then renamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from napari_segsam.core.errors import BadLabelsError, GridMismatchError, UnknownNameError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.maker import Maker
from napari_segsam.io.atomic import replacing, write_bytes
from napari_segsam.io.dicom.source import Source
from napari_segsam.io.labels.codes import nameless, read_codes, with_codes, with_known_codes
from napari_segsam.io.labels.dicom_seg import write_dicom_seg
from napari_segsam.io.labels.names import names_path, names_text
from napari_segsam.io.labels.nifti import write_nifti_labels
from napari_segsam.io.labels.nrrd import write_meta_labels, write_nrrd_labels
from napari_segsam.io.labels.overwriting import refuse_images
from napari_segsam.io.labels.proof import prove_image, prove_seg, tolerance_mm
from napari_segsam.io.labels.voxel_bytes import Stored, as_stored, counts_in, renumbered, values_in

SUFFIXES = {"nifti": (".nii.gz", ".nii"), "nrrd": (".nrrd", ".mha"), "dicom-seg": (".dcm",), "rtstruct": (".dcm",)}
"""Kind of file -> how its name may end; the usual one first."""
KINDS = tuple(SUFFIXES)


def export_labels(
    path: Path,
    labels: LabelMap,
    kind: str,
    source: Source | None = None,
    *,
    names: Mapping[int, str] | None = None,
    codes: Path | None = None,
    maker: Maker | None = None,
    labelmap: bool = False,
    resampled: str = "",
    scan: Sequence[Path] = (),
) -> tuple[str, ...]:
    """Write a label map on its own grid, and ``<file>.labels.json`` beside it.

    Args:
        path: where to; ends as :data:`SUFFIXES` has it.
        labels: what to write; values are stored in the smallest unsigned type that holds them.
        kind: one of :data:`KINDS`.
        source: the images that it was drawn on, which a DICOM object refers to.
        names: value -> name; those of ``labels`` where None.
        codes: a person's own file of codes, for names that the class cards have none for, or another one.
        maker: who drew the labels; where None, each who its file says drew it, else a person with this program.
        labelmap: a DICOM segmentation as LABELMAP, which keeps the values and is new to many programs; else as BINARY.
        resampled: what the Volume that the labels were drawn on says of itself, where there is no ``source`` to say it.
        scan: what the scan was read from, files or a folder of DICOM files; no image of it is overwritten.

    Returns:
        What to know about the file, a sentence each.

    Raises:
        WriteError: another suffix, an image of the scan, something the format cannot hold, or it could not be written,
            or did not read back equal. What was there is unchanged.
        BadLabelsError: a DICOM object, and a value has no name, or (a segmentation) a name no code; it says which.
        GridMismatchError: the labels do not lie on the images of ``source``.
        UnreadableInputError: the file of codes says something else.
    """
    check_output(path, kind)
    refuse_images(path, scan)
    _check_place(path, labels, source)
    own = read_codes(codes) if codes else {}
    known = _named(labels.labels, names)
    stored = as_stored(labels.voxels)
    if kind in ("nifti", "nrrd"):
        note = source.resampled if source else resampled
        _write_image(path, stored, labels.grid, {v.value: v for v in with_known_codes(known.values(), own)}, note)
        return (note,) if note else ()
    if source is None:
        raise WriteError(f"{path.name} was not written: a DICOM object refers to images; name the scan (--source).")
    there = _all_named(known, values_in(stored), path.name)
    if kind == "rtstruct":
        if source.resampled:
            raise WriteError(
                f"{path.name} was not written: a contour lies on an image that was scanned, and slices of this scan "
                "were interpolated; write a DICOM segmentation, NIfTI or .seg.nrrd."
            )
        _write_structures(path, labels, with_known_codes(there, own), source, maker or Maker())
    else:
        makers = {label.value: maker or labels.makers.get(label.value) or Maker() for label in there}
        _write_segmentation(path, stored, with_codes(there, own, path.name), source, makers, labelmap)
    return (*source.made_up, source.resampled) if source.resampled else source.made_up


def check_output(path: Path, kind: str) -> None:
    """Refuse what cannot be written before anything is read.

    Raises:
        UnknownNameError: no such kind.
        WriteError: a name that ends otherwise.
    """
    if kind not in SUFFIXES:
        raise UnknownNameError("kind of label map", kind, KINDS)
    if not path.name.lower().endswith(SUFFIXES[kind]):
        suffixes = ", ".join(SUFFIXES[kind])
        raise WriteError(f"{path.name}: a label map as {kind} ends in {suffixes}; choose one of these suffixes.")


def _check_place(path: Path, labels: LabelMap, source: Source | None) -> None:
    if source is not None and not labels.grid.matches(source.grid, tolerance_mm(source.grid)):
        raise GridMismatchError(
            f"{path.name} was not written: the labels do not lie on the images; export them with the scan that they "
            "were made on."
        )


def _named(labels: Mapping[int, Label], names: Mapping[int, str] | None) -> dict[int, Label]:
    """What is known of each value; codes go with the name that they were read with."""
    if names is None:
        return dict(labels)
    kept = {v: labels[v] for v in names if v in labels and labels[v].name == names[v]}
    return {v: kept.get(v) or Label(v, name) for v, name in names.items()}


def _all_named(known: Mapping[int, Label], values: list[int], file: str) -> list[Label]:
    """The labels that occur, by ascending value.

    Raises:
        BadLabelsError: none does, or names those without a name.
    """
    if not values:
        raise BadLabelsError(f"{file} was not written: nothing is labelled, and a DICOM object cannot be empty.")
    nobody = [str(v) for v in values if v not in known or nameless(known[v])]
    if nobody:
        raise BadLabelsError(
            f"{file} was not written: no name is known for value{'s' if len(nobody) > 1 else ''} {', '.join(nobody)}; "
            "name each one (--names)."
        )
    return [known[v] for v in values]


def _write_image(path: Path, stored: Stored, grid: Grid, labels: Mapping[int, Label], note: str) -> None:
    with replacing(path, names_path(path)) as (beside, names_beside):
        if beside.name.endswith(".nrrd"):
            write_nrrd_labels(beside, stored, grid, labels, note)
        elif beside.name.endswith(".mha"):
            write_meta_labels(beside, stored, grid, note)
        else:
            write_nifti_labels(beside, stored, grid, note)
        prove_image(beside, path.name, stored, grid)
        _write_names(names_beside, labels, stored)


def _write_structures(path: Path, labels: LabelMap, there: list[Label], source: Source, maker: Maker) -> None:
    from napari_segsam.io.labels.rtstruct import verify_rtstruct, write_rtstruct

    names = {label.value: label.name for label in there}
    codings = {label.value: label.coding for label in there if label.coding}
    with replacing(path, names_path(path)) as (beside, names_beside):
        try:
            write_rtstruct(beside, labels.voxels, labels.grid, names, source, codings=codings, maker=maker)
            verify_rtstruct(beside, labels.voxels, labels.grid, source)
        except WriteError as error:
            raise WriteError(str(error).replace(beside.name, path.name)) from error
        _write_names(names_beside, {label.value: label for label in there}, labels.voxels.T)


def _write_segmentation(
    path: Path, stored: Stored, there: list[Label], source: Source, makers: Mapping[int, Maker], labelmap: bool
) -> None:
    segments = {label.value if labelmap else n: label for n, label in enumerate(there, start=1)}
    numbers = stored if labelmap else renumbered(stored, {label.value: n for n, label in segments.items()})
    with replacing(path, names_path(path)) as (beside, names_beside):
        drawn_by = {n: makers[label.value] for n, label in segments.items()}
        write_dicom_seg(beside, path.name, numbers, source.grid, segments, source, drawn_by, labelmap=labelmap)
        prove_seg(beside, path.name, numbers, source.grid)
        _write_names(names_beside, segments, numbers)


def _write_names(path: Path, labels: Mapping[int, Label], stored: Stored) -> None:
    write_bytes(path, names_text({value: label.name for value, label in labels.items()}, counts_in(stored)))
