"""The SA-Med2D layout: which pictures there are, their objects, and class names of each data set, dirt included.

Nothing is decoded here, and names are kept as short as they can be: the published list has 3.7 million pictures.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.train.data.pictures import INVERTED

log = logging.getLogger(__name__)
LISTING, CLASSES, SPLIT = "SAMed2D_v1.json", "SAMed2D_v1_class_mapping_id.json", "split.json"
UNION = "union_"
"""Beginning of the names of classes that join other classes of the same data set."""

_MODALITIES = {"ct": "ct", "mr": "mr", "pet": "pet", "us": "us", "ultrasound": "us", "x": "xray", "xray": "xray"}
_MASKS_AS_PICTURES = "brain-growth"
"""In the name of a case whose published pictures are brain masks themselves."""
_PNG = ".png"
_WHOLE_VENTRICLE = ("ACDC", "0003_000")
"""A mask that repeats others of its picture: both chambers and the muscle, in one."""


def volume_modality(prefix: str, rgb: bool) -> str:
    """A data set's modality prefix, and whether its pictures have colours -> one of ``core.volume.MODALITIES``."""
    return "rgb" if rgb else _MODALITIES.get(prefix, "unknown")


@dataclass(frozen=True, slots=True)
class MaskFile:
    """One annotated object: where its mask is and what the data set calls it."""

    path: Path
    class_name: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and its annotated objects.

    Attributes:
        root: folder of the data set.
        name: of the picture in the listing, ``images/{modality}_{sub}--{dataset}--{case}--{axis}_{slice}.png``.
        codes: ``{class}_{instance}`` of each mask, at least one.
        classes: what the data set calls each of them.
    """

    root: Path
    name: str
    codes: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The picture's file."""
        return self.root / self.name

    @property
    def modality(self) -> str:
        """Its prefix without sub-modality, e.g. ``ct``, ``mr``, ``x``."""
        return _fields(self.name)[0].split("_")[0]

    @property
    def dataset(self) -> str:
        """Second field of the file name."""
        return _fields(self.name)[1]

    @property
    def case(self) -> str:
        """What stands between the data set and the slice; it may hold ``--`` itself."""
        return "--".join(_fields(self.name)[2:-1])

    @property
    def masks(self) -> tuple[MaskFile, ...]:
        """In the listing's order."""
        begin = _mask_begin(self.name)
        return tuple(
            MaskFile(self.root / f"{begin}{code}{_PNG}", name)
            for code, name in zip(self.codes, self.classes, strict=True)
        )

    def only(self, indices: list[int]) -> Sample:
        """The same picture with some of its masks."""
        codes, classes = (tuple(all_[i] for i in indices) for all_ in (self.codes, self.classes))
        return replace(self, codes=codes, classes=classes)


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


def _fields(name: str) -> list[str]:
    return _stem(name).split("--")


def _mask_begin(name: str) -> str:
    """What the names of all masks of the picture ``name`` begin with."""
    return f"masks/{_stem(name)}--"


@dataclass
class Tally:
    """What was left out or mended: names by reason, each once."""

    names: dict[str, dict[str, None]] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Note ``name``, which is a picture's or a mask's in the listing."""
        self.names.setdefault(reason, {})[name] = None

    def lines(self) -> list[str]:
        """``name: reason`` of everything."""
        return [f"{name}: {reason}" for reason, names in self.names.items() for name in names]

    def tell(self, what: str, now_and_then: bool = False) -> None:
        """One line in the log for each reason that has grown since it was told last.

        ``now_and_then`` waits for the first, tenth, hundredth ... name.
        """
        for reason, names in self.names.items():
            n = len(names)
            if n > self.told.get(reason, 0) and not (now_and_then and str(n).strip("0") != "1"):
                self.told[reason] = n
                log.warning("%s: %d left out: %s; first: %s", what, n, reason, next(iter(names)))


@dataclass
class SAMed2D:
    """A folder in the SA-Med2D layout.

    Attributes:
        root: holds ``images/``, ``masks/``, ``SAMed2D_v1.json`` and ``SAMed2D_v1_class_mapping_id.json``.
        split: ``train``, ``val`` (from ``split.json``) or ``all``.
        unions: ``drop`` leaves out classes that join others (``union_*``); ``atom`` keeps their masks, and each counts
            to the class of its picture that covers most of it.
        samples: pictures and masks whose files exist, in the listing's order.
        left_out: what was skipped, and why; reading the files may add to it.
    """

    root: Path
    split: str = "all"
    unions: Literal["drop", "atom"] = "drop"
    samples: list[Sample] = field(default_factory=list)
    left_out: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        listed = read_json(self.root / LISTING)
        names = _class_names(self.root / CLASSES)
        wanted = None if self.split == "all" else _read_split(self.root, self.split, listed)
        there = _Files(self.root)
        for image, masks in listed.items():
            if wanted is None or image in wanted:
                self._add(image, masks, names, there)
        self.left_out.tell(self.root.name)
        self._tell_inverted()
        if not self.samples:
            raise UnreadableInputError(f"{self.root}: no usable picture in split '{self.split}'; check {LISTING}.")

    @property
    def skipped(self) -> list[str]:
        """Everything that was left out so far, as ``name: reason``."""
        return self.left_out.lines()

    def _tell_inverted(self) -> None:
        n = sum(len(s.codes) for s in self.samples if s.dataset in INVERTED)
        if n:
            log.warning("%s: %d masks of %s are read the right way round", self.root.name, n, ", ".join(INVERTED))

    def _add(self, image: str, masks: list[object], names: Mapping[str, Mapping[int, str]], there: _Files) -> None:
        fields = _fields(image)
        fault = (
            "unexpected file name" if len(fields) < 4
            else "no mask is listed" if not masks or not isinstance(masks, list)
            else "the picture is a mask itself, a known fault" if _MASKS_AS_PICTURES in image
            else "not found" if image not in there
            else ""
        )  # fmt: skip
        if fault:
            self.left_out.add(fault, image)
            return
        found = self._masks(image, masks, names.get(fields[1], {}), there)
        if found:
            self.samples.append(Sample(self.root, image, tuple(found), tuple(found.values())))

    def _masks(self, image: str, masks: list[object], known: Mapping[int, str], there: _Files) -> dict[str, str]:
        """Code of each usable mask -> what the data set calls its class."""
        begin, found = _mask_begin(image), {}
        for entry in masks:
            mask = entry if isinstance(entry, str) else f"{json.dumps(entry)} of {image}"
            code = mask[len(begin) : -len(_PNG)] if mask.startswith(begin) and mask.endswith(_PNG) else ""
            digits = code.partition("_")[0]
            name = known.get(int(digits), "") if digits.isdecimal() else ""
            fault = (
                "not named after its picture" if not code
                else "class id not in the mapping" if not name
                else "a known duplicate of its picture's other masks" if _whole_ventricle(image, code, len(masks))
                else "a union of other classes" if self.unions == "drop" and name.startswith(UNION)
                else "not found" if mask not in there
                else ""
            )  # fmt: skip
            if fault:
                self.left_out.add(fault, mask)
            else:
                found[sys.intern(code)] = name  # a few thousand codes serve millions of masks
        return found


def _whole_ventricle(image: str, code: str, masks: int) -> bool:
    return masks > 1 and (_fields(image)[1], code) == _WHOLE_VENTRICLE


class _Files:
    """Which files there are, from one listing of each folder instead of millions of questions to the system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: dict[str, frozenset[str]] = {}

    def __contains__(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if folder not in self.folders:
            path = self.root / folder
            self.folders[folder] = frozenset(e.name for e in os.scandir(path)) if path.is_dir() else frozenset()
        return file in self.folders[folder]


def _class_names(path: Path) -> dict[str, dict[int, str]]:
    """Data set -> class id -> class name; ids are written as numbers or as text, and count from 0 or from 1.

    Raises:
        UnreadableInputError: names the data set whose classes are no table of ids, or that gives an id twice.
    """
    names: dict[str, dict[int, str]] = {}
    for dataset, classes in read_json(path).items():
        try:
            ids = {sys.intern(k): int(v) for k, v in classes.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise UnreadableInputError(
                f"{path.name}: '{dataset}' should be a table of class names and whole numbers."
            ) from error
        known = names[dataset] = dict[int, str]()
        for name, class_id in ids.items():
            if known.setdefault(class_id, name) != name:
                raise UnreadableInputError(
                    f"{path.name}: in '{dataset}' both '{known[class_id]}' and '{name}' have the id {class_id}; "
                    "give each class an id of its own."
                )
    return names


def _read_split(root: Path, split: str, listed: Collection[str]) -> set[str]:
    """The pictures that ``root``/split.json counts to ``split``; empty where it does not name that split.

    Raises:
        UnreadableInputError: there is no such file, it is damaged, or it has a picture on both sides.
    """
    path = root / SPLIT
    if not path.is_file():
        raise UnreadableInputError(
            f"{root}: there is no split.json that says what is '{split}'; write one, or use split 'all'."
        )
    content = read_json(path)
    sides = {side: _names(path, content.get(side, []), side) for side in ("train", "val", split)}
    both = [name for name in sides["train"] if name in sides["val"]]
    if both:
        raise UnreadableInputError(
            f"{path}: 'train' and 'val' share {len(both)} pictures, first {both[0]}; take each out of one of them, or "
            "a model is measured on what it has learnt."
        )
    strange = [name for name in sides[split] if name not in listed]
    if strange:
        said = "%s: %d pictures of split '%s' are not in %s and are left out; first: %s"
        log.warning(said, root.name, len(strange), split, LISTING, strange[0])
    return set(sides[split])


def _names(path: Path, names: object, side: str) -> dict[str, None]:
    """The names on one side of a split, in their order."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UnreadableInputError(f"{path}: '{side}' should be a list of pictures, by their names in {LISTING}.")
    return dict.fromkeys(names)


def read_json(path: Path) -> dict[str, Any]:
    """One of the layout's files; a byte order mark, as editors on Windows write it, is no fault.

    Raises:
        UnreadableInputError: there is no such file, it is damaged, or it holds no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read ({error}); is this an SA-Med2D folder?") from error
    if not isinstance(content, dict):
        raise UnreadableInputError(f"{path.name} in {path.parent} should hold a JSON object.")
    return content
