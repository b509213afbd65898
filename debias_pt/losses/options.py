"""A loss as settings name it: its name, and its options as NAME=NUMBER."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature

from debias_pt.errors import UsageError
from debias_pt.losses import LOSSES
from debias_pt.losses.base import Loss, make_loss
from debias_pt.utils.registry import lookup, nearest


def loss_of(name: str, options: Sequence[str] = (), q: float | None = None) -> Loss:
    """Build the loss that settings describe.

    Parameters
    ----------
    name : str
        As registered.
    options : sequence of str
        ``NAME=NUMBER`` each, or ``NAME=WORD`` where the loss has a name for a value (`named_values`).
    q : float, optional
        Exponent of gce, which has a setting of its own.

    Raises
    ------
    UsageError
        For an unknown loss or option, an option given twice, or a value that is no number or out of range.

    Examples
    --------
    >>> loss_of("sce", ["alpha=6", "beta=0.1"])
    SymmetricCrossEntropy(alpha=6.0, beta=0.1, A=-4.0)
    >>> loss_of("gce", ["q=ptnl"])
    GeneralizedCrossEntropy(q=0.5)
    >>> loss_of("sce", ["alhpa=6"])
    Traceback (most recent call last):
    debias_pt.errors.UsageError: the loss 'sce' has no option 'alhpa' (did you mean 'alpha'?); it takes alpha, beta, A
    """
    kind = lookup(LOSSES, name, "loss")
    known = [parameter for parameter in signature(kind).parameters if parameter != "self"]
    values: dict[str, float] = {} if q is None else {"q": q}
    for word in options:
        option, _, value = word.partition("=")
        if option not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise UsageError(f"the loss {name!r} has no option {option!r}{nearest(option, known)}; {takes}")
        if option in values:
            raise UsageError(f"the option {option!r} of the loss {name!r} is given twice; give it once")
        named = kind.named_values.get(option, {})
        try:
            values[option] = named[value] if value in named else float(value)
        except ValueError:
            words = "".join(f" or {option}={one}" for one in named)
            raise UsageError(f"the loss's option {word!r} is not NAME=NUMBER; write {option}=0.5{words}") from None
    return make_loss(name, **values)
