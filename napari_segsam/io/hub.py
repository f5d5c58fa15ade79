"""Pinned downloads from the Hugging Face hub into the user's cache; verifying them is the registry's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, cast

from filelock import FileLock
from platformdirs import user_cache_path

from napari_segsam.core.errors import DownloadCancelledError, DownloadError


@dataclass
class Download:
    """Shared by who fetches a file and who waits for it, on whichever threads.

    Attributes:
        done: bytes that are here, of an earlier attempt too.
        cancelled: set it, and the fetching ends with its next piece.
    """

    done: int = 0
    cancelled: bool = False


def cache_folder() -> Path:
    """Where downloaded models lie: SEGSAM_CACHE, or the user's cache folder of this system."""
    chosen = os.environ.get("SEGSAM_CACHE")
    return Path(chosen) if chosen else user_cache_path("napari-segsam", appauthor=False)


def cached(repo: str, revision: str, file: str) -> Path | None:
    """The file where an earlier download left it, or None; touches no network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, file, cache_dir=cache_folder(), revision=revision)
    return Path(found) if isinstance(found, str) else None


def fetch(repo: str, revision: str, file: str, download: Download | None = None) -> Path:
    """Download one file of a pinned commit, or find it in the cache; HF_HUB_OFFLINE=1 opens no socket.

    A download that was interrupted goes on where it stopped, also in a later program.

    Args:
        repo: ``owner/name`` on the hub.
        revision: 40 hex digits of a commit, never a branch or tag.
        file: path inside the repository.
        download: is told how far it is, and asked whether it is still wanted.

    Raises:
        DownloadCancelledError: it is not; what came is kept for the next attempt.
        DownloadError: offline, unreachable, gone, or no room on the disk.
    """
    from huggingface_hub import errors

    folder = cache_folder()
    # The hub library names its transport's own error beside its own; timeouts are only that one.
    network_errors = (OSError, errors.HTTPError)  # type: ignore[attr-defined]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "download.lock"):  # two programs that start together download once
            return cached(repo, revision, file) or _download(folder, repo, revision, file, download or Download())
    except network_errors as error:
        raise DownloadError(_advice(repo, revision, file, error)) from error


class _Watched:
    """A file that is written; tells how long it is after each piece, which the hub library gives as it comes.

    Raises:
        DownloadCancelledError: from ``write``, once the piece is in the file.
    """

    def __init__(self, stream: BinaryIO, download: Download, name: str) -> None:
        self._stream, self._download, self._name = stream, download, name
        self._tell()

    def write(self, piece: bytes) -> int:
        count = self._stream.write(piece)
        self._tell()
        return count

    def seek(self, place: int) -> int:
        return self._stream.seek(place)

    def truncate(self) -> int:
        return self._stream.truncate()

    def tell(self) -> int:
        return self._stream.tell()

    def _tell(self) -> None:
        self._download.done = self._stream.tell()
        if self._download.cancelled:
            raise DownloadCancelledError(f"The download of {self._name} was cancelled; the next one goes on from here.")


def _download(folder: Path, repo: str, revision: str, file: str, download: Download) -> Path:
    """Into the hub library's own layout, where it finds the file again; the file appears whole or not at all.

    The library itself would begin a download of gigabytes anew after an interruption (huggingface_hub#4228).
    """
    from huggingface_hub import errors, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    place = folder / f"models--{repo.replace('/', '--')}" / "snapshots" / revision / file
    part = place.with_name(f"{place.name}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    url, headers = hf_hub_url(repo, file, revision=revision), build_hf_headers()
    try:
        with part.open("ab") as stream:
            watched = cast(BinaryIO, _Watched(stream, download, place.name))
            http_get(url, watched, resume_size=stream.tell(), headers=headers, displayed_filename=place.name)
    except errors.HfHubHTTPError as error:
        if error.response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.unlink()  # it has all of the file or more, and nobody knows which: once more from its beginning
        return _download(folder, repo, revision, file, download)
    return part.replace(place)


def _advice(repo: str, revision: str, file: str, error: BaseException) -> str:
    """One sentence for a download that failed: what, why, what to do."""
    from huggingface_hub.constants import is_offline_mode

    source = f"https://huggingface.co/{repo}/resolve/{revision}/{file}"
    if is_offline_mode():
        why = "is not on this machine and HF_HUB_OFFLINE forbids downloading"
    else:
        why = f"could not be downloaded ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
    return f"{file} of {repo} {why}; get it from {source} and pass its path with --model."


def discard(path: Path) -> None:
    """Remove a downloaded file that is not what it should be, so that the next download starts afresh."""
    path.resolve().unlink(missing_ok=True)  # the blob; what the cache names is a link to it
    path.unlink(missing_ok=True)
