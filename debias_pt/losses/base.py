"""The interface of a loss: logits and labels to one number per sample, never reduced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from debias_pt.losses import LOSSES
from debias_pt.utils.registry import build, lookup
from debias_pt.utils.stateful import Stateful
from debias_pt.utils.tensors import Rows


class Loss(Stateful, ABC):
    """A per-sample loss. Subclasses compute; weights and means are the training loop's.

    Most losses depend only on logits and labels. One that treats single samples differently overrides :meth:`at`;
    one that updates this every epoch sets `sees_epochs` and overrides :meth:`start_epoch`. Tensors that change
    during training are kept in attributes that end in ``_``, so that they survive a resume.

    Attributes
    ----------
    sees_epochs : bool
        Whether :meth:`start_epoch` is called.
    convex : bool
        Whether the loss is convex in the logits, so that a penalized linear head has one optimum.
    named_values : mapping
        Values of options that have a name, by option: ``{"q": {"ptnl": 0.5}}``.
    """

    sees_epochs: ClassVar[bool] = False
    convex: ClassVar[bool] = False
    named_values: ClassVar[Mapping[str, Mapping[str, float]]] = {}

    @abstractmethod
    def __call__(self, logits: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every sample.

        Parameters
        ----------
        logits : Tensor, shape (R, B, K)
            For R runs.
        y : Tensor of int, shape (R, B)
            Class labels.

        Returns
        -------
        Tensor, shape (R, B)
        """

    def at(self, rows: Rows) -> Loss:
        """Return the loss for some rows of the training set: a slice, or a tensor of int ``(R, B)``."""
        return self

    def start_epoch(self, logits: Tensor, y: Tensor) -> None:
        """See the whole training set before the first step of an epoch.

        With full-batch steps every step is an epoch.

        Parameters
        ----------
        logits : Tensor, shape (R, N, K)
            Without gradient.
        y : Tensor of int, shape (R, N)
            Class labels.
        """


def make_loss(name: str, words: Sequence[str] = (), /, **options: Any) -> Loss:
    """Build a loss by name; options that are None are left out, `words` are ``NAME=VALUE`` each.

    A value may be one of the loss's `named_values`.

    Raises
    ------
    UsageError
        For an unknown name, or an option the loss does not take.

    Examples
    --------
    >>> make_loss("gce", q=0.7)
    GeneralizedCrossEntropy(q=0.7)
    >>> make_loss("gce", ["q=ptnl"])
    GeneralizedCrossEntropy(q=0.5)
    >>> make_loss("sce", ["alhpa=6"])
    Traceback (most recent call last):
    debias_pt.errors.UsageError: the loss 'sce' has no option 'alhpa' (did you mean 'alpha'?); it takes alpha, beta, A
    """
    named = lookup(LOSSES, name, "loss").named_values
    return build(LOSSES, name, "loss", [_spelt_out(word, named) for word in words], **options)


def _spelt_out(word: str, named: Mapping[str, Mapping[str, float]]) -> str:
    option, _, value = word.partition("=")
    values = named.get(option, {})
    return f"{option}={values[value]!r}" if value in values else word
