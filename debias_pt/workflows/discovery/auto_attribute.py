"""``--attribute auto``: the first attribute found that the guard supports."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from debias_pt.discovery import read_vocabulary
from debias_pt.errors import UsageError
from debias_pt.methods.composition import method_of
from debias_pt.settings import DataSettings, TrainSettings
from debias_pt.workflows.discovery.run import discover_and_judge, load_and_encode

AUTO = "auto"
S = TypeVar("S", bound=DataSettings)
TOLD = ("attribute", "score", "explained", "explained_interval", "classes", "guard")


def with_found_attribute(settings: S) -> tuple[S, dict[str, Any]]:
    """Replace the attribute ``auto`` by what is found in the training images.

    The same data, model and words give the same attribute, so that a run can be resumed.

    Returns
    -------
    settings : DataSettings
        With the attribute in words; as they were if ``auto`` was not asked for. If nothing was found and the method is
        ``auto`` too, without an attribute and with the method it chooses then.
    discovery : dict
        What a result says of it: ``attribute`` (None if nothing was found), score, evidence and the guard's verdict,
        or the ``reason`` and the method that is used ``instead``. Empty if ``auto`` was not asked for.

    Raises
    ------
    UsageError
        If ``auto`` is asked for together with other attributes, or nothing was found that the guard supports.
    """
    if AUTO not in settings.attribute:
        return settings, {}
    if len(settings.attribute) > 1:
        raise UsageError(f"--attribute auto is given with {len(settings.attribute) - 1} more; give auto or the others")
    _, backbone, table = load_and_encode(settings)
    result, _ = discover_and_judge(table, backbone, read_vocabulary(None))
    for one in result["found"]:
        if one["attribute"] == result["supported"]:
            return (
                dataclasses.replace(settings, attribute=(one["attribute"],)),
                {name: one[name] for name in TOLD} | {"found": len(result["found"])},
            )
    reason = result["reason"] or "the guard supports none of: " + ", ".join(one["attribute"] for one in result["found"])
    choose = method_of(settings).choose if isinstance(settings, TrainSettings) else None
    if choose is not None:
        method, _ = choose({}, False)
        without_words = dataclasses.replace(settings, attribute=(), method=method)  # type: ignore[call-arg]
        return without_words, {"attribute": None, "reason": reason, "instead": method}
    raise UsageError(f"--attribute auto: nothing to use was found: {reason}; name an attribute, or use --method auto")
