"""SliceDetector: a detector for pictures, asked about slices of a scan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import BadCheckpointError
from napari_segsam.core.prediction import Proposal
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.preprocess import PictureFrame, choose_window
from napari_segsam.engine.zoo import preparing
from napari_segsam.engine.zoo.box_proposals import Finder, load_finder, propose
from napari_segsam.model.zoo.family import Preparation

_SHOWN = Preparation(side=1, intensities="0..255")
"""A picture as a person sees it; its side is not read."""


@dataclass(frozen=True)
class SliceDetector:
    """See :class:`napari_segsam.engine.protocols.BoxDetector`.

    Attributes:
        name: of its file.
        sha256: of its file.
        finder: finds things on pictures.
    """

    name: str
    sha256: str
    finder: Finder

    @property
    def classes(self) -> tuple[str, ...]:
        """What it was taught, spelled as classes are here: ``Left Kidney`` is ``left_kidney``."""
        return self.finder.names

    def propose(self, view: SliceView, window: Window | None, at_least: float) -> tuple[Proposal, ...]:
        """See ``BoxDetector.propose``; it sees square pixels, as pictures have."""
        frame = PictureFrame.of(view)
        found = propose(self.finder, picture_of(view, window, frame), at_least)
        return tuple(replace(p, box=frame.box_back(p.box)) for p in found)


def picture_of(view: SliceView, asked: Window | None, frame: PictureFrame) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) of a slice in its frame, from 0 to 255: what a detector learns from, and is asked about.

    Args:
        view: the slice.
        asked: the window that it is seen through. Without one CT is seen through that for soft tissue, whichever model
            will fill the boxes, an 8-bit picture stays as it is, and all else is seen between percentiles.
        frame: of the slice.
    """
    values = preparing.values_of(view, choose_window(view, None, asked), _SHOWN)[0]
    values = PictureFrame.resize(values, (frame.height, frame.width))
    shown: NDArray[np.uint8] = values.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return shown if shown.shape[2] == 3 else shown[..., 0]


def load_detector(path: Path) -> SliceDetector:
    """A detector from its file, see :func:`napari_segsam.engine.zoo.box_proposals.load_finder`.

    Raises:
        BadCheckpointError: the file cannot be read, or is no detector; says what to do.
        SegsamError: onnxruntime is needed and absent.
    """
    try:
        digest = sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadCheckpointError(f"{path.name} cannot be read ({error.strerror}); choose another detector.") from error
    return SliceDetector(path.name, digest, load_finder(path))
