"""``segsam evaluate``: what cannot be asked together is refused before anything is written."""

import json

import pytest

from tests.train import sa_med2d


@pytest.fixture
def data(tmp_path):
    return sa_med2d.write(tmp_path / "data", pictures=2)


@pytest.mark.parametrize(
    ("option", "value"), [("--processes", 2), ("--priors", "maps"), ("--points", 8)], ids=lambda it: str(it)
)
@pytest.mark.parametrize("kinds", [("online:box",), ("box", "online:point")])
def test_what_learns_refuses_each_option_that_it_would_ignore(
    run, fake, data, tmp_path, monkeypatch, option, value, kinds
):
    out = tmp_path / "out.csv"
    asked = ("evaluate", data, *(word for kind in kinds for word in ("--prompt", kind)), "--out", out)
    monkeypatch.setattr("napari_segsam.cli.evaluate._priors", lambda *_: object())
    done = run(*asked, option, value)
    assert done.exit_code == 2 and option in done.stderr and done.stdout == ""
    assert not out.exists()


def test_clicks_of_prior_maps_are_refused_where_no_model_makes_any(run, fake, data):
    done = run("evaluate", data, "--prompt", "box", "--points", 8)
    assert done.exit_code == 2 and "--priors" in done.stderr


def test_what_learns_takes_the_others(run, fake, data):
    asked = ("evaluate", data, "--prompt", "online:box")
    done = run(*asked, "--seed", 3, "--limit", 2, "--device", "cpu", "--split", "all")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 2
