"""One picture of the SA-Med2D layout and its annotated objects; nearly everything of it stands in its name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

PNG = ".png"

_MODALITIES = {"ct": "ct", "mr": "mr", "pet": "pet", "us": "us", "ultrasound": "us", "x": "xray", "xray": "xray"}


def volume_modality(prefix: str, rgb: bool) -> str:
    """A data set's modality prefix, and whether its pictures have colours -> one of ``core.volume.MODALITIES``."""
    return "rgb" if rgb else _MODALITIES.get(prefix, "unknown")


def fields_of(name: str) -> list[str]:
    """What ``--`` parts in the name of a picture or mask: modality, data set, case (which may hold ``--``), slice."""
    return _stem(name).split("--")


def dataset_of(name: str) -> str:
    """Second field of the name of a picture or mask, "" where it has none."""
    return "".join(fields_of(name)[1:2])


def mask_begin(name: str) -> str:
    """What the names of all masks of the picture ``name`` begin with."""
    return f"masks/{_stem(name)}--"


def _stem(name: str) -> str:
    return name.rpartition("/")[2].rpartition(".")[0]


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
        return fields_of(self.name)[0].split("_")[0]

    @property
    def dataset(self) -> str:
        """Second field of the file name."""
        return dataset_of(self.name)

    @property
    def case(self) -> str:
        """What stands between the data set and the slice; it may hold ``--`` itself."""
        return "--".join(fields_of(self.name)[2:-1])

    @property
    def masks(self) -> tuple[MaskFile, ...]:
        """In the listing's order."""
        begin = mask_begin(self.name)
        return tuple(
            MaskFile(self.root / f"{begin}{code}{PNG}", name)
            for code, name in zip(self.codes, self.classes, strict=True)
        )

    def only(self, indices: list[int]) -> Sample:
        """The same picture with some of its masks."""
        codes, classes = (tuple(all_[i] for i in indices) for all_ in (self.codes, self.classes))
        return replace(self, codes=codes, classes=classes)
