"""Different fits as one: all their runs go through the text tower together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from debias_pt.errors import UsageError
from debias_pt.models.heads.build import PROMPT_OPTIONS
from debias_pt.training.loop import Training
from debias_pt.training.run_group import Part
from debias_pt.training.tuner import PromptTuner

# What decides the head; the settings in `part.COMMON` must agree as well.
OF_HEAD = ("head", *PROMPT_OPTIONS)


def fit_together(
    tuners: Sequence[PromptTuner],
    parts: Sequence[Part],
    begin: Callable[[Training], Callable[[], None]] = lambda training: lambda: None,
) -> Training:
    """Fit several tuners at once; each learns what it would learn alone, up to rounding.

    Method, loss, learning rate, warm-up, selection rule, seeds, groups and data may differ; steps, batch size,
    optimiser, weight decay, momentum, and what is learned (head, context, class names) are common.

    Parameters
    ----------
    tuners : sequence of PromptTuner
        Unfitted, of one backbone.
    parts : sequence of Part
        Each tuner's, from :meth:`PromptTuner.part <debias_pt.training.tuner.PromptTuner.part>` or made by hand.
    begin : callable
        Takes the training before its first step and returns what to call after each one.

    Returns
    -------
    Training
        Finished; the tuners are fitted.

    Raises
    ------
    UsageError
        If the tuners differ in what must be common.
    NonFiniteError
        If a run diverges.

    Examples
    --------
    >>> tuners = [PromptTuner(backbone, method=method, seeds=5) for method in ("erm", "dpt")]  # doctest: +SKIP
    >>> fit_together(tuners, [tuner.part(table, groups) for tuner in tuners])                  # doctest: +SKIP
    >>> tuners[1].predict(table.features)                                                      # doctest: +SKIP
    """
    training = stack(tuners, parts)
    training.run(begin(training))
    for tuner, part in zip(tuners, parts, strict=True):
        tuner.take(training.head, part)
    return training


def stack(tuners: Sequence[PromptTuner], parts: Sequence[Part]) -> Training:
    """Return the one training of several tuners' parts, before its first step; see :func:`fit_together`."""
    if not tuners or len(tuners) != len(parts):
        raise UsageError(f"{len(tuners)} tuners and {len(parts)} parts; give one part for each tuner")
    first = tuners[0]
    for tuner in tuners[1:]:
        _require_same_head(first, tuner)
    seeds = [seed for part in parts for seed in part.seeds]
    return Training(first.make_head(first.class_names_, seeds), parts)


def _require_same_head(first: PromptTuner, other: PromptTuner) -> None:
    if other.backbone is not first.backbone:
        raise UsageError("the tuners have different backbones; runs that are fitted together share one")
    if other.class_names_ != first.class_names_:
        raise UsageError(
            f"the class names are {', '.join(first.class_names_)[:80]} in one part and "
            f"{', '.join(other.class_names_)[:80]} in another; fit these apart"
        )
    for name in OF_HEAD:
        one, two = (getattr(tuner.settings, name) for tuner in (first, other))
        if one != two:
            raise UsageError(
                f"{name} is {one!r} in one part and {two!r} in another; parts of one fit share "
                f"{', '.join(OF_HEAD)}: fit these apart"
            )
