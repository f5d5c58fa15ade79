"""A path becomes a model, or one sentence that names the file, what is wrong and what to do."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from napari_segsam.model.zoo import table
from napari_segsam.model.zoo.accounts import ModelFileError, encoder_sizes, load_exactly
from napari_segsam.model.zoo.family import Abilities, Family, Preparation
from napari_segsam.model.zoo.loading import identify, load_zoo

POSITIONS = "image_encoder.pos_embed"
PROJECTION = "image_encoder.patch_embed.proj.bias"


class Plain(nn.Module):
    """An encoder of one bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.image_encoder = nn.ModuleDict(
            {"patch_embed": nn.ModuleDict({"proj": nn.Linear(1, width)}), "blocks": nn.ModuleList([nn.Linear(1, 1)])}
        )


def build_plain(tensors, base):
    model = Plain(len(tensors[PROJECTION]))
    load_exactly(model, tensors)
    return model


def build_delta(tensors, base):
    width, _ = encoder_sizes({k: tuple(t.shape) for k, t in base.items()})
    if len(tensors["delta"]) != width:
        raise ModelFileError(f"it belongs to an encoder {len(tensors['delta'])} wide, and its base is {width} wide")
    return build_plain(base, None)


def family(name: str, title: str, key: str, build, base: str | None = None) -> Family:
    return Family(
        name=name,
        title=title,
        recognises=lambda shapes: key in shapes and "surprise" not in shapes,
        build=build,
        preparation=lambda shapes: Preparation(shapes.get(POSITIONS, (1, 64))[1] * 16),
        abilities=Abilities(),
        limits="None.",
        source="https://example.org",
        licence="MIT",
        base=base,
    )


@pytest.fixture(autouse=True)
def families(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        family("plain", "Plain", PROJECTION, build_plain),
        family("brother", "Brother", PROJECTION, build_plain),
        family("delta", "Delta", "delta", build_delta, base="plain"),
    )
    monkeypatch.setattr(table, "FAMILIES", rows)


def plain(width: int = 4) -> dict[str, Tensor]:
    return {k: torch.ones_like(t) for k, t in Plain(width).state_dict().items()}


@pytest.fixture
def save(tmp_path: Path):
    def save(name: str, tensors: object) -> Path:
        torch.save(tensors, tmp_path / name)
        return tmp_path / name

    return save


def refused(path: Path, **options: object) -> str:
    with pytest.raises(ModelFileError) as caught:
        load_zoo(path, **options)
    said = str(caught.value)
    assert said.startswith(path.name) and said.endswith(".") and "\n" not in said and str(path.parent) not in said
    return said


def test_a_file_becomes_its_familys_model(save):
    model, found, shapes = load_zoo(save("a.pth", {"model": plain()}), family="plain")
    assert found.name == "plain" and shapes[PROJECTION] == (4,)
    assert (model.image_encoder["patch_embed"]["proj"].bias == 1).all()


def test_twins_are_asked_about(save):
    assert "write @plain or @brother behind its name" in refused(save("a.pth", plain()))


def test_a_file_of_another_family_is_refused(save):
    assert "no file of Plain: its tensors are those of Delta" in refused(
        save("a.pth", {"delta": torch.ones(4)}), family="plain"
    )


def test_a_file_of_no_family_is_refused(save):
    assert "of no family" in refused(save("a.pth", {"x": torch.ones(4)}))


def test_a_truncated_file_is_refused(save):
    path = save("a.pth", plain())
    path.write_bytes(path.read_bytes()[:-300])
    assert "cut short or damaged" in refused(path, family="plain")


def test_a_file_with_a_tensor_too_few_is_refused(save):
    tensors = plain()
    del tensors["image_encoder.blocks.0.bias"]
    assert "it lacks the tensor 'image_encoder.blocks.0.bias'" in refused(save("a.pth", tensors), family="plain")


def test_a_difference_without_its_base_says_which_and_how_to_give_it(save):
    said = refused(save("d.pth", {"delta": torch.ones(4)}))
    assert "Delta holds only what differs from Plain" in said and "@base=FILE" in said


def test_a_difference_is_built_on_its_base(save):
    delta, base = save("d.pth", {"delta": torch.ones(4)}), save("b.pth", plain())
    assert load_zoo(delta, base=base)[1].name == "delta"


def test_a_base_of_another_size_is_refused(save):
    delta, base = save("d.pth", {"delta": torch.ones(4)}), save("b.pth", plain(8))
    assert "belongs to an encoder 4 wide, and its base is 8 wide" in refused(delta, base=base)


def test_a_base_for_pictures_of_another_size_is_refused_and_not_the_difference(save):
    delta = save("d.pth", {"delta": torch.ones(4)})
    base = save("b.pth", plain() | {POSITIONS: torch.ones(1, 16, 16, 4)})
    said = refused(delta, base=base)
    assert "its base b.pth is not right, it is a Plain for pictures of 256 px, not for 1024 as SAM's own" in said


def test_a_base_of_another_family_is_refused(save):
    delta = save("d.pth", {"delta": torch.ones(4)})
    assert "its base d.pth is not right, it is no file of Plain" in refused(delta, base=delta)


def test_a_base_that_is_not_there_is_refused(save, tmp_path):
    delta = save("d.pth", {"delta": torch.ones(4)})
    assert "its base none.pth is not right, it cannot be read" in refused(delta, base=tmp_path / "none.pth")


def test_a_file_that_stands_alone_takes_no_base(save):
    path = save("a.pth", plain())
    assert "stands alone" in refused(path, family="plain", base=path)


def test_a_file_is_identified_without_reading_its_tensors(save, monkeypatch):
    monkeypatch.setattr(
        "napari_segsam.model.zoo.files.torch_files.read_all", lambda *_: pytest.fail("tensors were read")
    )
    found, shapes = identify(save("d.pth", {"delta": torch.ones(4)}))
    assert found.name == "delta" and shapes == {"delta": (4,)}
