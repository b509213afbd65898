"""From a method and what the user set to the parts that a run uses, or a refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from debias_pt.errors import UsageError
from debias_pt.methods import METHODS
from debias_pt.methods.base import INFERRED, Method
from debias_pt.settings import PARTS, PROBES, FitSettings
from debias_pt.utils.registry import lookup

if TYPE_CHECKING:
    from debias_pt.groups.groups import Groups

S = TypeVar("S", bound=FitSettings)


def method_of(settings: FitSettings) -> Method:
    """Return the method that settings name.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    return lookup(METHODS, settings.method, "method")


def require_chosen(settings: FitSettings) -> Method:
    """Return the method that settings name, if it is one to fit with.

    Raises
    ------
    UsageError
        If it only chooses another one; names what it chooses from.
    """
    method = method_of(settings)
    if method.choose is not None:
        among = ", ".join(method.candidates)
        raise UsageError(f"the method {settings.method!r} only chooses another one; name one of {among}")
    return method


def complete(settings: S) -> S:
    """Return settings in which everything left to the method is filled in; what was given stays.

    Settings of a method that chooses another one stay as they are until it has chosen.

    Raises
    ------
    UsageError
        If something given contradicts the method; see :func:`require_possible`.

    Examples
    --------
    >>> complete(FitSettings(method="anchored")).head, complete(FitSettings(method="anchored", head="prompt")).head
    ('standardized', 'prompt')
    """
    method = method_of(settings)
    if method.choose is not None:
        return settings
    require_possible(settings, method)
    return fill(settings, method)


def fill(settings: S, method: Method | None = None) -> S:
    """Fill in what is left to the method, and refuse nothing: for runs that are finished."""
    own = _own(settings, method or method_of(settings))
    return replace(settings, **{name: value for name, value in own.items() if getattr(settings, name) is None})


def _own(settings: FitSettings, method: Method) -> dict[str, Any]:
    own = {name: getattr(method, name) for name in PARTS if hasattr(settings, name)}
    if _fits_annotated(settings):  # an annotation leaves nothing to be inferred
        own["infer_groups"] = False
    return own


def _fits_annotated(settings: FitSettings) -> bool:
    return getattr(settings, "groups", "pseudo") == "true"


def require_possible(settings: FitSettings, method: Method | None = None) -> None:
    """Refuse what was given and would change nothing, or would make the method another one.

    Raises
    ------
    UsageError
        Names the setting, the value seen, and what to do.
    """
    method = method or method_of(settings)
    own, name = _own(settings, method), f"the method {settings.method!r}"
    for part in method.fixed:
        value = getattr(settings, part, None)
        if value is not None and value != own[part]:
            raise UsageError(f"{name} always uses {_contradiction(part, own[part], value)}")
    if _fits_annotated(settings) and not method.asks_attribute:
        what = "makes groups of its own" if method.uses_groups else "looks at no groups"
        raise UsageError(f"--groups true changes nothing: {name} {what}; leave it out, or take --method balanced")
    if _fits_annotated(settings) and settings.infer_groups:
        raise UsageError("--infer-groups changes nothing with --groups true: annotated groups are not split; drop one")
    if not method.uses_groups:
        for part in ("soft", "infer_groups"):
            if getattr(settings, part):
                flag = part.replace("_", "-")
                advice = f"leave it out, or give --no-{flag} if a settings file says so"
                raise UsageError(f"--{flag} changes nothing: {name} looks at no groups; {advice}")


def _contradiction(part: str, own: Any, value: Any) -> str:
    if part == "infer_groups":
        return "inferred groups; leave --no-infer-groups out, or take --method class-balanced --head standardized"
    return f"the {part.replace('_', '-')} {own!r}, not {value!r}; leave it out, or take --method dpt or balanced"


def parts(settings: FitSettings, groups: Groups | None = None, *, why: str = "") -> dict[str, Any]:
    """Return what a fit is made of, as plain JSON.

    Parameters
    ----------
    settings : FitSettings
        Complete.
    groups : Groups, optional
        What is fitted with.
    why : str
        Why ``auto`` chose the method, if it did.

    Returns
    -------
    dict
        ``method``, ``groups`` (where they come from), ``soft``, ``scheduler``, ``head``, ``fit_on``, ``select``, and
        ``auto`` where that chose the method.
    """
    method = method_of(settings)
    origin = groups.origin or "elsewhere" if groups is not None else expected_origin(settings)
    return {
        "method": settings.method,
        "groups": origin if method.uses_groups else "classes",
        "soft": bool(settings.soft),
        "scheduler": method.scheduler,
        "head": settings.head,
        "fit_on": settings.fit_on,
        "select": settings.select,
        **({"auto": why} if why else {}),
    }


def expected_origin(settings: FitSettings) -> str:
    """Return where complete settings take groups from; see `Groups.origin`."""
    method = method_of(settings)
    if _fits_annotated(settings):
        return "annotation"
    if method.makes_groups:
        return settings.method
    probe = [getattr(settings, "probe", None) or method.probe] if method.asks_attribute else []
    return "+".join([*probe, *([INFERRED] if settings.infer_groups else [])]) or "classes"


WORDS = {
    "annotation": "annotated attributes",
    "classes": "the classes alone",
    "elsewhere": "groups you made",
    INFERRED: "values inferred from the images",
}


def parts_text(made_of: dict[str, Any]) -> str:
    """Say in one line what a fit is made of.

    Examples
    --------
    >>> parts_text(parts(complete(FitSettings(method="erm"))))
    'groups: the classes alone; scheduler: erm; head: prompt; fitted on: train; step kept: last'
    """
    origins = made_of["groups"].split("+")
    groups = " x ".join(f"the {one} probe's answers" if one in PROBES else WORDS.get(one, one) for one in origins)
    spread = "" if origins == ["classes"] else f" ({'soft' if made_of['soft'] else 'hard'})"
    return (
        f"groups: {groups}{spread}; scheduler: {made_of['scheduler']}; head: {made_of['head']}; "
        f"fitted on: {made_of['fit_on']}; step kept: {made_of['select']}"
    )


def choice_text(made_of: dict[str, Any]) -> str:
    """Say which method ``auto`` chose, and why.

    Examples
    --------
    >>> choice_text({"method": "inferred", "auto": "no attribute is named"})
    'auto chose inferred: no attribute is named'
    """
    return f"auto chose {made_of['method']}: {made_of['auto']}"
