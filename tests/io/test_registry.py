"""Models are found by name or path, and never loaded unless they are the file that the registry names."""

import os
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_segsam.core.errors import BadCheckpointError, DownloadError, SegsamError, UnknownNameError
from napari_segsam.io import hub
from napari_segsam.io import registry as module
from napari_segsam.io.registry import ModelEntry, locate, read_registry, registry, verify, where

WEIGHTS = b"not really weights, but exactly these bytes"


def entry(**changes: object) -> ModelEntry:
    fields = {
        "name": "big",
        "family": "vit_b",
        "repo": "someone/big",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "file": "big.safetensors",
        "sha256": sha256(WEIGHTS).hexdigest(),
        "size": len(WEIGHTS),
        "licence": "Apache-2.0",
        "input": "one slice",
        "window": {"default": "percentiles"},
        "limits": "none known",
    }
    return ModelEntry(**{**fields, **changes})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "big.safetensors"
    path.write_bytes(WEIGHTS)
    return path


@pytest.fixture
def hub_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A hub that serves these bytes into the cache folder and remembers what was asked of it."""
    asked: list[tuple[str, str, str]] = []

    def serve(content: bytes) -> list[tuple[str, str, str]]:
        blob = tmp_path / "cache" / "big.safetensors"

        def fetch(repo: str, revision: str, name: str) -> Path:
            asked.append((repo, revision, name))
            blob.parent.mkdir(exist_ok=True)
            blob.write_bytes(content)
            return blob

        monkeypatch.setattr(hub, "fetch", fetch)
        monkeypatch.setattr(hub, "cached", lambda *_: blob if blob.is_file() else None)
        return asked

    return serve


def test_the_shipped_registry_is_valid_and_its_default_is_embedded():
    assert registry()[module.DEFAULT_MODEL].embedded
    assert all(name == model.name for name, model in registry().items())


def test_the_shipped_checkpoint_is_the_one_that_the_registry_names():
    assert locate("nano").name == "nano.safetensors"


def test_a_local_file_is_taken_as_it_is(file: Path):
    assert locate(file) == file
    assert locate(str(file)) == file


def test_a_name_in_the_registry_wins_over_a_file_of_that_name(file: Path, hub_with, monkeypatch):
    monkeypatch.chdir(file.parent)
    (file.parent / "big").write_bytes(b"something else")
    hub_with(WEIGHTS)
    assert locate("big", {"big": entry()}).parent.name == "cache"


def test_a_download_is_pinned_and_happens_once(hub_with):
    asked = hub_with(WEIGHTS)
    first = locate("big", {"big": entry()})
    assert locate("big", {"big": entry()}) == first
    assert asked == [("someone/big", "0123456789abcdef0123456789abcdef01234567", "big.safetensors")]


@pytest.mark.parametrize("served", [WEIGHTS[:-1], WEIGHTS[:-1] + b"X", b""], ids=["cut short", "one byte off", "empty"])
def test_a_wrong_download_is_refused_and_fetched_again_next_time(hub_with, served: bytes):
    asked = hub_with(served)
    for _ in range(2):
        with pytest.raises(BadCheckpointError, match="segsam models download big"):
            locate("big", {"big": entry()})
    assert len(asked) == 2


def test_a_wrong_embedded_file_is_refused_and_kept(file: Path):
    embedded = entry(repo="", revision="", sha256="0" * 64)
    with pytest.raises(BadCheckpointError, match=r"sha256 .* instead of 000000000000"):
        verify(embedded, file)
    assert file.read_bytes() == WEIGHTS


def test_a_file_that_changed_after_it_was_verified_is_verified_again(file: Path):
    embedded = entry(repo="", revision="")
    verify(embedded, file)
    file.write_bytes(WEIGHTS[::-1])
    os.utime(file, ns=(1, 1))
    with pytest.raises(BadCheckpointError):
        verify(embedded, file)


def test_an_embedded_file_that_is_missing_says_so(tmp_path: Path):
    with pytest.raises(BadCheckpointError, match="is missing; reinstall"):
        verify(entry(repo="", revision=""), tmp_path / "nothing.safetensors")


def test_a_model_that_was_never_downloaded_is_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path))
    assert where(entry()) is None


def test_an_unknown_name_brings_the_nearest_ones():
    with pytest.raises(UnknownNameError, match="Did you mean: nano"):
        locate("nanno")


@pytest.mark.parametrize("name", ["gone.safetensors", "folder/gone", "/gone"])
def test_a_path_without_a_file_is_refused_as_a_path(name: str):
    with pytest.raises(BadCheckpointError, match="there is no such weights file"):
        locate(name)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ".pkl"])
def test_a_file_that_may_hold_code_is_refused(tmp_path: Path, suffix: str):
    path = tmp_path / f"sam{suffix}"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(BadCheckpointError, match="can hold no code"):
        locate(path)


def test_every_refusal_is_one_that_the_user_can_act_on():
    assert issubclass(DownloadError, SegsamError) and issubclass(BadCheckpointError, SegsamError)


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "abc"},
        {"size": 0},
        {"revision": "main"},
        {"revision": ""},
        {"file": "../../etc/passwd"},
        {"file": "weights.pth"},
        {"surprise": "field"},
        {"licence": 3},
    ],
    ids=lambda c: f"{next(iter(c))}={next(iter(c.values()))}",
)
def test_a_registry_entry_that_could_load_another_file_is_refused(changes):
    with pytest.raises(ValidationError):
        entry(**changes)


def test_a_registry_keeps_the_order_of_its_file():
    text = "\n".join(
        f'[model.{name}]\nfamily = "nano"\nfile = "{name}.safetensors"\nsha256 = "{"1" * 64}"\nsize = 1\n'
        'licence = "MIT"\ninput = "slice"\nlimits = "many"\n[model.%s.window]\ndefault = "none"' % name
        for name in ("z", "a")
    )
    assert list(read_registry(text)) == ["z", "a"]
