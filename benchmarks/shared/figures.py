"""Pictures. matplotlib is imported when one is drawn, without its global state."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from debias_pt.errors import UsageError
from debias_pt.utils.files import make_folder, write_bytes

BLUE, ORANGE = "#1f4e79", "#c55a11"


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of this size in inches.

    Raises
    ------
    UsageError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("a plot needs matplotlib, which is not installed; pip install 'debias-pt[plot]'") from error
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
    """Refuse a file name that no picture can have, before anything is computed."""
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"{path}: a plot is a .png, .pdf or .svg file; give it such a name")
