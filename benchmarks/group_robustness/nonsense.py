"""Does the guard know real words from nonsense? Its verdicts on words that say nothing of a data set's images."""

from __future__ import annotations

import dataclasses
from typing import Any

from debias_pt.datasets.attributes import Attribute
from debias_pt.groups.guard import guard
from debias_pt.groups.probe import AttributeProbe
from debias_pt.groups.verdict import DOUBTFUL, NOT_USABLE, USABLE, Verdict
from debias_pt.settings import DataSettings
from debias_pt.workflows.prepare import prepare
from debias_pt.workflows.prepared import judge

# Chosen before any verdict was seen. A pair that does mean something on a data set (a cat and a dog on pictures of
# pets) must be left out there.
NONSENSE = (
    "weather=sunny weather|sunshine:rainy weather|rain",
    "taste=sweet|sugar:salty|salt",
    "mood=happy|joyful:sad|unhappy",
    "meal=breakfast|morning coffee:dinner|an evening meal",
    "music=jazz|a jazz band:rock music|a rock concert",
    "day=monday:friday",
    "price=cheap|a bargain:expensive|luxury",
    "pets=a cat|a kitten:a dog|a puppy",
    "furniture=a chair|a sofa:a table|a desk",
    "sport=football|a footballer:tennis|a tennis player",
    "material=wood|wooden:metal|metallic",
    "sex=a man|male:a woman|female",
    "age=young:old",
    "clothes=a shirt:a dress",
    "vehicle=a car:a bicycle",
    "fruit=an apple:a banana",
    "hair=dark hair:blond hair",
    "tools=a hammer:a screwdriver",
    "light=day|daylight:night|darkness",
    "season=summer:winter",
)


def check_guard(settings: DataSettings, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Judge the attributes that are asked for, and every nonsense pair, on the same training images.

    Parameters
    ----------
    settings : DataSettings
        Data, model, and the real attributes.
    without : tuple of str
        Names of nonsense pairs that are none on these images.

    Returns
    -------
    dict
        ``dataset``, ``model``, ``verdicts`` (one row per attribute: ``attribute``, ``real``, and the verdict's
        fields), and ``counts`` of the verdicts for ``real`` words and for ``nonsense``.
    """
    prepared = prepare(settings)
    verdicts = judge(prepared)
    rows = [row(name, verdict, real=True) for name, verdict in verdicts.items()]
    pairs = [Attribute.parse(text) for text in NONSENSE]
    asked = [pair for pair in pairs if pair.name not in {*without, *verdicts}]
    probe = AttributeProbe(prepared.backbone, asked)
    judged = guard(prepared.backbone, prepared.table, asked, probe)
    rows += [row(name, verdict, real=False) for name, verdict in judged.items()]
    return {
        "dataset": settings.dataset,
        "synthetic": prepared.synthetic,
        "model": prepared.backbone.name,
        "attributes": [dataclasses.asdict(attribute) for attribute in prepared.attributes],
        "verdicts": rows,
        "counts": {kind: count(rows, real) for kind, real in (("real", True), ("nonsense", False))},
    }


def row(name: str, verdict: Verdict, *, real: bool) -> dict[str, Any]:
    """Return one line of the result."""
    return {"attribute": name, "real": real, **verdict.to_dict()}


def count(rows: list[dict[str, Any]], real: bool) -> dict[str, int]:
    """Return how often each verdict was given.

    Examples
    --------
    >>> count([{"real": True, "verdict": "usable"}], real=True)
    {'usable': 1, 'doubtful': 0, 'not usable': 0}
    """
    own = [one["verdict"] for one in rows if one["real"] == real]
    return {verdict: own.count(verdict) for verdict in (USABLE, DOUBTFUL, NOT_USABLE)}


def table(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and lines of the verdicts as text."""
    header = ["attribute", "words", "verdict", "variation", "match", "in a biased head's logits"]
    return header, [_line(one) for one in result["verdicts"]]


def _line(one: dict[str, Any]) -> list[str]:
    numbers = one["numbers"]
    seen = numbers.get("words_in_logits")
    return [
        one["attribute"],
        "real" if one["real"] else "nonsense",
        one["verdict"],
        f"{numbers['variation']:.2f}",
        f"{numbers['match']:.2f}",
        "-" if seen is None else f"{seen:.2f}",
    ]
