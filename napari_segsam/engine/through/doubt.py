"""Whether the mask that a model gives on the next slice is still the object that a person began with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.prediction import Prediction, dice
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.objects import named, place_of

Mask = NDArray[np.bool_]

_BINS = 8
_PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Limits:
    """Where an object is no longer carried on.

    Chosen with ``nano`` on 138 structures in CT, MR, PET and a phantom, so that as many slices as possible with a Dice
    above 0.5 are carried and as few as possible below (``benchmarks/accuracy/propagation.py``). Near these values the
    result hardly changes; ``likeness``, which does most of the work, is the same whichever source is left out.

    Attributes:
        drawn_alike: Dice of the start mask and what the model draws in its box. An object that the model draws
            otherwise even there is better copied or interpolated.
        likeness: how much of two histograms coincides, of the intensities in this mask and in the start mask. By far
            the best sign: a box is always filled with something, but past an object's end that looks different.
        iou_kept: predicted IoU, as a part of that on the start slice; its size differs from class to class.
        agreement_kept: agreement of the two decoders, likewise. Those of ``nano`` hardly ever part.
        overlap: Dice of this mask and the one on the slice before; no area can grow or shrink by more than 2.6 then.
        sure: score from which another class than on the start slice is believed; below it, look-alikes stop too much.
    """

    drawn_alike: float = 0.8
    likeness: float = 0.5
    iou_kept: float = 0.65
    agreement_kept: float = 0.85
    overlap: float = 0.55
    sure: float = 0.75


@dataclass(frozen=True, eq=False)
class Memory:
    """What the object is like where it begins.

    Attributes:
        view: the start slice.
        mask: (rows, cols) the object there, as the person has it.
        drawn: what the model answers there.
        name: its class as the person sees it; None where neither the person nor the model says one.
        span: lowest and highest intensity that is told apart.
        shares: of the mask's pixels, in each bin of intensity.
    """

    view: SliceView
    mask: Mask
    drawn: Prediction
    name: str | None
    span: tuple[float, float]
    shares: NDArray[np.float64]

    @classmethod
    def of(cls, view: SliceView, mask: Mask, drawn: Prediction, name: str | None) -> Memory:
        """Intensities are told apart within the window that the model saw, else within most of those on the slice."""
        grey = _intensities(view)
        low, high = np.percentile(grey, _PERCENTILES) if drawn.window is None else drawn.window.limits
        span = float(low), float(max(high, low + 1e-6))
        return cls(view, mask, drawn, name or _best(drawn), span, _shares(grey[mask], span))

    def misdrawn(self, limits: Limits) -> str:
        """Why the model cannot carry this object at all; empty where it can."""
        alike = dice(self.mask, self.drawn.mask)
        if alike >= limits.drawn_alike:
            return ""
        return (
            f"The model draws this object otherwise than it is on {_name(self.view)} (overlap {alike:.2f}), so it was "
            "not carried. Draw it on several slices and interpolate between them."
        )

    def doubt(self, last: Mask, view: SliceView, said: Prediction, limits: Limits) -> str:
        """Why an answer is not believed, the most telling reason first; empty where it is.

        What the model does not say is no reason.

        Args:
            last: (rows, cols) not empty, the mask on the slice before.
            view: the slice that was asked about.
            said: the answer.
            limits: what is believed.
        """
        if not said.mask.any():
            return "nothing of it was found there"
        best, at_start = _best(said), self.drawn
        if best is not None and said.classes[0].score >= limits.sure and best not in (self.name, _best(at_start)):
            return f"it would be called {spoken(best)}, not {spoken(self.name or 'that')}"
        likeness = float(np.minimum(self.shares, _shares(_intensities(view)[said.mask], self.span)).sum())
        if likeness < limits.likeness:
            return f"what is there looks different from {_name(self.view)} (likeness {likeness:.2f})"
        overlap = dice(said.mask, last)
        if overlap < limits.overlap:
            return f"its mask would jump (overlap {overlap:.2f} with the slice before)"
        if _fell(said.iou_predicted, at_start.iou_predicted, limits.iou_kept):
            return f"the model is less sure of it (predicted IoU {said.iou_predicted:.2f})"
        if _fell(said.decoder_agreement, at_start.decoder_agreement, limits.agreement_kept):
            return f"the two decoders draw it differently (agreement {said.decoder_agreement:.2f})"
        return ""


def _best(said: Prediction) -> str | None:
    """The class that the model would choose."""
    return said.classes[0].name if said.classes else None


def _fell(now: float | None, at_start: float | None, kept: float) -> bool:
    """Whether a score is known and less than this part of what it was."""
    return now is not None and at_start is not None and now < kept * at_start


def _intensities(view: SliceView) -> NDArray[np.float64]:
    """(rows, cols) of grey; a colour counts as the mean of its channels."""
    pixels = np.asarray(view.pixels, dtype=np.float64)
    return pixels.mean(-1) if view.volume.is_rgb else pixels


def _shares(values: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
    """The share of ``values`` in each bin; those beyond the ``span`` count for the outermost ones."""
    counts, _ = np.histogram(np.clip(values, *span), _BINS, span)
    return np.asarray(counts / max(len(values), 1))


def _name(view: SliceView) -> str:
    return named(place_of(view))
