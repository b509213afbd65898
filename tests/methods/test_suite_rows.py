"""Promises: every method is a row of the suite; a common option that a row cannot use is left out and named."""

from __future__ import annotations

import pytest

from debias_pt.benchmarks.group_robustness import row_tables
from debias_pt.benchmarks.group_robustness.rivals.chosen import Chosen
from debias_pt.benchmarks.group_robustness.rivals.loop import Loop
from debias_pt.benchmarks.group_robustness.rows import ROWS
from debias_pt.benchmarks.group_robustness.several_sets import set_tables
from debias_pt.benchmarks.group_robustness.suite import unused_options
from debias_pt.methods import METHODS
from debias_pt.models.backbone import Backbone
from tests.helpers.small_case import gaussian_case

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")


def test_every_method_is_a_row_of_its_name() -> None:
    for name in METHODS:
        fit = ROWS[name].fit
        assert fit == (Loop({"method": name}) if METHODS[name].choose is None else Chosen(name))


def test_a_common_option_is_used_or_named(backbone: Backbone) -> None:
    case = gaussian_case(backbone, soft=True, infer_groups=False, probe="mixture", select="average-accuracy")
    names = ("erm", "dpt", "anchored", "inferred", "dpt-mixture", "jtt")
    assert unused_options(case, [ROWS[name] for name in names]) == {
        "infer_groups": ["inferred"],
        "soft": ["erm"],
        "probe": ["anchored"],
    }
    assert case.options(method="dpt").soft
    assert not case.options(method="erm").soft
    assert case.options(method="anchored").probe == "anchored"
    assert case.options(method="anchored").select == "average-accuracy"
    assert case.options(method="anchored").infer_groups is False


def test_an_option_of_a_prompt_is_for_rows_that_learn_one(backbone: Backbone) -> None:
    case = gaussian_case(backbone, head=None, context_length=4)
    assert case.options(method="dpt").context_length == 4
    assert case.options(method="anchored").context_length is None
    assert unused_options(case, [ROWS["dpt"], ROWS["linear"]]) == {"context_length": ["linear"]}


def test_an_option_that_nobody_uses_is_said_wherever_the_table_is(backbone: Backbone) -> None:
    case = gaussian_case(backbone, soft=True, probe="mixture")
    said = ["--soft: not used for erm", "--probe: not used for anchored"]
    one = {"unused_options": unused_options(case, [ROWS[name] for name in ("erm", "anchored")])}
    assert [line.partition(",")[0] for line in row_tables.unused_lines(one)] == said
    assert set_tables.unused_lines({"sets": [one, one, {}]}) == row_tables.unused_lines(one)


def test_a_row_that_chooses_is_asked_what_it_chose(backbone: Backbone) -> None:
    case = gaussian_case(backbone, probe="mixture")
    chosen = Chosen("auto").loop(case).options["method"]
    expected = {"probe": ["auto"]} if "probe" in METHODS[chosen].fixed else {}
    assert unused_options(case, [ROWS["auto"]]) == expected
