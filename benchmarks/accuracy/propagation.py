"""How far an object is carried through its scan, and how well: from the true mask on its middle slice, both ways.

    SEGSAM_SHARED=../shared python benchmarks/accuracy/propagation.py [--source phantom mr ...] [--ways]

Beside it stand, on the same slices, the start mask copied; and on all of the object's slices, what is carried and what
is copied where an oracle says where it ends, and what interpolation makes of its first, middle and last true slice.

The *worth* of carrying an object is the sum of (Dice - 0.5) over the slices that it was carried to, divided by the
number of its true ones: a slice below 0.5 costs a person what one above saves. The last table leaves out one limit
after another.
``--ways`` compares ways of prompting instead, each with that oracle, ten slices up and down.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import takewhile
from pathlib import Path
from statistics import fmean

import torch
from propagation_structures import Structure, structures
from propagation_ways import WAYS, Way

from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.predictor import SegSamPredictor, load_predictor
from napari_segsam.engine.through.doubt import Limits
from napari_segsam.engine.through.interpolate import interpolate
from napari_segsam.engine.through.propagate import Carried, Propagation, Stopped, asking
from napari_segsam.io.registry import locate

SHARED = Path(os.environ.get("SEGSAM_SHARED", "../shared"))
OWN = "box by trend, then its own"
NEVER = Limits(drawn_alike=0, likeness=0, iou_kept=0, agreement_kept=0, overlap=0, sure=2)
ALL = "all limits"
VARIANTS = {ALL: Limits()}
VARIANTS |= {
    f"without {limit.name}": replace(Limits(), **{limit.name: getattr(NEVER, limit.name)}) for limit in fields(Limits)
}
BEYOND = 6
"""Slices that are looked at past an object's end."""
_HELD_BYTES = 1 << 26


@dataclass(frozen=True)
class Slice:
    """One that an object was carried to: whether it is there at all, Dice of what was carried and of the start mask."""

    true: bool
    dice: float
    copied: float
    doubts: dict[str, str]


@dataclass(frozen=True)
class Result:
    """One structure: Dice of what the model draws on its start slice, the slices of both directions, its peers' Dice.

    Slices go on past every doubt, to a few beyond the object's end; the peers know where it ends.
    """

    structure: Structure
    alike: float
    directions: tuple[list[Slice], ...]
    copied: float
    interpolated: float

    @property
    def true(self) -> list[Slice]:
        """Where the object is, without its start slice; those that were not reached are missing."""
        return [s for d in self.directions for s in d if s.true]

    @property
    def count(self) -> int:
        """Slices where the object is, without its start slice."""
        return len(self.structure.slices) - 1

    def carried(self, variant: str) -> list[Slice]:
        """The slices before the first doubt in each direction."""
        if self.alike < VARIANTS[variant].drawn_alike:
            return []
        return [s for d in self.directions for s in takewhile(lambda s: not s.doubts[variant], d)]

    def worth(self, variant: str) -> float:
        """See the module."""
        return sum(s.dice - 0.5 for s in self.carried(variant)) / self.count


def follow(structure: Structure, predictor: SegSamPredictor, way: Way | None = None, far: int = 1 << 30) -> Result:
    """Carry a structure both ways, with the product's own way of prompting where none is named."""
    view, start = structure.view(structure.middle), structure.truth(structure.middle)
    window = predictor.window_for(view, Prompts(box=Box.around(start)))
    ask = asking(predictor, window, EmbeddingCache(_HELD_BYTES))
    name = predictor.vocabulary.canonical(structure.name)
    begun = replace(Propagation.begin(ask, view, start, 1, name), limits=NEVER)
    directions = tuple(_slices(structure, replace(begun, direction=d), way, far) for d in (1, -1))
    copied = fmean(dice(start, structure.truth(i)) for i in _others(structure, far))
    alike = dice(start, begun.start.prediction.mask)
    return Result(structure, alike, directions, copied, _interpolated(structure))


def _others(structure: Structure, far: int = 1 << 30) -> list[int]:
    """Its slices without the start slice, as far from that as ``far``."""
    return [i for i in structure.slices if 0 < abs(i - structure.middle) <= far]


def _slices(structure: Structure, way_on: Propagation, way: Way | None, far: int) -> list[Slice]:
    start, there = way_on.start, structure.slices
    found: list[Slice] = []
    last, beyond = start, 0
    while len(found) < far:
        step = way_on.next(last) if way is None else _step(way_on, last, way)
        if isinstance(step, Stopped):
            return found
        index = step.view.index
        beyond += not there[0] <= index <= there[-1]
        if beyond > (BEYOND if way is None else 0):
            return found
        truth = structure.truth(index)
        doubts = {n: way_on.memory.doubt(last.mask, step.view, step.prediction, v) for n, v in VARIANTS.items()}
        true = bool(truth.any())
        found.append(Slice(true, dice(step.mask, truth), dice(start.mask, truth), doubts))
        last = step
    return found


def _step(way_on: Propagation, last: Carried, way: Way) -> Carried | Stopped:
    index = last.view.index + way_on.direction
    if not 0 <= index < last.view.volume.grid.shape[last.view.axis]:
        return Stopped("")
    view = replace(last.view, index=index)
    said = way(way_on.ask, view, last)
    return Carried(view, said.mask, Prompts(), said, last.mask) if said.mask.any() else Stopped("")


def _interpolated(structure: Structure) -> float:
    there = structure.slices
    drawn = {i: structure.truth(i) for i in (there[0], structure.middle, there[-1])}
    between = interpolate(drawn, structure.view(there[0]).spacing_mm)
    return fmean([dice(m, structure.truth(i)) for i, m in between.items() if i not in drawn and i in there] or [1.0])


def mean(values: Iterable[float]) -> str:
    """Two digits, or a dash for none."""
    listed = list(values)
    return f"{fmean(listed):.2f}" if listed else "-"


def each(results: Sequence[Result]) -> None:
    """A line for each structure."""
    print("case | structure | alike | slices | carried | Dice | copied there | early | beyond | worth")
    for r in results:
        kept = r.carried(ALL)
        there = [s for s in kept if s.true]
        carried = f"{len(kept)} | {mean(s.dice for s in there)} | {mean(s.copied for s in there)}"
        ends = f"{r.count - len(there)} | {len(kept) - len(there)} | {r.worth(ALL):+.2f}"
        print(f"{r.structure.case} | {r.structure.name} | {r.alike:.2f} | {r.count} | {carried} | {ends}")


def stopping(results: Sequence[Result]) -> None:
    """A line for each source: what is carried, and where it stops."""
    print("source | structures | refused | share carried | Dice | copied there | below 0.5 | slices beyond | worth")
    for source, group in _by_source(results):
        begun = [r for r in group if r.alike >= Limits().drawn_alike]
        ways = [r.carried(ALL) for r in begun]
        there = [[s for s in way if s.true] for way in ways]
        share = mean(len(way) / r.count for way, r in zip(there, begun, strict=True))
        dices = mean(fmean(s.dice for s in way) for way in there if way)
        copied = mean(fmean(s.copied for s in way) for way in there if way)
        poor = mean(float(s.dice < 0.5) for way in ways for s in way)
        beyond = mean(float(sum(not s.true for s in way)) for way in ways)
        worth = mean(r.worth(ALL) for r in begun)
        counts = f"{source} | {len(group)} | {len(group) - len(begun)}"
        print(f"{counts} | {share} | {dices} | {copied} | {poor} | {beyond} | {worth}")


def to_the_end(results: Sequence[Result]) -> None:
    """A line for each source: every slice, where an oracle says where the object ends."""
    print("source | carried | copied | interpolated from three")
    for source, group in _by_source(results):
        carried = mean(sum(s.dice for s in r.true) / r.count for r in group)
        copied = mean(r.copied for r in group)
        print(f"{source} | {carried} | {copied} | {mean(r.interpolated for r in group)}")


def leaving_out(results: Sequence[Result]) -> None:
    """The worth of carrying without each limit."""
    print("limits | worth, mean of sources | slices beyond, each structure | Dice below 0.5")
    for variant in VARIANTS:
        begun = [r for r in results if r.alike >= VARIANTS[variant].drawn_alike]
        worth = fmean(fmean(r.worth(variant) for r in group) for s, group in _by_source(begun) if s != "all")
        kept = [s for r in begun for s in r.carried(variant)]
        past = sum(not s.true for s in kept) / len(begun)
        print(f"{variant} | {worth:.3f} | {past:.2f} | {mean(float(s.dice < 0.5) for s in kept)}")


def _by_source(results: Sequence[Result]) -> list[tuple[str, list[Result]]]:
    groups: dict[str, list[Result]] = defaultdict(list)
    for r in results:
        groups[r.structure.source].append(r)
    return [*groups.items(), ("all", list(results))]


def comparing(chosen: Iterable[Structure], predictor: SegSamPredictor, far: int = 10) -> None:
    """Mean Dice of each way of prompting, over structures."""
    scores: dict[str, list[float]] = defaultdict(list)
    for structure in chosen:
        for name, way in {**WAYS, OWN: None}.items():
            result = follow(structure, predictor, way, far)
            scores[name].append(sum(s.dice for s in result.true) / len(_others(structure, far)))
            if way is None:
                scores["the start mask copied"].append(result.copied)
    for name, values in scores.items():
        print(f"{name} | {fmean(values):.3f}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--source", nargs="*", help="all by default")
    parser.add_argument("--ways", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    predictor = load_predictor(locate(asked.model), "cpu")
    chosen = (s for s in structures(SHARED / "data") if not asked.source or s.source in asked.source)
    if asked.ways:
        comparing(chosen, predictor)
        return
    results = [follow(s, predictor) for s in chosen]
    for table in (each, stopping, to_the_end, leaving_out):
        table(results)
        print()


if __name__ == "__main__":
    main()
