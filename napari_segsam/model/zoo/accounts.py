"""Accounts of a file's tensors: each one goes where its name says, none is missing, none is left over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from napari_segsam.model.zoo.family import Shapes, Tensors


class ModelFileError(ValueError):
    """A file that is not what a family publishes; the message is a clause about the file, without its name."""


class UndecidedError(ModelFileError):
    """A file that does not say all of what the model is: a person has to.

    Attributes:
        families: name -> title of those whose files are alike, of which one is to be chosen.
        base: title of the family of which another file is to be given, empty where none is.
    """

    def __init__(self, message: str, families: Mapping[str, str], base: str = "") -> None:
        super().__init__(message)
        self.families, self.base = families, base


def load_exactly(
    module: nn.Module, tensors: Tensors, *, may_miss: Sequence[str] = (), may_have: Sequence[str] = ()
) -> None:
    """Load ``tensors`` into ``module``, whose parameters and buffers have the same names.

    Args:
        module: in its own precision; what is loaded is converted to it.
        tensors: what a file holds.
        may_miss: beginnings of names that the file need not have; these parameters keep the values that they have.
        may_have: beginnings of names that the file may have although the module has no use for them.

    Raises:
        ModelFileError: a name is missing or unexpected, a shape differs, or a number is not finite; nothing was loaded.
    """
    wanted = module.state_dict()
    missing = [k for k in wanted if k not in tensors and not k.startswith(tuple(may_miss))]
    unexpected = [k for k in tensors if k not in wanted and not k.startswith(tuple(may_have))]
    if missing:
        raise ModelFileError(f"it lacks {listed(missing)}")
    if unexpected:
        raise ModelFileError(f"it has {listed(unexpected)}, for which this family has no use")
    ours = {k: t for k, t in tensors.items() if k in wanted}
    for name, tensor in ours.items():
        if tensor.shape != wanted[name].shape:
            shapes = f"{tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
            raise ModelFileError(f"its tensor '{name}' is {shapes}")
        if not torch.isfinite(tensor).all():
            raise ModelFileError(f"its tensor '{name}' holds numbers that are not finite")
    module.load_state_dict(ours, strict=False)


def encoder_sizes(shapes: Shapes, prefix: str = "image_encoder.") -> tuple[int, int]:
    """(width, depth) of the ViT whose tensors' names begin with ``prefix``.

    Raises:
        ModelFileError: there is no such ViT.
    """
    width = shapes.get(prefix + "patch_embed.proj.bias", ())
    blocks = {int(k[0]) for k in (re.findall(rf"^{re.escape(prefix)}blocks\.(\d+)\.", name) for name in shapes) if k}
    if len(width) != 1 or not blocks:
        raise ModelFileError(f"it has no image encoder (no '{prefix}patch_embed.proj.bias')")
    return width[0], max(blocks) + 1


def shape_of(shapes: Shapes, name: str) -> tuple[int, ...]:
    """Of one tensor.

    Raises:
        ModelFileError: the file has none of this name.
    """
    if name not in shapes:
        raise ModelFileError(f"it lacks {listed([name])}")
    return shapes[name]


def listed(names: Iterable[str], shown: int = 3) -> str:
    """The first few of them, and how many more there are."""
    every = list(names)
    first = ", ".join(f"'{name}'" for name in every[:shown])
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return f"the tensor{'s' if len(every) > 1 else ''} {first}{more}"
