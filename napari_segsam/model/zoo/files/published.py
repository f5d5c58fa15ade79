"""A published file, whoever wrote it: its tensors under SAM's own names, out of whatever they are wrapped in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from safetensors import SafetensorError, safe_open
from torch import Tensor

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import Shapes, Tensors
from napari_segsam.model.zoo.files import torch_files
from napari_segsam.model.zoo.files.huggingface_names import sam_names
from napari_segsam.model.zoo.files.stored_tensors import Stored, stored

_WRAPPERS = ("model", "state_dict", "net")
_PREFIXES = ("module.", "sam.")


@dataclass(frozen=True)
class Published:
    """An opened file.

    Attributes:
        shapes: of its tensors, by SAM's names.
        read: the tensors themselves, on the CPU, in the precision in which they are stored.
    """

    shapes: Shapes
    read: Callable[[], dict[str, Tensor]]


@contextmanager
def opened(path: Path) -> Iterator[Published]:
    """Open a safetensors file or one of torch.save's, told by its first bytes; nothing in it is executed.

    No tensor is read yet.

    Raises:
        ModelFileError: cut short, damaged, of another format, or without tensors.
    """
    try:
        with path.open("rb") as stream:
            if _is_torch(stream):
                yield _torch(path, stream)
                return
    except OSError as error:
        raise ModelFileError(f"it cannot be read ({error.strerror or type(error).__name__})") from error
    with _safetensors(path) as published:
        yield published


def read_tensors(path: Path) -> Tensors:
    """All tensors of a file; see :func:`opened`."""
    with opened(path) as published:
        return published.read()


def _is_torch(stream: IO[bytes]) -> bool:
    """A safetensors file begins with the length of its header, eight bytes, and the header's brace."""
    first = stream.read(9)
    stream.seek(0)
    return not (len(first) == 9 and first[8:] == b"{")


def _torch(path: Path, stream: IO[bytes]) -> Published:
    file = torch_files.open_torch(path, stream)
    tensors = _state_dict(file.root)
    if not tensors:
        raise ModelFileError("it holds no tensors by name; save the model's state_dict() and pass that")
    names = _our_names(list(tensors))
    ours = {name: tensors[theirs] for name, theirs in names.items()}
    return Published({name: t.shape for name, t in ours.items()}, lambda: torch_files.read_all(file, ours))


@contextmanager
def _safetensors(path: Path) -> Iterator[Published]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = _our_names(list(file.keys()))
            shapes = {name: tuple(file.get_slice(theirs).get_shape()) for name, theirs in names.items()}
            yield Published(shapes, lambda: {name: file.get_tensor(theirs) for name, theirs in names.items()})
    except (SafetensorError, OSError) as error:
        raise ModelFileError("it is cut short or damaged") from error


def _state_dict(root: object, depth: int = 3) -> dict[str, Stored]:
    """The tensors by name in a description, out of up to ``depth`` wrappers.

    A wrapper is asked first: beside it may lie single tensors, such as a training's best figure. Under ``model`` a
    training of Med-SA has the name of its model, and only under ``state_dict`` the tensors.
    """
    if not isinstance(root, Mapping):
        return {}
    for wrapper in _WRAPPERS if depth else ():
        if inner := _state_dict(root.get(wrapper), depth - 1):
            return inner
    each = {name: stored(value) for name, value in root.items()}
    return {name: tensor for name, tensor in each.items() if tensor is not None}


def _our_names(theirs: list[str]) -> dict[str, str]:
    """Our name of each tensor -> its name in the file; prefixes that all names share are taken off."""
    names = {name: name for name in theirs}
    while prefix := next((p for p in _PREFIXES if names and all(name.startswith(p) for name in names)), ""):
        names = {name.removeprefix(prefix): original for name, original in names.items()}
    ours = sam_names(names)
    return {ours[name]: original for name, original in names.items() if name in ours}
