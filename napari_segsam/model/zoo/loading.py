"""One way in: a path, and a model of the zoo comes out, or one sentence that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_segsam.model.zoo import table
from napari_segsam.model.zoo.accounts import ModelFileError, UndecidedError
from napari_segsam.model.zoo.family import Family, Shapes, Tensors, Zoo
from napari_segsam.model.zoo.files.class_names import as_called
from napari_segsam.model.zoo.files.published import opened


def load_zoo(path: Path, *, family: str | None = None, base: Path | None = None) -> tuple[Zoo, Family, Shapes]:
    """Load a published file of any family.

    Args:
        path: safetensors, or ``.pth``, ``.pt``, ``.bin`` with tensors.
        family: which of several families whose files are alike; else found from the file's tensors.
        base: the file that ``path`` is a difference to, where its family has one.

    Returns:
        The model in evaluation mode on the CPU, its family, and the shapes of the file's tensors.

    Raises:
        ModelFileError: one sentence: damaged, of another family, tensors missing or left over, no or a wrong base.
    """
    with _sentence(path), opened(path) as file:
        found = table.find(file.shapes, family)
        below = _base(found, base)
        return found.build(file.read(), below), as_called(found, path, file.shapes), file.shapes


def identify(path: Path, family: str | None = None) -> tuple[Family, Shapes]:
    """The family that a file is of, and its tensors' shapes; reads no tensor.

    Raises:
        ModelFileError: one sentence: damaged, or of no or another family.
    """
    with _sentence(path), opened(path) as file:
        return table.find(file.shapes, family), file.shapes


@contextmanager
def _sentence(path: Path) -> Iterator[None]:
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{path.name} cannot be used: {error}.") from error


def _base(family: Family, base: Path | None) -> Tensors | None:
    if family.base is None:
        if base is not None:
            raise ModelFileError(f"{family.title} stands alone; leave out its base {base.name}")
        return None
    title = table.named(family.base).title
    if base is None:
        raise UndecidedError(
            f"{family.title} holds only what differs from {title}; write @base=FILE behind its name, "
            f"where FILE is the {title} that it was made on",
            {family.name: family.title},
            title,
        )
    try:
        with opened(base) as file:
            table.find_base(file.shapes, family.base)
            return file.read()
    except ModelFileError as error:
        raise ModelFileError(f"its base {base.name} is not right, {error}") from error
