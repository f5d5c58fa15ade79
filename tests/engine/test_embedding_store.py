"""Embeddings on disk: the same answers from them, and a damaged, full, foreign or shared folder does no harm."""

import errno
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine import embedding_store, stored_features
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.embedding_store import EmbeddingStore
from napari_segsam.model import build as building
from napari_segsam.model.zoom_encoder import SliceFeatures
from tests.fakes import FakePredictor, block_volume
from tests.tiny import SLIM_VIT, TINY_NANO, TINY_VIT, loaded, picture_view, tiny

BOX = Prompts(box=Box(10, 14, 29, 43))
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "cache" / "embeddings", worth_seconds=0)


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def view():
    return SliceView(block_volume(), 2, 4)


def files(store):
    return sorted(store.folder.iterdir()) if store.folder.exists() else []


def again(store, **changes):
    """Another program on the same folder."""
    return EmbeddingStore(store.folder, **{"worth_seconds": 0, **changes})


def different_slices():
    """A volume no two slices of which are alike along the first axis."""
    volume = block_volume((24, 20, 60))
    return replace(volume, voxels=volume.voxels + np.arange(24, dtype=np.int16).reshape(-1, 1, 1))


def put(store, predictor, indices):
    volume = different_slices()
    for index in indices:
        store.get_or_make(predictor, SliceView(volume, 0, index), None)


# -- what is read back
@pytest.mark.parametrize("config", [TINY_NANO, TINY_VIT], ids=["zoom", "whole slice"])
def test_a_stored_embedding_answers_as_the_one_that_was_made(tmp_path, store, monkeypatch, config):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    predictor = loaded(tiny(config), tmp_path)
    pixels = np.random.default_rng(0).integers(0, 200, (48, 64)).astype(np.int16)
    view, window = picture_view(pixels, (2, 1), modality="ct"), Window(100, 150)
    made = store.get_or_make(predictor, view, window)
    monkeypatch.setattr(predictor, "embed", lambda *_: pytest.fail("made again"))
    read = again(store).get_or_make(predictor, view, window)
    for prompts in (BOX, Prompts((Click(20, 30),))):
        a, b = predictor.predict(made, prompts), predictor.predict(read, prompts)
        assert np.array_equal(a.mask, b.mask) and a.classes == b.classes and a.iou_predicted == b.iou_predicted
    assert (read.window, read.seconds, read.nbytes) == (window, made.seconds, made.nbytes)


def test_features_of_a_gpu_keep_their_precision():
    features = SliceFeatures(torch.randn(1, 4, 3, 3).bfloat16(), None, torch.randn(1, 2, 3, 3))
    back = stored_features.from_arrays(stored_features.to_arrays(features))
    assert back.tokens.dtype == torch.bfloat16 and torch.equal(back.tokens, features.tokens)
    assert back.detail is None and torch.equal(back.local, features.local)


def test_everything_that_the_features_depend_on_is_in_the_digest(tmp_path, monkeypatch):
    predictor = loaded(tiny(), tmp_path)
    pixels = np.arange(48 * 64, dtype=np.int16).reshape(48, 64)
    window = Window(500, 400)
    digests = [predictor.digest(picture_view(pixels), window)]
    digests.append(predictor.digest(picture_view(pixels), Window(500, 401)))
    digests.append(predictor.digest(picture_view(pixels + 1), window))
    digests.append(predictor.digest(picture_view(pixels.reshape(64, 48)), window))
    digests.append(predictor.digest(picture_view(pixels, (2, 1)), window))
    digests.append(predictor.digest(picture_view(pixels, inverted=True), window))
    digests.append(replace(predictor, sha256="0" * 64).digest(picture_view(pixels), window))
    digests.append(replace(predictor, starts_on="cuda:0").digest(picture_view(pixels), window))
    monkeypatch.setattr(stored_features, "code_version", lambda: "another")
    digests.append(predictor.digest(picture_view(pixels), window))
    assert len(set(digests)) == len(digests)


def test_what_the_window_hides_does_not_matter_nor_which_scan_it_is(tmp_path):
    predictor = loaded(tiny(), tmp_path)
    pixels = np.full((48, 64), 100, np.int16)
    louder = pixels.copy()
    pixels[3, 3], louder[3, 3] = 1000, 2000
    first, second = (
        predictor.digest(picture_view(p, name=n), Window(40, 400)) for p, n in ((pixels, "a"), (louder, "b"))
    )
    assert first == second


# -- what is worth it
def test_a_fast_model_leaves_nothing_on_the_disk_and_is_not_looked_for_again(store, predictor, view, monkeypatch):
    store.worth_seconds = 0.1
    store.get_or_make(predictor, view, None)
    monkeypatch.setattr(predictor, "digest", lambda *_: pytest.fail("looked for"))
    store.get_or_make(predictor, view, None)
    assert files(store) == [] and len(predictor.embedded) == 2


def test_one_slow_embedding_of_a_fast_model_is_a_stall_and_not_stored(store, predictor, view):
    store.worth_seconds = 0.1
    store.get_or_make(predictor, view, None)
    predictor.seconds = 5.0
    store.get_or_make(predictor, view, None)
    assert files(store) == []


def test_a_slow_model_is_made_once_and_found_by_the_next_program(store, predictor, view):
    store.worth_seconds, predictor.seconds = 0.1, 2.0
    store.get_or_make(predictor, view, None)
    other = FakePredictor()
    found = again(store, worth_seconds=0.1).get_or_make(other, view, None)
    assert other.embedded == [] and found.seconds == 2.0
    assert np.array_equal(found.pixels, view.pixels)


def test_an_embedding_that_a_fault_moved_to_the_cpu_is_not_stored_as_the_gpus(store, predictor, view, monkeypatch):
    predictor.device, embed = "cuda:0", predictor.embed

    def fail_over(view, window):
        predictor.device = "cpu"
        return embed(view, window)

    monkeypatch.setattr(predictor, "embed", fail_over)
    store.get_or_make(predictor, view, None)
    assert files(store) == []


def test_the_cache_in_memory_asks_the_store_only_for_what_it_does_not_hold(store, predictor, view):
    for _ in range(2):
        cache = EmbeddingCache(store=again(store))
        for _ in range(3):
            cache.embedding(predictor, view, None)
    assert len(predictor.embedded) == 1


# -- damage
@pytest.mark.parametrize("damage", ["cut", "longer", "flipped", "empty", "text", "renamed"])
def test_a_damaged_file_counts_as_none_and_is_replaced(store, predictor, view, damage):
    made = store.get_or_make(predictor, view, None)
    (path,) = files(store)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 1
    told = {"cut": whole[:-1], "longer": whole + b"\0", "flipped": bytes(flipped), "empty": b"", "text": b"x" * 40}
    if damage == "renamed":
        store.get_or_make(predictor, SliceView(view.volume, 2, 0), None)
        (other,) = set(files(store)) - {path}
        path.write_bytes(other.read_bytes())
    else:
        path.write_bytes(told[damage])
    predictor.embedded.clear()
    read = again(store).get_or_make(predictor, view, None)
    assert predictor.embedded == [(2, 4)] and np.array_equal(read.pixels, made.pixels)
    assert path.read_bytes() == whole


def test_no_flipped_bit_of_the_header_is_believed(store, predictor, view):
    store.get_or_make(predictor, view, None)
    (path,) = files(store)
    whole = path.read_bytes()
    reader = again(store)
    pixels = view.pixels.astype(float)
    for place in range(0, 8 + int.from_bytes(whole[:8], "little")):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(bytes(damaged))
        found = reader._read(path.stem)
        assert found is None or np.array_equal(found["pixels"], pixels)


# -- room
def test_the_least_recently_used_goes_first_and_the_bound_is_kept(store, predictor):
    put(store, predictor, [0])
    size = files(store)[0].stat().st_size
    small = again(store, max_bytes=10 * size)
    for index in range(1, 20):
        put(small, predictor, [index])
        for path in files(store):
            if path.stat().st_mtime > 1000:  # just written; a clock of coarse ticks would tell no order
                os.utime(path, (index, index))
        assert sum(p.stat().st_size for p in files(store)) <= 10 * size
    predictor.embedded.clear()
    put(again(store), predictor, [19])
    assert predictor.embedded == []
    put(again(store), predictor, [1])
    assert predictor.embedded == [(0, 1)]


def test_reading_is_using(store, predictor):
    put(store, predictor, [0, 1])
    for path in files(store):
        os.utime(path, (1000, 1000))
    put(again(store), predictor, [0])
    assert sorted(p.stat().st_mtime > 1000 for p in files(store)) == [False, True]


def test_what_a_killed_program_left_goes_too_and_strangers_stay(store, predictor):
    put(store, predictor, [0])
    size = files(store)[0].stat().st_size
    for name in ("half.part", "notes.txt"):
        (store.folder / name).write_bytes(bytes(3 * size))
        os.utime(store.folder / name, (0, 0))
    put(again(store, max_bytes=3 * size), predictor, [1])
    assert not (store.folder / "half.part").exists() and (store.folder / "notes.txt").exists()


# -- folders that do not do
@posix
def test_nobody_else_may_read_it(store, predictor, view):
    store.folder.mkdir(parents=True)
    store.folder.chmod(0o755)
    store.get_or_make(predictor, view, None)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(p.stat().st_mode) for p in files(store)] == [0o600]


@pytest.mark.parametrize("problem", [errno.ENOSPC, errno.EROFS, errno.EACCES], ids=errno.errorcode.get)
def test_a_full_or_read_only_folder_is_said_once_and_what_lies_there_is_read(
    store, predictor, view, monkeypatch, problem
):
    put(store, predictor, [0])
    refusing = again(store)

    def refuse(path, data):
        raise OSError(problem, os.strerror(problem), str(path))

    monkeypatch.setattr(embedding_store, "_write_whole", refuse)
    put(refusing, predictor, [1, 2])
    said = refusing.take_trouble()
    assert os.strerror(problem).lower() in said and "SEGSAM_CACHE" in said and said.count(". ") == 0
    assert ("free some space" in said) == (problem == errno.ENOSPC)
    assert refusing.take_trouble() == ""
    predictor.embedded.clear()
    put(refusing, predictor, [0])
    assert predictor.embedded == [] and len(files(store)) == 1


def test_a_disk_that_fills_up_during_a_write_leaves_no_part(store, predictor, view, monkeypatch):
    put(store, predictor, [0])
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    store.get_or_make(predictor, view, None)
    assert [p.suffix for p in files(store)] == [".safetensors"] and "full" in store.take_trouble()


def test_a_file_in_the_folders_place_does_no_harm(tmp_path, predictor, view):
    (tmp_path / "file").write_text("mine")
    store = EmbeddingStore(tmp_path / "file", worth_seconds=0)
    assert store.get_or_make(predictor, view, None).pixels.size
    assert store.take_trouble() and (tmp_path / "file").read_text() == "mine"


def test_several_programs_on_one_folder_all_get_what_they_asked_for(store):
    volume = different_slices()

    def work(seed):
        mine = again(store, max_bytes=60_000)
        for index in np.random.default_rng(seed).integers(0, 24, 80):
            view = SliceView(volume, 0, int(index))
            found = mine.get_or_make(FakePredictor(), view, None)
            if not np.array_equal(found.pixels, view.pixels):
                return "wrong"
        return mine.take_trouble()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [""] * 4
