"""Different fits as one: all their runs go through the text tower together."""

from __future__ import annotations

from collections.abc import Sequence

from debias_pt.errors import UsageError
from debias_pt.models.heads.base import PROMPT_OPTIONS
from debias_pt.training.callbacks import Callback
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup
from debias_pt.training.several_devices import training_of
from debias_pt.training.tuner import Tuner
from debias_pt.utils.words import first_of

# What decides the head; the settings in `run_group.SHARED_SETTINGS` must agree as well.
OF_HEAD = ("head", *PROMPT_OPTIONS)


def fit_together(
    tuners: Sequence[Tuner],
    run_groups: Sequence[RunGroup],
    callbacks: Sequence[Callback] = (),
) -> Training:
    """Fit several tuners at once; each learns what it would learn alone, up to rounding.

    Method, loss, learning rate, warm-up, selection rule, seeds, groups and data may differ; steps, batch size,
    optimiser, weight decay, momentum, and what is learned (head, context, class names) must be the same.

    Parameters
    ----------
    tuners : sequence of Tuner
        Not fitted yet, all with the same backbone.
    run_groups : sequence of RunGroup
        Each tuner's, from :meth:`Tuner.run_group <debias_pt.training.tuner.Tuner.run_group>`, or made by
        hand.
    callbacks : sequence of Callback
        Told of the start and of every update.

    Returns
    -------
    Training
        Finished; the tuners are fitted.

    Raises
    ------
    UsageError
        If the tuners differ in what must be the same.
    NonFiniteError
        If a run diverges.

    Examples
    --------
    >>> tuners = [Tuner(backbone, method=method, seeds=5) for method in ("erm", "dpt")]  # doctest: +SKIP
    >>> fit_together(tuners, [tuner.run_group(table, groups) for tuner in tuners])                  # doctest: +SKIP
    >>> tuners[1].predict(table.features)                                                      # doctest: +SKIP
    """
    training = stack(tuners, run_groups)
    training.run(callbacks)
    for tuner, run_group in zip(tuners, run_groups, strict=True):
        tuner._adopt(training.head, run_group)
    return training


def stack(tuners: Sequence[Tuner], run_groups: Sequence[RunGroup]) -> Training:
    """Return the one training of several tuners' run groups, before its first step; see :func:`fit_together`."""
    if not tuners or len(tuners) != len(run_groups):
        raise UsageError(f"{len(tuners)} tuners and {len(run_groups)} run groups; give one run group for each tuner")
    first = tuners[0]
    for tuner in tuners[1:]:
        _require_same_head(first, tuner)
    return training_of(first.make_head, first.class_names_, first.backbone, run_groups)


def _require_same_head(first: Tuner, other: Tuner) -> None:
    if other.backbone is not first.backbone:
        raise UsageError("the tuners have different backbones; runs that are fitted together share one")
    if other.class_names_ != first.class_names_:
        raise UsageError(
            f"the class names are {first_of(first.class_names_)} in one run group and "
            f"{first_of(other.class_names_)} in another; fit these apart"
        )
    for name in OF_HEAD:
        one, two = (getattr(tuner.settings, name) for tuner in (first, other))
        if one != two:
            raise UsageError(
                f"{name} is {one!r} in one run group and {two!r} in another; run groups of one fit share "
                f"{', '.join(OF_HEAD)}: fit these apart"
            )
