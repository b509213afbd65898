"""Promises: every head starts where it says, changes nothing but its own parameters, keeps its runs apart, and is
saved whole; only true name tokens learn; penalty and group prompts are what their formulas say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from debias_pt.errors import UsageError
from debias_pt.models.backbone import Backbone
from debias_pt.models.heads import (
    HEADS,
    ClassTokenHead,
    GroupPromptHead,
    Head,
    PenalizedPromptHead,
    PromptHead,
    TextEncoderHead,
)
from debias_pt.models.heads.base import PROMPT_OPTIONS, mean_and_deviation
from debias_pt.models.zero_shot import zero_shot_weights
from debias_pt.settings import FitSettings
from debias_pt.sharing.export import export_tuner
from debias_pt.training.callbacks import Callback
from debias_pt.training.loop import Training
from debias_pt.training.tuner import Tuner, check_fit

NAMES = ["landbird", "a very small water bird", "dog"]  # 1, 5 and 1 tokens or so
FIXED: list[Callable[..., Head]] = [TextEncoderHead, ClassTokenHead]


def loss_of(head: Head, seed: int = 0) -> torch.Tensor:
    weights = head()
    return (weights * torch.randn(weights.shape[1:], generator=torch.Generator().manual_seed(seed))).sum()


@pytest.mark.parametrize("make", FIXED)
@pytest.mark.parametrize("template", ["a photo of a {}.", "{} texture.", "a photo of a {}, a type of pet."])
def test_with_fixed_words_the_start_is_zero_shot(backbone: Backbone, make: Callable[..., Head], template: str) -> None:
    head = make(backbone, NAMES, seeds=[0, 1], template=template)
    wanted = zero_shot_weights(backbone, NAMES, template)
    assert torch.allclose(head(), wanted.expand(2, -1, -1), atol=1e-6)
    assert head.scale == backbone.logit_scale


def test_full_tuning_starts_where_prompt_tuning_starts(backbone: Backbone) -> None:
    full = ClassTokenHead(backbone, NAMES, seeds=[3, 4], context_init="random", context_length=5)
    prompt = PromptHead(backbone, NAMES, seeds=[3, 4], context_length=5)
    assert torch.allclose(full(), prompt(), atol=1e-6)
    words = ClassTokenHead(backbone, NAMES, seeds=[0], context_init="a photo of a")
    assert torch.allclose(words()[0], zero_shot_weights(backbone, NAMES), atol=1e-6)


# Letters, digits and marks of the kinds that byte pairs merge, and whatever else there is.
CLASS_NAMES = st.text(
    st.sampled_from("abM 9.,;:!?'\"()[]+-#&/…”’é漢") | st.characters(exclude_categories=["Cs"]), max_size=10
)
MARKED = ["impala (antelope)", "Mr.", "what?", "dogs'", "C++", "goldfish", "kite (bird)", "ram (sheep)"]


def cosines(backbone: Backbone, head: Head, names: list[str], template: str) -> torch.Tensor:
    return (head()[0] * zero_shot_weights(backbone, names, template)).sum(dim=-1)


@settings(max_examples=20)
@given(others=st.lists(CLASS_NAMES.filter(str.strip), max_size=3))
@example(others=MARKED)
def test_every_head_starts_at_the_zero_shot_weights_of_the_same_words(backbone: Backbone, others: list[str]) -> None:
    names = [*dict.fromkeys(" ".join(name.split()).lower() for name in others), "landbird"]
    assume(distinct(backbone, names))
    words = "a photo of a"
    heads: list[tuple[Head, str]] = [
        (PromptHead(backbone, names, context_init=words), "a photo of a {}."),
        (PromptHead(backbone, names, context_init=words, class_specific=True), "a photo of a {}."),
        (PromptHead(backbone, names, context_init=words, class_position="middle"), "a photo {} of a."),
        (PromptHead(backbone, names, context_init=words, class_position="front"), "{} a photo of a."),
        (ClassTokenHead(backbone, names, context_init=words), "a photo of a {}."),
        (ClassTokenHead(backbone, names), "a photo of a {}."),
        (ClassTokenHead(backbone, names, template='a sign that says "{}", in ink.'), 'a sign that says "{}", in ink.'),
        (TextEncoderHead(backbone, names), "a photo of a {}."),
        (HEADS["linear-from-text"](backbone, names, [0], FitSettings(head="linear-from-text")), "a photo of a {}."),
    ]
    for head, template in heads:
        assert cosines(backbone, head, names, template).min() > 1 - 1e-5, (type(head), template)


def distinct(backbone: Backbone, names: list[str]) -> bool:
    return len({tuple(backbone.text.tokenize(name).tolist()) for name in names}) == len(names)


def test_a_full_stop_that_merges_with_the_name_is_one_token_and_learns(backbone: Backbone) -> None:
    merged = backbone.text.tokenize("what?.")
    assert len(merged) == 2  # "what" and "?."
    head = ClassTokenHead(backbone, ["what?", "goldfish"])
    assert head.is_name[:, :, 0].sum(dim=1).tolist() == [2, 1]
    assert torch.equal(head.names[0, 0], backbone.text.embed(merged))


def test_words_that_merge_with_what_stands_before_the_name_are_the_names_own(backbone: Backbone) -> None:
    head = ClassTokenHead(backbone, ["(x)", "goldfish"], template="a ({}).")
    assert head.is_name[:, :, 0].tolist()[1][0] is False  # "(" before goldfish stays as it is
    assert head.is_name[:, :, 0].tolist()[0][0] is True  # "((" is the other name's
    assert cosines(backbone, head, ["(x)", "goldfish"], "a ({}).").min() > 1 - 1e-5


@pytest.mark.parametrize("name", sorted(HEADS))
def test_a_step_changes_the_head_and_not_the_backbone(backbone: Backbone, name: str) -> None:
    before = {key: value.clone() for key, value in backbone.model.state_dict().items()}
    head = HEADS[name](backbone, NAMES, [0, 1], FitSettings(head=name))
    start = head().detach().clone()
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)
    loss_of(head).backward()
    optimizer.step()
    assert not torch.allclose(head(), start, atol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in backbone.model.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in backbone.model.parameters())
    assert all(len(parameter) == 2 for parameter in head.parameters())


@pytest.mark.parametrize("name", sorted(HEADS))
def test_runs_are_kept_apart_and_saved_whole(backbone: Backbone, name: str) -> None:
    settings = FitSettings(head=name)
    together = HEADS[name](backbone, NAMES, [5, 6], settings)
    alone = HEADS[name](backbone, NAMES, [6], settings)
    for head in (together, alone):
        loss_of(head).backward()
        torch.optim.SGD(head.parameters(), lr=0.1).step()
    assert torch.allclose(together()[1], alone()[0], atol=1e-5)
    other = HEADS[name](backbone, NAMES, [0, 1], settings)
    other.load_state_dict(together.state_dict())
    assert torch.equal(other(), together())


def test_the_whole_tower_learns_but_for_the_table_of_tokens(backbone: Backbone) -> None:
    head = TextEncoderHead(backbone, NAMES, seeds=[0])
    loss_of(head).backward()
    assert {name.split("/")[0] for name in head.copies} == {
        "positional_embedding", "transformer", "ln_final", "text_projection",
    }  # fmt: skip
    for name, parameter in head.copies.items():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.any()), name
    learned = sum(parameter[0].numel() for parameter in head.parameters())
    model: Any = backbone.model
    of_text = [model.positional_embedding, model.text_projection]
    of_text += [*model.transformer.parameters(), *model.ln_final.parameters()]
    assert learned == sum(parameter.numel() for parameter in of_text)


def test_the_towers_gradient_is_that_of_a_plain_copy(backbone: Backbone) -> None:
    import copy

    head = TextEncoderHead(backbone, NAMES, seeds=[0, 1])
    loss_of(head).backward()
    model: Any = copy.deepcopy(backbone.model).requires_grad_(True)
    tokens = backbone.tokenizer([f"a photo of a {name}." for name in NAMES])
    features = torch.nn.functional.normalize(model.encode_text(tokens), dim=-1)
    (features * torch.randn(features.shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    for name, parameter in head.copies.items():
        wanted = model.get_parameter(name.replace("/", ".")).grad
        assert parameter.grad is not None
        for run in range(2):
            assert torch.allclose(parameter.grad[run], wanted, atol=1e-5), name


def test_only_tokens_of_the_names_learn(backbone: Backbone) -> None:
    head = ClassTokenHead(backbone, NAMES, seeds=[0, 1])
    lengths = [len(backbone.text.tokenize(name)) for name in NAMES]
    assert head.names.shape == (2, 3, max(lengths), backbone.text.width)
    assert min(lengths) < max(lengths)
    loss_of(head).backward()
    gradient = head.names.grad
    assert gradient is not None
    for number, length in enumerate(lengths):
        assert bool(gradient[:, number, :length].any(dim=-1).all())
        assert not bool(gradient[:, number, length:].any())
        assert not bool(head.names[:, number, length:].any())


def test_what_stands_behind_a_short_name_changes_nothing(backbone: Backbone) -> None:
    head = ClassTokenHead(backbone, NAMES, seeds=[0])
    before = head().detach()
    with torch.no_grad():
        head.names[:, 0, len(backbone.text.tokenize(NAMES[0])) :] = 7.0
    assert torch.equal(head(), before)


@pytest.mark.parametrize("make", FIXED)
def test_words_that_cannot_be_are_refused(backbone: Backbone, make: Callable[..., Head]) -> None:
    with pytest.raises(UsageError, match=r"no \{\}"):
        make(backbone, NAMES, template="a photo")
    with pytest.raises(UsageError, match="same tokens"):
        make(backbone, ["Dog", "dog"])
    with pytest.raises(UsageError, match=r"77|75"):
        make(backbone, ["a bird", " ".join(["bird"] * 80)])


def test_a_template_that_names_the_class_twice_cannot_be_learned(backbone: Backbone) -> None:
    with pytest.raises(UsageError, match="twice"):
        ClassTokenHead(backbone, NAMES, template="a {} is a {}.")


def test_a_prompt_of_words_and_name_that_does_not_fit_is_refused(backbone: Backbone) -> None:
    with pytest.raises(UsageError, match=r"'a bird' has 8\d tokens, the text tower takes 77"):
        ClassTokenHead(backbone, ["a bird"], context_init="random", context_length=77)


def test_options_that_a_head_does_not_take_are_refused() -> None:
    other: dict[str, Any] = {"template": "a {}", "context_length": 3, "context_init": "a", "class_specific": True}
    other |= {"class_position": "front", "prompts_per_class": 3}
    for name, taken in ((name, kind.takes) for name, kind in HEADS.items()):
        for option in PROMPT_OPTIONS:
            settings = FitSettings(head=name, **{option: other[option]})
            if option in taken:
                check_fit(settings)
            else:
                with pytest.raises(UsageError, match=f"the head '{name}' does not take {option}; leave it out"):
                    check_fit(settings)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_seeds_that_would_be_the_same_run_are_refused(backbone: Backbone, name: str) -> None:
    settings = FitSettings(head=name)
    first, second = (HEADS[name](backbone, NAMES, [seed], settings)() for seed in (0, 1))
    assert HEADS[name].random_start(settings) == (not torch.equal(first, second))
    if HEADS[name].random_start(settings):
        check_fit(FitSettings(head=name, seeds=2))
    else:
        with pytest.raises(UsageError, match="would be the same run"):
            check_fit(FitSettings(head=name, seeds=2))
    check_fit(FitSettings(head=name, seeds=2, batch_size=4))


def test_a_text_encoder_learns_in_the_loop_and_comes_back(backbone: Backbone, table: Any) -> None:
    from debias_pt.groups.groups import Groups

    groups = Groups.true(table.y, table.class_names, [table.attributes["background"]])
    settings = FitSettings(head="text-encoder", method="erm", steps=4, lr=5e-3, seeds=2, batch_size=30, select="last")
    tuner = Tuner(backbone, settings)
    losses: list[Any] = []

    class Losses(Callback):
        def on_step(self, training: Training) -> None:
            losses.append(training.run_groups[0].history_[-1]["loss"])

    tuner.fit(table, groups, callbacks=[Losses()])
    assert np.mean(losses[-1]) < np.mean(losses[0])
    again = Tuner(backbone, settings).load_head(table.class_names, tuner.head_.state_dict())
    assert np.array_equal(again.class_weights_, tuner.class_weights_)


def test_the_standardized_head_learns_scikit_learns_logistic_regression() -> None:
    """Same penalty, features standardised, a free intercept; class weights act on raw features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    from debias_pt.models.heads import StandardizedHead

    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 240)
    x = rng.normal(size=(240, 6)) * [1, 3, 0.2, 1, 1, 1] + 4.0
    x[:, :3] += np.eye(3)[y]
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    features, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    head = StandardizedHead(6, 3, seeds=[0, 1], strength=0.05)
    head.fit_statistics(features, slice(0, 2))
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=500, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        logits = head.logits(head(), features)
        loss = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels.expand(2, -1), reduction="none")
        total = loss.mean(dim=-1).sum() + head.penalty()
        total.backward()
        return total

    optimizer.step(closure)
    # The centre is subtracted as a multiple of the projection on the mean, see the class.
    mean = x.mean(axis=0)
    projection = (x @ mean / (mean @ mean))[:, None]
    inputs = (x - projection * mean) / x.std(axis=0)
    theirs = LogisticRegression(C=1 / (0.05 * 240), fit_intercept=False, tol=1e-8, max_iter=5000)
    theirs.fit(np.hstack([inputs, 1e4 * projection]), y)  # a large column is as good as not penalised
    with torch.no_grad():
        found = head.logits(head(), features).softmax(dim=-1).numpy()
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    assert found[0] == pytest.approx(theirs.predict_proba(np.hstack([inputs, 1e4 * projection])), abs=5e-3)
    assert StandardScaler().fit(x).scale_ == pytest.approx(head.deviation[0].numpy(), rel=1e-4)


def test_the_penalty_is_half_the_square_of_centred_weights_on_standardized_features(backbone: Backbone) -> None:
    head = PenalizedPromptHead(backbone, NAMES, seeds=[0, 1], strength=0.7)
    features = torch.rand(2, 9, backbone.dim, generator=torch.Generator().manual_seed(0))
    head.fit_statistics(features[0], slice(0, 1))
    head.fit_statistics(features[1], slice(1, 2))
    weights = head().detach()
    wanted = 0.0
    for run in range(2):
        for d in range(backbone.dim):
            column = [float(value) for value in features[run, :, d]]
            mean = sum(column) / 9
            deviation = (sum((value - mean) ** 2 for value in column) / 9) ** 0.5
            of_classes = [float(weights[run, k, d]) for k in range(len(NAMES))]
            middle = sum(of_classes) / len(NAMES)
            wanted += sum((backbone.logit_scale * deviation * (one - middle)) ** 2 for one in of_classes)
    assert float(head.weight_penalty(weights)) == pytest.approx(0.7 / 2 * wanted, rel=1e-3)


def test_deviations_of_rows_that_do_not_fit_into_memory_are_the_same() -> None:
    features = torch.rand(50, 6, generator=torch.Generator().manual_seed(1))

    class Parts:
        def blocks(self) -> Iterator[torch.Tensor]:
            yield from features.split(7)

    for whole, parts in zip(mean_and_deviation(features), mean_and_deviation(Parts()), strict=True):
        assert torch.allclose(whole.double(), parts, atol=1e-6)


def test_a_group_prompt_is_the_log_of_the_sum_over_plain_prompts(backbone: Backbone) -> None:
    for class_specific in (False, True):
        options = {"context_length": 3, "class_specific": class_specific}
        head = GroupPromptHead(backbone, NAMES, seeds=[4, 5], prompts_per_class=3, **options)
        plain = PromptHead(backbone, NAMES, seeds=range(12, 18), **options)  # type: ignore[arg-type]
        features = torch.nn.functional.normalize(torch.randn(7, backbone.dim), dim=-1)
        with torch.no_grad():
            found, weights = head.logits(head(), features), plain()
        assert found.shape == (2, 7, len(NAMES))
        for run in range(2):
            for k in range(len(NAMES)):
                for n in range(7):
                    each = [float(plain.scale * features[n] @ weights[3 * run + v, k]) for v in range(3)]
                    wanted = float(np.log(sum(np.exp(each))))
                    assert float(found[run, n, k]) == pytest.approx(wanted, abs=1e-3)


def test_one_prompt_per_class_is_no_group_prompt(backbone: Backbone) -> None:
    with pytest.raises(UsageError, match="prompts_per_class is 1; 2 to 1000 expected"):
        FitSettings(head="group-prompt", prompts_per_class=1)
    with pytest.raises(UsageError, match="prompts_per_class is 1; give 2 or more, or take the head prompt"):
        GroupPromptHead(backbone, NAMES, prompts_per_class=1)


def test_a_group_prompt_answers_alike_in_the_loop_the_tuner_and_after_loading(
    backbone: Backbone, table: Any, tmp_path: Path
) -> None:
    settings = FitSettings(head="group-prompt", method="class-balanced", steps=4, seeds=2, context_length=2)
    tuner = Tuner(backbone, settings).fit(table)
    k = len(table.class_names)
    assert tuner.class_weights_.shape == (2, 2 * k, backbone.dim)
    with torch.no_grad():
        of_head = tuner.head_.logits(tuner.head_(), torch.from_numpy(table.features))
    assert tuner.logits(table.features) == pytest.approx(of_head.numpy(), abs=1e-4)
    again = Tuner.load(tuner.save(tmp_path / "tuner"), backbone=backbone)
    assert (again.predict(table.features) == tuner.predict(table.features)).all()
    with pytest.raises(UsageError, match="has 2 weights per class, and an open_clip checkpoint takes one"):
        export_tuner(tuner, tmp_path / "checkpoint")
