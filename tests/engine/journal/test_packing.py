"""What is packed comes out as it went in, and one object stays one object."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_segsam.core.labels import Label
from napari_segsam.core.packed import PackedMask, PackedVoxels
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.engine.journal.packing import BadParcelError, Packer, Parcel, Unpacker
from napari_segsam.engine.objects import WorkedObject
from napari_segsam.engine.sharing import Map
from napari_segsam.engine.suggest import Settled

DTYPES = st.sampled_from(["<i8", "<u2", "|b1", "<f4", "<f8", "|u1", "<i2"]).map(np.dtype)
shapes = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7)


def there_and_back(*values):
    """Each value in a parcel of its own."""
    packer, unpacker, found = Packer(), Unpacker(), []
    for value in values:
        parcel = Parcel({})
        parcel.head["it"] = packer.pack(value, parcel)
        found.append(unpacker.value(unpacker.open(b"".join(parcel.chunks()))["it"]))
    return found


@given(DTYPES.flatmap(lambda dtype: arrays.arrays(dtype, shapes)))
def test_any_array_comes_back(array):
    (found,) = there_and_back(array)
    assert found.dtype == array.dtype and found.shape == array.shape and found.tobytes() == array.tobytes()
    found[...] = 0  # whoever gets it may write into it


@pytest.mark.parametrize(
    "indices",
    [
        [],
        [7],
        [5, 5, 5],
        [0, 300, 600],
        [600, 3, 90000, 2],
        [0, 2**62],
        [-(2**63), 2**63 - 1, 0],
        list(range(0, 4_000_000, 3)),
    ],
)
def test_flat_indices_in_any_order_come_back(indices):
    (found,) = there_and_back(np.array(indices, np.int64))
    assert found.tolist() == indices


def test_a_mask_takes_a_bit_a_pixel_before_it_is_compressed():
    parcel = Parcel({})
    Packer().pack(np.eye(512, dtype=bool), parcel)
    assert sum(len(c) for c in parcel.chunks()) < 512 * 512 / 8 + 200


def test_an_array_that_is_no_block_of_memory_comes_back():
    array = np.arange(60, dtype=np.uint16).reshape(5, 12)[::2, ::-3]
    (found,) = there_and_back(array)
    assert np.array_equal(found, array)


def test_one_object_is_one_object_again_across_parcels():
    mask = np.eye(4, dtype=bool)
    first = Prompts((Click(1.0, 2.5),), Box(0, 0, 1, 1), mask)
    second = Prompts(first.clicks, None, mask)
    one, two, both = there_and_back(first, second, (first, second))
    assert both[0] is one and both[1] is two
    assert one.clicks == two.clicks == first.clicks and one.box == first.box
    assert np.array_equal(one.mask, mask) and np.array_equal(two.mask, mask)


def test_equal_objects_that_are_two_stay_two():
    one, two = there_and_back(Prompts((Click(1.0, 2.0),)), Prompts((Click(1.0, 2.0),)))
    assert one is not two and one.clicks == two.clicks


def test_plain_values_of_numpy_become_plain_values():
    (found,) = there_and_back((np.int64(3), np.float64(0.1), np.bool_(True), "é\udc80", float("inf"), None))
    assert found == (3, 0.1, True, "é\udc80", float("inf"), None)


def test_a_map_comes_back_as_a_map():
    (found,) = there_and_back(Map({(2, 57): "a", 3: Label(3, "liver")}))
    assert isinstance(found, Map) and dict(found) == {(2, 57): "a", 3: Label(3, "liver")}


def worked_on(slices):
    made = WorkedObject(1)
    for k in range(slices):
        made = made.with_prompts((2, k), Prompts((Click(1.0, k),), mask=np.eye(4, dtype=bool)))
    return made


def test_what_was_packed_before_is_not_packed_again_when_a_map_changes():
    """Else a journal grows with the square of the slices."""
    packer, last = Packer(), worked_on(500)
    packer.pack(last, Parcel({}))
    parcel = Parcel({})
    packer.pack(last.with_prompts((2, 7), Prompts((Click(0.0, 0.0),))), parcel)
    assert sum(len(c) for c in parcel.chunks()) < 400


def test_maps_come_back_that_were_packed_as_what_differs():
    first = worked_on(20)
    second = first.with_prompts((2, 3), Prompts((Click(9.0, 9.0),)))
    third = second.with_prompts((2, 4), Prompts())
    other = replace(worked_on(2), value=2)
    found = there_and_back(first, second, other, third, first)
    assert found[0] is found[4]
    assert found[3].prompts.differing(found[1].prompts) == {(2, 4)}
    assert found[1].prompts.differing(found[0].prompts) == {(2, 3)}
    for made, before in zip(found, (first, second, other, third, first), strict=True):
        assert {p: q.clicks for p, q in made.prompts.items()} == {p: q.clicks for p, q in before.prompts.items()}


def test_masks_and_voxels_come_back_and_are_not_held_by_the_packer():
    mask, indices = np.tri(9, 5, dtype=bool), np.array([5, 90, 7])
    values = (np.array([1, 2, 3], np.uint16), np.array([0, 0, 0], np.uint16))
    voxels = PackedVoxels.of(indices, *values)
    found = there_and_back(PackedMask.of(mask), voxels)
    assert np.array_equal(found[0].mask, mask)
    assert np.array_equal(found[1].indices, indices) and np.array_equal(found[1].unpack()[1], values)
    packer = Packer()
    before = sys.getrefcount(voxels)
    packer.pack(voxels, Parcel({}))
    assert sys.getrefcount(voxels) == before


def test_what_has_no_kind_is_refused_by_name():
    with pytest.raises(TypeError, match="A slice cannot be journalled"):
        Packer().pack(slice(3), Parcel({}))


def parcel_of(*new, **head):
    parcel = Parcel(head)
    parcel.new.extend(new)
    return b"".join(parcel.chunks())


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xff\xff\xff{}",
        b"\x02\x00\x00\x00[]",
        b"\x02\x00\x00\x00{}",
        parcel_of(["Klick", {"row": 1}]),
        parcel_of(["Click", {"row": 1}]),
        parcel_of(["Click", {"row": 1, "col": 2, "deep": 3}]),
        parcel_of(["tuple", [[0]]]),
        parcel_of(["tuple", [[-1]]]),
        parcel_of(["tuple", [{"a": 1}]]),
        parcel_of(["tuple", [{"Click": [1]}]]),
        parcel_of(["changed", [0], [], []]),
        parcel_of(["PackedMask", {"rows": 2, "cols": 2, "data": {"bytes": 9}}]),
        parcel_of(["tuple"]),
        parcel_of([]),
        parcel_of(["map", [[{}, 1]]]),
        parcel_of(["array", "<u2", [9], "plain", None]),
        parcel_of(["array", "<u2", [-1], "plain", None]),
        parcel_of(["array", "<u2", [2**40, 2**40], "plain", None]),
        parcel_of(["array", "|O", [1], "plain", None]),
        parcel_of(["array", "<u2", [1], "zip", None]),
        parcel_of(["array", "<i8", [3], "steps", [0]]),
    ],
)
def test_what_this_code_never_packed_is_refused(payload):
    with pytest.raises(BadParcelError):
        Unpacker().open(payload)


def test_what_was_settled_before_its_source_was_kept_is_the_models_own_suggestion():
    parcel = Parcel(
        {"it": [0]}, [["Settled", {"place": {"tuple": [2, 4]}, "name": "liver", "box": {"Box": [1, 2, 3, 4]}}]]
    )
    unpacker = Unpacker()
    assert unpacker.value(unpacker.open(b"".join(parcel.chunks()))["it"]) == Settled(
        (2, 4), "liver", Box(1, 2, 3, 4), ""
    )
    now = Settled((2, 4), "liver", Box(1, 2, 3, 4), "detector 0123456789ab")
    assert there_and_back(now) == [now]
