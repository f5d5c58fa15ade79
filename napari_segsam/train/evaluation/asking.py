"""The kinds of prompt that an evaluation knows, made from the true mask: box, point, points:N, iterative:N, study."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import BadPromptsError, UnknownNameError
from napari_segsam.core.prediction import Prediction, dice
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine.suggest import centre_of
from napari_segsam.train.components import components

Mask = NDArray[np.bool_]
Ask = Callable[[Prompts], Prediction]
"""Puts prompts to the model for the picture at hand."""

STUDY_MODES = "12345"
_STUDY_COMPONENTS = 3
_MAX_CLICKS = 100


@dataclass(frozen=True, eq=False)
class Attempt:
    """What one way of prompting gave.

    Attributes:
        mode: "" or the study's mode "1".."5".
        mask: (rows, cols) the answer.
        oracle: (rows, cols) the best of the model's candidate masks, as if a person had chosen it.
        prompts: what was asked, in order.
        prediction: the answer that names the class; None where no model was asked.
        semantic: (rows, cols) the semantic-aware decoder's answer.
        by_click: Dice after each click, of iterative prompts.
    """

    mode: str
    mask: Mask
    oracle: Mask
    prompts: tuple[Prompts, ...]
    prediction: Prediction | None = None
    semantic: Mask | None = None
    by_click: tuple[float, ...] = ()


Asking = Callable[[Ask, Mask, np.random.Generator], Iterator[Attempt]]


def asking(kind: str) -> Asking:
    """The way of prompting that ``kind`` names.

    Raises:
        UnknownNameError: names the ones there are.
    """
    fixed: dict[str, Asking] = {"box": box, "point": points(1), "study": study}
    counted: dict[str, Callable[[int], Asking]] = {"points": points, "iterative": iterative}
    match = re.fullmatch(r"(\w+):([1-9]\d{0,2})", kind)
    if kind in fixed:
        return fixed[kind]
    if match and match[1] in counted and int(match[2]) <= _MAX_CLICKS:
        return counted[match[1]](int(match[2]))
    raise UnknownNameError("kind of prompt", kind, KINDS)


KINDS = (
    "box", "point", "points:3", "iterative:9", "study", "online:box", "online:point",
    "baseline:ellipse", "baseline:grabcut", "baseline:randomwalker",
)  # fmt: skip


def box(ask: Ask, truth: Mask, rng: np.random.Generator) -> Iterator[Attempt]:
    """One box, tight around the whole mask."""
    yield _once(ask, truth, Prompts(box=Box.around(truth)))


def points(n: int) -> Asking:
    """``n`` different random pixels of the mask, all at once; fewer where the mask has fewer."""

    def ask_points(ask: Ask, truth: Mask, rng: np.random.Generator) -> Iterator[Attempt]:
        yield _once(ask, truth, Prompts(_random_clicks(truth, n, rng)))

    return ask_points


def iterative(n: int) -> Asking:
    """A random pixel of the mask, then click after click in the middle of the largest error, ``n`` in all."""

    def ask_iteratively(ask: Ask, truth: Mask, rng: np.random.Generator) -> Iterator[Attempt]:
        prompts = Prompts(_random_clicks(truth, 1, rng))
        by_click: list[float] = []
        while True:
            prediction = ask(prompts)
            by_click.append(dice(prediction.mask, truth))
            correction = correcting_click(prediction.mask, truth)
            if correction is None or len(by_click) == n:
                break
            prompts = Prompts((*prompts.clicks, correction), mask=prediction.mask)
        by_click += by_click[-1:] * (n - len(by_click))  # a perfect mask needs no further click
        yield _attempt(truth, prompts, prediction, by_click=tuple(by_click))

    return ask_iteratively


def study(ask: Ask, truth: Mask, rng: np.random.Generator) -> Iterator[Attempt]:
    """The five modes of the SAM experimental study (Mazurowski et al. 2023).

    1 the centre of the largest component; 2 the centres of the three largest, as one set; 3 the box of the largest;
    4 the boxes of the three largest, asked one by one, masks joined; 5 one box around the whole mask. A mode whose
    prompts the model does not take is left out.

    Raises:
        BadPromptsError: it takes none of them; as it says.
    """
    largest = components(truth, _STUDY_COMPONENTS)
    clicks = tuple(Click(*_centre(c)) for c in largest)
    ways: tuple[Callable[[], list[Attempt]], ...] = (
        lambda: [_once(ask, truth, Prompts(clicks[:1]), "1"), _once(ask, truth, Prompts(clicks), "2")],
        lambda: _boxes(ask, truth, largest),
        lambda: [_once(ask, truth, Prompts(box=Box.around(truth)), "5")],
    )
    refused: list[BadPromptsError] = []
    for way in ways:
        try:
            attempts = way()
        except BadPromptsError as error:
            refused.append(error)
        else:
            yield from attempts
    if len(refused) == len(ways):
        raise refused[0]


def _boxes(ask: Ask, truth: Mask, largest: list[Mask]) -> list[Attempt]:
    """The study's modes 3 and 4, which share a box."""
    boxes = [Prompts(box=Box.around(c)) for c in largest]
    answers = [ask(b) for b in boxes]
    joined = np.logical_or.reduce([a.mask for a in answers])
    said = [a.semantic_mask for a in answers if a.semantic_mask is not None]
    semantic = np.logical_or.reduce(said) if said else None
    oracle = np.logical_or.reduce([_oracle(a, c) for a, c in zip(answers, largest, strict=True)])
    all_ = Attempt("4", joined, oracle, tuple(boxes), answers[0], semantic)
    return [_attempt(truth, boxes[0], answers[0], "3"), all_]


def _once(ask: Ask, truth: Mask, prompts: Prompts, mode: str = "") -> Attempt:
    return _attempt(truth, prompts, ask(prompts), mode)


def _attempt(
    truth: Mask, prompts: Prompts, prediction: Prediction, mode: str = "", by_click: tuple[float, ...] = ()
) -> Attempt:
    oracle = _oracle(prediction, truth)
    return Attempt(mode, prediction.mask, oracle, (prompts,), prediction, prediction.semantic_mask, by_click)


def _oracle(prediction: Prediction, truth: Mask) -> Mask:
    masks = [prediction.mask, *(c.mask for c in prediction.candidates)]
    return max(masks, key=lambda m: dice(m, truth))


def _random_clicks(truth: Mask, n: int, rng: np.random.Generator) -> tuple[Click, ...]:
    pixels = np.argwhere(truth)
    picked = pixels[rng.permutation(len(pixels))[:n]]
    return tuple(Click(float(row), float(col)) for row, col in picked)


def correcting_click(mask: Mask, truth: Mask) -> Click | None:
    """A click in the middle of the largest error: positive where something is missing; None where all is right."""
    errors = components(truth & ~mask, 1) + components(mask & ~truth, 1)
    if not errors:
        return None
    row, col = _centre(max(errors, key=lambda e: int(e.sum())))
    return Click(row, col, bool(truth[row, col]))


def _centre(mask: Mask) -> tuple[int, int]:
    """The (row, column) that is furthest from the mask's edge, in pixels."""
    box = Box.around(mask)  # distances need no more of a large picture
    top, left = int(box.row_min), int(box.col_min)
    row, col = centre_of(mask[top : int(box.row_max) + 1, left : int(box.col_max) + 1], (1.0, 1.0))
    return top + row, left + col


class OneMask:
    """Asks a model about one mask; prompts that hold no earlier mask are put to it once.

    Most masks have one component, for which most of the study's modes, ``box`` and ``point`` ask the same thing.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: dict[tuple[tuple[Click, ...], Box | None], tuple[Prediction, float]] = {}
        self._seconds = 0.0

    def __call__(self, prompts: Prompts) -> Prediction:
        """The model's answer."""
        key = prompts.clicks, prompts.box
        known = self._known.get(key) if prompts.mask is None else None
        prediction, seconds = known or self._timed(prompts)
        if prompts.mask is None:
            self._known[key] = prediction, seconds
        self._seconds += seconds
        return prediction

    def timed(self, work: Callable[[], Prediction]) -> Prediction:
        """What else is done for an answer counts with it."""
        begun = time.perf_counter()
        prediction = work()
        self._seconds += time.perf_counter() - begun
        return prediction

    def take_seconds(self) -> float:
        """What the answers since the last call took when they were made."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _timed(self, prompts: Prompts) -> tuple[Prediction, float]:
        begun = time.perf_counter()
        return self._ask(prompts), time.perf_counter() - begun
