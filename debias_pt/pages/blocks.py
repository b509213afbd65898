"""What a page is made of. Texts are plain: whatever looks like markup in them is shown as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from debias_pt.pages.text import named
from debias_pt.utils.words import percent, percent_range

ROWS_SHOWN = 12  # of a table or chart; the others can be unfolded
BARS_DRAWN = 200  # groups beyond these stand in the table alone


@dataclass(frozen=True)
class Number:
    """A figure in a table: as shown, and in full for programs that read the page."""

    text: str
    value: float | None = None


Cell = str | Number


def per_cent(value: float | None) -> Number:
    """Return a fraction as a figure in per cent.

    Examples
    --------
    >>> per_cent(0.6715), per_cent(None)
    (Number(text='67.2', value=0.6715), Number(text='-', value=None))
    """
    return Number(percent(value), value)


def interval(ends: Sequence[float] | None) -> str:
    """Return an interval in per cent.

    Examples
    --------
    >>> interval([0.25, 0.5])
    '25.0 to 50.0'
    """
    return percent_range(ends)


@dataclass(frozen=True)
class Paragraph:
    """Some sentences.

    Parameters
    ----------
    text : str
    kind : {"", "lead", "note", "warning"}
    """

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Listing:
    """A list of sentences."""

    items: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Something to type."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table.

    Parameters
    ----------
    caption : str
    header : sequence of str
    rows : sequence of sequence of Cell
        The first cell names the row.
    text_columns : int
        Columns aligned left.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    text_columns: int = 1

    @property
    def parts(self) -> tuple[Sequence[Sequence[Cell]], Sequence[Sequence[Cell]]]:
        """The rows to show, and those to fold away."""
        most = ROWS_SHOWN if len(self.rows) > ROWS_SHOWN + 4 else len(self.rows)
        return self.rows[:most], self.rows[most:]


@dataclass(frozen=True)
class Bar:
    """A bar of a chart, fractions of one.

    Parameters
    ----------
    name, note : str
        What it is, and what stands beneath.
    value : float
    ends : sequence of float, optional
        Its interval.
    before : float, optional
        What it is compared with.
    accent : bool
        Whether to point it out.
    """

    name: str
    value: float
    ends: Sequence[float] | None = None
    before: float | None = None
    note: str = ""
    accent: bool = False

    @property
    def text(self) -> str:
        """The value in per cent."""
        return f"{100 * self.value:.0f} %"


@dataclass(frozen=True)
class BarChart:
    """Bars from 0 to 100 %, with their figures in a table.

    Parameters
    ----------
    title : str
    bars : sequence of Bar
    table : Table
    now, before : str
        What the bars are, and what they are compared with, if with anything.
    open : bool
        Whether the table is shown at once.
    """

    title: str
    bars: Sequence[Bar]
    table: Table
    now: str = ""
    before: str = ""
    open: bool = False

    @property
    def parts(self) -> tuple[Sequence[Bar], Sequence[Bar]]:
        """The bars to show, and those to fold away."""
        most = ROWS_SHOWN if len(self.bars) > ROWS_SHOWN + 4 else len(self.bars)
        return self.bars[:most], self.bars[most:BARS_DRAWN]

    @property
    def left_out(self) -> int:
        """How many bars are not drawn."""
        return max(len(self.bars) - BARS_DRAWN, 0)

    @property
    def summary(self) -> str:
        """What the chart shows, for those who do not see it."""
        shown = "; ".join(f"{named(bar.name)} {bar.text}" for bar in self.parts[0])
        return f"{self.title}: {shown}"


@dataclass(frozen=True)
class Line:
    """A line of a chart; None where there is no value.

    Parameters
    ----------
    name : str
    x, y : sequence of float
    style : {"accent", "solid", "dashed", "dotted", "faint", "dots"}
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    style: str = "solid"


@dataclass(frozen=True)
class LineChart:
    """Lines over a common axis, with their figures in a table.

    Parameters
    ----------
    title, x_label : str
    lines : sequence of Line
    table : Table
    mark : float, optional
        A place on the axis to point out, with `mark_name`.
    unit : bool
        Whether both axes are per cents of one.
    percent : bool
        Whether the upright axis is.
    """

    title: str
    x_label: str
    lines: Sequence[Line]
    table: Table
    mark: float | None = None
    mark_name: str = ""
    unit: bool = False
    percent: bool = False


@dataclass(frozen=True)
class Charts:
    """Line charts beside each other, where there is room."""

    charts: Sequence[LineChart]


@dataclass(frozen=True)
class Picture:
    """An image of a gallery.

    Parameters
    ----------
    source : str
        A data address; empty where the image cannot be read.
    alt, caption : str
        What it shows in words, and what stands beneath.
    good : bool or None
        Whether the answer is right.
    """

    source: str
    alt: str
    caption: str
    good: bool | None = None


@dataclass(frozen=True)
class Gallery:
    """Small images beside each other."""

    title: str
    pictures: Sequence[Picture]


Block = Paragraph | Listing | Code | Facts | Table | BarChart | LineChart | Charts | Gallery


@dataclass(frozen=True)
class Section:
    """A heading and what stands beneath it."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A page: what it is about, its headline, what must be known first, and its sections."""

    about: str
    title: str
    lead: Sequence[Block]
    sections: Sequence[Section]
    footer: str = ""
