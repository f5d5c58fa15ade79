import numpy as np
import pytest
import torch

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.aggregation import Aggregation
from napari_segsam.model.zoo.mas_sam import FAMILY
from tests.model.zoo.golden import fill, golden, picture
from tests.model.zoo.parity import Parity, largest

KEYS, GOLDEN = "massam_vit_b", "massam_vit_b_img512"


def built():
    return FAMILY.build(fill(KEYS), None)


def outputs(model):
    features = model.encode(torch.from_numpy(picture(-2, 2, (1, 3, 512, 512))))
    return {"mask_sub": model.semantic(features)[:, :, ::8, ::8].numpy()}


def without_adapters(model):
    for adapter in model.adapter:
        for p in adapter.fc[-1].parameters():
            p.data.zero_()


def with_query_and_value_exchanged(model):
    for block in model.sam.image_encoder.blocks:
        lora = block.attn.qkv
        lora.linear_b_q, lora.linear_b_v = lora.linear_b_v, lora.linear_b_q


def without_the_bug(model):
    model.sam.mask_decoder.desam.compat_bug = False


MUTATIONS = {
    "adapters left out": without_adapters,
    "LoRA of query and value exchanged": with_query_and_value_exchanged,
    "block 3 read as it was meant": without_the_bug,
}
PARITY = (Parity("MAS-SAM", GOLDEN, KEYS, built, outputs, MUTATIONS),)


@pytest.fixture(scope="module")
def model():
    return built()


@pytest.fixture(scope="module")
def answered(model):
    with torch.inference_mode():
        return outputs(model)


def test_it_answers_as_the_published_model(answered):
    assert largest(answered, golden(GOLDEN)) < 1e-4


def test_every_tensor_of_a_file_is_in_the_model(model):
    assert PARITY[0].consumed(model) == (698, 698)
    assert FAMILY.recognises({name: tuple(t.shape) for name, t in model.state_dict().items()})


def test_a_golden_array_that_moves_by_a_twentieth_is_noticed(answered):
    theirs = golden(GOLDEN)["mask_sub"]
    assert largest(answered, {"mask_sub": theirs + 0.05 * np.ptp(theirs)}) > 1e-2


def test_what_is_exchanged_shows(model):
    with_query_and_value_exchanged(model)
    try:
        assert PARITY[0].difference(model) > 1e-2
    finally:
        with_query_and_value_exchanged(model)


def test_a_file_without_one_of_its_tensors_is_refused_by_name(model):
    tensors = dict(model.state_dict())
    del tensors["adapter.11.IN.bias"]
    with pytest.raises(ModelFileError, match=r"adapter\.11\.IN\.bias"):
        FAMILY.build(tensors, None)


def grown(compat_bug):
    torch.manual_seed(0)
    depths = [torch.randn(1, 4, 4, 12, requires_grad=True) for _ in range(4)]
    steps = Aggregation(12, 16, compat_bug).eval().steps(torch.randn(1, 16, 4, 4), depths)
    return depths, steps


def test_the_steps_grow_from_the_embeddings_cells_to_eight_times_their_side():
    _, steps = grown(False)
    assert [tuple(s.shape[1:]) for s in steps] == [(16, 4, 4), (8, 8, 8), (4, 16, 16), (2, 32, 32)]


@pytest.mark.parametrize("compat_bug", [False, True])
def test_the_first_depth_learns_unless_the_published_slip_is_kept(compat_bug):
    depths, steps = grown(compat_bug)
    steps[-1].square().sum().backward()
    reached = [d.grad is not None and bool(d.grad.any()) for d in depths]
    assert reached == [not compat_bug, True, True, True]
