"""The examples run as they are written; the model is a fake where one is needed."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_segsam.cli.prompt_file import place_objects, read_prompts
from napari_segsam.core.grid import LPS_RAS
from tests.fakes import FakePredictor, block_volume

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scan(tmp_path):
    volume, path = block_volume(), tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume.voxels, LPS_RAS @ volume.grid.affine), path)
    return path


def test_the_prompts_example_fits_its_format():
    assert [o.value for o in place_objects(read_prompts(EXAMPLES / "prompts.json"), block_volume())] == [1, 2]


def test_one_slice_is_segmented_without_command_line_or_viewer(scan, tmp_path):
    out = tmp_path / "l.nii.gz"
    assert load("segment_one_slice.py").segment(FakePredictor(), scan, 3, (2, 2, 10, 8), out) == "liver"
    labels, source = (np.asarray(nibabel.load(p).dataobj)[:, :, 3] for p in (out, scan))
    assert np.array_equal(labels == 1, source == 60)


def test_a_report_is_read_with_doubtful_objects_first():
    said = {"axis": "k", "slice": 3, "volume_mm3": 2000.0}
    objects = [
        {**said, "class": "liver", "decoder_agreement": 0.9},
        {**said, "class": "spleen", "decoder_agreement": 0.4},
    ]
    suggestions = [{"axis": "k", "slice": 3, "class": "aorta", "score": 0.7}]
    printed = load("read_report.py").lines({"objects": objects, "suggestions": suggestions})
    assert [line.split()[0] for line in printed] == ["spleen", "liver", "aorta"]


@pytest.mark.skipif(shutil.which("sh") is None, reason="no POSIX shell")
def test_the_shell_script_says_what_info_and_predict_say(scan, tmp_path):
    """A stand-in for segsam records the calls; the commands themselves have tests of their own."""
    calls = tmp_path / "calls"
    stand_in = tmp_path / "bin" / "segsam"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f'#!{sys.executable}\nimport json, sys\nopen({str(calls)!r}, "a").write(json.dumps(sys.argv[1:]) + "\\n")\n'
    )
    stand_in.chmod(0o755)
    script = EXAMPLES / "predict.sh"
    subprocess.run(
        ["sh", script, scan, EXAMPLES / "prompts.json", tmp_path / "out", "--device", "cpu"],
        check=True, timeout=60, env={"PATH": f"{stand_in.parent}:/usr/bin:/bin"},
    )  # fmt: skip
    info, predict = map(json.loads, calls.read_text().splitlines())
    assert info == ["info", str(scan)]
    assert predict[:2] == ["predict", str(scan)]
    assert predict[-2:] == ["--device", "cpu"]
    assert (tmp_path / "out").is_dir()
