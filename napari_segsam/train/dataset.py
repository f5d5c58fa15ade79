"""The SA-Med2D layout: pictures, one mask file per object, class ids per data set, read as they are, dirt included."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.train.pictures import read_mask, read_picture

log = logging.getLogger(__name__)
D = TypeVar("D", bound=np.generic)


_MODALITIES = {"ct": "ct", "mr": "mr", "pet": "pet", "us": "us", "ultrasound": "us", "x": "xray", "xray": "xray"}


def volume_modality(prefix: str, rgb: bool) -> str:
    """A data set's modality prefix, and whether its pictures have colours -> one of ``core.volume.MODALITIES``."""
    return "rgb" if rgb else _MODALITIES.get(prefix, "unknown")


@dataclass(frozen=True)
class MaskFile:
    """One annotated object: where its mask is and what the data set calls it."""

    path: Path
    class_name: str


@dataclass(frozen=True)
class Sample:
    """One picture and its annotated objects.

    Attributes:
        path: the picture.
        modality: its prefix without sub-modality, e.g. ``ct``, ``mr``, ``xray``.
        dataset, case: second and third field of the file name.
        masks: at least one.
    """

    path: Path
    modality: str
    dataset: str
    case: str
    masks: tuple[MaskFile, ...]


@dataclass
class SAMed2D:
    """A folder in the SA-Med2D layout.

    Attributes:
        root: holds ``images/``, ``masks/``, ``SAMed2D_v1.json`` and ``SAMed2D_v1_class_mapping_id.json``.
        split: ``train``, ``val`` (from ``split.json``) or ``all``.
        samples: pictures whose files exist, in the list's order.
        skipped: what was left out and why.
    """

    root: Path
    split: str = "all"
    samples: list[Sample] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        listed = _read_json(self.root / "SAMed2D_v1.json")
        ids = _read_json(self.root / "SAMed2D_v1_class_mapping_id.json")
        names = {dataset: {int(v): k for k, v in classes.items()} for dataset, classes in ids.items()}
        wanted = None if self.split == "all" else _read_split(self.root, self.split)
        for image, masks in listed.items():
            if wanted is None or image in wanted:
                self._add(image, masks, names)
        if self.skipped:
            log.warning(
                "%s: %d of %d entries skipped, first: %s",
                self.root.name,
                len(self.skipped),
                len(listed),
                self.skipped[0],
            )
        if not self.samples:
            raise UnreadableInputError(
                f"{self.root}: no usable picture in split '{self.split}'; check SAMed2D_v1.json."
            )

    def _add(self, image: str, masks: list[str], names: dict[str, dict[int, str]]) -> None:
        path = self.root / image
        fields = path.stem.split("--")
        if len(fields) != 4 or not path.is_file():
            self.skipped.append(f"{image}: {'not found' if len(fields) == 4 else 'unexpected file name'}")
            return
        found = tuple(m for name in masks if (m := self._mask(name, names.get(fields[1], {}))) is not None)
        if found:
            self.samples.append(Sample(path, fields[0].split("_")[0], fields[1], fields[2], found))

    def _mask(self, name: str, classes: dict[int, str]) -> MaskFile | None:
        path = self.root / name
        digits = path.stem.rsplit("--", 1)[-1].split("_")[0]
        class_name = classes.get(int(digits)) if digits.isdigit() else None
        if class_name is None or not path.is_file():
            self.skipped.append(f"{name}: {'not found' if class_name else 'class id not in the mapping'}")
            return None
        return None if class_name.startswith("union_") else MaskFile(path, class_name)


def _read_split(root: Path, split: str) -> set[str]:
    """The pictures that ``root``/split.json counts to ``split``; empty where it does not name that split.

    Raises:
        UnreadableInputError: there is no such file, or it is damaged.
    """
    path = root / "split.json"
    if not path.is_file():
        raise UnreadableInputError(
            f"{root}: there is no split.json that says what is '{split}'; write one, or use split 'all'."
        )
    return set(_read_json(path).get(split, ()))


def _read_json(path: Path) -> dict:  # type: ignore[type-arg]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read ({error}); is this an SA-Med2D folder?") from error
    if not isinstance(content, dict):
        raise UnreadableInputError(f"{path.name} in {path.parent} should hold a JSON object.")
    return content


@dataclass
class LoadedSample:
    """A sample in memory.

    Attributes:
        picture: (rows, cols) or (rows, cols, 3) uint8.
        packed: each mask's bits, see :meth:`mask`.
        class_ids: class id of each mask, 0 where the vocabulary has no such name.
    """

    sample: Sample
    picture: NDArray[np.uint8]
    packed: list[NDArray[np.uint8]]
    class_ids: list[int]

    @property
    def known(self) -> set[int]:
        """Class ids of the objects that the vocabulary has names for."""
        return {k for k in self.class_ids if k}

    def mask(self, index: int) -> NDArray[np.bool_]:
        """(rows, cols) of object ``index``."""
        shape = self.picture.shape[:2]
        return np.unpackbits(self.packed[index], count=shape[0] * shape[1]).reshape(shape).astype(bool)

    def class_mask(self, class_id: int) -> NDArray[np.bool_]:
        """(rows, cols) of all objects of one class together."""
        of_class = [self.mask(i) for i, k in enumerate(self.class_ids) if k == class_id]
        return np.asarray(np.any(of_class, axis=0))


def load(data: SAMed2D, vocabulary: Vocabulary) -> list[LoadedSample]:
    """Read all pictures and masks into memory.

    Files that cannot be read, and masks that are empty or of another size than their picture, are skipped.
    """
    return [loaded for sample in data.samples if (loaded := _load(sample, data.skipped, vocabulary)) is not None]


def _load(sample: Sample, skipped: list[str], vocabulary: Vocabulary) -> LoadedSample | None:
    picture = _read(read_picture, sample.path, skipped)
    if picture is None or min(picture.shape[:2]) < 2:
        return None
    loaded = LoadedSample(sample, picture, [], [])
    for file in sample.masks:
        mask = _read(read_mask, file.path, skipped)
        if mask is None:
            continue
        if mask.shape != picture.shape[:2] or not mask.any():
            skipped.append(f"{file.path.name}: {'empty' if not mask.any() else 'another size than its picture'}")
            continue
        loaded.packed.append(np.packbits(mask))
        name = vocabulary.canonical(file.class_name)
        loaded.class_ids.append(0 if name is None else vocabulary.id_of(name))
    return loaded if loaded.packed else None


def _read(read: Callable[[Path], NDArray[D]], path: Path, skipped: list[str]) -> NDArray[D] | None:
    """What ``read`` gives, None where the file is damaged."""
    try:
        return read(path)
    except UnreadableInputError as error:
        skipped.append(str(error))
        return None


def partial_labels(samples: list[LoadedSample], n_classes: int) -> dict[str, NDArray[np.bool_]]:
    """For each data set, (K,) which classes an unmatched query may be told are *not* on its pictures.

    Merged data sets do not annotate everything: a class counts as absent only if the data set annotates it, or if
    no data set ever shows it in that modality.
    """
    annotated: dict[str, set[int]] = defaultdict(set)
    seen_in: dict[str, set[int]] = defaultdict(set)
    modalities: dict[str, set[str]] = defaultdict(set)
    for s in samples:
        ids = {k - 1 for k in s.known}
        annotated[s.sample.dataset] |= ids
        seen_in[s.sample.modality] |= ids
        modalities[s.sample.dataset].add(s.sample.modality)
    told = {}
    for dataset, own in annotated.items():
        possible = set().union(*(seen_in[m] for m in modalities[dataset]))
        told[dataset] = np.array([k in own or k not in possible for k in range(n_classes)])
    return told
