"""The ``debias-pt`` command. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer

from debias_pt import __version__
from debias_pt.errors import DebiasError, DebiasWarning
from debias_pt.utils.words import escaped

from . import bench, cache, data, discover, doctor, encode, evaluate, export, predict, probe, train, tune
from .help import SettingsCommand
from .start import leave_compiler_out, log_to_stderr, print_message

INTERRUPTED, TERMINATED = 130, 143
ABOUT = "Debiased prompt tuning of CLIP-like models, without annotating the shortcut."
BEGIN = f"""{ABOUT}

To begin, with a synthetic data set that is built in:
  debias-pt train waterbirds-mini   tune a prompt, report accuracy by group
  debias-pt eval --worst-group      report on the newest run again
With data of your own, or real data:
  debias-pt train photos/ --attribute background=land:water
  debias-pt data list

All commands: debias-pt --help; the options of one: debias-pt train --help
"""
_warned: set[str] = set()

app = typer.Typer(
    name="debias-pt",
    help=ABOUT,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback()
def begin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error (anywhere on the line).")
    ] = False,
) -> None:
    """Say the version, or how to begin where no command is given."""
    if version:
        print(f"debias-pt {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(BEGIN)
        raise typer.Exit(2)


app.command("train", cls=SettingsCommand)(train.train)
app.command("tune", cls=SettingsCommand)(tune.tune)
app.command("eval", cls=SettingsCommand)(evaluate.evaluate)
app.command("probe", cls=SettingsCommand)(probe.probe)
app.command("discover", cls=SettingsCommand)(discover.discover)
app.command("encode", cls=SettingsCommand)(encode.encode)
app.command("predict", cls=SettingsCommand)(predict.predict)
app.command("export", cls=SettingsCommand)(export.export)
app.command("report", cls=SettingsCommand)(evaluate.report)
app.command("compare", cls=SettingsCommand)(evaluate.compare)
app.command("doctor", cls=SettingsCommand)(doctor.doctor)
app.command("models", cls=SettingsCommand)(doctor.models)
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")
app.add_typer(cache.app, name="cache")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0 success, 1 the work failed, 2 the request was wrong.

    An error is one line on standard error; ``--debug`` (or ``DEBIAS_PT_DEBUG=1``) adds the traceback.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            with _ending_in_order():
                _run([word for word in words if word != "--debug"], debug="--debug" in words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read this has seen enough: | head -1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # lest Python flush once more at its exit
        sys.exit(1)


def _run(words: list[str], *, debug: bool) -> NoReturn:
    leave_compiler_out()
    log_to_stderr()
    warnings.showwarning = _one_line_warning
    warnings.filterwarnings("default" if debug else "ignore")
    warnings.filterwarnings("always", category=DebiasWarning)
    try:
        code = typer.main.get_command(app).main(words, prog_name="debias-pt", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort) as error:
        code = TERMINATED if isinstance(error, Terminated) or isinstance(error.__cause__, Terminated) else INTERRUPTED
    except BrokenPipeError:
        raise
    except DebiasError as error:
        if debug:
            raise
        _fail(str(error), error.exit_code)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own errors, whose classes have moved between versions
            _usage(error, words)
        if debug:
            raise
        _fail(f"{type(error).__name__}: {error} (unexpected; --debug shows where)", 1)
    if code in (INTERRUPTED, TERMINATED):
        _fail("interrupted; what was encoded or downloaded is kept, and --resume continues a training", code)
    sys.exit(code if isinstance(code, int) else 0)


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a batch system sends it: the work ends as after Ctrl-C."""


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM, unless the process that runs the command does something of its own on it."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated


def _usage(error: Any, words: list[str]) -> NoReturn:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        sys.exit(2)
    options = getattr(getattr(error, "param", None), "opts", [])
    values = [value for option, value in itertools.pairwise(words) if option in options]
    seen = f" (seen: {values[-1]!r})" if values else ""
    _fail(f"{error.format_message().rstrip('.')}{seen}; see debias-pt --help", 2)


def _fail(message: str, code: int) -> NoReturn:
    print(escaped(f"error: {' '.join(message.split())}"), file=sys.stderr)
    sys.exit(code)


def _one_line_warning(message: Warning | str, *details: object, **more: object) -> None:
    if str(message) not in _warned:  # a suite fits the same groups many times
        _warned.add(str(message))
        print_message(escaped(f"warning: {message}"))


if __name__ == "__main__":
    main()
