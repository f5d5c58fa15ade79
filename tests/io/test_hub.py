"""Downloads are pinned, local to the user, offline when asked, and say what to do when they fail."""

import errno
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import errors

from napari_segsam.core.errors import DownloadCancelledError, DownloadError
from napari_segsam.io import hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def download(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr("huggingface_hub.file_download.http_get", download)


class FakeHub(ThreadingHTTPServer):
    """One file on this machine; gives ``gives`` bytes of it at most before it hangs up, and 503 while ``closed``."""

    content = bytes(range(256)) * 40
    path = f"/someone/big/resolve/{COMMIT}/folder/big.safetensors"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.gives, self.closed, self.ranges, self.asked = len(self.content), False, True, []


class Answer(BaseHTTPRequestHandler):
    server: FakeHub

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if self.path != FakeHub.path or self.server.closed or start >= len(FakeHub.content):
            self.send_error(404 if self.path != FakeHub.path else 503 if self.server.closed else 416)
            return
        rest = FakeHub.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(FakeHub.content) - 1}/{len(FakeHub.content)}")
        self.end_headers()
        self.wfile.write(rest[: self.server.gives])
        if self.server.gives < len(rest):
            self.server.closed = True

    def log_message(self, *_args: object) -> None:
        """Says nothing."""


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with FakeHub() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        template = f"http://127.0.0.1:{server.server_port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        # What came is kept chunk by chunk, of 10 MB.
        monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 8)
        monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _seconds: None)
        yield server
        server.shutdown()


def fetched() -> Path:
    return hub.fetch("someone/big", COMMIT, "folder/big.safetensors")


def test_the_pinned_commit_is_asked_for_into_our_own_cache_and_once(online: FakeHub, folder: Path):
    path = fetched()
    assert path.is_relative_to(folder) and path.read_bytes() == FakeHub.content
    assert hub.cached("someone/big", COMMIT, "folder/big.safetensors") == fetched() == path
    assert online.asked == [(FakeHub.path, None)]


@pytest.mark.parametrize("given", [8, 5000, 10232])
def test_an_interrupted_download_goes_on_where_it_stopped(online: FakeHub, given: int):
    online.gives = given
    with pytest.raises(DownloadError, match="could not be downloaded"):
        fetched()
    assert hub.cached("someone/big", COMMIT, "folder/big.safetensors") is None
    online.gives, online.closed = len(FakeHub.content), False
    assert fetched().read_bytes() == FakeHub.content
    assert online.asked[-1][1] == f"bytes={given}-"


class Impatient(hub.Download):
    """Hears how far it is, and is cancelled as soon as so much is here."""

    def __init__(self, most: int) -> None:
        self.heard: list[int] = []
        self.most = most
        super().__init__()

    def __setattr__(self, name: str, value: int) -> None:
        super().__setattr__(name, value)
        if name == "done" and value:
            self.heard.append(value)
            self.cancelled = value >= self.most


def test_a_download_says_how_far_it_is(online: FakeHub):
    download = Impatient(len(FakeHub.content) + 1)
    hub.fetch("someone/big", COMMIT, "folder/big.safetensors", download)
    assert download.done == len(FakeHub.content) and len(download.heard) > 2
    assert download.heard == sorted(download.heard)


def test_a_cancelled_download_keeps_what_came_and_the_next_one_goes_on_from_there(online: FakeHub):
    with pytest.raises(DownloadCancelledError, match="the next one goes on from here"):
        hub.fetch("someone/big", COMMIT, "folder/big.safetensors", Impatient(4000))
    assert hub.cached("someone/big", COMMIT, "folder/big.safetensors") is None
    again = Impatient(len(FakeHub.content) + 1)
    path = hub.fetch("someone/big", COMMIT, "folder/big.safetensors", again)
    assert path.read_bytes() == FakeHub.content
    assert again.heard[0] >= 4000 and online.asked[-1][1] == f"bytes={again.heard[0]}-"


def test_what_is_cancelled_before_it_begins_asks_nobody(online: FakeHub):
    with pytest.raises(DownloadCancelledError):
        hub.fetch("someone/big", COMMIT, "folder/big.safetensors", hub.Download(cancelled=True))
    assert not online.asked


def test_a_server_that_knows_no_ranges_gives_the_whole_file(online: FakeHub):
    online.gives = 5000
    with pytest.raises(DownloadError):
        fetched()
    online.gives, online.closed, online.ranges = len(FakeHub.content), False, False
    assert fetched().read_bytes() == FakeHub.content


def test_a_leftover_that_is_longer_than_the_file_is_thrown_away(online: FakeHub):
    part = fetched().rename(fetched().with_name("big.safetensors.part"))
    part.write_bytes(FakeHub.content + b"more")
    assert fetched().read_bytes() == FakeHub.content


def test_a_file_that_is_gone_is_one_sentence(online: FakeHub):
    with pytest.raises(DownloadError, match=r"gone\.safetensors .* could not be downloaded .* pass its path") as caught:
        hub.fetch("someone/big", COMMIT, "gone.safetensors")
    assert "\n" not in str(caught.value)


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
