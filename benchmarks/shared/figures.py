"""Pictures. matplotlib is imported when one is drawn, without its global state."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.utils.files import make_folder, write_bytes

BLUE, ORANGE = "#1f4e79", "#c55a11"
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


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure, whole or not at all; its folder is made."""
    require_plot_path(path)
    data = io.BytesIO()
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
    """Return where a picture goes: into a folder, or to a file, which has `name` in its name unless it is the `only` one.

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
