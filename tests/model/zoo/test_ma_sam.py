import numpy as np
import pytest
import torch

from napari_segsam.model.image_encoder import VIT_SIZES
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import Labelling, Prompted
from napari_segsam.model.zoo.ma_sam import FAMILY, MaSam, built, name_here
from tests.model.zoo.golden import fill, filled, keys, picture
from tests.model.zoo.parity import Parity
from tests.model.zoo.small_sam import SMALL, small_sam

KEYS, GOLDEN = "masam_vit_b", "masam_vit_b_img128_d5"


def published():
    """Filled as the golden is: SAM's own tensors first, for squares of 128 px, and the file's over them."""
    with torch.device("meta"):
        wanted = MaSam(VIT_SIZES["vit_b"], 12, side=128).state_dict()
    base = {k: filled(k, tuple(t.shape)) for k, t in wanted.items() if k in keys("sam_vit_b")}
    return built(fill(KEYS), base, side=128)


def windows():
    return torch.from_numpy(picture(0, 1, (1, 5, 3, 128, 128)))


def outputs(model, images=None):
    logits = model.each_slice(model.encode(windows() if images is None else images)).numpy()
    return {"low_res_logits_mid": logits[2, :4], "low_res_mean": logits.mean((2, 3))}


def without_the_neighbours(model):
    for name, p in model.named_parameters():
        if ".conv.weight" in name:
            p.data[:, :, [0, 2]] = 0


def query_and_value_swapped(model):
    for block in model.image_encoder.blocks:
        qkv = block.attn.qkv
        qkv.q_FacTs, qkv.v_FacTs = qkv.v_FacTs, qkv.q_FacTs


MUTATIONS = {"neighbouring slices unseen": without_the_neighbours, "query and value swapped": query_and_value_swapped}
PARITY = (Parity("MA-SAM, ViT-B", GOLDEN, KEYS, published, outputs, MUTATIONS, name_here, 369),)


def small(classes=2, seed=1, scale=0.2):
    """A file's tensors as published, of a random model in which nothing is zero."""
    torch.manual_seed(seed)
    model = MaSam(SMALL, classes, rank=4, side=64)
    held = model.state_dict()
    return {name: torch.randn_like(held[name_here(name)]) * scale for name in model.names()}


@pytest.fixture(scope="module")
def tiny():
    return built(small(), small_sam(), 64, SMALL)


def test_its_names_are_those_of_the_published_file_in_its_order():
    with torch.device("meta"):
        assert MaSam(VIT_SIZES["vit_b"], 12).names() == list(keys(KEYS))


def test_what_it_writes_is_the_file_that_it_was_read_from(tiny):
    written, tensors = tiny.published(), small()
    assert list(written) == list(tensors) and all(torch.equal(written[k], t) for k, t in tensors.items())


@pytest.mark.parametrize(("classes", "masks"), [(1, 1), (2, 3)])
def test_asked_with_boxes_it_answers_each_for_itself_on_the_middle_slice(classes, masks):
    model = built(small(classes=classes), small_sam(), 64, SMALL)
    boxed, family = FAMILY.options["boxes"](model, FAMILY)
    torch.manual_seed(0)
    images = torch.rand(1, 5, 3, 64, 64)
    xy, labels = torch.rand(2, 2, 2) * 60, torch.tensor([[BOX_MIN, BOX_MAX]] * 2)
    with torch.inference_mode():
        features = boxed.encode(images)
        together = boxed.answer(features, PromptBatch(xy, labels)).logits
        alone = [boxed.answer(features, PromptBatch(xy[i : i + 1], labels[:1])).logits for i in range(2)]
        five = model.each_slice(model.encode(images), PromptBatch(xy[:1].expand(5, -1, -1), labels[:1].expand(5, -1)))
    assert together.shape == (2, masks, 64, 64) and torch.allclose(together, torch.cat(alone), atol=1e-4)
    assert torch.equal(alone[0][0, 0] > 0, five[2].softmax(0)[0] < 0.5)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    assert isinstance(boxed, Prompted) and not isinstance(boxed, Labelling)
    assert family.abilities.boxes and not family.abilities.points and family.preparation({}).window_hu == (-50, 200)


def test_the_middle_slice_is_labelled_as_fine_as_the_picture(tiny):
    features = tiny.encode(torch.rand(1, 5, 3, 64, 64))
    assert tiny.semantic(features).shape == (1, 3, 64, 64)
    assert torch.allclose(tiny.semantic(features)[0], tiny.each_slice(features)[2], atol=1e-5)


def test_the_order_of_the_slices_counts(tiny):
    torch.manual_seed(0)
    images = torch.rand(1, 5, 3, 64, 64)
    with torch.inference_mode():
        as_they_are = tiny.semantic(tiny.encode(images))
        permuted = tiny.semantic(tiny.encode(images[:, [1, 0, 2, 4, 3]]))
    assert (permuted - as_they_are).abs().max() > 1e-2 * np.ptp(as_they_are.numpy())


def test_factors_of_nothing_and_adapters_of_nothing_leave_each_slice_alone(tiny):
    tensors = small()
    for name, t in tensors.items():
        if "FacTv" in name or "linear_up" in name:
            t.zero_()
    model, images = built(tensors, small_sam(), 64, SMALL), torch.rand(1, 5, 3, 64, 64)
    with torch.inference_mode():
        together, reversed_ = (model.encode(x)["embedding"] for x in (images, images.flip(1)))
    assert torch.allclose(together, reversed_.flip(0), atol=1e-5)


@pytest.mark.parametrize("lost", ["q_FacTs_001", "image_encoder.ImageEncoderViT.blocks.1.Block.adapter_conv_2.bias"])
def test_a_file_that_lacks_a_tensor_is_refused_by_its_name(lost):
    with pytest.raises(ModelFileError, match=lost):
        built({k: t for k, t in small().items() if k != lost}, small_sam(), 64, SMALL)


def test_a_tensor_too_many_is_refused_by_its_name():
    with pytest.raises(ModelFileError, match="extra"):
        built(small() | {"extra": torch.zeros(1)}, small_sam(), 64, SMALL)


def test_a_sam_of_another_size_is_refused():
    with pytest.raises(ModelFileError, match="made on a SAM of width 32, and this one has width 768"):
        built(small(), small_sam(), 64, VIT_SIZES["vit_b"])


def test_a_file_without_its_sam_is_refused():
    with pytest.raises(ModelFileError, match="not given"):
        FAMILY.build(small(), None)


def test_its_files_are_recognised_and_sams_own_are_not():
    shapes = {k: tuple(t.shape) for k, t in small(classes=12).items()}
    assert FAMILY.recognises(shapes)
    assert FAMILY.names(shapes)[5] == "liver"
    assert not FAMILY.recognises({k: tuple(t.shape) for k, t in small_sam().items()})
