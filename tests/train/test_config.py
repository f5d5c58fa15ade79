import re

import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.model.config import preset
from napari_segsam.train.config import DataConfig, LossWeights, MethodConfig, PriorsConfig, TrainConfig, read_config
from tests.conftest import ROOT

WHOLE = 'run = "run"\nbackbone = "b.safetensors"\n[data]\nroot = "data"\n'

WEIGHTS = [name for name, field in LossWeights.model_fields.items() if field.annotation is float]


def written(tmp_path, text):
    path = tmp_path / "train.toml"
    path.write_text(text)
    return path


def test_paths_count_from_the_files_folder(tmp_path):
    config = read_config(written(tmp_path, WHOLE))
    assert (config.run, config.data.root) == (tmp_path / "run", tmp_path / "data")
    assert config.backbone == tmp_path / "b.safetensors"
    assert config.warm_start is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("stepz = 3\n" + WHOLE, "stepz"),
        (WHOLE + "sintetic = 1\n", r"data\.sintetic"),
        (WHOLE + "[losses]\nalignment_kind = 'best'\n", r"losses\.alignment_kind"),
        (WHOLE + "[losses]\nsize = -1\n", r"losses\.size"),
        (WHOLE + "[losses]\n" + "".join(f"{name} = 0\n" for name in WEIGHTS), "losses"),
        (WHOLE + "[losses]\n" + "".join(f"{name} = 0\n" for name in WEIGHTS if name != "alignment"), "losses"),
        ("learning_rate = nan\n" + WHOLE, "learning_rate"),
        ("steps = 0\n" + WHOLE, "steps"),
        ("boxes = 1.5\n" + WHOLE, "boxes"),
        ("average = 1\n" + WHOLE, "average"),
        ("model = 'vit_x'\n" + WHOLE, "model"),
        (WHOLE + "[method]\nco = 'many'\n", r"method\.co"),
        ("steps = '3'\n" + WHOLE, "steps"),
        ("seed = true\n" + WHOLE, "seed"),
        ("steps = 3.0\n" + WHOLE, "steps"),
        ("boxes = '0.5'\n" + WHOLE, "boxes"),
        ("calibrate = 1\n" + WHOLE, "calibrate"),
        (WHOLE + "synthetic = true\n", r"data\.synthetic"),
        (WHOLE + "[losses]\nsize = true\n", r"losses\.size"),
        (WHOLE + "[losses]\nno_object = '1'\n", r"losses\.no_object"),
        (WHOLE + "[method]\nn_co = '4'\n", r"method\.n_co"),
        (WHOLE + "[method]\ntrain_sag = 'no'\n", r"method\.train_sag"),
        ('run = "run"\n', "data"),
    ],
)
def test_a_key_that_is_wrong_is_refused_by_name(tmp_path, text, key):
    with pytest.raises(UnreadableInputError, match=f"'{key}'"):
        read_config(written(tmp_path, text))


def test_a_whole_number_is_a_number(tmp_path):
    config = read_config(written(tmp_path, "learning_rate = 1\n" + WHOLE + "[losses]\nsize = 2\n"))
    assert (config.learning_rate, config.losses.size) == (1.0, 2.0)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    (tmp_path / "train.toml").write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert read_config(tmp_path / "train.toml").run == tmp_path / "run"


@pytest.mark.parametrize("text", ["steps = ", "= 3"])
def test_a_file_that_is_no_toml_is_refused_by_name(tmp_path, text):
    with pytest.raises(UnreadableInputError, match=r"train\.toml"):
        read_config(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(UnreadableInputError, match=r"none\.toml"):
        read_config(tmp_path / "none.toml")


def test_the_page_on_training_says_what_is_so(tmp_path):
    page = (ROOT / "docs" / "how-to" / "train.md").read_text(encoding="utf-8")
    first, vit, branched = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert read_config(written(tmp_path, first)).steps == 4000
    assert read_config(written(tmp_path, vit)).method.of(preset("vit_b", 3)).encoder_mode == "sammed2d"
    assert read_config(written(tmp_path, branched)).method.of(preset("vit_b", 3)).branch == "resnet34"
    table = "".join(line for line in page.splitlines() if line.startswith("| `"))
    missing = [name for name in TrainConfig.model_fields if f"`{name}`" not in table]
    assert missing == ["data", "losses", "priors", "method"]  # tables of their own
    assert [name for name in PriorsConfig.model_fields if f"priors.{name}`" not in table] == []
    assert [name for name in MethodConfig.model_fields if f"`{name}`" not in table] == []
    assert [name for name in DataConfig.model_fields if f"data.{name}`" not in page] == []
    assert all(f"`{name}`" in table or f"losses.{name}`" in table for name in ("pixel", "alignment_kind", "no_object"))
    terms = (ROOT / "docs" / "concepts" / "segsam.md").read_text(encoding="utf-8")
    assert [name for name in WEIGHTS if f"`{name}`" not in terms] == []
