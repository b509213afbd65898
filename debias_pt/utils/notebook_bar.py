"""A progress bar for notebooks, from nothing but HTML: it needs no widgets, and nothing stays when it is done."""

from __future__ import annotations

import time
from html import escape
from types import TracebackType
from typing import Any

REDRAW_S = 0.1


class NotebookBar:
    """Shows progress in the cell that works.

    Parameters
    ----------
    title, total, unit
        As of :func:`~debias_pt.utils.progress.progress`.
    """

    def __init__(self, title: str, total: int | None, unit: str = "") -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done, self.drawn = 0, 0.0
        self._handle: Any = None

    def __enter__(self) -> NotebookBar:
        from IPython.display import HTML, display

        self._handle = display(HTML(self.html()), display_id=True)  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw("")

    def advance(self, done: int) -> None:
        """Count what was done since, and redraw if it is time."""
        self.done += done
        if time.monotonic() - self.drawn >= REDRAW_S:
            self.drawn = time.monotonic()
            self._draw(self.html())

    def html(self) -> str:
        """Return the bar.

        Examples
        --------
        >>> NotebookBar("encoding", 4, "images").html()
        'encoding <progress value="0" max="4"></progress> 0 of 4 images'
        """
        scale = f' value="{self.done}" max="{self.total}"' if self.total else ""
        shown = f"{self.done / 1e6:.1f} MB" if self.unit == "bytes" else f"{self.done}"
        if self.total and self.unit != "bytes":
            shown += f" of {self.total} {escape(self.unit)}"
        return f"{escape(self.title)} <progress{scale}></progress> {shown}".rstrip()

    def _draw(self, html: str) -> None:
        from IPython.display import HTML

        if self._handle is not None:  # None outside a kernel
            self._handle.update(HTML(html))  # type: ignore[no-untyped-call]
