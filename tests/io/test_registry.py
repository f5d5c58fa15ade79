"""Models are found by name or path, and never loaded unless they are the file that the registry names."""

import os
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import ValidationError

from napari_segsam.core.errors import (
    BadCheckpointError,
    DownloadError,
    SegsamError,
    UndecidedModelError,
    UnknownNameError,
)
from napari_segsam.io import hub
from napari_segsam.io import registry as module
from napari_segsam.io.model_entry import ModelEntry, read_registry, read_unpublished
from napari_segsam.io.registry import locate, registry, resolve, take, unpublished, verify, where

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

        def fetch(repo: str, revision: str, name: str, _download: object) -> Path:
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


@pytest.mark.parametrize("suffix", [".ckpt", ".pkl", ".npz", ".pt2"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, suffix: str):
    path = tmp_path / f"sam{suffix}"
    path.write_bytes(b"\x80\x04.")
    with pytest.raises(BadCheckpointError, match=r"from \.safetensors, \.pth, \.pt or \.bin files only"):
        locate(path)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin"])
def test_what_torch_save_writes_is_taken_for_the_reader_that_runs_nothing(tmp_path: Path, suffix: str):
    path = tmp_path / f"sam{suffix}"
    path.write_bytes(b"whatever")
    assert locate(str(path)) == path


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
        {"file": "weights.pkl"},
        {"repo": "", "revision": "", "file": "weights.pth"},
        {"page": "https://example.org/"},
        {"repo": "", "revision": "", "page": "http://example.org/"},
        {"repo": "", "revision": "", "page": "a drive"},
        {"sha256": ""},
        {"size": None},
        {"side": 0},
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


def test_without_a_sha256_a_row_names_its_page_instead_of_downloading(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path))
    with pytest.raises(DownloadError, match=r"https://example.org/drive .*`segsam models take big FILE`"):
        locate("big", {"big": by_hand()})
    for row in registry().values():
        assert row.downloadable <= bool(row.sha256 and row.size)


def by_hand(**changes: object) -> ModelEntry:
    given = {"repo": "", "revision": "", "page": "https://example.org/drive", "sha256": "", "size": None}
    return entry(**{**given, "file": "big.pth", **changes})


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_file_fetched_by_hand_is_found_by_its_name_afterwards(cache: Path, file: Path):
    assert where(by_hand()) is None
    taken = take(by_hand(), file)
    assert taken.is_relative_to(cache) and taken.read_bytes() == WEIGHTS
    assert locate("big", {"big": by_hand()}) == where(by_hand()) == taken


def test_a_file_for_a_row_of_the_hub_may_come_by_hand_too_and_is_compared(cache: Path, file: Path):
    assert locate("big", {"big": entry()} if take(entry(), file) else {}).read_bytes() == WEIGHTS
    file.write_bytes(WEIGHTS[::-1])
    with pytest.raises(BadCheckpointError, match=r"has the sha256 .* is kept as it is"):
        take(entry(), file)
    assert file.exists()


def test_a_row_brings_its_words_and_its_base(cache: Path, file: Path):
    models = {"big": entry(words=["sam"]), "small": by_hand(name="small", file="small.pth", base="big", words=["x"])}
    take(models["small"], file)
    with pytest.raises(UndecidedModelError, match=r"small holds .* from big, .*segsam models download big") as lacks:
        resolve("small", models)
    assert (lacks.value.base, dict(lacks.value.families)) == ("big", {})
    take(models["big"], file)
    found = resolve("small", models)
    assert (found.name, found.words, found.base) == ("small", ("x",), where(models["big"]))
    assert resolve("big", models).base is None


def test_what_the_person_says_goes_before_what_the_row_says(cache: Path, file: Path):
    models = {"big": entry(words=["sam"]), "small": by_hand(name="small", file="small.pth", base="big")}
    for row in models.values():
        take(row, file)
    assert resolve("big@medsam", models).words == ("medsam", "sam")
    assert resolve(f"small@base={file}", models).base == file


def test_a_file_that_is_called_as_a_row_s_is_that_row_s(cache: Path, file: Path):
    models = {"big": entry(words=["medsam"])}
    found = resolve(str(file), models)
    assert (found.path, found.name, found.words) == (file, None, ("medsam",))
    other = file.rename(file.with_name("other.safetensors"))
    assert resolve(str(other), models).words == ()


def test_every_base_is_a_row_that_stands_alone():
    for row in registry().values():
        assert not row.base or not registry()[row.base].base


def test_the_systems_without_weights_are_named_with_what_can_be_done():
    assert {"SAM-UNet", "DB-SAM"} <= {system.title for system in unpublished()}
    with pytest.raises(ValidationError):
        read_unpublished('[unpublished.x]\ntitle = "X"\npage = "somewhere"\ninstead = "nothing"')
