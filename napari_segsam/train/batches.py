"""From pictures in memory to one training step's tensors, the same for the same seed and step."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.engine import zoom
from napari_segsam.engine.slice_look import sam_pixels
from napari_segsam.engine.zoo.prior_maps import PriorMaps, augmented
from napari_segsam.model.config import SegSamConfig
from napari_segsam.train import augment
from napari_segsam.train.config import TrainConfig
from napari_segsam.train.crops import Object, PromptedCrop, Prompter
from napari_segsam.train.data import synthetic
from napari_segsam.train.data.dataset import LoadedSample
from napari_segsam.train.draws import draws
from napari_segsam.train.losses import SetTargets
from napari_segsam.train.priors import read_maps
from napari_segsam.train.standing import OnSlice, Standing

_MIN_VISIBLE = 12
"""Objects with fewer pixels are not prompted."""
_BENT = 0.4
"""Share of pictures that are turned and stretched a little."""
_INVERTED = 0.05
"""Share of pictures shown light for dark."""
_CLASSES_COUNTED = 8
"""Classes of a data set beyond so many do not make it be drawn more often."""
_TRIES = 1000
"""Pictures drawn in vain, one after the other, before the data set is blamed."""

Shown = tuple[Tensor, list[PromptedCrop], SetTargets | None]
"""A slice as the encoder reads it, objects prompted on it, and what stands on it."""


@dataclass
class Batch:
    """One step's share of one process.

    Attributes:
        slices: (B, 3, S, S) as the encoder reads them.
        owner: (P,) which slice each prompt is on.
        crops: P prompted objects.
        present: what stands on each slice, None where that is not known.
    """

    slices: Tensor
    owner: Tensor
    crops: list[PromptedCrop]
    present: list[SetTargets | None]

    @property
    def names(self) -> list[str]:
        """File names, for a message about a bad batch."""
        return sorted({c.name for c in self.crops})

    def pin_memory(self) -> Batch:
        """The same, slices and what stands on them where a GPU reads by itself; ``DataLoader`` knows this name."""
        crops = [c if c.others is None else replace(c, others=c.others.pin_memory()) for c in self.crops]
        present = [None if t is None else t.pin_memory() for t in self.present]
        return Batch(self.slices.pin_memory(), self.owner.pin_memory(), crops, present)


@dataclass
class _Drawn:
    """A picture of 0..1 (H, W, C), objects to prompt on it (class id 0 is not learned), and what else stands on it.

    ``augmented`` is (H, W, 3), the same picture with its prior maps, where there are any.
    """

    pixels: NDArray[np.float32]
    masks: list[NDArray[np.bool_]]
    class_ids: list[int]
    stands: OnSlice | None
    name: str
    augmented: NDArray[np.float32] | None = None


class BatchMaker(Dataset[Batch]):
    """Draws batches from loaded samples: data sets by the root of pictures x classes, then a picture, then objects.

    Of several processes each makes its own pictures of a step, so that together they make what one process would.
    """

    def __init__(
        self,
        samples: list[LoadedSample],
        told: dict[str, NDArray[np.bool_]],
        config: TrainConfig,
        model: SegSamConfig,
        share: tuple[int, int] = (0, 1),
        priors: Mapping[str, Path] | None = None,
    ) -> None:
        """Join the parts; no pixel is read.

        Args:
            samples: pictures to draw from.
            told: as ``data.dataset.partial_labels`` gives it.
            config: of the run.
            model: the sizes of what learns.
            share: (rank, processes).
            priors: files of ``train.priors`` by sample name; a picture with one is shown as it is, and once more with
                its maps and the same prompts.
        """
        self.priors = priors or {}
        self.samples, self.config, self.model = samples, config, model
        self.prompter = Prompter(config, model)
        self.pictures = range(share[0], config.images, share[1])
        self.standing = Standing(samples, told, model)
        groups: dict[str, list[int]] = {}
        for i, s in enumerate(samples):
            groups.setdefault(s.sample.dataset, []).append(i)
        self.groups = list(groups.values())
        weights = np.sqrt([len(g) * self._variety(g) for g in self.groups])
        self.chances = weights / weights.sum()

    def _variety(self, group: list[int]) -> int:
        """How many classes a data set teaches, within reason: twenty tissues are harder than one nodule."""
        return min(len({k for i in group for k in self.samples[i].class_ids}), _CLASSES_COUNTED)

    def __getitem__(self, step: int) -> Batch:
        """The batch of ``step``: a pure function of seed and step, so that a resumed run sees what it would have.

        Raises:
            UnreadableInputError: no picture shows an object that is large enough to be prompted.
        """
        slices: list[Tensor] = []
        crops: list[PromptedCrop] = []
        present: list[SetTargets | None] = []
        as_box = draws(self.config.seed, step, "kind of prompt").random() < 0.5
        for number in self.pictures:
            rng = draws(self.config.seed, step, "picture", number)
            made = next((m for _ in range(_TRIES) if (m := self._picture(rng, number, as_box)) is not None), None)
            if made is None:
                raise UnreadableInputError(
                    f"{self.config.data.root.name}: no picture shows an object of {_MIN_VISIBLE} pixels."
                )
            for square, prompted, stands in made:
                slices.append(square)
                crops += prompted
                present.append(stands)
        owner = torch.arange(len(slices)).repeat_interleave(self.config.prompts)
        return Batch(torch.stack(slices), owner, crops, present)

    def stream(self, first: int, last: int, pinned: bool = False) -> Iterator[tuple[int, Batch]]:
        """Batches ``first`` to ``last - 1``, ``pinned`` for a GPU, the next ones being made while one is used."""
        steps = range(first, last)
        if not steps:
            return
        if self.config.workers:
            # A batch is hundreds of small tensors, and each would hold a file descriptor until it is used up.
            torch.multiprocessing.set_sharing_strategy("file_system")  # type: ignore[no-untyped-call]
            yield from zip(steps, self._prepared(steps, pinned), strict=True)
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self._made, first, pinned)
            for step in steps:
                batch = coming.result()
                if step + 1 < last:
                    coming = pool.submit(self._made, step + 1, pinned)
                yield step, batch

    def _made(self, step: int, pinned: bool) -> Batch:
        return self[step].pin_memory() if pinned else self[step]

    def _prepared(self, steps: range, pinned: bool) -> Iterator[Batch]:
        """Batches of ``steps``, made by other processes."""
        loader = DataLoader(
            self, None, sampler=steps, num_workers=self.config.workers, persistent_workers=True, pin_memory=pinned
        )
        try:
            yield from loader
        except RuntimeError as error:
            if "worker" not in str(error):
                raise
            raise SegsamError(
                "A process that prepares batches was ended from outside, perhaps for want of memory; go on with "
                "--resume and fewer 'workers'."
            ) from error

    def _picture(self, rng: np.random.Generator, number: int, as_box: bool) -> list[Shown] | None:
        """One picture as it is, and with its prior maps where it has any; None where nothing can be prompted on it."""
        drawn = self._procedural(rng) if rng.random() < self.config.data.synthetic else self._real(rng)
        usable = [i for i, m in enumerate(drawn.masks) if m.sum() >= _MIN_VISIBLE]
        if not usable:
            return None
        looks = [drawn.pixels] if drawn.augmented is None else [drawn.pixels, drawn.augmented]
        return [self._prompted(pixels, drawn, usable, number, as_box, copy.deepcopy(rng)) for pixels in looks]

    def _prompted(
        self,
        pixels: NDArray[np.float32],
        drawn: _Drawn,
        usable: list[int],
        number: int,
        as_box: bool,
        rng: np.random.Generator,
    ) -> Shown:
        """One look at what was drawn, prompted; ``usable`` are the objects that may be."""
        channels = np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32)
        picture = torch.from_numpy(channels).expand(3, -1, -1)
        square, scale = zoom.fit_slice(picture, self.model.img_size)
        if self.model.zoom is None:
            square = sam_pixels(square, zoom.fitted(picture, self.model.img_size))
        crops = []
        for n, i in enumerate(self._choose(usable, rng)):
            k = drawn.class_ids[i] - 1
            others = None if drawn.stands is None else drawn.stands.without(i, k)
            thing = Object(drawn.masks[i], k, others, drawn.name, number * self.config.prompts + n)
            is_box = as_box if self._published else bool(rng.random() < self.config.boxes)
            crops.append(self.prompter(picture, scale, thing, is_box, rng))
        return square, crops, None if drawn.stands is None else drawn.stands.present()

    @property
    def _published(self) -> bool:
        """SAM-Med2D's way: all prompts of a step are boxes or all are clicks, and masks are drawn with replacement."""
        return self.config.simulation == "sam-med2d"

    def _choose(self, usable: list[int], rng: np.random.Generator) -> list[int]:
        """Which objects to prompt; where a picture has too few they are seen again, from another square."""
        if self._published:
            return [usable[i] for i in rng.integers(len(usable), size=self.config.prompts)]
        return [usable[i % len(usable)] for i in range(self.config.prompts)]

    def _procedural(self, rng: np.random.Generator) -> _Drawn:
        image, masks = synthetic.picture(rng)
        pixels = image.reshape(*image.shape[:2], -1).astype(np.float32) / np.float32(255)
        chosen = [masks[i] for i in rng.permutation(len(masks))]
        return _Drawn(pixels, chosen, [0] * len(masks), None, "a procedural picture")

    def _real(self, rng: np.random.Generator) -> _Drawn:
        """A picture with some of its objects, turned and recoloured; a turned anatomy says nothing about classes."""
        group = self.groups[rng.choice(len(self.groups), p=self.chances)]
        index = group[rng.integers(len(group))]
        s = self.samples[index]
        pixels: NDArray[np.float32] = s.picture.reshape(*s.picture.shape[:2], -1).astype(np.float32) / np.float32(255)
        colours = pixels.shape[2]
        if s.sample.name in self.priors:  # maps go wherever their picture goes
            pixels = np.concatenate([pixels, read_maps(self.priors[s.sample.name])], axis=2)
        order = rng.permutation(len(s.class_ids))
        chosen = [int(i) for i in (order if self._published else order[: self.config.prompts])]
        drawn = _Drawn(pixels, [s.mask(i) for i in chosen], [s.class_ids[i] for i in chosen], None, s.sample.path.name)
        anatomical = s.sample.modality in augment.ANATOMICAL
        if rng.random() < (0.35 if anatomical else 0.6):
            drawn.pixels, drawn.masks = augment.turn(drawn.pixels, drawn.masks, rng)
            drawn.class_ids = [0] * len(chosen) if anatomical else drawn.class_ids
        else:
            drawn.stands = self.standing.of(index, chosen, rng)
        if rng.random() < _BENT:
            self._bend(drawn, augment.Bend.drawn(rng))
        drawn.pixels, maps = drawn.pixels[..., :colours], drawn.pixels[..., colours:]
        if rng.random() < _INVERTED:
            drawn.pixels = 1 - drawn.pixels
        drawn.pixels = augment.recolour(drawn.pixels, rng)
        if maps.shape[2]:
            drawn.augmented = augmented(drawn.pixels, PriorMaps(maps[..., 0], maps[..., 1]))
        return drawn

    def _bend(self, drawn: _Drawn, how: augment.Bend) -> None:
        height, width = drawn.pixels.shape[:2]
        drawn.pixels, drawn.masks = augment.bend(drawn.pixels, drawn.masks, how)
        if drawn.stands is not None:
            scale = self.standing.cells / max(height, width)
            within = max(round(height * scale), 1), max(round(width * scale), 1)
            drawn.stands = drawn.stands.bent(how, within)
