import json

from napari_segsam.io import registry


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
    done = run("models", "verify", "nano")
    assert (done.exit_code, "segsam models download nano" in done.stderr) == (2, True)
