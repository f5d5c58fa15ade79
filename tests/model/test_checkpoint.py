import json
import struct
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_segsam.model import checkpoint
from napari_segsam.model.checkpoint import CheckpointError, Header, load, save
from tests.tiny import NAMES, TINY_NANO, header_of, saved, tiny


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture
def path(model, tmp_path):
    return saved(model, tmp_path)


def rewritten(path, change, header=None):
    """The same file with its tensors or its header changed."""
    with checkpoint.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata if header is None else header)
    return path


def changed_header(path, **values):
    with checkpoint.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    metadata["segsam"] = json.dumps(json.loads(metadata["segsam"]) | values)
    return rewritten(path, lambda tensors: None, metadata)


def test_a_checkpoint_comes_back_as_it_was(model, path):
    back, header = load(path)
    assert header == header_of(model)
    assert back.config == model.config
    assert not back.training
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), back.state_dict().values(), strict=True))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_half_precision_on_disk_is_single_precision_in_memory(model, tmp_path):
    save(tmp_path / "half.safetensors", model, header_of(model))
    assert {t.dtype for t in load_file(tmp_path / "half.safetensors").values()} == {torch.float16}
    back, _ = load(tmp_path / "half.safetensors")
    assert {t.dtype for t in back.state_dict().values()} == {torch.float32}


def test_another_user_may_read_it(path):
    assert path.stat().st_mode & 0o044 == 0o044


def test_calibration_travels_in_the_header():
    header = Header(TINY_NANO, NAMES, {}, {"liver": ("ct", "mr")}, temperature=1.7, suggest_at=0.3)
    assert Header.from_metadata(header.to_metadata()) == header


def test_a_file_that_names_no_text_encoder_was_made_with_minilm(path):
    metadata = Header(TINY_NANO, NAMES, {}, {}, text_encoder="tfidf:0123").to_metadata()
    assert Header.from_metadata(metadata).text_encoder == "tfidf:0123"
    values = json.loads(metadata["segsam"])
    del values["text_encoder"]
    assert Header.from_metadata(metadata | {"segsam": json.dumps(values)}).text_encoder == "minilm"


def test_tensors_are_read_and_written_in_the_precision_they_are_stored_in(model, tmp_path):
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save(first, model, header_of(model))
    header, tensors = checkpoint.read(first)
    assert header == checkpoint.read_header(first) == header_of(model)
    checkpoint.write(second, tensors, header)
    again = checkpoint.read(second)[1]
    assert {k: t.dtype for k, t in again.items()} == {k: torch.float16 for k in tensors}
    assert all(torch.equal(again[k], t) for k, t in tensors.items())


def test_a_missing_tensor_is_refused_by_name(path):
    rewritten(path, lambda tensors: tensors.pop("mask_decoder.iou_token.weight"))
    with pytest.raises(CheckpointError, match=r"mask_decoder\.iou_token\.weight"):
        load(path)


def test_an_unexpected_tensor_is_refused_by_name(path):
    rewritten(path, lambda tensors: tensors.update(extra=torch.zeros(1)))
    with pytest.raises(CheckpointError, match='"extra"'):
        load(path)


def test_a_tensor_of_another_shape_is_refused_by_name(path):
    rewritten(path, lambda tensors: tensors.update({"place.bias": torch.zeros(3)}))
    with pytest.raises(CheckpointError, match=r"place\.bias"):
        load(path)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_tensor_that_is_not_finite_is_refused_by_name(path, value):
    rewritten(path, lambda tensors: tensors["place.bias"].fill_(float(value)))
    with pytest.raises(CheckpointError, match=r"place\.bias.*not finite"):
        load(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_a_header_that_claims_more_than_the_file_holds_is_refused(path):
    path.write_bytes(struct.pack("<Q", 2**60) + path.read_bytes()[8:])
    with pytest.raises(CheckpointError, match="damaged"):
        load(path)


def test_a_safetensors_file_of_another_family_is_refused(path):
    rewritten(path, lambda tensors: None, {"format": "pt"})
    with pytest.raises(CheckpointError, match="not a SEG-SAM"):
        load(path)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return marker.touch, ()

    torch.save({"weights": Bomb()}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError):
        load(tmp_path / "model.pth")
    assert not marker.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"config": TINY_NANO.to_dict() | {"encoder": "resnet"}},
        {"config": TINY_NANO.to_dict() | {"zoom": None}},
        {"config": TINY_NANO.to_dict() | {"heads": 5}},
        {"config": TINY_NANO.to_dict() | {"dim": "wide"}},
        {"config": TINY_NANO.to_dict() | {"window": 3}},
        {"config": replace(TINY_NANO, n_classes=4).to_dict()},
        {"names": ["liver"]},
        {"names": None},
        {"temperature": 0},
        {"temperature": "warm"},
    ],
    ids=[
        "encoder",
        "no zoom",
        "heads",
        "dim",
        "unknown key",
        "classes",
        "names",
        "no names",
        "temperature",
        "no number",
    ],
)
def test_a_header_that_fits_no_model_is_refused(path, values):
    with pytest.raises(CheckpointError):
        load(changed_header(path, **values))
