"""Print what a report of ``segsam predict`` or ``segsam suggest`` found, with the doubtful objects first.

Usage: python examples/read_report.py report.json
"""

import json
import sys
from pathlib import Path


def lines(report: dict) -> list[str]:
    """One line for each object; those whose two decoders disagree come first."""
    objects = sorted(report["objects"], key=lambda o: o["decoder_agreement"] or 0)  # null where a model has one decoder
    found = [
        f"{o['class']:20} {o['volume_mm3'] / 1000:8.1f} ml on {o['axis']} {o['slice']}"
        f"  agreement {'unknown' if o['decoder_agreement'] is None else format(o['decoder_agreement'], '.2f')}"
        for o in objects
    ]
    return found + [
        f"{s['class']:20} suggested on {s['axis']} {s['slice']}, score {s['score']:.2f}" for s in report["suggestions"]
    ]


if __name__ == "__main__":
    print(*lines(json.loads(Path(sys.argv[1]).read_text())), sep="\n")
