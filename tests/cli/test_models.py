import json
import subprocess
import sys

import torch

from napari_segsam.io import registry

ANY_FILE = {"sha256": "", "size": None}


def test_the_registry_is_listed_with_source_size_and_licence(run):
    listed = json.loads(run("models", "--json").stdout)["models"]
    assert {m["name"] for m in listed} == set(registry.registry())
    assert {"source", "size", "licence", "here", "sha256"} < set(listed[0])
    assert "nano" in run("models", "list").stdout
    assert run("models").stdout == run("models", "list").stdout


def test_an_unknown_name_is_refused_with_the_nearest(run):
    for command in ("download", "verify"):
        done = run("models", command, "nanp")
        assert (done.exit_code, "nano" in done.stderr) == (2, True)


def test_a_damaged_file_does_not_verify(run, tmp_path, monkeypatch):
    damaged = tmp_path / "nano.safetensors"
    damaged.write_bytes(b"damaged")
    monkeypatch.setattr(registry, "where", lambda entry: damaged)
    done = run("models", "verify", "nano")
    assert (done.exit_code, "nano" in done.stderr) == (2, True)


def test_a_model_that_is_not_here_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setattr(registry, "where", lambda entry: None)
    done = run("models", "verify", "mobile-sam")
    assert (done.exit_code, "segsam models download mobile-sam" in done.stderr) == (2, True)


def test_the_list_says_what_a_person_chooses_by(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path))
    listed = {m["name"]: m for m in json.loads(run("models", "--json").stdout)["models"]}
    medsam = listed["medsam"]
    assert medsam["here"] is False and medsam["downloadable"] is False and medsam["sha256"] is None
    assert medsam["page"].startswith("https://drive.google.com/") and "models take medsam" in medsam["get"]
    assert (medsam["side"], medsam["family"], medsam["base"]) == (1024, "medsam", None)
    assert listed["samed"]["base"] == "sam-vit-b" and listed["sam-vit-b"]["downloadable"]
    shown = run("models").stdout
    assert "not here" in shown and "1024 px" in shown and "~42.7 MB" in shown and "Needs sam-vit-b." in shown
    assert "SAM-UNet: no weights are published" in shown


def test_every_model_can_be_listed_without_torch():
    """The list is read by people who wait for it."""
    code = "import sys; from napari_segsam.cli.models import show; show(True); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_downloaded_names_its_page(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path))
    for command in ("download", "verify"):
        done = run("models", command, "lite-medsam")
        assert (done.exit_code, "https://drive.google.com/" in done.stderr) == (2, True)


def test_who_takes_a_difference_is_told_how_to_get_its_base_while_that_is_missing(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path))
    file = tmp_path / "samed_vit_b.pth"
    torch.save({"w_a_000": torch.ones(4, 768)}, file)
    monkeypatch.setitem(registry.registry(), "samed", registry.registry()["samed"].model_copy(update=ANY_FILE))
    done = run("models", "take", "samed", str(file))
    assert done.exit_code == 0, done.stderr
    assert "Its base sam-vit-b is not here yet: download it with `segsam models download sam-vit-b`." in done.stderr
    monkeypatch.setattr(registry, "where", lambda entry: file)
    assert "not here" not in run("models", "take", "samed", str(file)).stderr


def test_a_file_of_another_family_is_not_taken(run, monkeypatch, tmp_path):
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path))
    wrong = tmp_path / "lite_medsam.pth"
    torch.save({"a": torch.ones(1)}, wrong)
    done = run("models", "take", "lite-medsam", str(wrong))
    assert (done.exit_code, "is no file of LiteMedSAM" in done.stderr) == (2, True)
    assert run("models", "take", "nano", str(wrong)).exit_code == 2
