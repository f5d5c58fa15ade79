"""Every tensor of a file is accounted for: what is missing, left over or of another shape is refused by name."""

import pytest
import torch
from torch import nn

from napari_segsam.model.zoo.accounts import ModelFileError, encoder_sizes, load_exactly


@pytest.fixture
def module() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {k: torch.full_like(t, 2) for k, t in module.state_dict().items()}


def test_every_tensor_goes_where_its_name_says(module):
    load_exactly(module, tensors(module))
    assert all((t == 2).all() for t in module.state_dict().values())


def test_half_precision_is_converted(module):
    load_exactly(module, {k: t.half() for k, t in tensors(module).items()})
    assert module[0].weight.dtype == torch.float32 and (module[0].weight == 2).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.pop("0.bias"), "it lacks the tensor '0.bias'"),
        (lambda t: [t.pop(k) for k in list(t)[:5]], "it lacks the tensors '0.weight', '0.bias', '1.weight' and 2 more"),
        (lambda t: t.update(extra=torch.ones(1)), "it has the tensor 'extra', for which this family has no use"),
        (lambda t: t.update({"0.bias": torch.ones(4)}), r"its tensor '0.bias' is \(4,\) instead of \(3,\)"),
        (lambda t: t["0.bias"].fill_(torch.nan), "its tensor '0.bias' holds numbers that are not finite"),
    ],
    ids=["missing", "many missing", "left over", "shape", "not finite"],
)
def test_what_is_wrong_is_said_by_name_and_nothing_is_loaded(module, change, said):
    given = tensors(module)
    change(given)
    before = {k: t.clone() for k, t in module.state_dict().items()}
    with pytest.raises(ModelFileError, match=said):
        load_exactly(module, given)
    assert all(torch.equal(t, before[k]) for k, t in module.state_dict().items())


def test_a_family_may_miss_and_may_have_what_it_says(module):
    given = tensors(module)
    del given["1.weight"], given["1.bias"]
    given["head.weight"] = torch.ones(9)
    load_exactly(module, given, may_miss=("1.",), may_have=("head.",))
    assert (module[0].weight == 2).all() and (module[1].weight == 1).all()


def test_the_sizes_of_a_vit_are_read_from_its_names():
    shapes = {"image_encoder.patch_embed.proj.bias": (768,), "image_encoder.blocks.11.norm1.bias": (768,)}
    assert encoder_sizes(shapes) == (768, 12)
    assert encoder_sizes({f"sam.{k}": v for k, v in shapes.items()}, "sam.image_encoder.") == (768, 12)
    with pytest.raises(ModelFileError, match="it has no image encoder"):
        encoder_sizes({"image_encoder.patch_embed.seq.0.c.weight": (32, 3, 3, 3)})
