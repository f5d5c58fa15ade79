import numpy as np
import pytest
import torch

from napari_segsam.core.prediction import dice
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.train.data.dataset import SAMed2D, load
from napari_segsam.train.evaluation import unet
from napari_segsam.train.evaluation.unet import Lesson, UNet, named_masks, train_unet, unet_loss
from tests.train import sa_med2d

EVERY = np.ones(3, bool)


@pytest.fixture
def small(monkeypatch):
    """Small enough to learn something within a test."""
    monkeypatch.setattr(unet, "SIDE", 32)
    monkeypatch.setattr(unet, "_WIDTHS", (8, 16))
    monkeypatch.setattr(unet, "_BATCH", 4)


def two_squares() -> tuple[np.ndarray, np.ndarray]:
    """(32, 32) picture with a grey and a bright square on black, and their labels 1 and 2."""
    labels = np.zeros((32, 32), np.int16)
    labels[4:28, 3:15], labels[4:28, 18:30] = 1, 2
    return np.array([10, 120, 250], np.uint8)[labels], labels


def lesson(allowed: np.ndarray = EVERY) -> Lesson:
    picture, labels = two_squares()
    return Lesson(np.repeat(picture[None], 3, 0), labels, allowed)


def test_the_network_keeps_the_size_and_has_a_channel_for_each_class_and_the_background():
    with torch.inference_mode():
        assert UNet(5)(torch.rand(2, 3, 64, 64)).shape == (2, 6, 64, 64)


def test_it_learns_to_tell_two_classes_apart(small):
    losses = []
    net = train_unet([lesson()], 2, steps=30, done=lambda step, loss: losses.append(loss))
    assert len(losses) == 30
    assert losses[-1] < 0.7 * losses[0]
    picture, labels = two_squares()
    seen = named_masks(net, picture, EVERY)
    for k in (1, 2):
        assert dice(seen[k], labels == k) > 0.7


def test_the_same_seed_trains_the_same_network(small):
    one, two = (train_unet([lesson()], 2, steps=2, seed=7).state_dict() for _ in range(2))
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_a_class_that_the_data_set_does_not_annotate_is_neither_taught_nor_answered(small):
    net = UNet(2)
    only_first = torch.tensor([[True, True, False]])
    loss = unet_loss(net, torch.rand(1, 3, 32, 32), torch.ones(1, 32, 32, dtype=torch.long), only_first)
    loss.backward()
    assert net.head.weight.grad[2].abs().sum() == 0
    assert net.head.weight.grad[1].abs().sum() > 0
    with torch.no_grad():
        net.head.bias[2] = 100.0
    assert 2 not in named_masks(net, two_squares()[0], np.array([True, True, False]))
    assert 2 in named_masks(net, two_squares()[0], EVERY)


def test_answers_have_the_pictures_own_size(small):
    net = UNet(2)
    with torch.no_grad():
        net.head.bias[1] = 100.0
    for shape in ((50, 20), (20, 50, 3), (7, 100)):
        seen = named_masks(net, np.zeros(shape, np.uint8), EVERY)
        assert seen[1].shape == shape[:2]
        assert seen[1].all()


def test_a_lesson_fits_its_picture_into_the_square_with_small_objects_over_large_ones(tmp_path):
    data = SAMed2D(sa_med2d.write(tmp_path / "data"))
    vocabulary = Vocabulary(("liver", "spleen", "thing"))
    sample = load(data, vocabulary)[0]
    made = Lesson.of(sample, np.ones(4, bool))
    assert made.picture.shape == (3, unet.SIDE, unet.SIDE)
    assert set(np.unique(made.labels)) == {0, 1, 2, 3}
    share = (made.labels == 1).mean()
    assert share == pytest.approx(sample.class_mask(1).mean(), rel=0.1)


def test_training_by_minutes_ends(small, monkeypatch):
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(unet.time, "monotonic", lambda: next(now))
    steps = []
    train_unet([lesson()], 2, minutes=0.5, done=lambda step, loss: steps.append(step))
    assert steps == [1, 2, 3]
