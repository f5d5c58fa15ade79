import pytest
import torch

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.aggregation import Aggregation
from napari_segsam.model.zoo.mas_sam import FAMILY, name_here
from tests.model.zoo.golden import fill, keys, picture
from tests.model.zoo.parity import Parity

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
        lora.lora_q_up, lora.lora_v_up = lora.lora_v_up, lora.lora_q_up


def without_the_bug(model):
    model.sam.mask_decoder.desam.compat_bug = False


MUTATIONS = {
    "adapters left out": without_adapters,
    "LoRA of query and value exchanged": with_query_and_value_exchanged,
    "block 3 read as it was meant": without_the_bug,
}
PARITY = (Parity("MAS-SAM", GOLDEN, KEYS, built, outputs, MUTATIONS, name_here, 698),)


def test_its_files_are_recognised():
    assert FAMILY.recognises(keys(KEYS))


def test_a_file_without_one_of_its_tensors_is_refused_by_name():
    tensors = fill(KEYS)
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
