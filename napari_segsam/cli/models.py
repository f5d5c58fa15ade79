"""``segsam models``: the registry of weights: source, size, licence, whether they are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_segsam.cli.console import answer, say
from napari_segsam.core.errors import UnknownNameError

if TYPE_CHECKING:
    from napari_segsam.io.registry import ModelEntry

app = typer.Typer(help="The registry of models: source, size, licence, whether it is here.", rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(help="A name that `segsam models` lists.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the registry, download a model, or verify one."""
    if context.invoked_subcommand is None:
        show(as_json)


@app.command("list")
def show(as_json: JsonOption = False) -> None:
    """Every model: source, size, licence, whether it is here."""
    from napari_segsam.io.registry import registry

    records = [_record(entry) for entry in registry().values()]
    if as_json:
        answer({"models": records})
        return
    for r in records:
        here = "here" if r["here"] else "not here"
        typer.echo(f"{r['name']:12} {r['size'] / 1e6:8.1f} MB  {here:8}  {r['source']}  ({r['licence']})")


@app.command("download")
def download(name: NameArgument) -> None:
    """Fetch a model from its pinned source and verify it."""
    from napari_segsam.io.registry import locate

    entry = _entry(name)
    typer.echo(str(locate(entry.name)))
    say(f"done: {name} is here and its sha256 is the registry's.")


@app.command("verify")
def verify(name: NameArgument) -> None:
    """Compare a model's file with the registry's size and sha256; downloads nothing."""
    from napari_segsam.core.errors import BadCheckpointError
    from napari_segsam.io import registry

    entry = _entry(name)
    path = registry.where(entry)
    if path is None:
        raise BadCheckpointError(f"{name} is not here; run: segsam models download {name}")
    registry.verify(entry, path)
    say(f"ok: {name}, sha256 {entry.sha256}")


def _entry(name: str) -> ModelEntry:
    from napari_segsam.io.registry import registry

    known = registry()
    if name not in known:
        raise UnknownNameError("model", name, known)
    return known[name]


def _record(entry: ModelEntry) -> dict[str, Any]:
    from napari_segsam.io.registry import where

    path = where(entry)
    source = "in the package" if entry.embedded else f"{entry.repo}@{entry.revision[:12]}"
    return {
        "name": entry.name,
        "family": entry.family,
        "source": source,
        "size": entry.size,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "here": path is not None and path.is_file(),
    }
