"""Promises: options of a registered class are given by name or as text, by the types that it declares; what it does not
take, twice given or not of its type is one line; annotations are read in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Optional

import pytest

from debias_pt.errors import UsageError
from debias_pt.reweighting import REWEIGHTERS, make_reweighter
from debias_pt.reweighting.base import Reweighter
from debias_pt.utils.registry import build, options_of
from debias_pt.utils.typed import Kind, kinds

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass
class Dial:
    level: float
    turns: int = 1
    name: str = "a"
    loud: bool = False
    limit: float | None = None
    kept: ClassVar[int] = 0


class Unreadable:
    """Its annotations are for a type checker alone."""

    def __init__(self, ratio: Fraction | None = None, label: str = "") -> None:
        self.ratio, self.label = ratio, label


DIALS: dict[str, type] = {"dial": Dial, "unreadable": Unreadable}


def make(name: str, *words: str, **options: Any) -> Any:
    return build(DIALS, name, "control", words, **options)


def test_words_are_read_by_the_declared_types() -> None:
    words = ("level=2", "turns=3", "name=b=c", "loud=True", "limit=1e-3")
    assert make("dial", *words) == Dial(2.0, 3, "b=c", True, 0.001)
    assert type(make("dial", "level=2").level) is float
    assert make("dial", "turns=2", level=0.5) == Dial(0.5, 2)
    vague = make("unreadable", "ratio=0.5", "label=x")
    assert (vague.ratio, vague.label) == (0.5, "x")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["levl=1"], "the control 'dial' has no option 'levl' (did you mean 'level'?); it takes level, turns, name"),
        (["kept=1"], "has no option 'kept'"),
        (["level=1", "level=2"], "the option 'level' of the control 'dial' is given twice; give it once"),
        (["level=much"], "the control's option 'level=much' is not NAME=NUMBER; write level=0.5"),
        (["level=1", "turns=0.5"], "'turns=0.5' is not NAME=WHOLE NUMBER; write turns=2"),
        (["level=1", "loud=1"], "'loud=1' is not NAME=true or NAME=false"),
        (["level=1", "name"], "'name' is not NAME=VALUE; write name=..."),
        (["level"], "'level' is not NAME=NUMBER; write level=0.5"),
    ],
)
def test_wrong_words_are_one_line(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        make("dial", *words)
    assert message in str(raised.value)


def test_a_named_setting_and_a_word_for_the_same_option_are_refused() -> None:
    with pytest.raises(UsageError, match="the option 'eta' of the scheduler 'dpt' is given twice"):
        make_reweighter("dpt", ["eta=3"], eta=3.0)
    with pytest.raises(UsageError, match="the scheduler 'erm' has no option 'eta'; it takes none"):
        make_reweighter("erm", ["eta=3"])


@pytest.mark.parametrize("method", sorted(REWEIGHTERS))
def test_every_methods_options_can_be_given_as_words(method: str) -> None:
    default = make_reweighter(method)
    words = [f"{name}={value}" for name, value in options_of(default).items()]
    assert repr(make_reweighter(method, words)) == repr(default)


def test_options_of_what_is_no_dataclass() -> None:
    class Halved(Reweighter):
        def __init__(self, rate: float = 0.5) -> None:
            self.rate = rate

        def _update(self, *_: Any) -> None: ...

    assert options_of(Halved(0.25)) == {"rate": 0.25}


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (int | None, Kind(int, True)),
        (Optional[float], Kind(float, True)),  # noqa: UP045
        (tuple[str, ...], Kind(tuple)),
        (bool, Kind(bool)),
        (dict[str, int], Kind(object)),
        (None | tuple[str, ...], Kind(tuple, True)),
    ],
)
def test_kinds(hint: Any, kind: Kind) -> None:
    assert Kind.of(hint) == kind


def test_kinds_of_what_cannot_be_read_are_unknown() -> None:
    assert kinds(Unreadable) == {"ratio": Kind(object), "label": Kind(str)}
    assert kinds(Dial)["limit"] == Kind(float, True)
