"""Files in the published formats: tensors under the published names, as ``.pth`` or as safetensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_segsam.core.errors import WriteError
from napari_segsam.model.zoo.files.class_names import names_path

SUFFIXES = (".safetensors", ".pth")


def check_suffix(path: Path) -> None:
    """Refuse another suffix before anything is learned.

    Raises:
        WriteError: says which there are.
    """
    if path.suffix not in SUFFIXES:
        raise WriteError(f"{path}: a model is written as {' or '.join(SUFFIXES)}; choose one of these suffixes.")


def write(path: Path, tensors: Mapping[str, Tensor], names: Mapping[int, str] | None = None) -> None:
    """Write ``tensors``, and beside them what each class is called, which no published format says.

    Args:
        path: ``.pth`` as the authors publish and read it, or ``.safetensors``.
        tensors: under the published names.
        names: class from 1 on -> name.

    Raises:
        WriteError: another suffix.
    """
    check_suffix(path)
    if path.suffix == ".pth":
        torch.save(dict(tensors), path)
    else:
        save_file(dict(tensors), path)
    if names is not None:
        said = {str(number): names[number] for number in sorted(names)}
        names_path(path).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
