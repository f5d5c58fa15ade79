"""A published file gives its tensors, however it was written and whatever they are wrapped in."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.files.published import opened, read_tensors

TENSORS = {
    "image_encoder.pos_embed": torch.arange(24.0).reshape(1, 2, 3, 4),
    "image_encoder.half": torch.arange(5.0).half(),
    "image_encoder.bfloat": torch.arange(3.0).bfloat16(),
    "image_encoder.count": torch.tensor(7),
    "image_encoder.turned": torch.arange(6.0).reshape(2, 3).T,
    "image_encoder.none": torch.zeros(0, 3),
}


def trained() -> dict[str, object]:
    """What a training of SAM-Med2D or SAM-UNet writes: an optimiser as an object, with a state."""
    layer = torch.nn.Linear(2, 2)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(2)).sum().backward()
    optimiser.step()
    return {"model": TENSORS, "optimizer": optimiser}


def same(found: dict[str, torch.Tensor]) -> bool:
    return found.keys() == TENSORS.keys() and all(
        torch.equal(found[k], t) and found[k].dtype == t.dtype for k, t in TENSORS.items()
    )


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
@pytest.mark.parametrize(
    "wrapped",
    [
        TENSORS,
        OrderedDict(TENSORS),
        {"model": TENSORS},
        {"state_dict": TENSORS, "epoch": 3},
        {"net": TENSORS},
        {"model": "sam", "state_dict": TENSORS, "best_tol": torch.tensor(0.1), "path_helper": {"prefix": "a/b"}},
        {"model": {"state_dict": TENSORS}},
        {f"module.{k}": t for k, t in TENSORS.items()},
        {f"module.sam.{k}": t for k, t in TENSORS.items()},
        {k: torch.nn.Parameter(t) if t.is_floating_point() else t for k, t in TENSORS.items()},
        trained(),
    ],
    ids=["flat", "ordered", "model", "state_dict", "net", "Med-SA", "twice", "module.", "sam.", "Parameter", "Adam"],
)
def test_tensors_come_out_of_every_wrapper(tmp_path: Path, wrapped: object, zipped: bool):
    path = tmp_path / "a.pth"
    torch.save(wrapped, path, _use_new_zipfile_serialization=zipped)
    assert same(dict(read_tensors(path)))


def test_a_state_dict_with_its_versions_is_read(tmp_path: Path):
    path = tmp_path / "a.pt"
    layer = torch.nn.BatchNorm2d(3)
    torch.save(layer.state_dict(), path)
    assert {k: tuple(t.shape) for k, t in read_tensors(path).items()} == {
        k: tuple(t.shape) for k, t in layer.state_dict().items()
    }


def test_safetensors_are_read_and_their_prefix_is_taken_off(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_file({f"module.{k}": t.contiguous() for k, t in TENSORS.items()}, path)
    assert same(dict(read_tensors(path)))


def test_a_prefix_that_only_some_names_have_stays(tmp_path: Path):
    path = tmp_path / "a.pth"
    torch.save({"sam.a": torch.ones(1), "adapter.0": torch.ones(1)}, path)
    assert set(read_tensors(path)) == {"sam.a", "adapter.0"}


def test_shapes_are_known_before_any_tensor_is_read(tmp_path: Path):
    for path in (tmp_path / "a.pth", tmp_path / "a.safetensors"):
        if path.suffix == ".pth":
            torch.save(TENSORS, path)
        else:
            save_file({k: t.contiguous() for k, t in TENSORS.items()}, path)
        with opened(path) as file:
            assert file.shapes == {k: tuple(t.shape) for k, t in TENSORS.items()}


def test_two_names_of_one_tensor_share_its_numbers(tmp_path: Path):
    path, shared = tmp_path / "a.pth", torch.arange(4.0)
    torch.save({"a": shared, "b": shared[2:]}, path)
    found = read_tensors(path)
    assert found["a"].tolist() == [0, 1, 2, 3] and found["b"].tolist() == [2, 3]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before torch 1.6"])
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path, zipped: bool):
    path = tmp_path / "a.pth"
    torch.save({"model": {"a": torch.ones(40)}}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read_tensors(path)


def test_a_cut_safetensors_file_is_refused(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(40)}, path)
    whole = path.read_bytes()
    for length in (0, 5, 12, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"cut short or damaged|no file of tensors"):
            read_tensors(path)


def test_a_flipped_bit_in_a_tensor_is_noticed(tmp_path: Path):
    path = tmp_path / "a.pth"
    torch.save({"a": torch.full((40,), 3.0)}, path)
    whole = path.read_bytes()
    at = whole.index(torch.full((40,), 3.0).numpy().tobytes())
    path.write_bytes(whole[:at] + b"\x01" + whole[at + 1 :])
    with pytest.raises(ModelFileError, match="cut short or damaged"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"epoch": 3}, "no tensors by name"),
        (torch.ones(3), "no tensors by name"),
        (torch.nn.Linear(2, 2), "no tensors by name"),
        ({"model": "sam"}, "no tensors by name"),
    ],
    ids=["no tensor", "one tensor", "a whole module", "only a name"],
)
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, content: object, said: str):
    path = tmp_path / "a.pth"
    torch.save(content, path)
    with pytest.raises(ModelFileError, match=said):
        read_tensors(path)


def test_a_file_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_tensors(tmp_path / "none.pth")
