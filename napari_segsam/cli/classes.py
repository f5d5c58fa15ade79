"""``segsam classes``: what a model can name, and new classes for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_segsam.cli.console import answer, say
from napari_segsam.cli.loading import ModelOption, inputs
from napari_segsam.cli.outputs import Staging
from napari_segsam.core.errors import BadCheckpointError, WriteError

if TYPE_CHECKING:
    from napari_segsam.core.terminology import ClassCard
    from napari_segsam.model.checkpoint import Header

_SUFFIX = ".safetensors"

app = typer.Typer(help="What a model can name, and new classes for it.", rich_markup_mode=None, no_args_is_help=True)


@app.command("list")
def show(
    model: ModelOption = "nano",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Every class of a model: its id, its name, in which pictures it is seen, its SNOMED CT code."""
    from napari_segsam.io.class_cards import package_cards

    header, cards = _header(model), package_cards()
    records = [_record(number, name, header, cards.get(name)) for number, name in enumerate(header.names, start=1)]
    if as_json:
        answer({"model": model, "text_encoder": header.text_encoder, "classes": records})
        return
    for r in records:
        code = "" if r["snomed"] is None else f"{r['snomed']['code']} {r['snomed']['meaning']}"
        typer.echo(f"{r['id']:4}  {r['name']:38}  {','.join(r['modalities']):24}  {code}".rstrip())


@app.command("add")
def add(
    cards: Annotated[Path, typer.Argument(help="The new classes' cards, a TOML file.")],
    out: Annotated[Path, typer.Option("--out", help="The model to write, a .safetensors file.")],
    model: ModelOption = "nano",
    encoder: Annotated[
        str | None,
        typer.Option("--encoder", help="tfidf:FILE.safetensors, for a model whose cards TF-IDF embedded."),
    ] = None,
) -> None:
    """Describe a class in five sentences, and the model can name it; nothing is trained."""
    if out.suffix != _SUFFIX:
        raise WriteError(f"{out}: a model is written as {_SUFFIX}; choose this suffix.")
    from napari_segsam.io.registry import locate
    from napari_segsam.train.new_classes import add_classes, read_new_cards

    with Staging([out], inputs=inputs(cards, model)) as staging:
        added = read_new_cards(cards)
        header = add_classes(locate(model), added, staging.path(out), encoder)
        staging.commit()
    first = len(header.names) - len(added) + 1
    listed = ", ".join(f"{number} {card.name}" for number, card in enumerate(added, start=first))
    say(f"done: {out} names {len(header.names)} classes; new: {listed}. How well it finds them is not known: try it.")


def _header(model: str) -> Header:
    from napari_segsam.io.registry import locate
    from napari_segsam.model import checkpoint

    path = locate(model)
    try:
        return checkpoint.read_header(path)
    except checkpoint.CheckpointError as error:
        raise BadCheckpointError(
            f"{path.name} is no model that can be used here: {error}. Try `segsam models`."
        ) from error


def _record(number: int, name: str, header: Header, card: ClassCard | None) -> dict[str, Any]:
    """A class as JSON; the code is of the card that comes with the package, for a checkpoint carries none."""
    code = dict(zip(("code", "meaning"), card.snomed, strict=True)) if card and card.snomed else None
    aliases = sorted(a for a, owner in header.aliases.items() if owner == name)
    return {
        "id": number,
        "name": name,
        "aliases": aliases,
        "modalities": list(header.modalities.get(name, ())),
        "snomed": code,
    }
