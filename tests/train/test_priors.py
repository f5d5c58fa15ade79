"""SAMAug in training and evaluation: maps made once, each picture shown twice, the surer of two answers."""

import errno
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from napari_segsam.core.errors import BadPromptsError, WriteError
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.zoo import prior_maps
from napari_segsam.engine.zoo.automatic_masks import SAMAUG
from napari_segsam.engine.zoo.prior_maps import PriorMaps, augmented
from napari_segsam.train import augment, batches, priors
from napari_segsam.train.batches import BatchMaker
from napari_segsam.train.config import DataConfig, PriorsConfig, TrainConfig, read_config
from napari_segsam.train.data.dataset import SAMed2D, load, partial_labels
from napari_segsam.train.evaluation.picture import Picture
from napari_segsam.train.evaluation.run import Evaluation
from napari_segsam.train.evaluation.targets import list_targets, read_picture
from napari_segsam.train.objective import Objective
from napari_segsam.train.priors import PriorSource, PriorStore, augmented_view, read_maps, surer_answer, write_maps
from napari_segsam.train.trainer import _compared
from tests import clickable
from tests.fakes import FakePredictor
from tests.tiny import NAMES, TINY_NANO, tiny
from tests.train import sa_med2d
from tests.zoo import BOXES
from tests.zoo import predictor as echo


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return sa_med2d.write(tmp_path_factory.mktemp("priors") / "data")


@pytest.fixture
def samples(root):
    return load(SAMed2D(root), Vocabulary(NAMES))


def store_in(folder, predictor=None, points=8):
    made = clickable.predictor() if predictor is None else predictor
    return PriorStore(folder, PriorSource(lambda: made, points)), made


def maker_of(root, samples, priors, **options):
    config = TrainConfig(data=DataConfig(root=root, synthetic=0.0), run=root, images=2, prompts=2, **options)
    return BatchMaker(samples, partial_labels(samples, 3), config, TINY_NANO, priors=priors)


# -- on disk


def test_maps_are_made_once_and_kept_by_picture_and_weights(samples, tmp_path):
    every = [s.sample for s in samples]
    store, model = store_in(tmp_path / "priors")
    paths = store.paths(every)
    assert set(paths) == {s.name for s in every} and len(set(paths.values())) == 6
    clicks = model.model.clicks
    assert 6 * 64 < clicks < 2 * 6 * 64  # what is kept is asked for twice
    assert store_in(tmp_path / "priors", model)[0].paths(every) == paths and model.model.clicks == clicks
    others, _ = store_in(tmp_path / "priors", clickable.predictor(sha256="d" * 64))
    assert not set(others.paths(every).values()) & set(paths.values())
    fewer, _ = store_in(tmp_path / "priors", model, points=4)
    assert not set(fewer.paths(every[:1]).values()) & set(paths.values())


def test_maps_are_made_again_when_the_search_or_its_code_is_another_one(samples, tmp_path, monkeypatch):
    store, _ = store_in(tmp_path)
    sample = samples[0].sample
    found = [store.paths([sample])[sample.name]]
    monkeypatch.setattr(prior_maps, "SAMAUG", replace(SAMAUG, least_stability=0.5))
    found.append(store.paths([sample])[sample.name])
    monkeypatch.setattr(prior_maps, "code_version", lambda made_by: "another")
    found.append(store.paths([sample])[sample.name])
    assert len(set(found)) == 3


def refuse(*_):
    raise OSError(errno.ENOSPC, "full")


def test_what_cannot_be_written_is_said_in_a_sentence_and_leaves_no_folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="is a file"):
        write_maps(tmp_path / "file" / "a.safetensors", PriorMaps.empty((4, 4)))
    monkeypatch.setattr(priors, "write_bytes", refuse)
    with pytest.raises(WriteError, match="the disk is full"):
        write_maps(tmp_path / "priors" / "a.safetensors", PriorMaps.empty((4, 4)))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    (tmp_path / "priors").mkdir()
    (tmp_path / "priors" / "b.safetensors").write_text("")
    with pytest.raises(WriteError, match="the disk is full"):
        write_maps(tmp_path / "priors" / "a.safetensors", PriorMaps.empty((4, 4)))
    assert [p.name for p in (tmp_path / "priors").iterdir()] == ["b.safetensors"]


def test_files_hold_what_was_found_and_a_damaged_one_is_made_again(samples, tmp_path):
    sample = samples[0].sample
    store, _ = store_in(tmp_path)
    path = store.paths([sample])[sample.name]
    maps = read_maps(path)
    assert maps.shape == (48, 48, 2) and maps.dtype == np.float32 and maps[..., 0].any()
    assert set(np.unique(maps[..., 1])) == {0, 1}
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(read_maps(store.paths([sample])[sample.name]), maps)


def test_a_model_without_points_is_refused(samples, tmp_path):
    store, _ = store_in(tmp_path, echo(BOXES))
    with pytest.raises(BadPromptsError, match="takes no points"):
        store.paths([samples[0].sample])


# -- learning


@pytest.fixture
def marked(samples, tmp_path):
    """Maps by hand, as every object of a picture would have them."""
    priors = {}
    for n, s in enumerate(samples):
        masks = [s.mask(i) for i in range(len(s.class_ids))]
        path = tmp_path / f"{n}.safetensors"
        write_maps(path, PriorMaps.of(masks, [1.0] * len(masks), s.picture.shape[:2]))
        priors[s.sample.name] = path
    return priors


def test_each_picture_is_shown_twice_with_the_same_prompts(root, samples, marked):
    raw, both = maker_of(root, samples, {})[3], maker_of(root, samples, marked)[3]
    assert len(raw.slices) == 2 and len(both.slices) == 4
    assert both.owner.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert torch.equal(both.slices[::2], raw.slices)  # the raw ones are what they would be without maps
    assert not torch.equal(both.slices[1], both.slices[0])
    for first in (0, 4):
        for a, b in zip(both.crops[first : first + 2], both.crops[first + 2 : first + 4], strict=True):
            assert torch.equal(a.target, b.target) and a.place == b.place and a.lot == b.lot
            assert torch.equal(a.geometry.clicks, b.geometry.clicks)
            assert not torch.equal(a.crop, b.crop)
            assert torch.equal(a.crop[0], a.crop[1]) and not torch.equal(b.crop[0], b.crop[1])


def test_maps_are_turned_and_bent_with_their_picture(root, samples, marked, monkeypatch):
    """What is recoloured is the picture alone: the second look is the first one and the maps of its objects."""
    monkeypatch.setattr(batches, "_BENT", 1)
    monkeypatch.setattr(augment, "recolour", lambda picture, rng: picture)
    maker = maker_of(root, samples, marked)
    for seed in range(4):
        drawn = maker._real(np.random.default_rng(seed))
        added = drawn.augmented - drawn.pixels
        assert drawn.augmented.shape[2] == 3 and drawn.pixels.shape[2] == 1
        assert np.abs(added[..., 0]).max() < 1e-6
        inside = np.any(drawn.masks, axis=0)
        assert (added[..., 1][inside] > 0.4).mean() > 0.95
        assert added[..., 2].max() > 0.5


def test_a_picture_without_maps_is_shown_once(root, samples, marked):
    few = {k: v for k, v in marked.items() if "--A--" in k}
    maker = maker_of(root, samples, few)
    sizes = {len(maker[step].slices) for step in range(12)}
    assert sizes == {2, 3, 4} or sizes == {2, 3} or sizes == {2, 4}


def test_both_looks_are_learned_from(root, samples, marked):
    """The loss of both is the mean of the two losses, as published with equal weights."""
    maker = maker_of(root, samples, marked, corrections=0.0)
    objective = Objective(tiny().eval(), maker.config, 0.5)
    both = maker[1]
    halves = []
    for which in (0, 1):
        slices = [which, 2 + which]
        prompts = [i for i, owner in enumerate(both.owner.tolist()) if owner in slices]
        crops, present = [both.crops[i] for i in prompts], [both.present[i] for i in slices]
        owner = torch.tensor([0, 0, 1, 1])
        halves.append(
            objective(replace(both, slices=both.slices[slices], owner=owner, crops=crops, present=present), 1)
        )
    whole = objective(both, 1)
    for term in ("binary", "semantic", "size"):
        assert whole[term][0].item() == pytest.approx(sum(h[term][0].item() for h in halves), rel=1e-3), term
    assert halves[0]["binary"][0].item() != pytest.approx(halves[1]["binary"][0].item(), rel=1e-6)


def test_the_file_says_which_model_and_paths_count_from_it(tmp_path):
    (tmp_path / "run.toml").write_text(
        'run = "runs/a"\n[data]\nroot = "data"\n[priors]\nmodel = "sam.safetensors@sam"\n'
    )
    config = read_config(tmp_path / "run.toml")
    assert config.priors == PriorsConfig(model=str(tmp_path / "sam.safetensors@sam"))
    assert _compared(config)["priors.model"] == "sam.safetensors@sam"
    (tmp_path / "run.toml").write_text('run = "runs/a"\n[data]\nroot = "data"\n[priors]\nmodel = "nano"\npoints = 16\n')
    assert read_config(tmp_path / "run.toml").priors == PriorsConfig(model="nano", points=16)
    without = TrainConfig(data=DataConfig(root=tmp_path), run=tmp_path)
    assert _compared(without)["priors.model"] is None  # so that a resumed run cannot begin with maps


# -- asking


def test_the_augmented_slice_is_the_picture_with_its_maps(root):
    sample = SAMed2D(root).samples[0]
    volume, _ = read_picture(sample)
    view = SliceView(volume, 2, 0)
    stability = np.zeros(view.shape, np.float32)
    stability[3, 7] = 1.5
    second = augmented_view(view, PriorMaps(stability, np.zeros(view.shape, np.float32)))
    grey = np.asarray(Image.open(sample.path)).astype(np.float32) / 255
    assert second.shape == view.shape and second.volume.id != volume.id and second.volume.modality == "ct"
    assert np.allclose(second.pixels[..., 0], grey) and np.allclose(second.pixels[..., 2], grey)
    assert second.pixels[3, 7, 1] == pytest.approx(grey[3, 7] + 1.5)
    assert np.array_equal(second.pixels, augmented(grey, PriorMaps(stability, np.zeros(view.shape, np.float32))))


@pytest.mark.parametrize(("unsure", "taken"), [("raw", "augmented"), ("augmented", "raw"), (None, "raw")])
def test_the_answer_with_less_entropy_is_taken(unsure, taken):
    class TwoLooks:
        def logits(self, embedding, prompts):
            return np.full((4, 4), 0.1 if embedding == unsure else -8.0, np.float32)

        def predict(self, embedding, prompts):
            return SimpleNamespace(of=embedding)

    assert surer_answer(TwoLooks(), ("raw", "augmented"), Prompts(box=Box(0, 0, 1, 1))).of == taken


def test_an_evaluation_asks_about_both_pictures(root):
    class Grey(FakePredictor):
        def logits(self, embedding, prompts):
            mask = self._mask(embedding.pixels, prompts)
            return np.where(mask, 8.0, -8.0).astype(np.float32)

    fake, model = Grey(), clickable.predictor()
    targets = list_targets(root)[0][:3]  # of one picture
    run = Evaluation(targets, ("box",), fake, priors=PriorSource(lambda: model, 8))
    list(run.run())
    assert len(run.rows) == 3 and len(fake.embedded) == 2 and 64 < model.model.clicks < 2 * 64
    picture = Picture.of(targets[0].sample, fake, PriorSource(lambda: model, 8))
    assert picture.augmented.pixels.max() <= 2 and picture.embedding.pixels.max() > 100
