import json
import pickle

import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.terminology import Vocabulary
from napari_segsam.train.data import dataset
from napari_segsam.train.data.dataset import MEMORY, SAMed2D, load, partial_labels
from napari_segsam.train.data.pictures import read_picture
from tests.train import sa_med2d
from tests.train.sa_med2d import SIDE, describe, first, listing_of, objects

WORDS = Vocabulary(("liver", "spleen", "kidney_left"))


@pytest.fixture
def root(tmp_path):
    return sa_med2d.write(tmp_path / "data")


def test_pictures_masks_and_classes_come_as_they_are(root):
    data = SAMed2D(root)
    assert (len(data.samples), data.skipped) == (6, [])
    sample = data.samples[1]
    assert (sample.modality, sample.dataset, sample.case) == ("ct", "B", "case1")
    loaded = load(data, WORDS)[1]
    assert np.array_equal(loaded.picture, np.asarray(Image.open(sample.path)))
    for i, mask in enumerate(objects(1).values()):
        assert np.array_equal(loaded.mask(i), mask)
    assert loaded.class_ids == [1, 2, 0]  # 'Liver' by any spelling; the model has no name for 'thing'


def test_objects_of_one_class_are_one_class_mask(root):
    image, masks, _ = first(root)
    extra = masks[0].replace("_000.png", "_001.png")
    Image.fromarray(objects(0)[4]).save(root / extra)
    describe(root, {image: [*masks, extra]})
    loaded = load(SAMed2D(root), WORDS)[0]
    assert np.array_equal(loaded.class_mask(1), objects(0)[1] | objects(0)[4])


@pytest.fixture
def united(root):
    """The first picture has a union of classes that covers its liver and a corner of its spleen."""
    image, masks, _ = first(root)
    union = masks[0].replace("--0001_", "--0003_")
    shown = objects(0)[1] | objects(0)[2]
    shown[36:] = False
    Image.fromarray(shown).save(root / union)
    describe(root, {image: [union, *masks[:2]]})
    return root, union


@pytest.mark.parametrize("memory", [0, MEMORY])
def test_a_union_that_is_kept_counts_to_the_class_that_covers_most_of_it(united, memory):
    data = SAMed2D(united[0], unions="atom")
    sample = load(data, WORDS, memory)[0]
    assert [m.class_name for m in data.samples[0].masks] == ["union_organs", "Liver", "spleen"]
    assert sample.known == {1, 2}  # the classes of the masks that are not unions
    assert sample.mask(0).sum() > sample.mask(1).sum()
    assert sample.class_ids == [1, 1, 2]


def test_masks_of_another_size_or_without_a_pixel_are_skipped(root):
    _, masks, _ = first(root)
    Image.fromarray(np.ones((SIDE, SIDE + 1), bool)).save(root / masks[0])
    Image.fromarray(np.zeros((SIDE, SIDE), bool)).save(root / masks[1])
    data = SAMed2D(root)
    assert len(load(data, WORDS)[0].class_ids) == 1
    assert [s.split(": ")[1] for s in data.skipped] == ["another size than its picture", "empty"]


def test_damaged_files_are_skipped(root):
    image, _, listing = first(root)
    (root / image).write_bytes((root / image).read_bytes()[:200])
    other = list(listing.values())[1]
    (root / other[1]).write_bytes(b"no picture at all")
    data = SAMed2D(root)
    loaded = load(data, WORDS)
    assert (len(loaded), len(loaded[0].class_ids)) == (5, 2)
    assert [s.split(":")[0] for s in data.skipped] == [image, other[1]]


def test_a_picture_without_a_usable_mask_is_left_out(root):
    _, masks, _ = first(root)
    for mask in masks:
        Image.fromarray(np.zeros((SIDE, SIDE), bool)).save(root / mask)
    assert len(load(SAMed2D(root), WORDS)) == 5


def test_a_class_is_absent_only_where_it_is_annotated_or_where_its_modality_never_shows_it(root):
    """A annotates liver and spleen; B only the liver: it may not say of a query that there is no spleen."""
    listing = {k: v if "--A--" in k else v[:1] for k, v in listing_of(root).items()}
    describe(root, listing)
    told = partial_labels(load(SAMed2D(root), WORDS), 3)
    assert told["A"].tolist() == [True, True, True]
    assert told["B"].tolist() == [True, False, True]  # no CT of any data set ever shows a left kidney


def test_real_pictures_fit_their_masks(shared_train, tmp_path):
    listing = json.loads((shared_train / "SAMed2D_v1.json").read_text())
    some = dict(list(listing.items())[:: len(listing) // 12])
    for folder in ("images", "masks"):
        (tmp_path / folder).symlink_to(shared_train / folder)
    (tmp_path / "SAMed2D_v1.json").write_text(json.dumps(some))
    mapping = "SAMed2D_v1_class_mapping_id.json"
    (tmp_path / mapping).write_text((shared_train / mapping).read_text())
    data = SAMed2D(tmp_path)
    loaded = load(data, WORDS)
    assert (len(loaded), data.skipped) == (len(some), [])
    assert all(s.mask(i).any() for s in loaded for i in range(len(s.class_ids)))
    assert len({s.sample.dataset for s in loaded}) > 5


SQUARE = np.zeros((SIDE, SIDE), bool)
SQUARE[10:20, 10:30] = True


def dirty(root):
    """One entry of every kind of dirt that the published data set is known for, and what is said of it."""
    noise = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE), np.uint8)
    listing, said = {}, {}

    def add(stem, *masks, picture=noise, codes=("0001_000", "0002_000")):
        if picture is not None:
            Image.fromarray(picture).save(root / f"images/{stem}.png")
        names = [f"masks/{stem}--{code}.png" for code, _ in zip(codes, masks, strict=False)]
        for name, mask in zip(names, masks, strict=True):
            if mask is not None:
                Image.fromarray(mask).save(root / name)
        listing[f"images/{stem}.png"] = names
        return [f"images/{stem}.png", *names]

    def fault(reason, name):
        said.setdefault(reason, []).append(name)

    fault("not found", add("ct_00--A--missing--z_0", SQUARE, picture=None)[0])
    fault("not found", add("ct_00--A--lost--z_0", SQUARE, None)[2])
    fault("another size than its picture", add("ct_00--A--size--z_0", SQUARE, SQUARE[:-1])[2])
    fault("empty", add("ct_00--A--empty--z_0", SQUARE, SQUARE & False)[2])
    fault("no mask is listed", add("ct_00--A--bare--z_0")[0])
    fault("unexpected file name", add("scan", SQUARE)[0])
    fault("class id not in the mapping", add("ct_00--A--ninth--z_0", SQUARE, SQUARE, codes=("0001_000", "0009_000"))[2])
    fault("a union of other classes", add("ct_00--A--union--z_0", SQUARE, SQUARE, codes=("0001_000", "0003_000"))[2])
    fault(
        "a picture of one row or column", add("ct_00--A--pixel--z_0", SQUARE[:1, :1] | True, picture=noise[:1, :1])[0]
    )
    fault("the picture is a mask itself, a known fault", add("mr_00--A--brain-growth_1--z_0", SQUARE)[0])
    mask = SQUARE.astype(np.uint8) * 255
    fault("the picture is a mask itself, a known fault", add("mr_00--Brain_PTM--1--z_0", SQUARE, picture=mask)[0])
    add("mr_00--Brain_PTM--2--z_0", SQUARE)
    whole = add("mr_00--ACDC--1--z_0", SQUARE, SQUARE, codes=("0001_000", "0003_000"))[2]
    fault("a known duplicate of its picture's other masks", whole)
    add("fundus_photography--ichallenge_adam_task2--1--2d_none", ~SQUARE)
    add("ct_00--A--deep--z_0", SQUARE.astype(np.uint16) * 300, picture=noise.astype(np.uint16) * 200)
    add("ct_00--A--clean--z_0", SQUARE, SQUARE.astype(np.uint8))
    describe(root, listing, {d: sa_med2d.CLASSES for d in ("A", "Brain_PTM", "ACDC", "ichallenge_adam_task2")})
    return said


def of_use(samples):
    """Picture name -> masks with a pixel."""
    return {s.sample.name: n for s in samples if (n := sum(s.mask(i).any() for i in range(len(s.class_ids))))}


@pytest.mark.parametrize("memory", [0, MEMORY])
def test_all_dirt_is_named_by_reason_and_the_rest_is_used(root, memory, caplog):
    said = dirty(root)
    data = SAMed2D(root)
    used = of_use(load(data, WORDS, memory))
    assert {reason: list(names) for reason, names in data.left_out.names.items()} == said
    assert sum(used.values()) == 11
    lines = [r.getMessage() for r in caplog.records]
    for reason, names in said.items():
        assert any(line.endswith(f"left out: {reason}; first: {names[0]}") for line in lines)
        counts = [line.split()[1] for line in lines if f" left out: {reason};" in line]
        assert memory == 0 or counts[-1] == str(len(names))  # what is met while drawing is told now and then


@pytest.mark.parametrize("memory", [0, MEMORY])
def test_masks_that_are_published_inverted_are_read_the_right_way_round(root, memory, caplog):
    dirty(root)
    (sample,) = [s for s in load(SAMed2D(root), WORDS, memory) if s.sample.dataset == "ichallenge_adam_task2"]
    assert np.array_equal(sample.mask(0), SQUARE)
    assert "1 masks of ichallenge_adam_task2" in caplog.text


def test_what_does_not_fit_into_memory_is_read_when_it_is_drawn(root, monkeypatch):
    opened = []
    monkeypatch.setattr(dataset, "read_picture", lambda path: opened.append(path.name) or read_picture(path))
    everything, late = load(SAMed2D(root), WORDS), load(SAMed2D(root), WORDS, memory=8000)
    opened.clear()
    assert partial_labels(late, 3).keys() == partial_labels(everything, 3).keys() and opened == []
    for one, other in zip(everything, late, strict=True):
        assert np.array_equal(one.picture, other.picture) and one.class_ids == other.class_ids
        assert all(np.array_equal(one.mask(i), other.mask(i)) for i in range(3))
        assert np.array_equal(one.class_mask(1), other.class_mask(1))
    assert len(opened) == len(late)  # each once: the masks came with the picture
    assert 0 < late[0].store.held <= 8000
    assert late[-1].picture is late[-1].picture and len(opened) == len(late)
    assert late[0].picture is not None and len(opened) == len(late) + 1  # it was forgotten for newer ones


def test_a_sample_read_late_shows_no_object_where_its_files_are_of_no_use(root):
    _, masks, _ = first(root)
    (root / masks[1]).write_bytes(b"no picture at all")
    whole, damaged = load(SAMed2D(root), WORDS, memory=0)[:2]
    damaged.sample.path.write_bytes(b"no picture at all")
    assert whole.known == {1, 2}
    assert not whole.mask(1).any() and whole.known == {1}
    assert damaged.picture.shape == damaged.mask(0).shape and not damaged.mask(0).any() and damaged.known == set()
    assert len(whole.store.data.skipped) == 2


def test_dirt_that_is_met_again_is_counted_once(root):
    _, masks, _ = first(root)
    (root / masks[1]).write_bytes(b"no picture at all")
    samples = load(SAMed2D(root), WORDS, memory=0)
    for _ in range(3):
        assert [s.picture.shape for s in samples] == [(SIDE, SIDE)] * 6
    assert len(samples[0].store.data.skipped) == 1


def test_samples_can_be_sent_to_another_process(root):
    sample = load(SAMed2D(root), WORDS, memory=0)[1]
    sent = pickle.loads(pickle.dumps(sample))
    assert np.array_equal(sent.mask(0), sample.mask(0)) and sent.sample == sample.sample
