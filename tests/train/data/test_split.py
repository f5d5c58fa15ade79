import json

import pytest

from napari_segsam.core.errors import SegsamError, WriteError
from napari_segsam.train.data.dataset import SAMed2D
from napari_segsam.train.data.split import split_by_case
from tests.train import sa_med2d

CASES = 40


@pytest.fixture
def root(tmp_path):
    """Forty cases of two slices each, without a split."""
    root = sa_med2d.write(tmp_path / "data", 1)
    ((image, masks),) = sa_med2d.listing_of(root).items()
    listing = {}
    for n in range(2 * CASES):
        stem = f"ct_00--A--case{n % CASES}--z_{n + 1:04d}"
        listing[f"images/{stem}.png"] = [f"masks/{stem}--0001_000.png"]
        (root / f"images/{stem}.png").symlink_to(root / image)
        (root / f"masks/{stem}--0001_000.png").symlink_to(root / masks[0])
    sa_med2d.describe(root, listing)
    (root / "split.json").unlink()
    return root


def cases(root, split):
    return {s.case for s in SAMed2D(root, split).samples}


def test_no_case_is_on_both_sides(root):
    train, val = split_by_case(root, 0.3)
    assert (train + val, train > val > 0) == (2 * CASES, True)
    assert len(cases(root, "train")) + len(cases(root, "val")) == CASES
    assert not cases(root, "train") & cases(root, "val")


def test_a_case_stays_on_its_side_when_others_come(root):
    listing = sa_med2d.listing_of(root)
    sa_med2d.describe(root, dict(list(listing.items())[:20]))
    split_by_case(root, 0.3)
    before = cases(root, "val")
    (root / "split.json").unlink()
    sa_med2d.describe(root, listing)
    split_by_case(root, 0.3)
    assert before < cases(root, "val")


@pytest.mark.parametrize("share", [5, -1, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused_and_nothing_is_written(root, share):
    with pytest.raises(SegsamError, match="choose a share from 0 to 1"):
        split_by_case(root, share)
    assert not (root / "split.json").exists()


def test_another_seed_draws_other_cases(root):
    split_by_case(root, 0.3)
    before = cases(root, "val")
    (root / "split.json").unlink()
    split_by_case(root, 0.3, seed=1)
    assert before != cases(root, "val")


def test_a_split_that_is_there_is_left_alone(root):
    (root / "split.json").write_text(json.dumps({"train": [], "val": []}))
    with pytest.raises(WriteError, match=r"split\.json"):
        split_by_case(root)
    assert json.loads((root / "split.json").read_text()) == {"train": [], "val": []}
