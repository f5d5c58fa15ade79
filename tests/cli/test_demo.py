import json

import nibabel
import numpy as np
from PIL import Image

from napari_segsam.cli import demo
from napari_segsam.cli.picture import draw_slice
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from tests.fakes import block_volume


def test_without_a_window_the_same_job_leaves_four_files(run, fake, tmp_path):
    done = run("demo", "--no-window", "--out", tmp_path / "out")
    assert done.exit_code == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        *demo.OUTPUTS, "labels.nii.gz.labels.json", "semantic.nii.gz.labels.json",
    }  # fmt: skip
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["objects"]) >= 6
    assert set(report["dice"]) >= {"liver", "spleen", "kidney_left", "kidney_right"}
    assert "Dice" in done.stderr
    assert np.asarray(nibabel.load(tmp_path / "out" / "labels.nii.gz").dataobj).any()
    with Image.open(tmp_path / "out" / "picture.png") as picture:
        assert max(picture.size) == 1000


def test_boxes_are_tight_around_the_truth():
    from napari_segsam.io.phantom.sample import torso_phantom, torso_phantom_labels

    truth = torso_phantom_labels()
    placed = demo.box_prompts(torso_phantom(), truth)
    assert [entry.value for entry in placed] == list(range(1, 9))
    for entry, value in placed.items():
        mask = entry.view.of(truth.voxels) == value
        box = entry.prompts.box
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert (box.row_min, box.row_max, box.col_min, box.col_max) == (rows[0], rows[-1], cols[0], cols[-1])


def test_a_folder_that_cannot_be_made_is_one_sentence(run, fake, tmp_path):
    (tmp_path / "file").touch()
    done = run("demo", "--no-window", "--out", tmp_path / "file")
    assert (done.exit_code, "--out" in done.stderr) == (2, True)


def test_the_picture_shows_each_outline_in_its_colour(tmp_path):
    view = SliceView(block_volume(), 2, 3)
    masks = [("liver", view.pixels == 60), ("spleen", view.pixels == 120)]
    path = tmp_path / "p.png"
    path.write_bytes(draw_slice(view, Window(40, 400), masks))
    with Image.open(path) as shown:
        picture = np.asarray(shown)
    assert picture.shape == (833, 1000, 3)
    coloured = (picture.max(axis=2).astype(int) - picture.min(axis=2)) > 40
    assert 0.002 < coloured.mean() < 0.2
