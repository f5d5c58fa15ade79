from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch

from napari_segsam.model.image_encoder import VIT_SIZES, ViTSizes
from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.adapter_block import AdapterBlock, closest
from napari_segsam.model.zoo.family import SAM_MEAN, SAM_STD
from napari_segsam.model.zoo.lora import LoraLinear, LoraQueryValue
from napari_segsam.model.zoo.med_sa import FAMILY, SKILL, MedSa, built, plain_name, with_skill
from tests.model.zoo.golden import fill, golden, keys, picture
from tests.model.zoo.parity import Parity, largest
from tests.model.zoo.small_sam import SMALL, small_sam


def published(keys, side):
    return built(fill(keys), side)


def click(x, y):
    return PromptBatch(torch.tensor([[[x, y], [0.0, 0.0]]]), torch.tensor([[POSITIVE, PAD]]))


def outputs(model):
    side = model.prompt_encoder.input_image_size[0]
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (SAM_MEAN, SAM_STD))
    features = model.encode((torch.from_numpy(picture(0, 255, (1, 3, side, side))) - mean) / std)
    logits = model.answer(features, click(60 * side / 256, 70 * side / 256)).logits
    step = 2 if side == 1024 else 1
    return {
        "embedding_mean": features["embedding"].mean((2, 3)).numpy(),
        "low_res_logits": logits[..., ::step, ::step].numpy(),
    }


def without(name):
    def remove(model):
        for block in model.image_encoder.blocks:
            getattr(block, name).D_fc2.weight.data.zero_()
            getattr(block, name).D_fc2.bias.data.zero_()

    return remove


def windows_filled_after_the_norm(model):
    """As SAM has it: with zeros instead of the norm's bias."""
    for block in model.image_encoder.blocks:
        attend = block.attn.forward
        block.attn.forward = lambda x, pad=None, attend=attend: attend(x)


def without_updates(model):
    for layer in model.modules():
        if isinstance(layer, LoraLinear):
            layer.lora_B.data.zero_()


ADAPTERS = {
    "no space adapter": without("Space_Adapter"),
    "no MLP adapter": without("MLP_Adapter"),
    "windows filled after the norm": windows_filled_after_the_norm,
}
UPDATES = {"no low-rank updates": without_updates}


def parity(row, mode, side, mutations):
    keys = f"medsa_{mode}"
    return Parity(row, f"{keys}_img{side}", keys, partial(published, keys, side), outputs, mutations, plain_name)


PARITY = (
    parity("Med-SA, 256 px", "sam_adpt", 256, ADAPTERS),
    parity("Med-SA", "sam_adpt", 1024, ADAPTERS),
    parity("Med-SA, LoRA", "sam_lora", 1024, UPDATES),
)


@pytest.fixture(scope="module", params=PARITY, ids=lambda p: p.row)
def answered(request):
    """One forward pass of each; what is large is freed before the next."""
    model = request.param.build()
    with torch.inference_mode():
        return request.param, request.param.run(model), request.param.consumed(model)


def test_it_answers_as_the_published_model(answered):
    parity, ours, _ = answered
    assert largest(ours, golden(parity.golden)) < 1e-4


def test_every_tensor_of_the_published_file_is_in_the_model(answered):
    parity, _, (taken, of) = answered
    resampled = 9 if parity.golden.endswith("256") else 0  # the position tables: one, and two of each global block
    assert (taken, of) == ((386, 386) if "LoRA" in parity.row else (458 - resampled, 458))


def test_a_golden_array_that_moves_by_a_twentieth_is_noticed(answered):
    parity, ours, _ = answered
    for name, theirs in golden(parity.golden).items():
        assert largest(ours, {name: theirs + 0.05 * np.ptp(theirs)}) > 1e-2


@pytest.fixture(scope="module")
def at_256():
    return PARITY[0].build()


@pytest.mark.parametrize("mutation", list(ADAPTERS))
def test_what_is_left_out_or_exchanged_shows(at_256, mutation):
    model = deepcopy(at_256)
    ADAPTERS[mutation](model)
    assert PARITY[0].difference(model) > 1e-2


def test_without_its_low_rank_updates_it_answers_otherwise():
    model = published("medsa_sam_lora", 256)
    with torch.inference_mode():
        theirs = outputs(model)
        without_updates(model)
        assert largest(outputs(model), theirs) > 1e-2


def randomised(model, seed=1):
    """Nothing of it is zero any more, not even what starts so."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.2 * torch.randn_like(p))
    return model


def adapters(seed=1):
    return randomised(MedSa(SMALL, side=64), seed).skill()


def updates(seed=1):
    return randomised(MedSa(SMALL, rank=4, side=64), seed).skill()


@pytest.mark.parametrize("prefix", ["image_encoder.", "module.image_encoder.", "module.", ""])
def test_a_file_of_adapters_alone_is_put_into_a_sam(prefix):
    base, tensors = small_sam(), adapters()
    named = {prefix + k.removeprefix("image_encoder."): t for k, t in tensors.items()}
    assert SKILL.recognises({k: tuple(t.shape) for k, t in named.items()})
    held = with_skill(named, base, 64, SMALL).state_dict()
    assert all(torch.equal(held[k], t) for k, t in (tensors | base).items())
    assert len(held) == len(tensors) + len(base)


def test_a_file_of_adapters_has_the_names_and_shapes_that_the_authors_publish():
    with torch.device("meta"):
        model = MedSa(VIT_SIZES["vit_b"], side=1024)
    theirs = {name: tuple(t.shape) for name, t in fill("medsa_sam_adpt_only").items()}
    assert {k: tuple(t.shape) for k, t in model.state_dict().items() if "_Adapter." in k} == theirs
    assert len(theirs) == 144


def test_a_file_of_updates_has_the_names_and_shapes_that_the_authors_publish_and_the_tables_beside_them():
    with torch.device("meta"):
        model = MedSa(VIT_SIZES["vit_b"], rank=4, side=1024)
    theirs = {name: tuple(t.shape) for name, t in fill("medsa_sam_lora_only").items()}
    assert {k: tuple(t.shape) for k, t in model.state_dict().items() if "lora_" in k} == theirs
    assert len(theirs) == 72 and SKILL.recognises(theirs)
    tables = {k: t for k, t in keys("medsa_sam_lora").items() if ".rel_" in k}
    assert {f"image_encoder.blocks.{i}.attn.rel_{axis}" for i in range(12) for axis in "hw"} == set(tables)


@pytest.mark.parametrize("tables", [True, False], ids=["ours", "of the authors' training"])
def test_a_file_of_updates_alone_is_put_into_a_sam(tables):
    base, tensors = small_sam(), updates()
    if not tables:
        tensors = {k: t for k, t in tensors.items() if ".rel_" not in k}
    assert SKILL.recognises({k: tuple(t.shape) for k, t in tensors.items()})
    held = with_skill(tensors, base, 64, SMALL).state_dict()
    assert all(torch.equal(held[plain_name(k)], t) for k, t in tensors.items())
    theirs = {k: t for k, t in base.items() if ".rel_pos_" not in k}
    assert all(torch.equal(held[k], t) for k, t in theirs.items())
    assert tables or not any(held[k].any() for k in base if ".rel_pos_" in k)


def test_a_file_of_updates_that_lacks_one_is_refused_by_its_name():
    lost = "image_encoder.blocks.1.mlp.lin2.lora_B"
    with pytest.raises(ModelFileError, match=lost):
        with_skill({k: t for k, t in updates().items() if k != lost}, small_sam(), 64, SMALL)


@pytest.mark.parametrize("made", [adapters, updates])
def test_a_sam_of_another_width_is_blamed_and_not_the_file(made):
    wide = ViTSizes(64, 2, 2, (1,))
    with pytest.raises(ModelFileError, match="made on a SAM of width 32, and this one has width 64"):
        with_skill(made(), small_sam(sizes=wide), 64, wide)


def test_other_adapters_give_another_embedding():
    base, images = small_sam(), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        models = [with_skill(adapters(seed), base, 64, SMALL) for seed in (1, 2)]
        one, other = (model.encode(images)["embedding"] for model in models)
    assert (one - other).abs().max() > 1e-2 * np.ptp(one.numpy())


def merge(model):
    """Fold every update into its layer's weight, with loralib's scale, and leave nothing of it."""
    for layer in model.modules():
        if isinstance(layer, LoraLinear):
            pairs = [(layer.lora_A, layer.lora_B)]
            if isinstance(layer, LoraQueryValue):
                pairs = list(zip(layer.lora_A.chunk(2), layer.lora_B.chunk(2), strict=True))
            updates = [b @ a / len(a) for a, b in pairs]
            if len(updates) == 2:
                updates.insert(1, torch.zeros_like(updates[0]))  # the key has none
            layer.weight.data += torch.cat(updates)
            layer.lora_B.data.zero_()


def test_a_model_of_low_rank_updates_computes_the_same_when_they_are_merged():
    model = MedSa(SMALL, rank=4, side=64).eval()
    for layer in model.modules():
        if isinstance(layer, LoraLinear):
            torch.nn.init.normal_(layer.lora_B)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = model.encode(images)["embedding"]
        plain = deepcopy(model)
        without_updates(plain)
        merge(model)
        without, after = (m.encode(images)["embedding"] for m in (plain, model))
    assert (without - before).abs().max() > 1e-2 * np.ptp(before.numpy())
    assert (after - before).abs().max() < 1e-5 * np.ptp(before.numpy())


def through_by_hand(block, x, slices):
    """The mode for volumes, window by window and place by place, as adapter_block.py of the authors has it."""
    n, h, w, width = x.shape
    side = block.window or h
    rows, cols = -(-h // side), -(-w // side)
    whole = torch.zeros(n, rows * side, cols * side, width)
    whole[:, :h, :w] = x
    at = [(i, r, c) for i in range(n) for r in range(rows) for c in range(cols)]
    cut = lambda i, r, c: whole[i, r * side : (r + 1) * side, c * side : (c + 1) * side]  # noqa: E731
    out = torch.zeros_like(whole)
    plain = deepcopy(block.attn)
    plain.window = 0
    for axis, size in (("h", 1), ("w", slices)):
        table = getattr(block.attn, f"rel_pos_{axis}").T[None]
        resized = torch.nn.functional.interpolate(table, 2 * size - 1, mode="linear")[0].T
        setattr(plain, f"rel_pos_{axis}", torch.nn.Parameter(resized))
    for first in range(0, len(at), slices):
        group = at[first : first + slices]
        tokens = block.norm1(torch.stack([cut(*place) for place in group]))
        for row in range(side):
            for col in range(side):
                seen = block.Depth_Adapter(plain(tokens[None, None, :, row, col]))[0, 0]
                for (i, r, c), value in zip(group, seen, strict=True):
                    out[i, r * side + row, c * side + col] = value
    return out[:, :h, :w]


@pytest.mark.parametrize("window", [0, 3])
def test_on_volumes_each_place_sees_what_the_authors_training_lets_it_see(window):
    torch.manual_seed(0)
    block = AdapterBlock(8, 2, window, 4)
    for p in block.parameters():
        torch.nn.init.normal_(p, std=0.3)
    x = torch.randn(5, 4, 4, 8)
    with torch.inference_mode():
        alone = block(x)
        block.slices = 5
        together = block(x)
        attended = block.attn(block.norm1(x), pad=block.norm1.bias)
        inside = x + attended + block.Space_Adapter(attended) + through_by_hand(block, x, 5)
        normed = block.norm2(inside)
        expected = inside + block.mlp(normed) + 0.5 * block.MLP_Adapter(normed)
    assert torch.allclose(together, expected, atol=1e-4)
    assert (alone - together).abs().max() > 1e-2


@pytest.mark.parametrize(
    ("n", "factors"), [(4, (1, 4)), (5, (1, 5)), (6, (2, 3)), (9, (1, 9)), (12, (3, 4)), (96, (8, 12))]
)
def test_slices_are_laid_out_as_published(n, factors):
    assert closest(n) == factors


def test_a_skill_that_was_trained_on_volumes_sees_the_slices_beside_the_one_that_is_asked_about():
    model, family = SKILL.options["depth"](with_skill(adapters(), small_sam(), 64, SMALL), SKILL)
    assert family.preparation({}).slices == 5
    torch.manual_seed(0)
    images = torch.randn(1, 5, 3, 64, 64)
    other = images.clone()
    other[:, 0] = 0
    with torch.inference_mode():
        one, two = (model.encode(i)["embedding"] for i in (images, other))
    assert one.shape == (1, 256, 4, 4)
    assert (one - two).abs().max() > 1e-3 * np.ptp(one.numpy())


def test_updates_have_no_mode_for_volumes():
    with pytest.raises(ModelFileError, match="no mode for volumes"):
        SKILL.options["depth"](with_skill(updates(), small_sam(), 64, SMALL), SKILL)


def test_a_whole_file_is_recognised_by_its_adapters_or_its_updates():
    whole = {k: tuple(t.shape) for k, t in MedSa(SMALL, side=64).state_dict().items()}
    updated = {k: tuple(t.shape) for k, t in MedSa(SMALL, rank=4, side=64).state_dict().items()}
    assert FAMILY.recognises(whole)
    assert FAMILY.recognises(updated)
    assert not SKILL.recognises(whole)
    assert not FAMILY.recognises({k: tuple(t.shape) for k, t in small_sam().items()})
    assert not FAMILY.recognises({k: tuple(t.shape) for k, t in adapters().items()})
    assert not FAMILY.recognises({k: tuple(t.shape) for k, t in updates().items()})


def test_a_file_that_lacks_an_adapter_is_refused_by_its_name():
    lost = "image_encoder.blocks.1.Space_Adapter.D_fc2.bias"
    with pytest.raises(ModelFileError, match=lost):
        with_skill({k: t for k, t in adapters().items() if k != lost}, small_sam(), 64, SMALL)


def test_adapters_for_a_larger_sam_are_refused():
    tensors = adapters() | {"image_encoder.blocks.2.Space_Adapter.D_fc2.bias": torch.zeros(32)}
    with pytest.raises(ModelFileError, match=r"blocks\.2"):
        with_skill(tensors, small_sam(), 64, SMALL)


def test_adapters_without_a_sam_are_refused():
    with pytest.raises(ModelFileError, match="no SAM"):
        SKILL.build(adapters(), None)
