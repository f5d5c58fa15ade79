from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine import zoom
from napari_segsam.engine.zoom import bin_to_size
from napari_segsam.train import augment, batches, crops
from napari_segsam.train.batches import BatchMaker
from napari_segsam.train.config import DataConfig, TrainConfig
from napari_segsam.train.crops import to_model
from napari_segsam.train.data.dataset import SAMed2D, load, partial_labels
from napari_segsam.train.prompt_simulation import PromptNoise
from tests.tiny import NAMES, TINY_NANO
from tests.train import sa_med2d

STEPS = 12
TOLD = dict.fromkeys("AB", np.ones(3, bool))
SIDE = TINY_NANO.zoom.crop


def maker_of(root, synthetic=0.0, **options):
    config = TrainConfig(data=DataConfig(root=root, synthetic=synthetic), run=root, images=2, prompts=2, **options)
    samples = load(SAMed2D(root), Vocabulary(NAMES))
    return BatchMaker(samples, partial_labels(samples, 3), config, TINY_NANO)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return sa_med2d.write(tmp_path_factory.mktemp("ct") / "data")


@pytest.fixture
def upright(monkeypatch):
    """Pictures neither turned nor recoloured, boxes drawn with a steady hand."""
    monkeypatch.setattr(augment, "turn", lambda picture, masks, rng: (picture, masks))
    monkeypatch.setattr(augment, "recolour", lambda picture, rng: picture)
    monkeypatch.setattr(batches, "_INVERTED", 0)
    monkeypatch.setattr(batches, "_BENT", 0)
    monkeypatch.setattr(crops, "_CLOSER", 0)
    monkeypatch.setattr(crops, "_ANY_SIZE", 0)
    monkeypatch.setattr(crops, "PromptNoise", lambda: PromptNoise(0))


def same(a, b):
    assert torch.equal(a.slices, b.slices)
    assert torch.equal(a.owner, b.owner)
    for c, d in zip(a.crops, b.crops, strict=True):
        for mine, other in ((c.crop, d.crop), (c.target, d.target), (c.geometry.clicks, d.geometry.clicks)):
            assert torch.equal(mine, other)
        assert (c.name, c.class_index, c.size_bin, c.place) == (d.name, d.class_index, d.size_bin, d.place)


def crops_of(maker, steps=STEPS):
    return [crop for step in range(steps) for crop in maker[step].crops]


def test_a_batch_hangs_on_its_seed_and_step_alone(root):
    maker = maker_of(root, synthetic=0.3, seed=5)
    batch = maker[7]
    maker[3]
    same(batch, maker[7])
    same(batch, maker_of(root, synthetic=0.3, seed=5)[7])
    assert not torch.equal(batch.slices, maker[8].slices)
    assert not torch.equal(batch.slices, maker_of(root, synthetic=0.3, seed=6)[7].slices)


def test_reading_ahead_changes_nothing(root):
    maker = maker_of(root, synthetic=0.3)
    streamed = dict(maker.stream(2, 5))
    assert list(streamed) == [2, 3, 4]
    for step, batch in streamed.items():
        same(batch, maker[step])


def test_every_prompt_belongs_to_one_of_the_slices(root):
    batch = maker_of(root)[0]
    assert batch.slices.shape == (2, 3, 64, 64)
    assert len(batch.owner) == len(batch.crops)
    assert set(batch.owner.tolist()) == {0, 1}
    assert len(batch.present) == 2
    assert float(batch.slices.abs().max()) <= 1
    assert all(name.endswith(".png") for name in batch.names)


def test_a_turned_anatomical_picture_teaches_no_class(root, monkeypatch):
    crops = crops_of(maker_of(root), 20)
    turned = [c for c in crops if c.others is None]
    assert 0.1 < len(turned) / len(crops) < 0.7
    assert {c.class_index for c in turned} == {-1}
    assert {c.class_index for c in crops if c.others is not None} == {-1, 0, 1}  # -1 is the thing without a name


def test_a_turned_polyp_is_still_a_polyp(tmp_path):
    crops = crops_of(maker_of(sa_med2d.write(tmp_path / "data", modality="endoscopy_00")), 20)
    turned = [c for c in crops if c.others is None]
    assert {c.class_index for c in turned} == {-1, 0, 1}


def test_procedural_pictures_teach_masks_only(root):
    crops = crops_of(maker_of(root, synthetic=1.0), 3)
    assert {c.class_index for c in crops} == {-1}
    assert all(c.others is None for c in crops)
    assert {c.name for c in crops} == {"a procedural picture"}


def test_a_click_lies_on_the_target(root, monkeypatch):
    monkeypatch.setattr(crops, "_CLOSER", 0)
    for crop in crops_of(maker_of(root, boxes=0.0)):
        assert (crop.ambiguous, crop.geometry.box) == (True, None)
        row, col = crop.geometry.clicks[0].round().long().clamp(0, SIDE - 1).tolist()
        assert float(crop.target[0, row, col]) > 0
        assert crop.geometry.positive.tolist() == [True]


def test_a_steady_box_encloses_the_target_and_touches_it(root, upright):
    for crop in crops_of(maker_of(root, boxes=1.0)):
        assert (crop.ambiguous, len(crop.geometry.clicks)) == (False, 0)
        rows, cols = torch.nonzero(crop.target[0] > 0.5, as_tuple=True)
        found = torch.tensor([rows.min(), cols.min(), rows.max(), cols.max()]).float()
        pixel = SIDE / ((crop.place[2] - crop.place[0]) / 64 * 48)  # crop pixels per picture pixel
        assert float((found - crop.geometry.box).abs().max()) <= pixel


def test_the_crop_shows_what_the_slice_shows_at_its_place(root, upright):
    maker = maker_of(root)
    checked = 0
    for step in range(STEPS):
        batch = maker[step]
        for crop, owner in zip(batch.crops, batch.owner.tolist(), strict=True):
            x0, y0, x1, y1 = (v / 64 * 2 - 1 for v in crop.place)
            if min(x0, y0) < -1 or max(x1, y1) > 1:
                continue
            theta = torch.tensor([[[(x1 - x0) / 2, 0, (x0 + x1) / 2], [0, (y1 - y0) / 2, (y0 + y1) / 2]]])
            grid = F.affine_grid(theta, (1, 3, SIDE, SIDE), align_corners=False)
            seen = F.grid_sample(batch.slices[owner : owner + 1], grid, align_corners=False)[0]
            both = torch.stack([seen[0].flatten(), crop.crop[0].flatten()])
            assert float(torch.corrcoef(both)[0, 1]) > 0.95
            checked += 1
    assert checked > 10


def test_the_target_covers_the_object_in_the_crop(root, upright):
    """Objects are brighter than what surrounds them: a shifted target would show."""
    for crop in crops_of(maker_of(root)):
        on, off = crop.target[0] > 0.9, (crop.target[0] < 0.1) & (crop.inside[0] > 0.9)
        if on.any() and off.sum() > 50:
            assert float(crop.crop[0][on].quantile(0.2)) > float(crop.crop[0][off].median())


def test_the_size_that_a_click_is_to_learn_is_the_objects(root, upright):
    maker = maker_of(root)
    for crop in crops_of(maker):
        size = float(bin_to_size(torch.tensor(crop.size_bin), TINY_NANO.zoom.size_bins)) * 48
        assert round(size) in {9, 17, 19}  # the disks' diameters
        assert all(-1 <= v <= 1 for v in crop.size_click)


def test_what_else_stands_on_the_slice_leaves_out_the_prompted_object(root, upright):
    for crop in crops_of(maker_of(root)):
        if crop.others is None:
            continue
        assert crop.others.classes.tolist() == [k for k in (0, 1) if k != crop.class_index]
        assert crop.others.masks.shape[1:] == (16, 16)
        cells = float(crop.others.masks.sum((1, 2))[0]) * 9  # a cell is 3 x 3 of the picture's pixels
        assert cells == pytest.approx(200 + 50 * (crop.class_index != 0), abs=12)


def test_a_class_with_another_instance_is_still_there(tmp_path, upright):
    root = sa_med2d.write(tmp_path / "data", 2)
    listing = sa_med2d.listing_of(root)
    for masks in listing.values():
        again = masks[2].replace("--0004_000", "--0001_001")  # the thing becomes a second liver
        (root / masks[2]).rename(root / again)
        masks[2] = again
    sa_med2d.describe(root, listing)
    livers = [c for c in crops_of(maker_of(root)) if c.others is not None and c.class_index == 0]
    assert livers
    assert all(0 in c.others.classes for c in livers)


def test_data_sets_are_drawn_by_the_square_root_of_their_pictures_times_their_classes(root):
    samples = load(SAMed2D(root), Vocabulary(NAMES))
    few = [s for s in samples if s.sample.dataset == "A"][:1] + [s for s in samples if s.sample.dataset == "B"] * 3
    few[0].class_ids = [1, 1, 1]  # one class, where B has liver, spleen and what has no name
    config = TrainConfig(data=DataConfig(root=root), run=root)
    maker = BatchMaker(few, partial_labels(few, 3), config, TINY_NANO)
    n = sum(s.sample.dataset == "B" for s in few)
    assert maker.chances[1] / maker.chances[0] == pytest.approx((n * 3 / 1) ** 0.5)


def test_a_folder_without_an_object_large_enough_is_refused(root, monkeypatch):
    monkeypatch.setattr(batches, "_MIN_VISIBLE", 10_000)
    monkeypatch.setattr(batches, "_TRIES", 20)
    with pytest.raises(UnreadableInputError, match="no picture shows an object"):
        maker_of(root)[0]


def test_without_zoom_the_whole_slice_is_what_masks_are_drawn_on(root, upright):
    maker = maker_of(root, boxes=1.0)
    maker = BatchMaker(maker.samples, TOLD, maker.config, replace(TINY_NANO, zoom=None))
    batch = maker[0]
    prompts, look = to_model([c.geometry for c in batch.crops], batch.crops, 16)
    assert look is None
    for crop, xy in zip(batch.crops, prompts.points_xy, strict=True):
        rows, cols = torch.nonzero(crop.target[0] > 0.5, as_tuple=True)
        found = torch.stack([cols.min(), rows.min(), cols.max(), rows.max()]).float()
        assert float((found - xy.reshape(4)).abs().max()) <= 64 / 48  # one pixel of the picture


def test_of_two_processes_each_makes_half_of_what_one_would(root):
    options = {"synthetic": 0.3, "seed": 5}
    whole = maker_of(root, **options)[4]
    maker = maker_of(root, **options)
    halves = [BatchMaker(maker.samples, TOLD, maker.config, TINY_NANO, (rank, 2))[4] for rank in range(2)]
    assert torch.equal(torch.cat([h.slices for h in halves]), whole.slices)
    for mine, other in zip([c for h in halves for c in h.crops], whole.crops, strict=True):
        assert torch.equal(mine.crop, other.crop)
        assert (mine.lot, mine.name) == (other.lot, other.name)


def test_a_picture_with_fewer_objects_than_prompts_is_prompted_again(root):
    batch = maker_of(root, synthetic=0.0)[0]
    maker = maker_of(root)
    four = BatchMaker(maker.samples, TOLD, maker.config.model_copy(update={"prompts": 5}), TINY_NANO)[0]
    assert (len(batch.crops), len(four.crops)) == (4, 10)
    assert four.owner.tolist() == [0] * 5 + [1] * 5


def test_a_piece_of_a_large_object_comes_with_a_coarse_mask_and_no_other_prompt(root, monkeypatch):
    """The crops of the tests' model are so small that every object is a large one."""
    monkeypatch.setattr(crops, "_CLOSER", 1.0)
    monkeypatch.setattr(zoom, "LARGE", 0.5)
    pieces = [c for c in crops_of(maker_of(root)) if c.geometry.last is not None]
    assert pieces
    for piece in pieces:
        assert (len(piece.geometry.clicks), piece.geometry.box, piece.ambiguous) == (0, None, False)
        coarse = piece.geometry.last > 0
        agree = (coarse == (piece.target > 0.5)).float().mean()
        assert float(agree) > 0.6
    assert any(not torch.equal(p.geometry.last > 0, p.target > 0.5) for p in pieces)


def test_sam_med2ds_steps_are_all_boxes_or_all_clicks(root):
    maker = maker_of(root, simulation="sam-med2d")
    kinds = [{c.ambiguous for c in maker[step].crops} for step in range(12)]
    assert {len(k) for k in kinds} == {1}
    assert {k for (k,) in map(tuple, kinds)} == {True, False}


def test_workers_make_the_same_batches_as_a_thread(root):
    maker = maker_of(root, synthetic=0.0, workers=1)
    for step, batch in maker.stream(3, 5):
        same(batch, maker[step])


def test_on_a_gpu_what_is_large_in_a_batch_is_pinned_before_it_is_used(root, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    maker = maker_of(root, synthetic=0.0)
    _, batch = next(maker.stream(3, 4, pinned=True))
    assert any(t is batch.slices for t in pinned)
    told = [t for t in [*batch.present, *(c.others for c in batch.crops)] if t is not None]
    assert told
    assert all(any(t.masks is p for p in pinned) for t in told)
    same(batch, maker[3])


def test_crops_become_the_models_tensors(root):
    crops = maker_of(root)[0].crops
    batch, look = to_model([c.geometry for c in crops], crops, 8)
    n = len(crops)
    assert (look.crops.shape, look.maps.shape) == ((n, 3, SIDE, SIDE), (n, 6, SIDE, SIDE))
    assert (look.prior.shape, look.places.shape, len(batch)) == ((n, 1, SIDE, SIDE), (n, 4), n)
