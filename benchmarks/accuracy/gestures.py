"""What a lasso and a scribble are worth as prompts, with outlines and strokes as a hand would draw them.

    python benchmarks/accuracy/gestures.py --data SA-Med2D [--model nano] [--limit 300]

Each is drawn on the largest part of a mask of the validation split. Outlines lie on its edge, 6 % of its size outside
or inside, or run unsteadily; a stroke follows its middle for 40 to 90 % of a way through it. A correcting stroke runs
through the largest error of a first answer. Means of Dice; the product's own way is marked.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import route_through_array
from skimage.measure import find_contours

from napari_segsam.core.prediction import dice
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.gestures import lasso, scribble
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.engine.suggest import centre_of
from napari_segsam.engine.through.tidy import parts, signed_distance
from napari_segsam.io.registry import locate
from napari_segsam.train.evaluation.targets import draw, list_targets, random_for, read_mask, read_picture

Mask = NDArray[np.bool_]
Path_ = NDArray[np.float64]
Answer = Callable[[Prompts], Mask]

HANDS = {"on the edge": (0.0, 0.04), "outside": (0.06, 0.04), "inside": (-0.06, 0.04), "unsteady": (0.03, 0.09)}
"""How far outside the true edge a hand draws, and how unsteadily, in parts of the object's size (root of its area)."""
MM = (1.0, 1.0)


def outline(true: Mask, offset: float, shake: float, rng: np.random.Generator) -> Path_ | None:
    """A closed path round a (rows, cols) mask of one part; None where nothing of it is left."""
    size = float(np.sqrt(true.sum()))
    pad = int(0.5 * size) + 4
    distance = signed_distance(np.pad(true, pad), MM)
    noise = ndimage.gaussian_filter(rng.normal(size=distance.shape), max(0.15 * size, 1.0))
    drawn = distance + shake * size * noise / noise.std() + offset * size
    contours = find_contours(drawn, 0.0)
    return None if not contours else max(contours, key=len) - pad


def stroke(mask: Mask, rng: np.random.Generator) -> Path_:
    """An open path along the middle of a (rows, cols) mask of one part."""
    deep = signed_distance(mask, MM)
    pixels = np.argwhere(deep >= min(0.06 * np.sqrt(mask.sum()), deep.max()))
    ends = max((rng.choice(pixels, 2) for _ in range(12)), key=lambda e: float(np.linalg.norm(e[0] - e[1])))
    path, _ = route_through_array(np.where(mask, 1 / (np.maximum(deep, 0) + 0.3) ** 1.5, 1e4), *ends)
    length = max(int(len(path) * rng.uniform(0.4, 0.9)), 1)
    begin = int(rng.integers(0, len(path) - length + 1))
    return np.array(path[begin : begin + length], dtype=np.float64)


def lassos(true: Mask, ask: Answer, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Dice of every use of an outline, for every hand."""
    yield "lasso, the true box", dice(ask(Prompts(box=Box.around(true))), true)
    for hand, (offset, shake) in HANDS.items():
        path = outline(true, offset, shake, rng)
        if path is None:
            continue
        own = lasso(path, true.shape, MM)
        assert own.mask is not None
        box = Box.around(own.mask)
        uses = {
            "box": Prompts(box=box),
            "box, clicks": Prompts(own.clicks, box),
            "box, mask": Prompts(box=box, mask=own.mask),
            "box, clicks, mask": Prompts(own.clicks, box, own.mask),
            "clicks, mask (own)": own,
        }
        yield f"lasso {hand}: its inside, no model", dice(own.mask, true)
        for name, prompts in uses.items():
            yield f"lasso {hand}: {name}", dice(ask(prompts), true)


def strokes(true: Mask, ask: Answer, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Dice of every use of a stroke over the object, where nothing else is prompted."""
    path = stroke(true, rng)
    own = scribble(path, true.shape, MM)
    half = 1 + len(own) // 2
    in_order = (*own[1:half], own[0], *own[half:])
    yield "stroke: one click in its middle", dice(ask(Prompts(own[:1])), true)
    yield "stroke: clicks, its beginning first", dice(ask(Prompts(in_order)), true)
    yield "stroke: clicks, its middle first (own)", dice(ask(Prompts(own)), true)
    yield "stroke: clicks, and itself as a mask", dice(ask(Prompts(own, mask=_painted(path, true.shape))), true)


def corrections(true: Mask, ask: Answer, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """Dice before and after a stroke through the largest error of a box's or a click's answer."""
    centre = Click(*map(float, centre_of(true, MM)))
    first = ask(Prompts((centre,)) if rng.random() < 0.5 else Prompts(box=Box.around(true)))
    errors = parts(true & ~first, 1) + parts(first & ~true, 1)
    if not errors or not first.any():
        return
    error = max(errors, key=lambda e: int(e.sum()))
    positive = bool((true & error).any())
    path = stroke(error, rng)
    own = scribble(path, true.shape, MM, positive)
    there = () if positive else (Click(*map(float, centre_of(first, MM))),)  # a negative click alone asks for nothing
    painted = first | _painted(path, true.shape) if positive else first & ~_painted(path, true.shape)
    yield "correction: before", dice(first, true)
    yield "correction: one click", dice(ask(Prompts((*there, *own[:1]), mask=first)), true)
    yield "correction: clicks (own)", dice(ask(Prompts((*there, *own), mask=first)), true)
    if painted.any():
        yield "correction: clicks, stroke painted", dice(ask(Prompts((*there, *own), mask=painted)), true)


def _painted(path: Path_, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, bool)
    mask[tuple(path.astype(int).T)] = True
    return mask


def _asking(predictor: Predictor, embedding: Embedding) -> Answer:
    return lambda prompts: predictor.predict(embedding, prompts).mask


def main() -> None:
    """Print the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--limit", type=int, default=300)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    predictor = load_predictor(locate(asked.model), "cpu")
    targets, _ = list_targets(asked.data, "val")
    scores: dict[str, list[float]] = defaultdict(list)
    for target in draw(targets, asked.limit, 7):
        volume, window = read_picture(target.sample)
        view = SliceView(volume, 2, 0)
        true = parts(read_mask(target.mask, view.shape), 1)[0]
        if true.sum() < 16:
            continue
        ask = _asking(predictor, predictor.embed(view, predictor.window_for(view, None, window)))
        for gesture in (lassos, strokes, corrections):
            for name, score in gesture(true, ask, random_for(target.name, 5)):
                scores[name].append(score)
    for name, values in scores.items():
        print(f"{name:48} | {fmean(values):.3f} | {len(values)}")


if __name__ == "__main__":
    main()
