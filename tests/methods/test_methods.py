"""Promises: a method is one object that names its parts; what is given replaces a part or is refused, never ignored;
a scheduler alone is a method; groups are made in one place and carry what made them."""

from __future__ import annotations

import dataclasses
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from debias_pt import Attribute, AttributeProbe, Backbone, FeatureTable, Groups, RefinedProbe, Tuner, make_groups
from debias_pt.datasets.attributes import PseudoAttribute
from debias_pt.errors import UnknownNameError, UsageError
from debias_pt.groups.inferred_groups import infer_groups
from debias_pt.groups.verdict import DOUBTFUL, NOT_USABLE, ORDER, USABLE, Verdict
from debias_pt.methods import METHODS, Method, complete, parts, parts_text
from debias_pt.methods.base import Evidence
from debias_pt.methods.composition import fill
from debias_pt.models.heads import HEADS, HeadKind, LinearHead
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.reweighting.balanced import Balanced
from debias_pt.settings import PARTS, FitSettings, TrainSettings, choices
from debias_pt.training.fit_checks import scheduler
from debias_pt.utils.registry import register
from tests.helpers.small_case import PLACE

pytestmark = pytest.mark.filterwarnings("ignore::debias_pt.errors.DebiasWarning")
FITTED = sorted(name for name in METHODS if METHODS[name].choose is None)


def test_help_lists_every_method() -> None:
    assert choices(FitSettings.__dataclass_fields__["method"]) == tuple(METHODS)
    assert {"auto", "dpt", "dpt-mixture", "anchored", "inferred", "erm"} <= {*METHODS}


@pytest.mark.parametrize(
    ("method", "groups", "probe", "scheduler", "head", "fit_on"),
    [
        ("erm", "classes", "zero-shot", "erm", "prompt", "train"),
        ("class-balanced", "classes", "zero-shot", "class-balanced", "prompt", "train"),
        ("cvar", "classes", "zero-shot", "cvar", "prompt", "train"),
        ("balanced", "probe", "zero-shot", "balanced", "prompt", "train"),
        ("group-dro", "probe", "zero-shot", "group-dro", "prompt", "train"),
        ("dpt", "probe", "zero-shot", "dpt", "prompt", "train"),
        ("dpt-mixture", "probe", "mixture", "dpt", "prompt", "train"),
        ("anchored", "probe+inferred", "anchored", "balanced-within-class", "standardized", "train+val"),
        ("inferred", "inferred", "zero-shot", "balanced-within-class", "standardized", "train+val"),
    ],
)
def test_the_parts_of_the_methods(method: str, groups: str, probe: str, scheduler: str, head: str, fit_on: str) -> None:
    one = METHODS[method]
    assert (one.groups, one.probe, one.scheduler, one.head, one.fit_on) == (groups, probe, scheduler, head, fit_on)
    assert one.soft == (method in ("anchored", "inferred"))
    assert one.select == "last"


def test_the_table_in_the_docs_is_what_methods_are_made_of() -> None:
    text = (Path(__file__).parents[2] / "docs" / "methods" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([a-z-]+)` \| (.+) \| (hard|soft|-) \| `(.+)` \| `(.+)` \| (train\S*) \|$", text, re.MULTILINE
    )
    words = {
        "classes": "classes",
        "probe": "`{probe}` probe",
        "inferred": "inferred values",
        "probe+inferred": "`{probe}` probe, split by inferred values",
    }
    expected = [
        (
            name,
            words[str(one.groups)].format(probe=one.probe),
            "-" if not one.uses_groups else "soft" if one.soft else "hard",
            one.scheduler,
            one.head,
            one.fit_on,
        )
        for name, one in ((name, METHODS[name]) for name in FITTED)
    ]
    assert rows == expected


def test_a_scheduler_alone_is_a_method() -> None:
    @dataclasses.dataclass(eq=False)
    class Alone(Balanced):
        pass

    assert "alone" not in METHODS
    register(REWEIGHTERS, "alone")(Alone)
    try:
        assert "alone" in METHODS
        assert "alone" in list(METHODS)
        assert METHODS["alone"] == Method(scheduler="alone")
        assert isinstance(scheduler(complete(FitSettings(method="alone"))), Alone)
    finally:
        del REWEIGHTERS["alone"]
    assert "balanced-within-class" not in METHODS  # a part of others
    with pytest.raises(UnknownNameError, match="unknown method 'dtp' \\(did you mean 'dpt'"):
        complete(FitSettings(method="dtp"))


def test_a_method_brings_its_scheduler_and_head() -> None:
    kind = HeadKind(lambda backbone, names, seeds, settings: LinearHead(backbone.dim, len(names), seeds=seeds))
    register(METHODS, "own")(Method(scheduler=Balanced, head=kind))
    try:
        assert (METHODS["own"].scheduler, METHODS["own"].head) == ("own", "own")
        assert REWEIGHTERS["own"] is Balanced
        assert HEADS["own"] is kind
        assert complete(FitSettings(method="own")).head == "own"
    finally:
        for registry in (METHODS, REWEIGHTERS, HEADS):
            del registry["own"]  # type: ignore[attr-defined]


def test_what_a_method_is_made_of_is_checked() -> None:
    with pytest.raises(UsageError, match="groups are 'word'"):
        Method(groups="word")
    with pytest.raises(UsageError, match="fit_on is 'test'"):
        Method(fit_on="test")
    with pytest.raises(UsageError, match="fixed part is 'heads' \\(did you mean 'head'\\?\\)"):
        Method(fixed=("heads",))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (None, "the groups of the method 'own' are a NoneType; return Groups"),
        (Groups.by_class(np.array([0, 1]), ("landbird", "waterbird")), "2 groups for"),
    ],
)
def test_what_a_methods_own_function_returns_is_checked(
    backbone: Backbone, table: FeatureTable, made: Any, message: str
) -> None:
    register(METHODS, "own")(Method(groups=lambda table, rows: made))
    try:
        with pytest.raises(UsageError, match=message):
            Tuner(backbone, method="own").fit(table)
    finally:
        del METHODS["own"]


def test_a_setting_of_another_type_is_said_briefly(backbone: Backbone) -> None:
    with pytest.raises(UsageError, match=r"setting 'method' is Method\(.*\.\.\.; str expected") as raised:
        Tuner(backbone, method=METHODS["dpt"])
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize("method", FITTED)
def test_what_is_left_to_a_method_is_the_methods(method: str) -> None:
    settings = complete(TrainSettings(method=method))
    assert {name: getattr(settings, name) for name in PARTS} == {name: getattr(METHODS[method], name) for name in PARTS}
    assert complete(settings) == settings


@pytest.mark.parametrize("method", FITTED)
def test_what_is_given_stays_equal_to_a_default_or_not(method: str) -> None:
    given = {"head": "prompt", "fit_on": "train", "select": "last"}
    settings = complete(TrainSettings(method=method, **given))
    assert {name: getattr(settings, name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "erm", "soft": True}, "--soft changes nothing: the method 'erm' looks at no groups"),
        ({"method": "cvar", "infer_groups": True}, "--infer-groups changes nothing: the method 'cvar'"),
        ({"method": "class-balanced", "groups": "true"}, "--groups true changes nothing: .* looks at no groups"),
        ({"method": "inferred", "groups": "true"}, "--groups true changes nothing: .* makes groups of its own"),
        ({"method": "inferred", "infer_groups": False}, "always uses inferred groups; leave --no-infer-groups out"),
        ({"method": "dpt-mixture", "probe": "zero-shot"}, "always uses the probe 'mixture', not 'zero-shot'"),
        ({"method": "anchored", "probe": "mixture"}, "always uses the probe 'anchored', not 'mixture'"),
        ({"method": "anchored", "groups": "true", "infer_groups": True}, "annotated groups are not split"),
    ],
)
def test_contradictions_are_refused_in_one_line(given: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        complete(TrainSettings(**given))  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
    fill(TrainSettings(**given))  # type: ignore[arg-type]  # a run of an older version opens


def test_annotated_groups_are_not_split() -> None:
    settings = complete(TrainSettings(method="anchored", groups="true"))
    assert settings.infer_groups is False
    assert parts(settings)["groups"] == "annotation"


def verdict(word: str) -> dict[str, Verdict]:
    return {"place": Verdict(word, () if word == USABLE else ("words match the class",), "look at them", {})}


def test_auto_chooses_by_the_verdict_and_says_why() -> None:
    choose = METHODS["auto"].choose
    assert choose is not None
    same_head = {"head": "standardized", "fit_on": "train+val"}
    images = {one: Verdict(one, () if one == USABLE else ("hard images",), "look", {}) for one in ORDER}
    for words in (None, *ORDER):
        for of_images in (None, *images.values()):
            choice = choose(Evidence(verdict(words) if words else {}, of_images))
            good = of_images is not None and of_images.verdict == USABLE
            if words in (USABLE, DOUBTFUL):
                assert (choice.method, choice.parts) == ("anchored", {"infer_groups": good})
            elif good:
                assert (choice.method, choice.parts) == ("inferred", {})
            else:
                assert (choice.method, choice.parts) == ("class-balanced", same_head)
            said = f"the guard calls place {words}" if words else "no attribute is named"
            assert choice.why.startswith(said)
    assert choose(Evidence(verdict(NOT_USABLE), annotated=True)).method == "anchored"
    assert choose(Evidence(verdict(NOT_USABLE), images[DOUBTFUL])).why == (
        "the guard calls place not usable (words match the class); values inferred from the images are doubtful "
        "(hard images)"
    )
    two = {**verdict(USABLE), "size": Verdict(USABLE, (), "", {})}
    assert choose(Evidence(two, images[USABLE])).parts == {"infer_groups": False}  # one value for two attributes
    settings = TrainSettings(method="auto", head="prompt")
    assert complete(settings) == settings  # until it has chosen


def test_a_tuner_refuses_a_method_that_only_chooses(backbone: Backbone) -> None:
    with pytest.raises(UsageError, match="'auto' only chooses another one; name one of anchored, inferred"):
        Tuner(backbone, method="auto")


def test_the_line_says_where_groups_come_from() -> None:
    anchored = parts_text(parts(complete(FitSettings(method="anchored"))))
    assert anchored.startswith("groups: the anchored probe's answers x values inferred from the images (soft); ")
    assert parts_text(parts(complete(TrainSettings(method="dpt", groups="true")))).startswith(
        "groups: annotated attributes (hard); scheduler: dpt; head: prompt; fitted on: train; step kept: last"
    )


# Groups


def test_groups_carry_what_made_them(backbone: Backbone, table: FeatureTable) -> None:
    probe = AttributeProbe(backbone, [PLACE])
    said = probe.predict(table.features)
    assert Groups.pseudo(table.y, table.class_names, said).origin == "zero-shot"
    refined = RefinedProbe(probe, "calibrated").fit(table).answer(table)
    groups = Groups.pseudo(table.y, table.class_names, refined)
    assert groups.origin == "calibrated"
    assert groups.rows(np.arange(3)).origin == "calibrated"
    assert infer_groups(table, groups)[0].origin == "calibrated+inferred"
    assert infer_groups(table)[0].origin == "inferred"
    assert Groups.by_class(table.y, table.class_names).origin == "classes"
    assert Groups.true(table.y, table.class_names, [*table.attributes.values()]).origin == "annotation"
    elsewhere = PseudoAttribute("place", said[0].values, said[0].posterior)
    assert Groups.pseudo(table.y, table.class_names, [elsewhere]).origin == ""
    assert Groups.pseudo(table.y, table.class_names, [said[0], elsewhere]).origin == ""


@pytest.mark.parametrize("method", FITTED)
@pytest.mark.parametrize("origin", ["zero-shot", "mixture", "anchored", "inferred", "annotation", "classes", ""])
def test_a_method_takes_its_own_groups_and_refuses_others(
    backbone: Backbone, table: FeatureTable, method: str, origin: str
) -> None:
    """By a table of what each method is, written here once more."""
    source = {"annotation": "true", "classes": "class"}.get(origin, "pseudo")
    given = dataclasses.replace(
        Groups.true(table.y, table.class_names, [*table.attributes.values()]), source=source, origin=origin
    )
    takes = {
        "dpt-mixture": ("mixture", "annotation"),
        "anchored": ("anchored", "annotation"),
        "inferred": ("inferred", "classes"),
    }
    tuner = Tuner(backbone, method=method, steps=1)
    if origin in takes.get(method, (origin,)):
        run_group = tuner.run_group(table, given)
        used = run_group.groups.origin
        assert used.split("+")[0] == origin or (method, used) == ("inferred", "inferred")
    else:
        with pytest.raises(UsageError, match=f"the method '{method}' is defined by"):
            tuner.fit(table, given)


def test_one_call_makes_the_groups_of_any_method(backbone: Backbone, table: FeatureTable) -> None:
    asked = {name for name in FITTED if METHODS[name].asks_attribute}
    words = {"attributes": ["background=land|forest:water|lake"], "backbone": backbone}
    origins = {name: make_groups(table, name, **(words if name in asked else {})).origin for name in FITTED}  # type: ignore[arg-type]
    assert {name for name, origin in origins.items() if origin == "classes"} == {"erm", "class-balanced", "cvar"}
    assert all(origins[name].startswith(METHODS[name].probe) for name in asked)
    assert (origins["anchored"], origins["inferred"]) == ("anchored+inferred", "inferred")
    with pytest.raises(UsageError, match="needs the model that made the features"):
        make_groups(table, "dpt", attributes=[PLACE])
    with pytest.raises(UsageError, match="'dpt' needs groups"):
        make_groups(table, "dpt")
    with pytest.raises(UsageError, match="attributes change nothing: the method 'erm' asks for none"):
        make_groups(table, "erm", attributes=[PLACE])
    classes = Groups.by_class(table.y, table.class_names)
    with pytest.raises(UsageError, match="attributes change nothing: groups are given"):
        make_groups(table, "dpt", classes, attributes=[PLACE])
    with pytest.raises(UsageError, match="'auto' only chooses another one"):
        make_groups(table, "auto")
    with pytest.raises(UsageError, match="2 groups for"):
        make_groups(table, "dpt", Groups.by_class(np.array([0, 1]), table.class_names))


def test_groups_made_before_give_the_same_fit(backbone: Backbone, table: FeatureTable) -> None:
    words = Attribute("background", PLACE.values)
    made = make_groups(table, "anchored", attributes=[words], backbone=backbone)
    probe = RefinedProbe(AttributeProbe(backbone, [words]), "anchored").fit(table)
    by_hand = Groups.pseudo(table.y, table.class_names, probe.answer(table))
    first, second = (Tuner(backbone, method="anchored", steps=3).fit(table, one) for one in (made, by_hand))
    assert (first.class_weights_ == second.class_weights_).all()
    assert first.inferred_ == second.inferred_ == made.facts["inferred"]
    assert first.parts_ == second.parts_
    assert first.parts_["groups"] == "anchored+inferred"
    with pytest.raises(UsageError, match="infer_groups is False, but the groups given are split"):
        Tuner(backbone, method="anchored", infer_groups=False).fit(table, made)


def test_groups_of_two_probes_are_those_of_neither(backbone: Backbone, table: FeatureTable) -> None:
    said = AttributeProbe(backbone, [PLACE]).predict(table.features)[0]
    both = Groups.pseudo(table.y, table.class_names, [said, dataclasses.replace(said, probe="mixture")])
    assert both.origin == "zero-shot+mixture"
    with pytest.raises(UsageError, match="origin of these is 'zero-shot\\+mixture'"):
        Tuner(backbone, method="dpt-mixture").fit(table, both)


def test_dpt_mixture_refuses_zero_shot_answers_and_differs_from_dpt(backbone: Backbone, table: FeatureTable) -> None:
    probe = AttributeProbe(backbone, [PLACE])
    asked = Groups.pseudo(table.y, table.class_names, probe.predict(table.features))
    with pytest.raises(UsageError, match="defined by groups of the 'mixture' probe.*origin of these is 'zero-shot'"):
        Tuner(backbone, method="dpt-mixture", steps=2).fit(table, asked)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        Tuner(backbone, method="dpt", steps=2).fit(table, asked)
