import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.cli.prompt_file import check_classes, place_objects, read_prompts
from napari_segsam.core.errors import BadPromptsError, OutsideImageError, UnknownNameError
from napari_segsam.core.grid import Grid
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.core.volume import Volume
from tests.fakes import block_volume


def placed(path, volume=None):
    return place_objects(read_prompts(path), volume or block_volume())


def test_a_box_lands_on_the_pixels_of_its_slice(prompts, liver):
    (entry,) = placed(prompts(liver))
    ijk = entry.view.rc_to_ijk([(entry.prompts.box.row_min, entry.prompts.box.col_min)])
    assert np.allclose(ijk, [[2, 2, 3]])
    assert (entry.value, entry.name, entry.view.index) == (1, None, 3)


def test_millimetres_and_indices_name_the_same_place(prompts, liver):
    grid = block_volume().grid
    mm = {"id": 1, "axis": "k", "slice": 3, "points": [{"mm": grid.to_mm([5, 6, 3]).tolist(), "positive": True}]}
    ijk = {**mm, "points": [{"ijk": [5, 6, 3], "positive": True}]}
    wrapped = {**mm, "points": [{"ijk": {"mm": grid.to_mm([5, 6, 3]).tolist()}}]}
    places = [placed(prompts(entry))[0].prompts.clicks[0] for entry in (mm, ijk, wrapped)]
    assert places[0] == places[1] == places[2]


def test_a_box_may_be_given_in_millimetres_of_a_flipped_image(prompts):
    volume = block_volume()
    flipped = Volume(Grid(volume.grid.shape, np.diag([-2.0, -2.0, 2.0, 1.0])), volume.voxels, "ct")
    corners = [flipped.grid.to_mm(c).tolist() for c in ([10, 8, 3], [2, 2, 3])]
    box = {"min": {"mm": corners[0]}, "max": {"mm": corners[1]}}
    (entry,) = placed(prompts({"id": 1, "axis": "k", "slice": 3, "box": box}), flipped)
    box = entry.prompts.box
    assert (box.row_max - box.row_min, box.col_max - box.col_min) == (6, 8)


def test_several_entries_share_an_id_and_its_class(prompts, liver):
    other = {**liver, "class": "liver", "slice": 4, "box": {"min": [2, 2, 4], "max": [10, 8, 4]}}
    entries = placed(prompts(liver, other, {**liver, "class": " Liver"}))
    assert [(o.value, o.name) for o in entries] == [(1, None), (1, "liver"), (1, " Liver")]
    check_classes(entries, Vocabulary(("liver", "spleen")))  # two spellings of one class


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "red"}, "objects[0].colour: unknown key"),
        ({"axis": "x"}, "objects[0].axis: must be 'i', 'j' or 'k'"),
        ({"slice": "3"}, "objects[0].slice: must be a whole number"),
        ({"id": 0}, "objects[0].id: must be at least 1"),
        ({"id": 70000}, "objects[0].id: must be at most 65535"),
        ({"id": True}, "objects[0].id: must be a whole number"),
        ({"id": 1.5}, "objects[0].id: must be a whole number"),
        ({"box": None}, "objects[0]: an object needs a box or a positive point"),
        ({"box": [1]}, "objects[0].box: must have keys of its own"),
        ({"box": {"min": [2, 2, 3]}}, "objects[0].box.max: is missing"),
        ({"box": {"min": [2, 2], "max": [4, 4, 3]}}, "objects[0].box.min: needs 3 or more entries"),
        ({"box": {"min": [2, 2, 3, 4], "max": [4, 4, 3]}}, "objects[0].box.min: takes 3 or fewer entries"),
        ({"box": {"min": {"mm": ["2", 2, 3]}, "max": [4, 4, 3]}}, "objects[0].box.min.mm[0]: must be a number"),
        ({"box": {"min": {"cm": [2, 2, 3]}, "max": [4, 4, 3]}}, "objects[0].box.min.mm: is missing"),
        ({"box": {"min": "here", "max": [4, 4, 3]}}, "objects[0].box.min: must be a list"),
        ({"points": {}}, "objects[0].points: must be a list"),
        ({"points": [{"positive": True}]}, "objects[0].points[0]: a point needs either ijk or mm"),
        ({"points": [{"ijk": [1, 2, 3], "mm": [1, 2, 3]}]}, "either ijk or mm"),
        ({"points": [{"ijk": [1, 2, 3], "positive": 1}]}, "objects[0].points[0].positive: must be true or false"),
        ({"points": [{"ijk": [1, 2, float("nan")]}]}, "objects[0].points[0].ijk[2]: must be a finite number"),
        ({"points": [{"mm": [1e308, 2, 3]}]}, "objects[0].points[0].mm[0]: must be at most 1e+09"),
        ({"points": [{"mm": [-(10**400), 2, 3]}]}, "objects[0].points[0].mm[0]: must be"),
        ({"class": ""}, "objects[0].class: must not be empty"),
        ({"class": "\ud800"}, "objects[0].class: must be text"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_the_place_in_it(prompts, liver, change, named):
    with pytest.raises(BadPromptsError) as refused:
        read_prompts(prompts({**liver, **change}))
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"objects": []}', '{"objects": [NaN]}', "\x00\xff", "[" * 100_000])
def test_what_is_no_prompts_file_is_refused(tmp_path, text):
    path = tmp_path / "p.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadPromptsError, match=r"p\.json: .+ See docs"):
        read_prompts(path)


def test_a_byte_order_mark_is_no_fault(prompts, liver):
    path = prompts(liver)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert read_prompts(path).objects[0].id == 1


def test_a_key_that_is_there_twice_is_refused_by_name(tmp_path):
    path = tmp_path / "p.json"
    path.write_text('{"objects": [{"id": 1, "axis": "k", "id": 2}]}')
    with pytest.raises(BadPromptsError, match="the key 'id' is there twice"):
        read_prompts(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadPromptsError, match="check its name"):
        read_prompts(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"slice": 8, "points": [{"ijk": [1, 1, 8]}]}, "Object 7: slice 8 along k"),
        ({"slice": 3, "points": [{"ijk": [1, 1, 3]}, {"ijk": [24, 1, 3]}]}, "Object 7, point 2"),
        ({"slice": 3, "points": [{"ijk": [1, 1, 4]}]}, "Object 7, point 1"),
        ({"slice": 3, "points": [{"mm": [2.0, 2.0, 600.0]}]}, "Object 7, point 1"),
        ({"slice": 3, "box": {"min": [1, 1, 3], "max": [9, 20, 3]}}, "Object 7, box max"),
        ({"slice": 3, "box": {"min": [1, 1, 2], "max": [9, 9, 3]}}, "Object 7, box min"),
    ],
)
def test_a_prompt_outside_the_image_or_off_its_slice_is_refused_by_name(prompts, entry, named):
    with pytest.raises(OutsideImageError) as refused:
        placed(prompts({"id": 7, "axis": "k", **entry}))
    assert named in str(refused.value)


def test_one_id_with_two_classes_is_refused(prompts, liver):
    with pytest.raises(BadPromptsError, match=r"Object 1 .* 'liver' and 'spleen'"):
        check_classes(
            placed(prompts({**liver, "class": "liver"}, {**liver, "class": "spleen"})), Vocabulary(("liver", "spleen"))
        )


def test_an_unknown_class_is_refused_with_the_nearest_names(prompts, liver):
    with pytest.raises(UnknownNameError, match="liver"):
        check_classes(placed(prompts({**liver, "class": "livr"})), Vocabulary(("liver", "spleen")))


@given(st.integers(0, 2), st.tuples(st.integers(0, 23), st.integers(0, 19), st.integers(0, 7)))
def test_every_voxel_of_every_slice_is_found_again(axis, ijk):
    from napari_segsam.cli.prompt_file import PromptFile

    entry = {"id": 1, "axis": "ijk"[axis], "slice": ijk[axis], "points": [{"ijk": list(ijk)}]}
    file = PromptFile.model_validate_json(json.dumps({"objects": [entry]}))
    (found,) = place_objects(file, block_volume())
    click = found.prompts.clicks[0]
    assert np.allclose(found.view.rc_to_ijk((click.row, click.col)), ijk)
