"""DB-SAM (Qin et al., MICCAI 2024): the row of a model that nobody can load, and what there is instead."""

from __future__ import annotations

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import Abilities, Family, Preparation, Tensors, Zoo


def _build(_tensors: Tensors, _base: Tensors | None) -> Zoo:
    raise ModelFileError("no weights of DB-SAM are public; train with branch = 'pyramid', see docs/how-to/train.md")


FAMILY = Family(
    name="db_sam",
    title="DB-SAM",
    recognises=lambda _shapes: False,  # how a file of it would look is not known: the published code does not run
    build=_build,
    preparation=lambda _shapes: Preparation(side=1024),
    abilities=Abilities(points=False),
    limits="No weights are public: only our own encoder of two branches can be trained (branch = 'pyramid').",
    source="https://github.com/AlfredQin/DB-SAM",
    licence="no weights are published; the code has no licence",
)
