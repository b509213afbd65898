"""Attributes: suspected ones in words, annotated ones, and what a probe answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from debias_pt.errors import UsageError
from debias_pt.utils.registry import nearest

RESERVED = {"id", "split", "label"}  # columns of the probe's table
TEMPLATES = (
    "{attribute}.",
    "a photo of {attribute}.",
    "a picture of {attribute}.",
    "an image of {attribute}.",
)
CLASS_TEMPLATES = ("a photo of a {class} on {attribute}.", "a photo of a {class}, {attribute}.")


@dataclass(frozen=True)
class Attribute:
    """An attribute the model may rely on, described by phrases for prompts.

    Parameters
    ----------
    name : str
        ``"background"``; where a data set is annotated under this name, the probe is checked against it.
    values : mapping of str to sequence of str
        Each value's name and the phrases that describe it; at least two values.
    templates : sequence of str
        Prompts with ``{attribute}`` for the phrase. If they also have ``{class}``, the probe asks
        within each image's class, whose label is known in training.

    Raises
    ------
    UsageError
        For fewer than two values, a value without a phrase, or a template without ``{attribute}``.

    Examples
    --------
    >>> place = Attribute("place", {"indoors": ["indoors", "a room"], "outdoors": ["outdoors"]})
    >>> place.prompts("outdoors")[1]
    'a photo of outdoors.'
    >>> Attribute.parse("background=land|forest:water|lake|sea").values["water"]
    ('water', 'lake', 'sea')
    """

    name: str
    values: Mapping[str, Sequence[str]]
    templates: Sequence[str] = TEMPLATES

    def __post_init__(self) -> None:
        if len(self.values) < 2:
            only = ", ".join(self.values) or "none"
            raise UsageError(
                f"attribute {self.name!r} has one value ({only}); give two or more: {self.name or 'name'}=land:water"
            )
        for value, phrases in self.values.items():
            if not value or not phrases or not all(phrases):
                raise UsageError(f"attribute {self.name!r} has an empty value or phrase; write name=land:water")
        for template in self.templates:
            if "{attribute}" not in template:
                raise UsageError(f"the template {template!r} has no {{attribute}}; write 'a photo of {{attribute}}.'")
            unknown = set(re.findall(r"\{[^}]*\}", template)) - {"{attribute}", "{class}"}
            if unknown:
                raise UsageError(
                    f"the template {template!r} has {min(unknown)}; only {{attribute}} and {{class}} are known"
                )

    @classmethod
    def parse(cls, text: str) -> Attribute:
        """Read ``name=value:value`` with ``|`` between a value's phrases, the first being its name.

        Raises
        ------
        UsageError
            If the text is not of this form.
        """
        name, equals, rest = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"attribute {text!r} is not of the form background=land:water")
        values: dict[str, tuple[str, ...]] = {}
        for part in rest.split(":"):
            phrases = tuple(phrase.strip() for phrase in part.split("|"))
            if phrases[0] in values:
                raise UsageError(f"attribute {name!r} has the value {phrases[0]!r} twice")
            values[phrases[0]] = phrases
        return cls(name.strip(), values)

    def in_words(self) -> str:
        """Return the text that :meth:`parse` reads.

        Raises
        ------
        UsageError
            If text cannot say it: it has templates of its own, or a value whose first phrase is not its name.

        Examples
        --------
        >>> Attribute("place", {"indoors": ["indoors", "a room"], "outdoors": ["outdoors"]}).in_words()
        'place=indoors|a room:outdoors'
        """
        text = f"{self.name}={':'.join('|'.join(phrases) for phrases in self.values.values())}"
        read = Attribute.parse(text)
        if self.describe() != read.describe():
            raise UsageError(
                f"attribute {self.name!r} cannot be written as {text!r}: begin each value's phrases with its name, and "
                "give templates as attribute_template=[...]"
            )
        return text

    @property
    def class_conditional(self) -> bool:
        """Whether the prompts name the class as well."""
        return any("{class}" in template for template in self.templates)

    def prompts(self, value: str, class_name: str = "") -> list[str]:
        """Return every template filled with every phrase of one value."""
        return [
            template.replace("{attribute}", phrase).replace("{class}", class_name)
            for template in self.templates
            for phrase in self.values[value]
        ]

    def describe(self) -> dict[str, object]:
        """Return name, values and templates as plain JSON; prompts are part of a result."""
        return {
            "name": self.name,
            "values": {value: list(phrases) for value, phrases in self.values.items()},
            "templates": list(self.templates),
        }


def choose_attributes(
    asked: Sequence[str],
    known: Mapping[str, Attribute],
    *,
    templates: Sequence[str] = (),
    class_conditional: bool = False,
) -> tuple[Attribute, ...]:
    """Parse the requested attributes: names known to the data set, or ``name=value:value``.

    Parameters
    ----------
    asked : sequence of str
        Empty means the first known attribute.
    known : mapping of str to Attribute
        The data set's own suspects.
    templates : sequence of str
        Instead of the attributes' own.
    class_conditional : bool
        Use the default templates that name the class.

    Raises
    ------
    UsageError
        For an unknown name (with the nearest known one), a malformed attribute, or none at all.
    """
    if not asked and not known:
        raise UsageError(
            "this data set has no suspected attribute; name one: --attribute background=land:water, or train without: "
            "--method erm"
        )
    chosen = []
    for text in asked or tuple(known)[:1]:
        if "=" not in text and text not in known:
            raise UsageError(
                f"unknown attribute {text!r}{nearest(text, known)}; known: {', '.join(known) or 'none'}; "
                "or describe it: background=land:water"
            )
        chosen.append(known[text] if text in known else Attribute.parse(text))
    names = [attribute.name for attribute in chosen]
    if len(set(names)) < len(names):
        raise UsageError(f"the attribute {max(names, key=names.count)!r} is given twice")
    reserved = set(names) & RESERVED
    if reserved:
        raise UsageError(f"an attribute cannot be called {min(reserved)!r}; choose another name")
    if class_conditional and templates and not any("{class}" in template for template in templates):
        raise UsageError(f"--class-conditional with the template {templates[0]!r}, which has no {{class}}; add it")
    wording = tuple(templates) or (CLASS_TEMPLATES if class_conditional else ())
    return tuple(replace(attribute, templates=wording) if wording else attribute for attribute in chosen)


@dataclass(frozen=True)
class TrueAttribute:
    """An annotated attribute of every image, where a data set has one.

    Parameters
    ----------
    values : tuple of str
        Names of the values, in the order of their numbers.
    labels : ndarray of int, shape (N,)
        The value of each image.
    """

    values: tuple[str, ...]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, words: Sequence[str]) -> TrueAttribute:
        """Return an attribute whose value is given in words for each image.

        Examples
        --------
        >>> TrueAttribute.of(["water", "land", "water"])
        TrueAttribute(values=('land', 'water'), labels=array([1, 0, 1]))
        """
        values = in_order(words)
        number = {value: a for a, value in enumerate(values)}
        return cls(values, np.array([number[word] for word in words], dtype=np.int64))

    def rows(self, index: NDArray[np.int64]) -> TrueAttribute:
        """Return the annotation of these images only, in this order."""
        return TrueAttribute(self.values, self.labels[index])

    @property
    def words(self) -> list[str]:
        """The value of each image, in words."""
        return [self.values[label] for label in self.labels]


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct names, numbers sorted by value and words alphabetically.

    Examples
    --------
    >>> in_order(["10", "9", "9"]), in_order(["dog", "cat"])
    (('9', '10'), ('cat', 'dog'))
    """
    distinct = set(names)
    return tuple(sorted(distinct, key=float) if all(map(is_number, distinct)) else sorted(distinct))


def is_number(word: str) -> bool:
    """Return whether a word is a number, which means nothing in a prompt.

    Examples
    --------
    >>> is_number("-1.0"), is_number("nan")
    (True, False)
    """
    return re.fullmatch(r"[-+]?\d+(\.\d*)?", word) is not None


@dataclass(frozen=True)
class PseudoAttribute:
    """The probe's answers on one attribute of N images.

    Parameters
    ----------
    name : str
        The attribute.
    values : tuple of str
        Its V values.
    posterior : ndarray of float, shape (N, V)
        Softmax of the model's own logits over the values; rows sum to one.
    probe : str
        Which probe answered, such as ``"zero-shot"``; empty for answers from elsewhere.
    """

    name: str
    values: tuple[str, ...]
    posterior: NDArray[np.float64]
    probe: str = ""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The most probable value of each image, shape ``(N,)``."""
        return np.asarray(self.posterior.argmax(axis=1), dtype=np.int64)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of that value, shape ``(N,)``."""
        return np.asarray(self.posterior.max(axis=1))
