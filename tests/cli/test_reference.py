"""docs/reference/cli.md names every command and option that there is, and no other."""

import re
from pathlib import Path

import pytest
import typer

from napari_segsam.cli.commands import app
from napari_segsam.cli.prompt_file import PromptFile

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands
SHARED = {"--series", "--resample", "--model", "--device", "--modality", "--window"}


def section(command):
    return re.search(rf"### segsam {command} (.*?)\n(.*?)(?=\n##)", PAGE, re.DOTALL)


def test_every_command_has_its_section():
    assert set(re.findall(r"### segsam (\w+)", PAGE)) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_described_and_exists(command):
    options = {o for p in COMMANDS[command].params for o in p.opts if o.startswith("--")} - {"--help"}
    heading = set(re.findall(r"--[a-z-]+", section(command)[1]))
    if "[options]" in section(command)[1]:
        heading |= SHARED
    assert heading == options


def test_the_prompts_example_is_valid():
    example = re.search(r"## Prompts\n\n```json\n(.*?)```", PAGE, re.DOTALL)[1]
    assert len(PromptFile.model_validate_json(example).objects) == 2
