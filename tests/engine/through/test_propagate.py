"""An object carried through the slices, and every reason to stop."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.grid import Grid
from napari_segsam.core.prediction import ClassScore, Prediction, dice
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume, Window
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.through.propagate import Carried, Propagation, Stopped, asking
from tests.fakes import FakePredictor, block_volume

SHAPE = (40, 36, 12)
ORGAN, REST = 60, -100


def cone(first=1, last=10):
    """A disk that grows from slice to slice, in (ni, nj, nk)."""
    i, j, k = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return (np.hypot(i - 20, j - 18) <= 5 + 0.5 * k) & (k >= first) & (k <= last)


@dataclass
class Scan:
    """A volume with one bright organ, and a model that draws what is bright in its box; ``odd`` answers by slice."""

    organ: np.ndarray
    odd: dict[int, dict[str, object]] = field(default_factory=dict)
    voxels: np.ndarray = field(init=False)
    asked: list[tuple[int, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        voxels = np.where(self.organ, ORGAN, REST).astype(np.int16)
        self.volume = Volume(Grid(SHAPE, np.eye(4)), voxels, modality="ct")

    def view(self, index):
        return SliceView(self.volume, 2, index)

    def truth(self, index):
        return np.array(self.view(index).of(self.organ))

    def ask(self, view, prompts):
        self.asked.append((view.index, prompts))
        box = prompts.box
        mask = np.zeros(view.shape, bool)
        inside = np.s_[int(box.row_min) : int(box.row_max) + 2, int(box.col_min) : int(box.col_max) + 2]
        mask[inside] = view.of(self.organ)[inside]
        said = Prediction(mask, mask, (ClassScore("liver", 0.9),), 0.9, 0.95, window=Window(40, 400))
        return replace(said, **self.odd.get(view.index, {}))

    def from_slice(self, index, direction=1, name="liver"):
        return Propagation.begin(self.ask, self.view(index), self.truth(index), direction, name)


def split(steps):
    """What was carried, by slice, and why it stopped."""
    *carried, stopped = steps
    assert isinstance(stopped, Stopped)
    assert all(isinstance(c, Carried) for c in carried)
    return {c.view.index: c for c in carried}, stopped.reason


def test_an_object_is_carried_to_its_end_in_both_directions():
    scan = Scan(cone())
    up, above = split(scan.from_slice(5).run())
    down, below = split(scan.from_slice(5, -1).run())
    assert list(up) == [6, 7, 8, 9, 10]
    assert list(down) == [4, 3, 2, 1]
    assert all(dice(c.mask, scan.truth(k)) > 0.9 for k, c in (up | down).items())
    assert above == "Stopped at slice k=11: nothing of it was found there."
    assert below == "Stopped at slice k=0: nothing of it was found there."


def test_turned_round_it_asks_nothing_about_the_start_again():
    scan = Scan(cone())
    up = scan.from_slice(5)
    scan.asked.clear()
    down, _ = split(replace(up, direction=-1).run())
    assert list(down) == [4, 3, 2, 1]
    assert 5 not in [index for index, _ in scan.asked]


def test_it_ends_where_the_image_ends():
    carried, reason = split(Scan(cone(0, 11)).from_slice(9).run())
    assert list(carried) == [10, 11]
    assert reason == "Stopped at slice k=11: the image ends there."


def test_a_carried_mask_is_the_answer_to_its_own_box_alone():
    scan = Scan(cone())
    carried, _ = split(scan.from_slice(5).run())
    for one in carried.values():
        assert one.prompts.box is not None
        assert (one.prompts.clicks, one.prompts.mask) == ((), None)
        assert np.array_equal(scan.ask(one.view, one.prompts).mask, one.mask)
        assert one.prediction.mask is one.mask


def test_each_slice_is_one_step_that_hangs_on_the_last_one_only():
    scan = Scan(cone())
    way = scan.from_slice(5)
    first = way.next(way.start)
    again, second = way.next(way.start), way.next(first)
    assert np.array_equal(first.mask, again.mask)
    assert second.view.index == 7
    assert np.array_equal(second.before, first.mask)


def test_the_box_follows_the_trend_of_the_last_two_masks():
    scan = Scan(cone())
    way = scan.from_slice(5)
    second = way.next(way.next(way.start))
    scan.asked.clear()
    way.next(second)
    (_, asked), *_ = scan.asked
    rows = np.flatnonzero(second.mask.any(1))
    assert asked.box.row_min < rows[0]
    assert asked.box.row_max > rows[-1]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        ({"classes": (ClassScore("kidney_left", 0.9),)}, "it would be called kidney left, not liver"),
        ({"mask": np.zeros((36, 40), bool)}, "nothing of it was found there"),
        ({"iou_predicted": 0.5}, "the model is less sure of it (predicted IoU 0.50)"),
        ({"decoder_agreement": 0.7}, "the two decoders draw it differently (agreement 0.70)"),
    ],
)
def test_it_stops_where_the_answer_is_not_to_be_believed_and_says_why(odd, reason):
    carried, why = split(Scan(cone(), {8: odd}).from_slice(5).run())
    assert list(carried) == [6, 7]
    assert why == f"Stopped at slice k=8: {reason}."


@pytest.mark.parametrize(
    "odd",
    [
        {"classes": (ClassScore("kidney_left", 0.6), ClassScore("liver", 0.4))},
        {"iou_predicted": 0.75},
        {"decoder_agreement": 0.9},
    ],
)
def test_a_little_doubt_does_not_stop_it(odd):
    carried, _ = split(Scan(cone(), {8: odd}).from_slice(5).run())
    assert list(carried) == [6, 7, 8, 9, 10]


def test_what_the_model_called_it_at_the_start_is_no_flip_even_if_the_person_calls_it_otherwise():
    carried, _ = split(Scan(cone()).from_slice(5, name="cyst").run())
    assert list(carried) == [6, 7, 8, 9, 10]


def test_it_is_no_flip_where_the_model_comes_to_say_what_the_person_says():
    scan = Scan(cone(), {8: {"classes": (ClassScore("cyst", 0.99),)}})
    carried, _ = split(scan.from_slice(5, name="cyst").run())
    assert 8 in carried


def test_without_a_name_the_model_s_own_word_is_kept():
    scan = Scan(cone(), {8: {"classes": (ClassScore("spleen", 0.99),)}})
    _, why = split(scan.from_slice(5, name=None).run())
    assert why == "Stopped at slice k=8: it would be called spleen, not liver."


def test_it_stops_where_what_it_finds_looks_different():
    scan = Scan(cone())
    scan.volume.voxels[:, :, 8:] = -100
    _, why = split(scan.from_slice(5).run())
    assert why == "Stopped at slice k=8: what is there looks different from slice k=5 (likeness 0.00)."


def test_it_stops_where_the_mask_jumps():
    elsewhere = np.zeros((36, 40), bool)
    elsewhere[2:10, 2:12] = True
    scan = Scan(cone(), {8: {"mask": elsewhere}})
    scan.volume.voxels[:] = ORGAN
    _, why = split(scan.from_slice(5).run())
    assert why.startswith("Stopped at slice k=8: its mask would jump (overlap 0.")


def test_it_stops_where_the_mask_shrinks_at_once():
    small = Scan(cone()).truth(8)
    small[:, :22] = False
    scan = Scan(cone(), {8: {"mask": small}})
    _, why = split(scan.from_slice(5).run())
    assert why.startswith("Stopped at slice k=8: its mask would jump (overlap 0.")


def test_an_object_that_the_model_draws_otherwise_is_not_carried_at_all():
    scan = Scan(cone())
    part = scan.truth(5)
    part[:, :18] = False
    part |= np.roll(part, 9, axis=1)
    carried, why = split(Propagation.begin(scan.ask, scan.view(5), part, 1, "liver").run())
    assert carried == {}
    assert why.startswith("The model draws this object otherwise than it is on slice k=5 (overlap 0.")
    assert "interpolate" in why


def test_an_empty_mask_is_refused():
    scan = Scan(cone())
    with pytest.raises(BadPromptsError):
        Propagation.begin(scan.ask, scan.view(5), np.zeros((36, 40), bool), 1)


def test_intensities_without_a_window_are_compared_within_the_slice_s_own_range():
    scan = Scan(cone())
    seen = {index: {"window": None} for index in range(SHAPE[2])}
    scan.odd = seen
    carried, _ = split(scan.from_slice(5).run())
    assert list(carried) == [6, 7, 8, 9, 10]


def test_colours_are_carried_too():
    grey = Scan(cone())
    voxels = np.where(cone(), 200, 30).astype(np.uint8)[..., None].repeat(3, axis=-1)
    grey.volume = Volume(Grid(SHAPE, np.eye(4)), voxels, modality="rgb")
    grey.odd = {index: {"window": None} for index in range(SHAPE[2])}
    carried, _ = split(grey.from_slice(5).run())
    assert list(carried) == [6, 7, 8, 9, 10]


def test_a_predictor_embeds_each_slice_once_and_through_the_same_window():
    predictor, volume, window = FakePredictor(), block_volume(), Window(40, 400)
    view = SliceView(volume, 2, 4)
    mask = np.array(view.of(volume.voxels == 60))
    way = Propagation.begin(asking(predictor, window, EmbeddingCache()), view, mask, 1, "liver")
    carried, reason = split(way.run())
    assert list(carried) == [5, 6]
    assert predictor.embedded == [(2, 4), (2, 5), (2, 6), (2, 7)]
    assert {c.prediction.window for c in carried.values()} == {window}
    assert reason.startswith("Stopped at slice k=7")
