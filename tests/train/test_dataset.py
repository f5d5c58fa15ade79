import json

import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.train.dataset import SAMed2D, load, partial_labels
from tests.train import sa_med2d
from tests.train.sa_med2d import SIDE, describe, listing_of, objects

WORDS = Vocabulary(("liver", "spleen", "kidney_left"))


@pytest.fixture
def root(tmp_path):
    return sa_med2d.write(tmp_path / "data")


def first(root):
    """The first picture and its masks, and the rest of the listing."""
    listing = listing_of(root)
    image = next(iter(listing))
    return image, listing[image], listing


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


@pytest.mark.parametrize(("split", "n"), [("train", 4), ("val", 2), ("all", 6)])
def test_the_split_file_says_which_pictures_are_whose(root, split, n):
    assert len(SAMed2D(root, split).samples) == n


def test_without_a_split_file_only_all_can_be_read(root):
    (root / "split.json").unlink()
    assert len(SAMed2D(root).samples) == 6
    with pytest.raises(UnreadableInputError, match=r"split\.json"):
        SAMed2D(root, "train")


def test_listed_files_that_are_not_there_are_skipped_and_said(root):
    image, _, listing = first(root)
    (root / image).unlink()
    other = list(listing.values())[1]
    (root / other[0]).unlink()
    data = SAMed2D(root)
    assert len(data.samples) == 5
    assert data.skipped == [f"{image}: not found", f"{other[0]}: not found"]
    assert len(data.samples[0].masks) == 2


def test_unions_of_classes_are_no_objects_and_no_dirt(root):
    image, masks, _ = first(root)
    union = masks[0].replace("--0001_", "--0003_")
    (root / masks[0]).rename(root / union)
    describe(root, {image: [union, masks[1]]})
    data = SAMed2D(root)
    assert [m.class_name for m in data.samples[0].masks] == ["spleen"]
    assert data.skipped == []


@pytest.mark.parametrize("ending", ["--0099_000.png", "--liver.png"])
def test_a_class_id_that_the_mapping_lacks_is_skipped(root, ending):
    image, masks, _ = first(root)
    strange = masks[0].replace("--0001_000.png", ending)
    (root / masks[0]).rename(root / strange)
    describe(root, {image: [strange, masks[1]]})
    data = SAMed2D(root)
    assert len(data.samples[0].masks) == 1
    assert data.skipped == [f"{strange}: class id not in the mapping"]


def test_masks_of_another_size_or_without_a_pixel_are_skipped(root):
    _, masks, _ = first(root)
    Image.fromarray(np.ones((SIDE, SIDE + 1), bool)).save(root / masks[0])
    Image.fromarray(np.zeros((SIDE, SIDE), bool)).save(root / masks[1])
    data = SAMed2D(root)
    assert len(load(data, WORDS)[0].packed) == 1
    assert [s.split(": ")[1] for s in data.skipped] == ["another size than its picture", "empty"]


def test_damaged_files_are_skipped(root):
    image, _, listing = first(root)
    (root / image).write_bytes((root / image).read_bytes()[:200])
    other = list(listing.values())[1]
    (root / other[1]).write_bytes(b"no picture at all")
    data = SAMed2D(root)
    loaded = load(data, WORDS)
    assert (len(loaded), len(loaded[0].packed)) == (5, 2)
    assert [s.split(":")[0] for s in data.skipped] == [image.split("/")[1], other[1].split("/")[1]]


def test_a_picture_without_a_usable_mask_is_left_out(root):
    _, masks, _ = first(root)
    for mask in masks:
        Image.fromarray(np.zeros((SIDE, SIDE), bool)).save(root / mask)
    assert len(load(SAMed2D(root), WORDS)) == 5


def test_a_file_name_of_another_grammar_is_skipped(root):
    image, masks, _ = first(root)
    (root / image).rename(root / "images/scan.png")
    describe(root, {"images/scan.png": masks, list(listing_of(root))[1]: list(listing_of(root).values())[1]})
    assert SAMed2D(root).skipped == ["images/scan.png: unexpected file name"]


@pytest.mark.parametrize("text", ["[]", "{", ""])
def test_a_listing_that_is_no_listing_is_refused_by_name(root, text):
    (root / "SAMed2D_v1.json").write_text(text)
    with pytest.raises(UnreadableInputError, match=r"SAMed2D_v1\.json"):
        SAMed2D(root)


def test_a_folder_with_nothing_usable_is_refused(root):
    (root / "SAMed2D_v1.json").write_text("{}")
    with pytest.raises(UnreadableInputError, match="no usable picture"):
        SAMed2D(root)


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
    assert all(s.mask(i).any() for s in loaded for i in range(len(s.packed)))
    assert len({s.sample.dataset for s in loaded}) > 5
