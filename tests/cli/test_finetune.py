"""``segsam finetune``: labels on a scan in, a file in a published format out."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.labels.files import write_labels
from napari_segsam.model.image_encoder import VIT_SIZES
from napari_segsam.model.zoo import ma_sam, med_sa, samed, table
from napari_segsam.model.zoo.files.published import read_tensors
from napari_segsam.train.zoo.run import KINDS
from tests.io.dicom.dicom_files import ct_series
from tests.model.zoo.small_sam import SMALL, small_sam


@pytest.fixture
def scan(tmp_path):
    return ct_series(tmp_path / "ct", StudyInstanceUID="1.2.3", PatientID="Secret-ID")


@pytest.fixture
def labels(tmp_path, scan):
    found = LabelMap(read_source(scan).grid, labels={v: Label(v, n) for v, n in {3: "liver", 7: "cyst"}.items()})
    found.voxels[1:3, 0:2, 1:3], found.voxels[3, 2, 2] = 3, 7
    write_labels(tmp_path / "labels.nii.gz", found)
    return tmp_path / "labels.nii.gz"


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A small SAM as a file; ViT-B is taken to be of its size."""
    monkeypatch.setitem(VIT_SIZES, "vit_b", SMALL)
    save_file(small_sam(side=1024), tmp_path / "sam.safetensors")
    return tmp_path / "sam.safetensors"


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_labels_become_a_file_in_sameds_format(run, scan, labels, base, tmp_path, suffix):
    out = tmp_path / f"own{suffix}"
    done = run("finetune", scan, labels, "--base", base, "--out", out, "--steps", "2", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert "2 classes (liver, cyst) from 2 slices" in done.stderr.splitlines()[-1]
    tensors = read_tensors(out)
    assert tensors["mask_decoder.mask_tokens.weight"].shape == (3, 256)
    model = samed.FAMILY.build(tensors, load_file(base))
    assert model.semantic(model.encode(torch.zeros(1, 3, 512, 512))).shape == (1, 3, 128, 128)
    assert json.loads((tmp_path / f"own{suffix}.labels.json").read_text()) == {"1": "liver", "2": "cyst"}


@pytest.mark.parametrize(
    ("kind", "family", "knows"),
    [("med_sa", med_sa.SKILL, False), ("med_sa_lora", med_sa.SKILL, False), ("ma_sam", ma_sam.FAMILY, True),
     ("ma_sam_boxes", ma_sam.FAMILY, False)],
)  # fmt: skip
def test_every_kind_writes_a_file_that_its_family_claims(
    run, scan, labels, base, tmp_path, monkeypatch, kind, family, knows
):
    how = KINDS[kind]
    monkeypatch.setitem(KINDS, kind, replace(how, preparation=replace(how.preparation, side=64)))
    out = tmp_path / "own.safetensors"
    done = run(
        "finetune", scan, labels, "--base", base, "--out", out, "--kind", kind, "--steps", "2", "--device", "cpu"
    )
    assert done.exit_code == 0, done.stderr
    assert table.find({k: tuple(t.shape) for k, t in load_file(out).items()}) is family
    assert (tmp_path / "own.safetensors.labels.json").exists() is knows


def test_a_file_that_is_no_sam_is_refused(run, scan, labels, tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    done = run("finetune", scan, labels, "--base", tmp_path / "other.safetensors", "--out", tmp_path / "x.pth")
    assert done.exit_code == 2 and "other.safetensors is no SAM to begin from" in done.stderr
    assert not (tmp_path / "x.pth").exists()


def test_a_sam_for_pictures_of_another_size_is_refused(run, scan, labels, base, tmp_path):
    save_file(small_sam(side=256), tmp_path / "ft-sam.safetensors")
    done = run("finetune", scan, labels, "--base", tmp_path / "ft-sam.safetensors", "--out", tmp_path / "x.pth")
    assert done.exit_code == 2
    assert "ft-sam.safetensors is no SAM to begin from: it is a SAM for pictures of 256 px" in done.stderr


def test_labels_of_nothing_are_refused(run, scan, base, tmp_path):
    write_labels(tmp_path / "none.nii.gz", LabelMap(read_source(scan).grid, labels={1: Label(1, "liver")}))
    done = run("finetune", scan, tmp_path / "none.nii.gz", "--base", base, "--out", tmp_path / "x.pth")
    assert done.exit_code == 2 and "label a few slices first" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--kind", "sam2", "samed"), ("--rate", "2", "no learning rate"), ("--out", "x.onnx", ".pth")],
)
def test_what_cannot_be_is_refused_before_anything_is_read(run, scan, labels, tmp_path, option, value, said):
    given = {"--base": tmp_path / "absent.pth", "--out": tmp_path / "x.pth", option: value}
    done = run("finetune", scan, labels, *(word for pair in given.items() for word in pair))
    assert done.exit_code == 2 and said in done.stderr
