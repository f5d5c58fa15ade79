"""Downloads are pinned, local to the user, offline when asked, and say what to do when they fail."""

import errno
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from napari_segsam.core.errors import DownloadError
from napari_segsam.io import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def download(*_args: object, **_kwargs: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)


def test_the_pinned_commit_is_asked_for_into_our_own_cache(monkeypatch, folder: Path):
    asked = {}

    def download(repo: str, file: str, **options: object) -> str:
        asked.update(repo=repo, file=file, **options)
        return str(folder / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert hub.fetch("someone/big", COMMIT, "big.safetensors") == folder / "big.safetensors"
    assert asked == {"repo": "someone/big", "file": "big.safetensors", "revision": COMMIT, "cache_dir": folder}


def test_offline_opens_no_socket_and_says_where_to_get_the_file(monkeypatch):
    def no_socket(*_args: object, **_kwargs: object) -> None:
        pytest.fail("a socket was opened although HF_HUB_OFFLINE=1")

    monkeypatch.setattr("socket.socket.connect", no_socket)
    with pytest.raises(
        DownloadError, match=rf"HF_HUB_OFFLINE forbids.*/someone/big/resolve/{COMMIT}/big.safetensors.*--model"
    ):
        hub.fetch("someone/big", COMMIT, "big.safetensors")


def test_offline_finds_what_was_downloaded_before(folder: Path):
    snapshot = folder / "models--someone--big" / "snapshots" / COMMIT / "big.safetensors"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_bytes(b"weights")
    assert hub.fetch("someone/big", COMMIT, "big.safetensors") == snapshot
    assert hub.cached("someone/big", COMMIT, "big.safetensors") == snapshot


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ConnectionError("connection refused"),
        errors.LocalEntryNotFoundError("not cached"),
        errors.HTTPError("the read timed out"),
    ],
    ids=["full disk", "no connection", "not cached", "timeout"],
)
def test_a_failed_download_is_one_sentence(monkeypatch, error: Exception):
    failing(monkeypatch, error)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(DownloadError) as caught:
        hub.fetch("someone/big", COMMIT, "big.safetensors")
    assert "could not be downloaded" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bug_of_ours_is_not_called_a_failed_download(monkeypatch):
    failing(monkeypatch, TypeError("bug"))
    with pytest.raises(TypeError):
        hub.fetch("someone/big", COMMIT, "big.safetensors")


def test_discarding_removes_the_file_and_what_it_links_to(tmp_path: Path):
    blob, link = tmp_path / "blob", tmp_path / "link"
    blob.write_bytes(b"x")
    link.symlink_to(blob)
    hub.discard(link)
    assert not blob.exists() and not link.is_symlink()


def test_without_a_chosen_folder_the_cache_is_the_users_own(monkeypatch):
    monkeypatch.delenv("SEGSAM_CACHE")
    assert hub.cache_folder().name == "napari-segsam"
