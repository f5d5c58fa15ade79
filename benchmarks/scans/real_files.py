"""Every file under a folder, opened as the product opens it and compared with what another library reads there.

    python benchmarks/scans/real_files.py DATA [--page docs/figures.md]

A volume counts as ``wrong`` where another library reads other intensities or another place in the patient: nibabel
for NIfTI, SimpleITK for NRRD, MetaImage and (slice by slice, through GDCM) DICOM, Pillow for pictures. Where that
library refuses the file, or reads it in another way on purpose, the volume counts as ``unjudged`` with the reason.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from real_files_peers import Verdict, judge

from napari_segsam.core.errors import SegsamError
from napari_segsam.io.formats import is_dicom, list_series, read_volume

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import command, table, write_between

NO_SCANS = (".json", ".md", ".txt", ".zst", ".safetensors")
DOUBLED = "open single files"
"""What is said of one image in many files, as in collections of transfer syntaxes."""
VERDICTS = ("agrees", "unjudged", "wrong", "refused")


@dataclass(frozen=True)
class Opened:
    """One volume or refused file: the folder that its row has, a verdict of :data:`VERDICTS`, and why."""

    folder: str
    verdict: str
    why: str
    where: str


def read_as_dicom(path: Path) -> bool:
    """Whether a file is tried as DICOM; an archive is not."""
    try:
        return is_dicom(path)
    except SegsamError:
        return False


def folders(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Every folder that holds files which may be scans, and these."""
    for folder in sorted({p.parent for p in root.rglob("*") if "LICENSES" not in p.parts}):
        files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix not in NO_SCANS)
        if files:
            yield folder, files


def opened(root: Path) -> Iterator[Opened]:
    """DICOM folder by folder, and file by file where a folder's files are no one series; all others file by file."""
    for folder, files in folders(root):
        row = "/".join(folder.relative_to(root).parts[:2])
        scans = [p for p in files if read_as_dicom(p)]
        for path in (p for p in files if p not in scans):
            yield from _of(path, row)
        together = list(_of(folder, row)) if scans else []
        if any(DOUBLED in one.why for one in together):
            together = [one for path in scans for one in _of(path, row)]
        yield from together


def _of(path: Path, row: str) -> Iterator[Opened]:
    try:
        listed = list_series(path)
    except SegsamError as error:
        yield Opened(row, "refused", str(error), path.name)
        return
    for series in listed:
        if series.refused:
            yield Opened(row, "refused", series.refused, path.name)
        else:
            yield _volume(path, series.uid if path.is_dir() or len(listed) > 1 else None, row)


def _volume(path: Path, uid: str | None, row: str) -> Opened:
    try:
        volume = read_volume(path, series=uid)
    except SegsamError as error:
        return Opened(row, "refused", str(error), path.name)
    verdict: Verdict = judge(path, uid, volume)
    return Opened(row, verdict.word, verdict.why, f"{path.name} {uid or ''}".strip())


def report(found: Sequence[Opened]) -> str:
    """Counts by folder, and every reason with how often it was given."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        counts[one.folder][one.verdict] += 1
    total: Counter[str] = sum(counts.values(), Counter())
    rows = [(f, *(c[v] or "–" for v in VERDICTS)) for f, c in counts.items()]
    text = table(("folder", *VERDICTS), [*rows, ("**all**", *(f"**{total[v]}**" for v in VERDICTS))])
    for verdict in VERDICTS[1:]:
        reasons = Counter(one.why for one in found if one.verdict == verdict)
        text += f"\n{verdict.capitalize()}:\n\n" if reasons else ""
        text += "".join(f"- {n} × {why}\n" for why, n in reasons.most_common())
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 1 where a volume is wrong."""
    parser = command(__doc__, "files")
    parser.add_argument("data", type=Path)
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    found = list(opened(asked.data))
    text = report(found)
    print(text)
    for one in found:
        if one.verdict == "wrong":
            print("WRONG", one.folder, one.where, one.why, file=sys.stderr)
    if asked.page:
        write_between(asked.page, "files", text)
    return int(any(one.verdict == "wrong" for one in found))


if __name__ == "__main__":
    sys.exit(main())
