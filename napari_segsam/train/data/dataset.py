"""Samples of a data set with their pixels: all in memory where they fit, otherwise read when they are drawn."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.terminology import UNION, Vocabulary
from napari_segsam.train.data.listing import SAMed2D
from napari_segsam.train.data.pictures import picture_bytes, read_mask, read_picture
from napari_segsam.train.data.sample import Sample

__all__ = ["LoadedSample", "SAMed2D", "load", "partial_labels"]

MEMORY = 4_000_000_000
"""Bytes of pictures and masks that a process keeps."""
_MEASURED = 64
"""Pictures whose headers say how much memory a data set would take."""
_NOTHING = np.zeros((16, 16), np.uint8)
"""In the place of a picture that cannot be read: nobody finds an object on it, so it is drawn in vain."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """What a sample's files hold.

    Attributes:
        picture: (rows, cols) or (rows, cols, 3) uint8.
        packed: the bits of each mask of the sample; without any where the mask is of no use.
        class_ids: see ``LoadedSample``; 0 where the mask is of no use.
    """

    picture: NDArray[np.uint8]
    packed: tuple[NDArray[np.uint8], ...]
    class_ids: list[int]

    @property
    def usable(self) -> list[int]:
        """Indices of the masks with a pixel."""
        return [i for i, bits in enumerate(self.packed) if bits.any()]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.picture.nbytes + sum(p.nbytes for p in self.packed)

    def only(self, indices: list[int]) -> Pixels:
        """With some of the masks."""
        return Pixels(self.picture, tuple(self.packed[i] for i in indices), [self.class_ids[i] for i in indices])


class PixelStore:
    """Pixels of samples, read when they are asked for; those used last are kept, up to so many bytes.

    What cannot be used is noted in ``data.left_out``.
    """

    def __init__(self, data: SAMed2D, vocabulary: Vocabulary, memory: int) -> None:
        self.data, self.vocabulary, self.memory = data, vocabulary, memory
        self.kept: OrderedDict[str, Pixels] = OrderedDict()
        self.held = 0

    def __call__(self, sample: Sample) -> Pixels:
        """The sample's pixels: a black picture and no bit of a mask where its files are of no use."""
        pixels = self.kept.get(sample.name)
        if pixels is None:
            pixels = self.read(sample)
            self.keep(sample, pixels)
            self.data.left_out.tell(self.data.root.name, now_and_then=True)
        self.kept.move_to_end(sample.name)
        return pixels

    def keep(self, sample: Sample, pixels: Pixels) -> None:
        """Remember ``pixels``, and forget what was not used for the longest time if they are too many."""
        self.kept[sample.name] = pixels
        self.held += pixels.nbytes
        while self.held > self.memory and len(self.kept) > 1:
            self.held -= self.kept.popitem(last=False)[1].nbytes

    def read(self, sample: Sample) -> Pixels:
        """Read the files, without keeping them."""
        picture = self._picture(sample)
        if picture is None:
            n = len(sample.codes)
            return Pixels(_NOTHING, (np.packbits(_NOTHING > 0),) * n, [0] * n)
        masks = [self._mask(f.path, picture.shape[:2]) for f in sample.masks]
        ids = [self.id_of(c) if m.any() else 0 for c, m in zip(sample.classes, masks, strict=True)]
        atoms = [(m, k) for m, k in zip(masks, ids, strict=True) if k]
        for i, name in enumerate(sample.classes):
            ids[i] = _majority(masks[i], atoms) if name.startswith(UNION) else ids[i]
        return Pixels(picture, tuple(np.packbits(m) for m in masks), ids)

    def id_of(self, class_name: str) -> int:
        """Class id of what a data set calls a class, 0 where the vocabulary has no such name or it is a union."""
        return 0 if class_name.startswith(UNION) else self.vocabulary.id_or_zero(class_name)

    def _picture(self, sample: Sample) -> NDArray[np.uint8] | None:
        try:
            return read_picture(sample.path)
        except UnreadableInputError as error:
            self.data.left_out.add(_reason(error, sample.path), sample.name)
            return None

    def _mask(self, path: Path, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        nothing = np.zeros(shape, bool)
        try:
            mask = read_mask(path)
        except UnreadableInputError as error:
            self.data.left_out.add(_reason(error, path), f"masks/{path.name}")
            return nothing
        fault = "another size than its picture" if mask.shape != shape else "" if mask.any() else "empty"
        if fault:
            self.data.left_out.add(fault, f"masks/{path.name}")
        return nothing if fault else mask


def _reason(error: UnreadableInputError, path: Path) -> str:
    return str(error).removeprefix(f"{path.name}: ").rstrip(".")


def _majority(union: NDArray[np.bool_], atoms: list[tuple[NDArray[np.bool_], int]]) -> int:
    """The class that covers most of a union of classes, 0 where none of its picture's does."""
    covered: dict[int, int] = defaultdict(int)
    for mask, class_id in atoms:
        covered[class_id] += int((mask & union).sum())
    best = max(covered, key=lambda k: covered[k], default=0)
    return best if best and covered[best] else 0


@dataclass(slots=True)
class LoadedSample:
    """A sample whose pixels can be had.

    Attributes:
        sample: its files and the data set's names.
        class_ids: class id of each mask, 0 where the vocabulary has no such name; where pixels are read late, 0 as well
            once a mask has turned out to be of no use.
        store: where its pixels come from.
    """

    sample: Sample
    class_ids: list[int]
    store: PixelStore

    @property
    def known(self) -> set[int]:
        """Class ids of the objects that the vocabulary has names for."""
        return {k for k in self.class_ids if k}

    @property
    def picture(self) -> NDArray[np.uint8]:
        """(rows, cols) or (rows, cols, 3)."""
        return self._pixels().picture

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(rows, cols) of object ``index``; without a pixel where its file is of no use."""
        pixels = self._pixels()
        rows, cols = pixels.picture.shape[:2]
        return np.unpackbits(pixels.packed[index], count=rows * cols).reshape(rows, cols).astype(bool)

    def class_mask(self, class_id: int) -> NDArray[np.bool_]:
        """(rows, cols) of all objects of one class together."""
        of_class = [self.mask(i) for i, k in enumerate(self.class_ids) if k == class_id]
        return np.asarray(np.any(of_class, axis=0))

    def _pixels(self) -> Pixels:
        pixels = self.store(self.sample)
        self.class_ids = pixels.class_ids
        return pixels


def load(data: SAMed2D, vocabulary: Vocabulary, memory: int = MEMORY) -> list[LoadedSample]:
    """The samples with their pixels.

    Where all of them fit into ``memory`` they are read at once, and what is of no use is left out: files that cannot be
    read, masks that are empty or of another size than their picture, pictures without a usable mask. Otherwise they
    are read when they are drawn, and what is of no use then shows no object.

    Args:
        data: the listing.
        vocabulary: the classes that have ids.
        memory: bytes to keep in this process.
    """
    store = PixelStore(data, vocabulary, memory)
    if _estimated_bytes(data.samples) > memory:
        ids = {name: store.id_of(name) for name in {name for s in data.samples for name in s.classes}}
        return [LoadedSample(s, [ids[c] for c in s.classes], store) for s in data.samples]
    loaded = [s for sample in data.samples if (s := _read_now(sample, store)) is not None]
    data.left_out.tell(data.root.name)
    return loaded


def _read_now(sample: Sample, store: PixelStore) -> LoadedSample | None:
    pixels = store.read(sample)
    if not pixels.usable:
        return None
    sample, pixels = sample.only(pixels.usable), pixels.only(pixels.usable)
    store.keep(sample, pixels)
    return LoadedSample(sample, pixels.class_ids, store)


def _estimated_bytes(samples: list[Sample]) -> float:
    """From the headers of some pictures, evenly over the listing."""
    some = samples[:: max(len(samples) // _MEASURED, 1)]
    return len(samples) / max(len(some), 1) * sum(picture_bytes(s.path, len(s.codes)) for s in some)


def partial_labels(samples: list[LoadedSample], n_classes: int) -> dict[str, NDArray[np.bool_]]:
    """For each data set, (K,) which classes an unmatched query may be told are *not* on its pictures.

    Merged data sets do not annotate everything: a class counts as absent only if the data set annotates it, or if
    no data set ever shows it in that modality. No pixel is read.
    """
    annotated: dict[str, set[int]] = defaultdict(set)
    seen_in: dict[str, set[int]] = defaultdict(set)
    modalities: dict[str, set[str]] = defaultdict(set)
    for s in samples:
        ids = {k - 1 for k in s.known}
        dataset, modality = s.sample.dataset, s.sample.modality
        annotated[dataset] |= ids
        seen_in[modality] |= ids
        modalities[dataset].add(modality)
    told = {}
    for dataset, own in annotated.items():
        possible = set().union(*(seen_in[m] for m in modalities[dataset]))
        told[dataset] = np.array([k in own or k not in possible for k in range(n_classes)])
    return told
