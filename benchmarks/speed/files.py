"""The speed of reading a DICOM series and of writing a label map, each beside two peers, for a page.

python benchmarks/speed/files.py [--rounds 5] [--page docs/figures.md]
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import dicom_read
import label_export

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import command, write_between


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both, one after the other."""
    parser = command(__doc__, "speed")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    said = io.StringIO()
    with redirect_stdout(said):
        print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} before.\n\nReading a DICOM series:")
        dicom_read.report(300, asked.rounds)
        print("\nWriting .nii.gz labels:")
        label_export.report([512, 512, 300], asked.rounds)
    print(said.getvalue())
    if asked.page:
        write_between(asked.page, "speed", f"```text\n{said.getvalue().rstrip()}\n```")


if __name__ == "__main__":
    main()
