"""SAMAug: pictures with another model's prior maps on them, to learn from and to ask about beside the raw ones.

Source: Zhang et al., "Input Augmentation with SAM" (MedAGI at MICCAI 2023); what is ours is in decision 17.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.core.prediction import Prediction
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.protocols import Embedding, Predictor
from napari_segsam.engine.zoo.automatic_masks import SAMAUG, finished
from napari_segsam.engine.zoo.prior_maps import PriorMaps, augmented, maps_of, maps_version, most_certain
from napari_segsam.io.atomic import replacing, write_bytes
from napari_segsam.train.data.sample import Sample
from napari_segsam.train.evaluation.targets import read_picture

log = logging.getLogger(__name__)
FOLDER = "priors"
"""Beside the folder of a run, so that the next run need not make them again."""
_SAID_EVERY_S = 30.0


@dataclass(frozen=True)
class PriorSource:
    """Which model makes the maps; sent to other processes, so ``load`` is a function of a module or a partial of one.

    Attributes:
        load: gives the model.
        points: clicks along each side of a picture.
    """

    load: Callable[[], Predictor | None]
    points: int = SAMAUG.points

    def maps(self, view: SliceView, asked: Window | None) -> PriorMaps:
        """Of one slice, seen through the window that was asked for.

        Raises:
            BadPromptsError: the model takes no points.
        """
        predictor = self.load()
        if predictor is None:
            return PriorMaps.empty(view.shape)
        return maps_on(view, predictor, asked, self.points)

    def version(self, view: SliceView, asked: Window | None) -> str:
        """Of the maps of one slice: another one where they might differ; see :func:`maps_version`.

        Raises:
            BadPromptsError: the model takes no points.
        """
        predictor = self.load()
        if predictor is None:
            return "none"
        return maps_version(predictor, view, predictor.window_for(view, None, asked), self.points)


def maps_on(view: SliceView, predictor: Predictor, asked: Window | None, points: int) -> PriorMaps:
    """The maps of one slice, seen through the window that was asked for.

    Raises:
        BadPromptsError: the model takes no points.
    """
    embedding = predictor.embed(view, predictor.window_for(view, None, asked))
    return finished(maps_of(predictor, embedding, points))


def augmented_view(view: SliceView, maps: PriorMaps) -> SliceView:
    """An 8-bit picture as :func:`read_picture` gives it, with its maps on it; a slice of three colours in real numbers.

    Its intensities are in 0..1 and reach beyond where maps lie.
    """
    pixels = augmented(view.pixels.astype(np.float32) / np.float32(255), maps)
    voxels = np.ascontiguousarray(pixels.swapaxes(0, 1)[:, :, None])
    return SliceView(replace(view.volume, voxels=voxels, id=uuid4().hex), view.axis, view.index)


def surer_answer(predictor: Predictor, embeddings: Sequence[Embedding], prompts: Prompts) -> Prediction:
    """Ask about the raw and the augmented picture; the answer whose mask's probabilities have less entropy."""
    chances = [1 / (1 + np.exp(-predictor.logits(e, prompts).astype(np.float64))) for e in embeddings]
    return predictor.predict(embeddings[most_certain(chances)], prompts)


class PriorStore:
    """Maps of pictures on disk, made where they are not there yet.

    A file is named by the digest of picture, weights, clicks and code, so that no others' maps are taken for them.

    Args:
        folder: made where it is not there.
        source: whose maps.
    """

    def __init__(self, folder: Path, source: PriorSource) -> None:
        self.folder, self._source = folder, source

    def paths(self, samples: Iterable[Sample]) -> dict[str, Path]:
        """The sample's name -> its file, for all whose picture can be read.

        Raises:
            BadPromptsError: the model takes no points.
            WriteError: the disk is full or gone.
        """
        found: dict[str, Path] = {}
        made, said = 0, time.monotonic()
        for sample in samples:
            try:
                volume, window = read_picture(sample)
            except UnreadableInputError:
                continue  # training leaves it out as well, and says why
            view = SliceView(volume, 2, 0)
            path = self._path(view, window)
            if not is_whole(path, view.shape):
                write_maps(path, self._source.maps(view, window))
                made += 1
            found[sample.name] = path
            if time.monotonic() - said > _SAID_EVERY_S:
                log.info("prior maps of %d pictures, %d of them made now", len(found), made)
                said = time.monotonic()
        log.info("prior maps of %d pictures, %d of them made now", len(found), made)
        return found

    def _path(self, view: SliceView, asked: Window | None) -> Path:
        return self.folder / f"{self._source.version(view, asked)}.safetensors"


def write_maps(path: Path, maps: PriorMaps) -> None:
    """Write the maps of one picture, whole or not at all; their folder is made where it is not there.

    Raises:
        WriteError: the disk is full or gone.
    """
    data = save({"stability": maps.stability, "boundary": maps.boundary.astype(np.uint8)})
    try:
        with replacing(path) as (beside,):
            path.parent.mkdir(exist_ok=True)
            write_bytes(beside, data)
    except WriteError:
        with suppress(OSError):
            path.parent.rmdir()  # which the system does only where it is empty
        raise


def read_maps(path: Path) -> NDArray[np.float32]:
    """(rows, cols, 2) stability and boundary."""
    stored = load_file(path)
    return np.stack([stored["stability"], stored["boundary"].astype(np.float32)], axis=2)


def is_whole(path: Path, shape: tuple[int, int]) -> bool:
    """Whether the maps of a (rows, cols) picture are there and can be read."""
    try:
        return path.is_file() and read_maps(path).shape == (*shape, 2)
    except (SafetensorError, KeyError, ValueError, OSError):
        return False
