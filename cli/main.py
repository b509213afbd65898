"""The ``debias-pt`` command. Commands import what they need when they run, so that help is quick."""

from __future__ import annotations

import itertools
import sys
import warnings
from typing import Any, NoReturn

import typer

from debias_pt.errors import DebiasError, DebiasWarning

from . import bench, data, doctor, encode, evaluate, export, predict, probe, train
from .start import leave_compiler_out

INTERRUPTED = 130
_warned: set[str] = set()

app = typer.Typer(
    name="debias-pt",
    help="Debiased prompt tuning of CLIP-like models, without annotating the shortcut.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("probe")(probe.probe)
app.command("encode")(encode.encode)
app.command("predict")(predict.predict)
app.command("export")(export.export)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0 done, 1 the work failed, 2 what was asked for is wrong.

    An error is one line on standard error; ``--debug`` (or ``DEBIAS_PT_DEBUG=1``) adds the traceback.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    leave_compiler_out()
    warnings.showwarning = _one_line_warning
    warnings.filterwarnings("default" if debug else "ignore")
    warnings.filterwarnings("always", category=DebiasWarning)
    try:
        code = typer.main.get_command(app).main(words, prog_name="debias-pt", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except DebiasError as error:
        if debug:
            raise
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        if hasattr(error, "format_message"):  # typer's own errors, whose classes have moved between versions
            _usage(error, words)
        if debug:
            raise
        _fail(f"{type(error).__name__}: {error} (unexpected; --debug shows where)", 1)
    if code == INTERRUPTED:
        _fail("interrupted; what was encoded or fetched is kept, a training goes on with --resume", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: Any, words: list[str]) -> NoReturn:
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message())
        sys.exit(2)
    options = getattr(getattr(error, "param", None), "opts", [])
    values = [value for option, value in itertools.pairwise(words) if option in options]
    seen = f" (seen: {values[-1]!r})" if values else ""
    _fail(f"{error.format_message().rstrip('.')}{seen}; see debias-pt --help", 2)


def _fail(message: str, code: int) -> NoReturn:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _one_line_warning(message: Warning | str, *details: object, **more: object) -> None:
    if str(message) not in _warned:  # a suite fits the same groups many times
        _warned.add(str(message))
        print(f"warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
