"""Pictures. matplotlib is imported when one is drawn, without its global state."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.utils.files import make_folder, write_bytes
from debias_pt.utils.words import escaped

BLUE, ORANGE = "#1f4e79", "#c55a11"
COLORS = (BLUE, ORANGE, "#548235", "#7f7f7f", "#7030a0", "#bf9000", "#00798c")  # of series, in every picture
MARKERS = "os^DvP*"
LEAST_SPAN = 20.0  # points of accuracy that an axis shows: small differences shall look small
ENDINGS = (".png", ".pdf", ".svg")


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of this size in inches.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def widen(axes: Any, low: float = 0.0, high: float = 100.0) -> None:
    """Let an axis of percentages show at least :data:`LEAST_SPAN` points, within what percentages can be."""
    bottom, top = axes.get_ylim()
    missing = LEAST_SPAN - (top - bottom)
    if missing > 0:
        bottom, top = bottom - missing / 2, top + missing / 2
        shift = max(low - bottom, 0.0) - max(top - high, 0.0)
        axes.set_ylim(bottom + shift, top + shift)


def reference_line(axes: Any, value: float, label: str, *, vertical: bool = False) -> None:
    """Draw a value that nothing is fitted for, such as zero-shot accuracy, as a dashed line across the picture."""
    draw = axes.axvline if vertical else axes.axhline
    draw(value, color="black", linewidth=1, linestyle="--", label=label, zorder=1)


def label(text: str, most: int = 120) -> str:
    r"""Return somebody else's words for a picture: no formula between dollars, no control characters, not too long.

    Examples
    --------
    >>> label("$5 or $10")
    '\\$5 or \\$10'
    """
    words = escaped(text)
    return (words if len(words) <= most else f"{words[: most - 3]}...").replace("$", r"\$")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure atomically; its folder is created."""
    require_plot_path(path)
    data = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a letter that the font lacks is drawn as a box
        figure.savefig(data, format=path.suffix[1:].lower())
    make_folder(path.parent)
    write_bytes(path, data.getvalue())


def require_plot_path(path: Path) -> None:
    """Refuse a file name that no picture can have, and a plot without matplotlib, before anything is computed."""
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path}: a plot is a .png, .pdf or .svg file; give it such a name")
    require_matplotlib()


def require_matplotlib() -> None:
    """Refuse to draw without matplotlib.

    Raises
    ------
    UsageError
        If it is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UsageError("a plot needs matplotlib, which is not installed; pip install 'debias-pt[plot]'")


def require_plot(path: Path) -> None:
    """Refuse what is neither a picture's file name nor a folder's, and a plot without matplotlib.

    Raises
    ------
    UsageError
        If the ending is another file's, or matplotlib is not installed.
    """
    if path.suffix and not path.is_dir():
        require_plot_path(path)
    require_matplotlib()


def plot_path(path: Path, name: str, *, only: bool = True) -> Path:
    """Return where a picture goes: into a folder, or to a file; `name` is part of its name unless it is the `only` one.

    Examples
    --------
    >>> plot_path(Path("plots"), "eta").as_posix(), plot_path(Path("a.pdf"), "eta").as_posix()
    ('plots/eta.png', 'a.pdf')
    >>> plot_path(Path("a.pdf"), "eta", only=False).as_posix()
    'a-eta.pdf'
    """
    if path.suffix.lower() not in ENDINGS or path.is_dir():
        return path / f"{name}.png"
    return path if only else path.with_name(f"{path.stem}-{name}{path.suffix}")
