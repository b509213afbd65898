"""Promises: losses equal plain formulas, limits and gradients hold, names and options are checked, and low precision
never changes which loss is used."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from debias_pt.errors import UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.losses import LOSSES, make_loss
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings, choices
from debias_pt.training.callbacks import Callback
from debias_pt.training.tuner import Tuner

LOGITS = torch.tensor([[[2.0, -1.0, 0.5], [0.1, 0.2, 0.3]], [[-3.0, 4.0, 0.0], [1.0, 1.0, 1.0]]])
Y = torch.tensor([[0, 2], [0, 1]])
HALF_AND_QUARTERS = torch.tensor([0.5, 0.25, 0.25]).log().view(1, 1, 3)
SECOND = torch.tensor([[1]])
L = math.log(2)


def plain_p(run: int, row: int) -> float:
    z = LOGITS[run, row].tolist()
    return math.exp(z[Y[run, row]]) / sum(math.exp(v) for v in z)


def test_cross_entropy_equals_torch_and_the_plain_formula() -> None:
    found = make_loss("cross-entropy")(LOGITS, Y)
    reference = torch.nn.functional.cross_entropy(LOGITS.flatten(0, 1), Y.flatten(), reduction="none").view(2, 2)
    assert torch.allclose(found, reference)
    assert float(found[1, 0]) == pytest.approx(-math.log(plain_p(1, 0)), rel=1e-5)


@given(q=st.floats(0.05, 1))
def test_gce_equals_the_plain_formula(q: float) -> None:
    found = make_loss("gce", q=q)(LOGITS, Y)
    for run in range(2):
        for row in range(2):
            assert float(found[run, row]) == pytest.approx((1 - plain_p(run, row) ** q) / q, rel=1e-4, abs=1e-6)


def test_gce_goes_to_cross_entropy_and_is_half_the_absolute_error_at_one() -> None:
    assert torch.allclose(make_loss("gce", q=1e-4)(LOGITS, Y), make_loss("cross-entropy")(LOGITS, Y), rtol=1e-3)
    p = LOGITS.softmax(-1)
    mae = (p - torch.eye(3)[Y]).abs().sum(-1)
    assert torch.allclose(make_loss("gce", q=1.0)(LOGITS, Y), mae / 2, atol=1e-6)


def test_gce_gradient_stays_finite_where_p_underflows() -> None:
    logits = torch.tensor([[[200.0, -200.0]]], requires_grad=True)
    make_loss("gce", q=0.5)(logits, torch.tensor([[1]])).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5])
def test_q_out_of_range_is_refused(q: float) -> None:
    with pytest.raises(UsageError, match="0 < q <= 1"):
        make_loss("gce", q=q)


def test_unknown_loss_and_foreign_option() -> None:
    with pytest.raises(UsageError, match="did you mean 'cross-entropy'"):
        make_loss("cross_entropy")
    with pytest.raises(UsageError, match="does not take q"):
        make_loss("cross-entropy", q=0.5)


def test_the_released_constants_of_ptnl_have_a_name() -> None:
    assert make_loss("gce", ["q=ptnl"]) == make_loss("gce", q=0.5)
    for name in ("sce", "nce-rce"):
        released = make_loss(name, ["alpha=0", "A=ptnl"])(LOGITS, Y)
        p = LOGITS.softmax(-1).double()
        one_hot = torch.eye(3)[Y].double().clamp_min(1e-4)  # as released: the label's zeros are cut off
        assert torch.allclose(released.double(), -(p * one_hot.log()).sum(-1), atol=1e-5)
        assert torch.allclose(released, make_loss(name, ["alpha=0"])(LOGITS, Y) * 2.302585, rtol=1e-5)


# Each loss once more, of one sample, in plain Python: probabilities and the given class to a number.
A = -4.0


def plain_reverse(p: list[float], y: int) -> float:
    return -sum(p[k] * (0.0 if k == y else A) for k in range(len(p)))


def plain_normalized(p: list[float], y: int) -> float:
    return math.log(p[y]) / sum(math.log(v) for v in p)


def plain_phuber(p: list[float], y: int, tau: float) -> float:
    return -math.log(p[y]) if p[y] > 1 / tau else -tau * p[y] + math.log(tau) + 1


def plain_smoothed(p: list[float], y: int, eps: float) -> float:
    return -sum(((1 - eps) * (k == y) + eps / len(p)) * math.log(p[k]) for k in range(len(p)))


PLAIN: dict[str, tuple[dict[str, float], Callable[[list[float], int], float]]] = {
    "cross-entropy": ({}, lambda p, y: -math.log(p[y])),
    "gce": ({"q": 0.5}, lambda p, y: (1 - p[y] ** 0.5) / 0.5),
    "label-smoothing": ({"eps": 0.3}, lambda p, y: plain_smoothed(p, y, 0.3)),
    "mae": ({}, lambda p, y: sum(abs(p[k] - (k == y)) for k in range(len(p)))),
    "nce-rce": ({"alpha": 10, "beta": 0.1}, lambda p, y: 10 * plain_normalized(p, y) + 0.1 * plain_reverse(p, y)),
    "phuber": ({"tau": 5.0}, lambda p, y: plain_phuber(p, y, 5.0)),
    "sce": ({"alpha": 0.7, "beta": 0.4}, lambda p, y: -0.7 * math.log(p[y]) + 0.4 * plain_reverse(p, y)),
}


def softmax(z: list[float]) -> list[float]:
    e = [math.exp(v - max(z)) for v in z]
    return [v / sum(e) for v in e]


def test_every_registered_loss_is_checked_here_and_named_in_the_settings() -> None:
    assert set(PLAIN) | {"nlprompt"} == set(LOSSES)  # which has a file of its own
    assert choices(FitSettings.__dataclass_fields__["loss"]) == tuple(LOSSES)


@pytest.mark.parametrize("name", PLAIN)
@settings(max_examples=25)
@given(data=st.data(), k=st.integers(2, 6))
def test_losses_equal_plain_loops(name: str, data: st.DataObject, k: int) -> None:
    z = data.draw(st.lists(st.lists(st.floats(-8, 8), min_size=k, max_size=k), min_size=6, max_size=6))
    y = data.draw(st.lists(st.integers(0, k - 1), min_size=6, max_size=6))
    options, plain = PLAIN[name]
    found = make_loss(name, **options)(torch.tensor(z, dtype=torch.float64).view(2, 3, k), torch.tensor(y).view(2, 3))
    assert found.shape == (2, 3)
    expected = [plain(softmax(row), label) for row, label in zip(z, y, strict=True)]
    assert found.flatten().tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", PLAIN)
def test_gradients_equal_numerical_ones(name: str) -> None:
    logits = LOGITS.double().requires_grad_()
    loss = make_loss(name, **PLAIN[name][0])
    assert torch.autograd.gradcheck(lambda z: loss(z, Y), (logits,))


@pytest.mark.parametrize("name", PLAIN)
def test_values_and_gradients_stay_finite_at_extreme_logits(name: str) -> None:
    logits = torch.tensor([[[300.0, -300.0], [-300.0, 300.0], [0.0, 0.0], [1e4, -1e4]]], requires_grad=True)
    losses = make_loss(name, **PLAIN[name][0])(logits, torch.tensor([[0, 0, 0, 1]]))
    losses.sum().backward()
    assert logits.grad is not None
    assert bool(losses.isfinite().all() & logits.grad.isfinite().all())


@pytest.mark.parametrize("name", PLAIN)
def test_a_single_class_costs_nothing(name: str) -> None:
    logits = torch.zeros(1, 2, 1, requires_grad=True)
    losses = make_loss(name, **PLAIN[name][0])(logits, torch.zeros(1, 2, dtype=torch.long))
    losses.sum().backward()
    assert losses.tolist() == [[0.0, 0.0]]
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


@pytest.mark.parametrize(
    ("name", "options", "like"),
    [
        ("label-smoothing", {"eps": 0.0}, "cross-entropy"),
        ("phuber", {"tau": 1e30}, "cross-entropy"),
        ("sce", {"alpha": 1.0, "beta": 0.0}, "cross-entropy"),
        ("sce", {"alpha": 0.0, "beta": 1.0, "A": -2.0}, "mae"),
        ("nce-rce", {"alpha": 0.0, "beta": 1.0, "A": -2.0}, "mae"),
    ],
)
def test_limits(name: str, options: dict[str, float], like: str) -> None:
    assert torch.allclose(make_loss(name, **options)(LOGITS, Y), make_loss(like)(LOGITS, Y), atol=1e-6)


def test_mae_is_twice_gce_at_one_and_its_sum_over_labels_is_constant() -> None:
    mae = make_loss("mae")
    assert torch.allclose(mae(LOGITS, Y), 2 * make_loss("gce", q=1.0)(LOGITS, Y))
    assert torch.allclose(sum(mae(LOGITS, torch.full_like(Y, k)) for k in range(3)), torch.tensor(4.0))


def test_smoothing_is_torchs() -> None:
    reference = torch.nn.functional.cross_entropy(LOGITS.flatten(0, 1), Y.flatten(), reduction="none",
                                                  label_smoothing=0.2)  # fmt: skip
    assert torch.allclose(make_loss("label-smoothing", eps=0.2)(LOGITS, Y), reference.view(2, 2))


def test_phuber_is_continuous_and_clips_the_gradient_in_p() -> None:
    p = torch.tensor([0.2 - 1e-6, 0.2 + 1e-6, 0.01, 0.5], dtype=torch.float64, requires_grad=True)
    logits = torch.stack([p.log(), (1 - p).log()], dim=-1)[None]
    losses = make_loss("phuber", tau=5.0)(logits, torch.zeros(1, 4, dtype=torch.long))
    (slope,) = torch.autograd.grad(losses.sum(), p)
    assert float((losses[0, 0] - losses[0, 1]).detach()) == pytest.approx(0, abs=1e-4)
    assert slope.tolist() == pytest.approx([-5, -5, -5, -2], rel=1e-4)


# Low precision.


@pytest.mark.parametrize("name", PLAIN)
def test_autocast_never_changes_which_loss_is_used(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(1, 64, 32, generator=generator), dim=-1)
    weights = torch.nn.functional.normalize(torch.randn(1, 5, 32, generator=generator), dim=-1)
    y = torch.randint(5, (1, 64), generator=generator)
    values = {other: make_loss(other, **PLAIN[other][0])(5 * features @ weights.mT, y) for other in PLAIN}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = 5 * features @ weights.mT
        assert logits.dtype == torch.bfloat16
        found = make_loss(name, **PLAIN[name][0])(logits, y)
    assert found.dtype == torch.float32
    distance = {other: float((found - of_other).abs().max()) for other, of_other in values.items()}
    assert distance[name] < 0.08
    assert min(distance, key=distance.__getitem__) == name
    assert all(far > 3 * distance[name] for other, far in distance.items() if other != name)


@pytest.mark.parametrize("name", PLAIN)
def test_the_loop_uses_the_loss_that_is_named(name: str, backbone: Backbone, table: FeatureTable) -> None:
    words = tuple(f"{option}={value}" for option, value in PLAIN[name][0].items())
    groups = Groups(table.y, np.ones((len(table), 1)), table.class_names, ("all",), "pseudo")
    seen: list[Any] = []

    class Look(Callback):
        def on_start(self, training: Any) -> None:
            weights = training.head.class_weights(training.head())
            logits = training.head.logits(weights, training.run_groups[0].train.features).detach().double()
            seen.append((logits, training.run_groups[0].train.y, training.run_groups[0].history_))

    tuner = Tuner(backbone, method="erm", loss=name, loss_option=words, steps=1, select="last")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        tuner.fit(table, groups, callbacks=[Look()])
    ((logits, y, history),) = seen
    expected = [PLAIN[name][1](softmax(z), label) for z, label in zip(logits[0].tolist(), y.tolist(), strict=True)]
    assert history[0]["loss"][0] == pytest.approx(np.mean(expected), rel=0.02)


# Options.


def test_options_reach_the_loss_by_name() -> None:
    assert repr(make_loss("phuber", ["tau=4"])) == repr(make_loss("phuber", tau=4.0))
    assert repr(make_loss("gce", [], q=0.5)) == repr(make_loss("gce", ["q=0.5"]))
    assert repr(make_loss("sce", ["A=-9", "alpha=6"])) == repr(make_loss("sce", A=-9.0, alpha=6.0))


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("phuber", ["tua=4"], r"the loss 'phuber' has no option 'tua' \(did you mean 'tau'\?\); it takes tau"),
        ("mae", ["q=0.5"], "has no option 'q'; it takes none"),
        ("phuber", ["tau"], "'tau' is not NAME=NUMBER; write tau=0.5"),
        ("phuber", ["tau=high"], "'tau=high' is not NAME=NUMBER"),
        ("sce", ["A=paper"], "'A=paper' is not NAME=NUMBER; write A=0.5"),
        ("phuber", ["tau=3", "tau=4"], "given twice"),
        ("phuber", ["tau=1"], "tau is 1.0; phuber takes a number above 1"),
        ("phuber", ["tau=inf"], "tau is inf"),
        ("sce", ["alpha=-1"], "alpha is -1.0; sce takes 0 up"),
        ("sce", ["A=1"], "A is 1.0; sce takes -1e.09 to 0"),
        ("nce-rce", ["beta=nan"], "beta is nan"),
        ("label-smoothing", ["eps=1.5"], "eps is 1.5; label-smoothing takes 0 to 1"),
        ("maee", [], "did you mean 'mae'"),
    ],
)
def test_wrong_options_are_named(name: str, words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_loss(name, words)


def test_the_setting_is_checked_before_anything_is_fitted(backbone: Backbone) -> None:
    with pytest.raises(UsageError, match="does not take q"):
        Tuner(backbone, loss="mae", q=0.5)
    with pytest.raises(UsageError, match="given twice"):
        Tuner(backbone, loss="gce", q=0.5, loss_option=("q=0.7",))


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("cross-entropy", {}, 2 * L),
        ("gce", {"q": 0.5}, 1.0),
        ("gce", {}, (1 - 0.25**0.7) / 0.7),
        ("gce", {"q": 1.0}, 0.75),
        ("mae", {}, 1.5),
        ("label-smoothing", {"eps": 0.5}, 0.5 * 2 * L + 0.5 * 5 * L / 3),
        ("label-smoothing", {}, 0.9 * 2 * L + 0.1 * 5 * L / 3),
        ("label-smoothing", {"eps": 1.0}, 5 * L / 3),
        ("sce", {"alpha": 2.0, "beta": 3.0, "A": -2.0}, 2 * 2 * L + 3 * 2 * 0.75),
        ("sce", {}, 0.1 * 2 * L + 4 * 0.75),
        ("nce-rce", {"alpha": 2.0, "beta": 3.0, "A": -2.0}, 2 * 0.4 + 3 * 2 * 0.75),
        ("nce-rce", {}, 0.4 + 4 * 0.75),
        ("phuber", {"tau": 2.0}, -2 * 0.25 + L + 1),
        ("phuber", {"tau": 3.0}, -3 * 0.25 + math.log(3) + 1),
        ("phuber", {}, 2 * L),
    ],
)
def test_probabilities_of_a_half_and_two_quarters(name: str, options: dict[str, float], expected: float) -> None:
    """The given label has a quarter; the cross-entropies of the three labels are L, 2 L and 2 L."""
    assert make_loss(name, **options)(HALF_AND_QUARTERS, SECOND).item() == pytest.approx(expected, rel=1e-5)


def test_phuber_is_a_line_below_a_tenth() -> None:
    logits = torch.tensor([0.05, 0.95]).log().view(1, 1, 2)
    found = make_loss("phuber")(logits, torch.tensor([[0]])).item()
    assert found == pytest.approx(-10 * 0.05 + math.log(10) + 1, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "taken", "refused", "message"),
    [
        ("label-smoothing", {"eps": 0.0}, {"eps": -0.1}, "eps is -0.1; label-smoothing takes 0 to 1"),
        ("label-smoothing", {"eps": 1.0}, {"eps": 1.1}, "eps is 1.1; label-smoothing takes 0 to 1"),
        ("sce", {"alpha": 0.0}, {"alpha": math.inf}, "alpha is inf; sce takes 0 up"),
        ("sce", {"A": 0.0}, {"A": 1.0}, r"A is 1.0; sce takes -1e\+09 to 0"),
        ("nce-rce", {"beta": 0.0}, {"beta": -1.0}, "beta is -1.0; nce-rce takes 0 up"),
        ("nce-rce", {"A": -1e9}, {"A": -math.inf}, "A is -inf; nce-rce takes"),
        ("gce", {"q": 1.0}, {"q": 0.0}, "0 < q <= 1"),
        ("phuber", {"tau": 1.001}, {"tau": 1.0}, "tau is 1.0"),
        ("nlprompt", {"iterations": 1.0}, {"iterations": 0.9}, "nlprompt takes"),
        ("nlprompt", {"mae_weight": 0.0}, {"mae_weight": math.nan}, "nlprompt takes"),
        ("nlprompt", {"epsilon": 1e-6}, {"epsilon": math.nan}, "nlprompt takes"),
    ],
)
def test_ranges_end_where_they_say(name: str, taken: dict[str, float], refused: dict[str, float], message: str) -> None:
    make_loss(name, **taken)
    with pytest.raises(UsageError, match=message):
        make_loss(name, **refused)
