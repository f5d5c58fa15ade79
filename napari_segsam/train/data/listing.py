"""A data set in the SA-Med2D layout: which pictures there are, their objects, and what cannot be used.

Nothing is decoded here, and names are kept as short as they can be: the published list has 3.7 million pictures.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.terminology import UNION
from napari_segsam.train.data.layout import CLASSES, LISTING, read_classes, read_json, read_split
from napari_segsam.train.data.pictures import INVERTED
from napari_segsam.train.data.sample import PNG, Sample, dataset_of, fields_of, mask_begin
from napari_segsam.train.data.tally import Tally

log = logging.getLogger(__name__)

_MASKS_AS_PICTURES = "brain-growth"
"""In the name of a case whose published pictures are brain masks themselves."""
_WHOLE_VENTRICLE = ("ACDC", "0003_000")
"""A mask that repeats others of its picture: both chambers and the muscle, in one."""


@dataclass
class SAMed2D:
    """A folder in the SA-Med2D layout.

    Attributes:
        root: holds ``images/``, ``masks/``, ``SAMed2D_v1.json`` and ``SAMed2D_v1_class_mapping_id.json``.
        split: ``train``, ``val`` (from ``split.json``) or ``all``.
        unions: ``drop`` leaves out classes that join others (``union_*``); ``atom`` keeps their masks, and each counts
            to the class of its picture that covers most of it.
        datasets: names of those to list, None for all.
        samples: pictures and masks whose files exist, in the listing's order.
        left_out: what was skipped, and why; reading the files may add to it.
    """

    root: Path
    split: str = "all"
    unions: Literal["drop", "atom"] = "drop"
    datasets: Collection[str] | None = None
    samples: list[Sample] = field(default_factory=list)
    left_out: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        listed = read_json(self.root / LISTING)
        names = read_classes(self.root / CLASSES)
        there = _Files(self.root)
        for image in self._chosen(listed):
            self._add(image, listed[image], names, there)
        self.left_out.tell(self.root.name)
        self._tell_inverted()
        if not self.samples:
            raise UnreadableInputError(f"{self.root}: no usable picture in split '{self.split}'; check {LISTING}.")

    @property
    def skipped(self) -> list[str]:
        """Everything that was left out so far, as ``name: reason``."""
        return self.left_out.lines()

    def _chosen(self, listed: Mapping[str, Any]) -> list[str]:
        """The listed pictures of the split and of the data sets.

        Raises:
            UnknownNameError: the split has no picture of one of the data sets.
        """
        wanted = listed if self.split == "all" else read_split(self.root, self.split, listed)
        chosen = [image for image in listed if image in wanted]
        if self.datasets is None:
            return chosen
        there = {name for image in chosen if (name := dataset_of(image))}
        strange = [name for name in self.datasets if name not in there]
        if strange and there:
            where = "" if self.split == "all" else f" in split {self.split}:"
            raise UnknownNameError(f"data set{where}", strange[0], there)
        return [image for image in chosen if dataset_of(image) in self.datasets]

    def _tell_inverted(self) -> None:
        n = sum(len(s.codes) for s in self.samples if s.dataset in INVERTED)
        if n:
            log.warning("%s: %d masks of %s are read the right way round", self.root.name, n, ", ".join(INVERTED))

    def _add(self, image: str, masks: list[object], names: Mapping[str, Mapping[int, str]], there: _Files) -> None:
        fields = fields_of(image)
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
        begin, found = mask_begin(image), {}
        for entry in masks:
            mask = entry if isinstance(entry, str) else f"{json.dumps(entry)} of {image}"
            code = mask[len(begin) : -len(PNG)] if mask.startswith(begin) and mask.endswith(PNG) else ""
            digits = code.partition("_")[0]
            name = known.get(int(digits), "") if digits.isdecimal() else ""
            fault = (
                "not named after its picture" if not code
                else "class not written as its number in the mapping, as in --0001_000.png" if not digits.isdecimal()
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
    return masks > 1 and (dataset_of(image), code) == _WHOLE_VENTRICLE


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
