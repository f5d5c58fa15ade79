"""``segsam convert``: a label map into another format, on the geometry of the scan that it was made on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_segsam.cli import loading
from napari_segsam.cli.console import say
from napari_segsam.cli.outputs import Staging
from napari_segsam.core.errors import SegsamError

_LONGEST = 64  # characters of an algorithm's name
_USED_BY = {
    "--labelmap": ("dicom-seg",),
    "--made-by": ("dicom-seg", "rtstruct"),
    "--codes": ("dicom-seg", "rtstruct", "nrrd as .nrrd"),
}

if TYPE_CHECKING:
    from napari_segsam.core.maker import Maker

LabelsArgument = Annotated[
    Path, typer.Argument(metavar="LABELS", help="NIfTI, NRRD, MetaImage, DICOM segmentation or RT structure set.")
]
MadeByOption = Annotated[
    str | None,
    typer.Option("--made-by", help="KIND[:NAME[:VERSION]] of who drew the labels: manual, automatic, semiautomatic."),
]


def convert(
    labels: LabelsArgument,
    source: Annotated[Path, typer.Option("--source", help="The scan that LABELS was made on.")],
    to: Annotated[str, typer.Option("--to", help="nifti, nrrd, dicom-seg or rtstruct.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    names: Annotated[Path | None, typer.Option("--names", help='JSON: what each value is, {"1": "liver"}.')] = None,
    codes: Annotated[Path | None, typer.Option("--codes", help="TOML or JSON: codes of names that have none.")] = None,
    series: loading.SeriesOption = None,
    resample: loading.ResampleOption = False,
    labelmap: Annotated[bool, typer.Option("--labelmap", help="dicom-seg as LABELMAP instead of BINARY.")] = False,
    made_by: MadeByOption = None,
) -> None:
    """A label map into another format, coded and on the scan's own geometry; labels are never resampled."""
    from napari_segsam.io.dicom.source import read_source
    from napari_segsam.io.formats import files_of, is_dicom
    from napari_segsam.io.labels.export import check_output, export_labels
    from napari_segsam.io.labels.importing import read_any
    from napari_segsam.io.labels.names import parse_names

    check_output(out, to)
    maker = parse_maker(made_by)
    _refuse_unused(out, to, {"--labelmap": labelmap, "--made-by": maker is not None, "--codes": codes is not None})
    given = parse_names(names) if names else {}
    read = (*files_of(labels), *files_of(source), *(p for p in (names, codes) if p is not None))
    with Staging([out], inputs=read) as staging:
        by_headers = is_dicom(source) and not resample
        scan = None if by_headers else loading.load_volume(source, series, resample=resample)
        images = read_source(source, series, volume=scan)
        warnings = _warnings_of(source, series) if scan is None else scan.warnings
        for sentence in warnings:  # before the labels: they may not fit because of what is said here
            _note(sentence)
        found = read_any(labels, images.grid, images, _note)
        known = {value: label.name for value, label in found.labels.items()} | given
        said = export_labels(
            staging.path(out), found, to, images, names=known, codes=codes, maker=maker, labelmap=labelmap
        )
        staging.commit()
    for sentence in (s for s in said if s not in warnings):
        _note(sentence)
    say(f"done: {out}")


def _refuse_unused(out: Path, to: str, given: Mapping[str, bool]) -> None:
    """Refuse an option that would change nothing in this kind of file."""
    kind = f"{to} as {out.suffix.lower()}"
    for option, kinds in _USED_BY.items():
        if given[option] and to not in kinds and kind not in kinds:
            raise SegsamError(f"{option} changes nothing in {out.name}; leave it away, or write {' or '.join(kinds)}.")


def _warnings_of(source: Path, series: str | None) -> tuple[str, ...]:
    """What the headers of a DICOM scan make one want to know: that a slice may be lost, for one."""
    from napari_segsam.io.sandbox import list_series

    found = (s for s in list_series(source) if s.refused is None and series in (None, s.uid))
    return next((s.warnings for s in found), ())


def parse_maker(text: str | None) -> Maker | None:
    """``KIND[:NAME[:VERSION]]``, None where nothing is said.

    Raises:
        SegsamError: another kind, or a name that DICOM cannot hold.
    """
    from napari_segsam.core.maker import MAKER_KINDS, Maker

    if text is None:
        return None
    said, name, version = (*text.split(":", 2), "", "")[:3]
    kind = next((k for k in MAKER_KINDS if k.lower() == said.lower()), None)
    if kind is None or (kind == "MANUAL" and name) or max(map(len, (name, version))) > _LONGEST or "\\" in text:
        kinds = ", ".join(k.lower() for k in MAKER_KINDS)
        raise SegsamError(
            f"--made-by '{text}' is not KIND[:NAME[:VERSION]] with a kind of {kinds}; write for example manual, or "
            "automatic:TotalSegmentator:2.4."
        )
    return Maker(kind, name, version or "not stated") if name else Maker(kind)


def _note(sentence: str) -> None:
    say(f"note: {sentence}")
