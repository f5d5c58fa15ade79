"""``segsam models``: the registry of weights: source, size, licence, whether they are here, what they cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_segsam.cli.console import answer, say
from napari_segsam.core.errors import BadCheckpointError, UnknownNameError

if TYPE_CHECKING:
    from napari_segsam.io.model_entry import ModelEntry

app = typer.Typer(help="The registry of models: source, size, licence, whether it is here.", rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(help="A name that `segsam models` lists.")]
FileArgument = Annotated[Path, typer.Argument(help="The file as it was fetched.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the registry, download a model, take one that was fetched by hand, or verify one."""
    if context.invoked_subcommand is None:
        show(as_json)


@app.command("list")
def show(as_json: JsonOption = False) -> None:
    """Every model: source, size, licence, whether it is here, what it cannot do."""
    from napari_segsam.io.registry import registry, unpublished

    records = [_record(entry) for entry in registry().values()]
    missing = [system.model_dump() for system in unpublished()]
    if as_json:
        answer({"models": records, "unpublished": missing})
        return
    for r in records:
        here = "here" if r["here"] else "not here"
        side = "" if r["side"] is None else f"{r['side']} px"
        typer.echo(f"{r['name']:20} {_size(r):>11}  {side:>7}  {here:8}  {r['source']}  ({r['licence']})")
        base = f" Needs {r['base']}." if r["base"] else ""
        typer.echo(f"{'':20} {r['title']}: {r['input']}. {r['limits']}{base}")
    for system in missing:
        typer.echo(f"{system['title']}: no weights are published ({system['page']}); {system['instead']}.")


@app.command("download")
def download(name: NameArgument) -> None:
    """Fetch a model from its pinned source and verify it."""
    from napari_segsam.io.registry import locate

    entry = _entry(name)
    typer.echo(str(locate(entry.name)))
    say(f"done: {name} is here and {_checked(entry)}.{_base_missing(entry)}")


@app.command("take")
def take(name: NameArgument, file: FileArgument) -> None:
    """Copy a model's file that you fetched by hand to where `--model NAME` finds it."""
    from napari_segsam.io import registry
    from napari_segsam.model.zoo.accounts import ModelFileError
    from napari_segsam.model.zoo.loading import identify

    entry = _entry(name)
    if entry.embedded:
        raise BadCheckpointError(f"{name} comes with the package; nothing has to be taken.")
    try:
        identify(file, entry.family)
    except ModelFileError as error:
        raise BadCheckpointError(str(error)) from error
    typer.echo(str(registry.take(entry, file)))
    say(f"done: {name} is here; its tensors are those of its family, and {_checked(entry)}.{_base_missing(entry)}")


@app.command("verify")
def verify(name: NameArgument) -> None:
    """Compare a model's file with the registry's size and sha256; downloads nothing."""
    from napari_segsam.io import registry

    entry = _entry(name)
    path = registry.where(entry)
    if path is None:
        raise BadCheckpointError(f"{name} is not here: {entry.how_to_get}.")
    registry.verify(entry, path)
    say(f"ok: {name}, sha256 {entry.sha256}" if entry.sha256 else f"here: {name}; {_checked(entry)}")


def _checked(entry: ModelEntry) -> str:
    return "its sha256 is the registry's" if entry.sha256 else "its authors publish no sha256 to compare it with"


def _base_missing(entry: ModelEntry) -> str:
    """That the model's base is not here, and how to get it; empty where it is, or the model has none."""
    from napari_segsam.io.registry import registry, where

    if not entry.base or ((path := where(registry()[entry.base])) is not None and path.is_file()):
        return ""
    base = registry()[entry.base]
    return f" Its base {base.name} is not here yet: {base.how_to_get}."


def _entry(name: str) -> ModelEntry:
    from napari_segsam.io.registry import registry

    known = registry()
    if name not in known:
        raise UnknownNameError("model", name, known)
    return known[name]


def _size(record: dict[str, Any]) -> str:
    """Exact sizes to 0.1 MB, what a page says with a tilde."""
    if record["size"] is not None:
        return f"{record['size'] / 1e6:.1f} MB"
    return "" if record["megabytes"] is None else f"~{record['megabytes']:g} MB"


def _record(entry: ModelEntry) -> dict[str, Any]:
    from napari_segsam.io.registry import where

    path = where(entry)
    return {
        "name": entry.name,
        "title": entry.title,
        "family": entry.family,
        "source": entry.source,
        "page": entry.page or None,
        "downloadable": entry.downloadable,
        "size": entry.size,
        "megabytes": entry.megabytes,
        "sha256": entry.sha256 or None,
        "side": entry.side,
        "base": entry.base or None,
        "licence": entry.licence,
        "input": entry.input,
        "limits": entry.limits,
        "here": path is not None and path.is_file(),
        "get": entry.how_to_get,
    }
