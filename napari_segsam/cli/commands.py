"""The list of commands, and the one place where an error becomes an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_segsam import __version__
from napari_segsam.cli import (
    classes,
    convert,
    demo,
    detector,
    doctor,
    evaluate,
    finetune,
    gui,
    info,
    models,
    predict,
    priors,
    suggest,
    train,
)
from napari_segsam.cli.app import INTERRUPTED, INTERRUPTED_MESSAGE
from napari_segsam.cli.console import say
from napari_segsam.core.errors import SegsamError

USER_CAN_ACT = 2
_UsageError: Any = typer.BadParameter.__base__  # all that is wrong with a command line; typer exports only this one


class ErrorsAsExitCodes(TyperGroup):
    """Runs a command; what the user can mend is one line and exit code 2, any other error keeps its traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Understand what stands before the command's name; nothing on the whole line may be empty.

        An empty path would be taken for the folder that the command runs in.
        """
        with _errors_as_exit_codes():
            if "" in args:
                place = args.index("") + 1
                raise SegsamError(f"Argument {place} is empty; write there what was meant, such as a file or a folder.")
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that ``ctx`` names."""
        with _errors_as_exit_codes():
            return super().invoke(ctx)


@contextmanager
def _errors_as_exit_codes() -> Iterator[None]:
    try:
        yield
    except SegsamError as error:
        say(f"segsam: {error}")
        raise typer.Exit(USER_CAN_ACT) from error
    except _UsageError as error:
        if error.ctx is None or error.message == error.ctx.get_help():  # asked for, by naming no command
            raise
        said = error.format_message()
        say(f"segsam: {said}{'' if said.endswith(('.', '?')) else '.'} See {error.ctx.command_path} --help.")
        raise typer.Exit(USER_CAN_ACT) from error
    except KeyboardInterrupt as error:
        say(INTERRUPTED_MESSAGE)
        raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    name="segsam",
    cls=ErrorsAsExitCodes,
    no_args_is_help=True,
    add_completion=False,
    # Plain help and plain tracebacks: no boxes in a log file, and no local variables (they may hold patient data).
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"segsam {__version__}")
        raise typer.Exit


@app.callback()
def segsam(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Click an organ: its mask, its name, and what else the model sees on the slice. Not a medical device."""


app.command("demo")(demo.demo)
app.command("gui")(gui.gui)
app.command("info")(info.info)
app.command("predict")(predict.predict)
app.command("suggest")(suggest.suggest)
app.command("priors")(priors.priors)
app.command("convert")(convert.convert)
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.command("finetune")(finetune.finetune)
app.add_typer(models.app, name="models")
app.add_typer(classes.app, name="classes")
app.add_typer(detector.app, name="detector")
app.command("doctor")(doctor.doctor)
