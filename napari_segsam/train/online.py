"""AuxOL: a small network learns from each object that a person corrects, and helps SAM with the next one.

Source: AuxOL (IEEE TMI 2025, arXiv 2406.00956). SAM stays as it is. Its logits s and the network's logits u for the
same crop are fused to alpha s + (1 - alpha) u. After a correction the alpha that would have been best is known; the
next answer is fused with the mean of the last five of these, and the first five answers are SAM's own.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.core.prompts import Box
from napari_segsam.model.zoo.aux_unet import BASE, AuxUNet, structure_loss

MEMORY = 5
"""So many corrections say how far SAM is trusted; before there are so many, it alone is."""
_ALPHAS = torch.linspace(0, 1, 21)
_MARGIN = 0.1
"""Of the sides of SAM's mask, seen around it where no box says where to look."""

Pixels = NDArray[np.uint8]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class OnlineSettings:
    """Sizes of the learner; the defaults are for a CPU, :data:`PUBLISHED` for a GPU.

    Attributes:
        base: channels of the network at full size.
        batch: crops of one step: the newest, and others drawn from the queue.
        queue: crops that are remembered.
        piece: crops of a batch that are learnt from at once; the gradient is that of the whole batch in any case.
        side: pixels of the square that a crop is resized to; a multiple of 16, at least 32.
        rate, weight_decay: of AdamW.
        seed: of the first weights and of the draws.
    """

    base: int = BASE // 4
    batch: int = 8
    queue: int = 32
    piece: int = 1
    side: int = 128
    rate: float = 5e-4
    weight_decay: float = 5e-4
    seed: int = 0


PUBLISHED = OnlineSettings(base=BASE, batch=32, piece=8)
"""The authors' own: each step looks at the whole queue."""


class Fused(NamedTuple):
    """What is shown for one crop.

    Attributes:
        logits: (rows, cols) float32, fused; the object is where they are positive.
        alpha: SAM's share in them, 0 to 1.
    """

    logits: Logits
    alpha: float


class _Crop(NamedTuple):
    """One remembered correction.

    Attributes:
        seen: (4, S, S) uint8, the picture and SAM's mask.
        mask: (1, S, S) bool, the corrected mask.
        of: whose it is.
        unseen: (1, S, S) the network's logits from before it ever learnt from this object.
    """

    seen: Tensor
    mask: Tensor
    of: Hashable = None
    unseen: Tensor = torch.empty(0)


class _Served(NamedTuple):
    """What answers are made with; replaced as a whole, so that an answer never sees half of a step."""

    net: AuxUNet
    best_alphas: tuple[tuple[Hashable, float], ...]
    corrections: int


class OnlineLearner:
    """Answers and learns, crop by crop.

    A ``lesson`` belongs on one background thread. ``answer`` may run on another meanwhile: it uses the network as it
    was when the last step ended, and never waits.
    """

    def __init__(self, settings: OnlineSettings | None = None, device: str | torch.device = "cpu") -> None:
        self.settings = settings or OnlineSettings()
        self.device = torch.device(device)
        s = self.settings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(s.seed)
            self._net = AuxUNet(base=s.base).to(self.device)
        self._optimiser = torch.optim.AdamW(self._net.parameters(), s.rate, weight_decay=s.weight_decay)
        self._queue: deque[_Crop] = deque(maxlen=s.queue)
        self._draws = np.random.default_rng(s.seed)
        self._serve((), 0)

    @property
    def alpha(self) -> float:
        """SAM's share in the next answer; 1 until there were five corrections."""
        return _mean_of_last(self._served.best_alphas)

    @property
    def lacks(self) -> int:
        """How many more objects it has to learn from before SAM is not alone."""
        return MEMORY - len(self._served.best_alphas)

    @property
    def corrections(self) -> int:
        """How many objects it has learnt from."""
        return self._served.corrections

    def answer(self, crop: Pixels, sam_logits: Logits) -> Fused:
        """SAM's logits for a crop, fused with the network's.

        Args:
            crop: (rows, cols) or (rows, cols, 3) in 0..255, the picture as SAM was shown it.
            sam_logits: (rows, cols), positive on the object.

        Raises:
            ValueError: shapes that do not fit.
        """
        _check(crop, sam_logits)
        served = self._served
        alpha = _mean_of_last(served.best_alphas)
        if alpha == 1.0:
            return Fused(sam_logits.astype(np.float32), 1.0)
        with torch.inference_mode():
            seen = self._square(crop, sam_logits)
            ours = _resized(served.net(self._batch([seen]))[0].cpu(), sam_logits.shape)[0]
            fused = alpha * torch.from_numpy(sam_logits.astype(np.float32)) + (1 - alpha) * ours
        return Fused(fused.numpy(), alpha)

    def lesson(
        self, crop: Pixels, sam_logits: Logits, corrected: NDArray[np.bool_], of: Hashable = None
    ) -> Generator[None, None, None]:
        """One step, after a person corrected or confirmed an object, in pieces between which other things can be done.

        The alpha that would have been best for this crop is judged with the network as it was before the step.

        Args:
            crop: as it was given to :meth:`answer`.
            sam_logits: too; SAM's own, and not the fused ones.
            corrected: (rows, cols) what the object truly is.
            of: whose correction it is: takes the place of an earlier one of the same; None is nobody's.

        Raises:
            ValueError: shapes that do not fit.
        """
        _check(crop, sam_logits, corrected)
        truth = torch.from_numpy(corrected.astype(np.float32))
        mask = _resized(truth[None], (self.settings.side, self.settings.side)) >= 0.5
        newest = _Crop(self._square(crop, sam_logits), mask, of)
        earlier = next((c for c in self._queue if of is not None and c.of == of), None)
        others = [c for c in self._queue if c is not earlier]
        before = yield from self._step(newest, others)
        unseen = before if earlier is None else earlier.unseen
        self._queue = deque([*others, newest._replace(unseen=unseen)], self.settings.queue)
        ours = _resized(unseen, sam_logits.shape)[0]
        best = best_alpha(torch.from_numpy(sam_logits.astype(np.float32)), ours, truth)
        alphas = tuple((who, alpha) for who, alpha in self._served.best_alphas if of is None or who != of)
        self._serve((*alphas, (of, best))[-MEMORY:], self._served.corrections + (earlier is None))

    def _step(self, newest: _Crop, others: list[_Crop]) -> Generator[None, None, Tensor]:
        """Learn from the newest crop and some of the others, piece by piece -> (1, S, S) its logits from before."""
        drawn = self._draws.permutation(len(others))[: self.settings.batch - 1]
        crops = [newest, *(others[int(i)] for i in drawn)]
        before: list[Tensor] = []
        self._optimiser.zero_grad()
        for first in range(0, len(crops), self.settings.piece):
            some = crops[first : first + self.settings.piece]
            logits = self._net(self._batch([c.seen for c in some]))
            loss = structure_loss(logits, torch.stack([c.mask for c in some]).float().to(self.device))
            (loss * (len(some) / len(crops))).backward()  # type: ignore[no-untyped-call]
            before += [] if before else [logits[0].detach().cpu()]
            yield
        self._optimiser.step()
        return before[0]

    def _serve(self, best_alphas: tuple[tuple[Hashable, float], ...], corrections: int) -> None:
        net = copy.deepcopy(self._net).requires_grad_(False).eval()
        self._served = _Served(net, best_alphas, corrections)

    def _square(self, crop: Pixels, sam_logits: Logits) -> Tensor:
        """(4, S, S) uint8: the crop's colours and SAM's mask."""
        colours = torch.from_numpy(np.ascontiguousarray(crop)).reshape(*crop.shape[:2], -1).permute(2, 0, 1)
        mask = torch.from_numpy(np.where(sam_logits > 0, np.float32(255), np.float32(0)))[None]
        seen = torch.cat([colours.float().expand(3, -1, -1), mask])
        return _resized(seen, (self.settings.side, self.settings.side)).round().clamp(0, 255).to(torch.uint8)

    def _batch(self, seen: list[Tensor]) -> Tensor:
        """Crops of :meth:`_square` -> (B, 4, S, S) in 0..1."""
        return torch.stack(seen).to(self.device).float() / 255


def best_alpha(sam: Tensor, ours: Tensor, truth: Tensor) -> float:
    """Of 0, 0.05, ... 1 the one whose fused logits have the largest soft Dice; the smallest of several.

    Args:
        sam: (rows, cols) logits.
        ours: (rows, cols) the network's.
        truth: (rows, cols) zeros and ones.
    """
    best, found = -1.0, 0.0
    for alpha in _ALPHAS.tolist():
        p = (alpha * sam + (1 - alpha) * ours).sigmoid()
        dice = float((2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1))
        if dice > best:
            best, found = dice, alpha
    return round(found, 2)


def region(shape: tuple[int, int], mask: NDArray[np.bool_], box: Box | None) -> tuple[slice, slice]:
    """Where the learner looks on a picture: the person's box, or SAM's mask and a tenth of its sides around it.

    Args:
        shape: (rows, cols) of the picture.
        mask: (rows, cols) SAM's; only read where there is no box.
        box: the prompt's.

    Raises:
        BadPromptsError: no box, and the mask is empty.
    """
    seen = box or Box.around(mask)
    sides = seen.row_max - seen.row_min + 1, seen.col_max - seen.col_min + 1
    more = (0.0, 0.0) if box else (_MARGIN * sides[0], _MARGIN * sides[1])
    rows = slice(max(int(np.floor(seen.row_min - more[0])), 0), min(int(np.ceil(seen.row_max + more[0])) + 1, shape[0]))
    cols = slice(max(int(np.floor(seen.col_min - more[1])), 0), min(int(np.ceil(seen.col_max + more[1])) + 1, shape[1]))
    return rows, cols


def _mean_of_last(best_alphas: tuple[tuple[Hashable, float], ...]) -> float:
    return 1.0 if len(best_alphas) < MEMORY else float(np.mean([alpha for _, alpha in best_alphas]))


def _resized(values: Tensor, size: tuple[int, ...]) -> Tensor:
    """(C, h, w) -> (C, *size), bilinear, smoothed where it shrinks (as PIL's resize is)."""
    return F.interpolate(values[None], list(size), mode="bilinear", align_corners=False, antialias=True)[0]


def _check(crop: Pixels, *planes: NDArray) -> None:  # type: ignore[type-arg]
    """Refuse what does not lie on one (rows, cols) grid."""
    colours = crop.ndim == 2 or (crop.ndim == 3 and crop.shape[2] == 3)
    if not colours or not crop.size or any(p.shape != crop.shape[:2] for p in planes):
        shapes = ", ".join(str(a.shape) for a in (crop, *planes))
        raise ValueError(f"a crop, its logits and its mask have one size (rows, cols), and not {shapes}")
