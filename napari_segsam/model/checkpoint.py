"""A SegSam in one safetensors file: tensors, and in its header the config, the class names and its calibration."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_segsam.model.build import build
from napari_segsam.model.config import SegSamConfig
from napari_segsam.model.segsam import SegSam

FORMAT = "segsam-1"


class CheckpointError(ValueError):
    """A file that is no SegSam checkpoint of this format; says why."""


@dataclass(frozen=True)
class Header:
    """What a checkpoint says of itself.

    Attributes:
        config: sizes and choices.
        names: classes in the order of the logits.
        aliases: other spellings -> name.
        modalities: in which kinds of picture each class is seen; a class that is not here, in any.
        temperature: divides class logits so that scores are probabilities.
        suggest_at: score from which an unprompted object is suggested.
        text_encoder: what embedded the class cards, see ``train/text``; a new card needs the same one.
    """

    config: SegSamConfig
    names: tuple[str, ...]
    aliases: Mapping[str, str]
    modalities: Mapping[str, tuple[str, ...]]
    temperature: float = 1.0
    suggest_at: float = 0.5
    text_encoder: str = "minilm"

    def to_metadata(self) -> dict[str, str]:
        """Text values for the safetensors header."""
        values: dict[str, Any] = {
            "config": self.config.to_dict(),
            "names": self.names,
            "aliases": dict(self.aliases),
            "modalities": dict(self.modalities),
            "temperature": self.temperature,
            "suggest_at": self.suggest_at,
            "text_encoder": self.text_encoder,
        }
        return {"format": FORMAT, "segsam": json.dumps(values)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str] | None) -> Header:
        """The inverse of :meth:`to_metadata`.

        Raises:
            CheckpointError: another format.
        """
        if not metadata or metadata.get("format") != FORMAT:
            raise CheckpointError(f"not a SEG-SAM checkpoint (no '{FORMAT}' in its header)")
        try:
            values: dict[str, Any] = json.loads(metadata["segsam"])
            config, names = SegSamConfig.from_dict(values["config"]), tuple(values["names"])
            temperature, suggest_at = float(values["temperature"]), float(values["suggest_at"])
            seen = {name: tuple(kinds) for name, kinds in values["modalities"].items()}
            text_encoder = str(values.get("text_encoder", "minilm"))  # files of version 0.1 do not say it
            header = cls(config, names, dict(values["aliases"]), seen, temperature, suggest_at, text_encoder)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"its header cannot be read ({error})") from error
        if len(names) != config.n_classes or not temperature > 0:
            raise CheckpointError(f"its header names {len(names)} of {config.n_classes} classes at {temperature:g}")
        return header


def save(path: Path, model: SegSam, header: Header, dtype: torch.dtype = torch.float16) -> None:
    """Write ``model`` to ``path``, floating tensors as ``dtype``; the file appears whole or not at all."""
    write(path, stored(model.state_dict(), dtype), header)


def stored(tensors: Mapping[str, Tensor], dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """``tensors`` as a file holds them: on the CPU, contiguous, floating ones as ``dtype``."""
    return {k: (t.to(dtype) if t.is_floating_point() else t).cpu().contiguous() for k, t in tensors.items()}


def write(path: Path, tensors: Mapping[str, Tensor], header: Header) -> None:
    """Write ``tensors`` as they are; the file appears whole or not at all."""
    beside = path.with_name(path.name + ".part")
    try:
        save_file(dict(tensors), beside, header.to_metadata())
        beside.chmod(0o644)  # safetensors leaves it to its owner alone, even where another user installs it
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def is_checkpoint(path: Path) -> bool:
    """Whether the file says of itself that it is one, of whatever version; a file that cannot be read does not."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return str((file.metadata() or {}).get("format", "")).startswith("segsam-")
    except (SafetensorError, OSError):
        return False


def read_header(path: Path) -> Header:
    """What the checkpoint at ``path`` says of itself; reads no tensor.

    Raises:
        CheckpointError: a damaged file, or another format.
    """
    with _opened(path) as file:
        return Header.from_metadata(file.metadata())


def read(path: Path) -> tuple[Header, dict[str, Tensor]]:
    """The header and the tensors of a checkpoint, in the precision in which they are stored.

    Raises:
        CheckpointError: a damaged file, or another format.
    """
    with _opened(path) as file:
        header = Header.from_metadata(file.metadata())
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"damaged or no safetensors file ({error})") from error


def load(path: Path, device: str | torch.device = "cpu") -> tuple[SegSam, Header]:
    """Read a checkpoint written by :func:`save`; every tensor must be there and none may be left over.

    Raises:
        CheckpointError: a damaged file, another format, missing or unexpected tensors, or numbers that are not finite.
    """
    header, stored = read(path)
    tensors = {name: tensor.float() for name, tensor in stored.items()}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"its tensor '{name}' holds numbers that are not finite")
    model = _built(header.config)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"its tensors do not fit its header ({str(error).splitlines()[-1].strip()})") from error
    return model.eval().to(device), header


def _built(config: SegSamConfig) -> SegSam:
    try:
        return build(config)
    except (AssertionError, ArithmeticError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"no model has its header's sizes ({error})") from error
