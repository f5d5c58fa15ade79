"""Each published model that is small enough to run several times, against its golden; its family's file offers it."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from tests.model.zoo import test_aux_unet, test_lite_medsam, test_ma_sam, test_mas_sam, test_sam_unet, test_samed
from tests.model.zoo.golden import golden
from tests.model.zoo.parity import largest

FAMILIES = (test_aux_unet, test_lite_medsam, test_ma_sam, test_mas_sam, test_sam_unet, test_samed)
OFFERED = [parity for family in FAMILIES for parity in family.PARITY]


@pytest.fixture(scope="module", params=OFFERED, ids=lambda p: p.row)
def held(request):
    """A published model, and what it answers; freed before the next."""
    model = request.param.build()
    with torch.inference_mode():
        return request.param, model, request.param.run(model)


def test_it_answers_as_the_published_model(held):
    parity, _, ours = held
    assert largest(ours, golden(parity.golden)) < 1e-4


def test_every_tensor_of_the_published_file_is_in_the_model(held):
    parity, model, _ = held
    assert parity.consumed(model) == (parity.tensors, parity.tensors)


def test_a_golden_array_that_moves_by_a_twentieth_is_noticed(held):
    parity, _, ours = held
    for name, array in golden(parity.golden).items():
        moved = array + 0.05 * (float(np.ptp(array)) or float(np.abs(array).max()))
        assert largest(ours, {name: moved}) > 1e-2


def test_what_is_left_out_or_exchanged_shows(held):
    parity, model, _ = held
    for mutate in parity.mutations.values():
        changed = deepcopy(model)
        mutate(changed)
        assert parity.difference(changed) > 1e-2
