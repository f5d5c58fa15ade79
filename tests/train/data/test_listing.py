import json

import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.train.data.listing import SAMed2D
from tests.train import sa_med2d
from tests.train.sa_med2d import describe, first, listing_of


@pytest.fixture
def root(tmp_path):
    return sa_med2d.write(tmp_path / "data")


@pytest.mark.parametrize(("split", "n"), [("train", 4), ("val", 2), ("all", 6)])
def test_the_split_file_says_which_pictures_are_whose(root, split, n):
    assert len(SAMed2D(root, split).samples) == n


def test_without_a_split_file_only_all_can_be_read(root):
    (root / "split.json").unlink()
    assert len(SAMed2D(root).samples) == 6
    with pytest.raises(UnreadableInputError, match=r"split\.json"):
        SAMed2D(root, "train")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_picture_on_both_sides_of_the_split_is_refused_by_name(root, split):
    names = list(listing_of(root))
    (root / "split.json").write_text(json.dumps({"train": names[:4], "val": names[2:]}))
    with pytest.raises(UnreadableInputError, match=rf"share 2 pictures, first {names[2]};"):
        SAMed2D(root, split)


def test_names_of_the_split_that_the_listing_lacks_are_said_in_one_line(root, caplog):
    names = list(listing_of(root))
    (root / "split.json").write_text(json.dumps({"train": ["images/gone.png", names[0], "images/b.png"], "val": []}))
    assert [s.name for s in SAMed2D(root, "train").samples] == names[:1]
    (line,) = [r.getMessage() for r in caplog.records if "split" in r.getMessage()]
    assert "2 pictures" in line and line.endswith("first: images/gone.png")


@pytest.mark.parametrize("value", [None, 5, "images/a.png", [["images/a.png"]], ["images/a.png", None], {"a": 1}])
def test_a_split_that_is_no_list_of_names_is_refused(root, value):
    (root / "split.json").write_text(json.dumps({"train": list(listing_of(root)), "val": value}))
    for split in ("train", "val"):
        with pytest.raises(UnreadableInputError, match=r"split\.json: 'val' should be a list of pictures"):
            SAMed2D(root, split)


def test_entries_that_are_no_names_are_left_out_and_counted(root):
    image, masks, _ = first(root)
    describe(root, {image: [5, masks[0], None, ["a"]]})
    data = SAMed2D(root)
    assert [m.path for m in data.samples[0].masks] == [root / masks[0]]
    assert data.skipped == [f"{e} of {image}: not named after its picture" for e in ("5", "null", '["a"]')]


def test_files_with_a_byte_order_mark_are_read(root):
    for file in root.glob("*.json"):
        file.write_text(file.read_text(), encoding="utf-8-sig")
    assert len(SAMed2D(root, "train").samples) == 4


def test_listed_files_that_are_not_there_are_skipped_and_said(root):
    image, _, listing = first(root)
    (root / image).unlink()
    other = list(listing.values())[1]
    (root / other[0]).unlink()
    data = SAMed2D(root)
    assert len(data.samples) == 5
    assert data.skipped == [f"{image}: not found", f"{other[0]}: not found"]
    assert len(data.samples[0].masks) == 2


def test_unions_of_classes_are_left_out_unless_they_are_asked_for(root):
    image, masks, _ = first(root)
    union = masks[0].replace("--0001_", "--0003_")
    (root / masks[0]).rename(root / union)
    describe(root, {image: [union, masks[1]]})
    data = SAMed2D(root)
    assert [m.class_name for m in data.samples[0].masks] == ["spleen"]
    assert data.skipped == [f"{union}: a union of other classes"]
    assert [m.class_name for m in SAMed2D(root, unions="atom").samples[0].masks] == ["union_organs", "spleen"]


def test_a_mask_that_is_not_its_pictures_is_skipped(root):
    image, masks, listing = first(root)
    strange = list(listing.values())[1][0]
    describe(root, {image: [masks[0], strange]})
    data = SAMed2D(root)
    assert [m.path for m in data.samples[0].masks] == [root / masks[0]]
    assert data.skipped == [f"{strange}: not named after its picture"]


UNNUMBERED = "class not written as its number in the mapping, as in --0001_000.png"


@pytest.mark.parametrize(
    ("ending", "reason"),
    [("--0099_000.png", "class id not in the mapping"), ("--liver.png", UNNUMBERED), ("--liver_000.png", UNNUMBERED)],
)
def test_a_class_that_the_mapping_has_no_name_for_is_skipped(root, ending, reason):
    image, masks, _ = first(root)
    strange = masks[0].replace("--0001_000.png", ending)
    (root / masks[0]).rename(root / strange)
    describe(root, {image: [strange, masks[1]]})
    data = SAMed2D(root)
    assert len(data.samples[0].masks) == 1
    assert data.skipped == [f"{strange}: {reason}"]


@pytest.mark.parametrize(("name", "case", "prefix"), [
    ("x_ray--crass--0001--2d_none", "0001", "x"),
    ("mr_t1ce--BraTS2021--a--b--y_0041", "a--b", "mr"),
    ("fundus_photography--gamma--1.2.840.1--z_0000", "1.2.840.1", "fundus"),
])  # fmt: skip
def test_every_token_of_the_published_names_is_understood(root, name, case, prefix):
    image, masks, _ = first(root)
    dataset = name.split("--")[1]
    (root / image).rename(root / f"images/{name}.png")
    (root / masks[0]).rename(root / f"masks/{name}--0000_012.png")
    describe(root, {f"images/{name}.png": [f"masks/{name}--0000_012.png"]}, {dataset: {"Liver": "0"}})
    (sample,) = SAMed2D(root).samples
    assert (sample.modality, sample.dataset, sample.case) == (prefix, dataset, case)
    assert [m.class_name for m in sample.masks] == ["Liver"]


def test_a_data_set_with_an_empty_class_map_is_skipped_and_said(root):
    describe(root, listing_of(root), {"A": {}, "B": {"Liver": 1}})
    data = SAMed2D(root)
    assert {(s.dataset, s.classes) for s in data.samples} == {("B", ("Liver",))}
    assert len(data.left_out.names["class id not in the mapping"]) == 3 * 3 + 3 * 2


@pytest.mark.parametrize("classes", [["Liver"], {"Liver": "first"}, {"Liver": None}])
def test_class_ids_that_are_no_numbers_are_refused_by_the_data_sets_name(root, classes):
    describe(root, listing_of(root), {"A": {"Liver": 1}, "B": classes})
    with pytest.raises(UnreadableInputError, match="'B'"):
        SAMed2D(root)


@pytest.mark.parametrize("ids", [(1, 1), (1, "1")])
def test_two_classes_of_one_id_are_refused_by_name(root, ids):
    twice = dict(zip(("benign", "malignant"), ids, strict=True))
    describe(root, listing_of(root), {"A": {"Liver": 1}, "B": twice})
    with pytest.raises(UnreadableInputError, match="'B' both 'benign' and 'malignant' have the id 1"):
        SAMed2D(root)


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


@pytest.mark.parametrize("datasets", [None, ("A",)])
def test_a_folder_with_nothing_usable_is_refused(root, datasets):
    (root / "SAMed2D_v1.json").write_text("{}")
    with pytest.raises(UnreadableInputError, match="no usable picture"):
        SAMed2D(root, datasets=datasets)


def test_only_the_data_sets_that_are_named_are_listed(root):
    assert [s.dataset for s in SAMed2D(root, datasets=("B",)).samples] == ["B"] * 3
    assert len(SAMed2D(root, "train", datasets=("B", "A")).samples) == 4
