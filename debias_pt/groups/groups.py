"""Groups: class x attribute, with the numbering that WILDS and group_DRO use."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.datasets.base import ImageDataset
from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.utils.words import counted

# What made groups, where no probe did.
ANNOTATION, CLASSES, INFERRED = "annotation", "classes", "inferred"
SMALL_GROUP = 10
SHOWN_GROUPS = 5  # small groups that are warned of one by one, or named where there are more


@dataclass(frozen=True)
class Groups:
    """The group of each of N samples, ``g = y * n_attributes + a`` (DPT, section on groups).

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        Class labels.
    values : ndarray of int, shape (N,), or of float, shape (N, A)
        The attribute value of each sample, where it is known; else the probability of each value.
    class_names : tuple of str
        K names.
    attribute_names : tuple of str
        A names; the values of several attributes are joined by ``+``.
    source : {"pseudo", "true", "class"}
        What the attribute is. True attributes make whatever is fitted with them an oracle; with ``"class"``
        there is none, and the groups are the classes.
    origin : str
        What made the groups: a probe (``"zero-shot"``, ``"mixture"``, ...), ``"inferred"``, both joined by ``+``,
        ``"annotation"`` or ``"classes"``; empty for answers from elsewhere. A method that is defined by its groups
        refuses others.
    facts : mapping
        Plain JSON that the maker of the groups has to tell, such as what was ``inferred``.

    Examples
    --------
    >>> groups = Groups.true(np.array([0, 1]), ("landbird", "waterbird"),
    ...                      [TrueAttribute(("land", "water"), np.array([1, 1]))])
    >>> groups.index
    array([1, 3])
    >>> groups.names[3]
    'waterbird, water'
    """

    y: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.float64]
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    source: str
    origin: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        n, names = len(self.y), self.attribute_names
        if self.values.shape not in ((n,), (n, len(names))) or (self.hard and self.values.dtype.kind not in "iu"):
            raise UsageError(
                f"the attribute has shape {self.values.shape} and type {self.values.dtype} for {n} labels and "
                f"{len(names)} attribute values; give an integer per label, or a row per label and a column per value"
            )
        if self.hard and n and not 0 <= self.values.min() <= self.values.max() < len(names):
            raise UsageError(
                f"attribute values go from {self.values.min()} to {self.values.max()} for {len(names)} names; "
                "they must be 0 to A - 1"
            )

    @classmethod
    def pseudo(cls, y: NDArray[np.int64], class_names: Sequence[str], attributes: Sequence[PseudoAttribute]) -> Groups:
        """Cross classes with the probe's answers, the joint posterior of several attributes being their product."""
        named = [(attribute.values, attribute.posterior) for attribute in attributes]
        probes = dict.fromkeys(attribute.probe for attribute in attributes)
        return cls._cross(y, class_names, named, "pseudo", "+".join(probes) if all(probes) else "")

    @classmethod
    def true(cls, y: NDArray[np.int64], class_names: Sequence[str], attributes: Sequence[TrueAttribute]) -> Groups:
        """Cross classes with annotated attributes: an oracle if you fit with them."""
        named = [(attribute.values, attribute.labels) for attribute in attributes]
        return cls._cross(y, class_names, named, "true", ANNOTATION)

    @classmethod
    def by_class(cls, y: NDArray[np.int64], class_names: Sequence[str]) -> Groups:
        """Return the classes as groups, for methods that need no attribute.

        Examples
        --------
        >>> Groups.by_class(np.array([0, 1, 1]), ("cat", "dog")).names
        ('cat', 'dog')
        """
        return cls(y, np.zeros(len(y), dtype=np.int64), tuple(class_names), ("",), "class", CLASSES)

    @classmethod
    def _cross(
        cls,
        y: NDArray[np.int64],
        class_names: Sequence[str],
        named: Sequence[tuple[tuple[str, ...], NDArray[np.int64] | NDArray[np.float64]]],
        source: str,
        origin: str,
    ) -> Groups:
        hard = all(given.ndim == 1 for _, given in named)
        names, first = named[0]
        values = first if hard else one_hot(first, len(names))
        for more, other in named[1:]:
            names = tuple(f"{a}+{b}" for a in names for b in more)
            if hard:
                values = values * len(more) + other
            else:
                values = (values[:, :, None] * one_hot(other, len(more))[:, None, :]).reshape(len(y), -1)
        return cls(y, values, tuple(class_names), names, source, origin)

    def split_by(self, values: tuple[str, ...], posterior: NDArray[np.float64], origin: str = "") -> Groups:
        """Return every group split by the values of one more attribute, given their posterior ``(N, V)``.

        `origin` says what made the values; see the class.

        Examples
        --------
        >>> by_class = Groups.by_class(np.array([0, 1]), ("cat", "dog"))
        >>> by_class.split_by(("small", "large"), np.eye(2)).names
        ('cat, small', 'cat, large', 'dog, small', 'dog, large')
        """
        if self.source == "class":
            return self._cross(self.y, self.class_names, [(values, posterior)], "pseudo", origin)
        both = f"{self.origin}+{origin}" if self.origin and origin else ""
        return self._cross(
            self.y, self.class_names, [(self.attribute_names, self.values), (values, posterior)], self.source, both
        )

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_groups(self) -> int:
        """K x A, empty groups included."""
        return len(self.class_names) * len(self.attribute_names)

    @property
    def hard(self) -> bool:
        """Whether the attribute of every sample is known: one integer per row, and no posterior is kept."""
        return self.values.ndim == 1

    @property
    def posterior(self) -> NDArray[np.float64]:
        """Probability of each attribute value, shape ``(N, A)``; one-hot rows where the value is known."""
        return one_hot(self.values, len(self.attribute_names))

    @cached_property
    def attribute(self) -> NDArray[np.int64]:
        """The most probable attribute value of each sample, shape ``(N,)``."""
        return np.asarray(self.values if self.hard else self.values.argmax(axis=1), dtype=np.int64)

    @property
    def index(self) -> NDArray[np.int64]:
        """The group of each sample, shape ``(N,)``."""
        return self.y * len(self.attribute_names) + self.attribute

    @property
    def counts(self) -> NDArray[np.int64]:
        """Samples in each group, shape ``(G,)``."""
        return np.bincount(self.index, minlength=self.n_groups).astype(np.int64)

    @property
    def class_of_group(self) -> NDArray[np.int64]:
        """The class each group belongs to, shape ``(G,)``."""
        return np.arange(self.n_groups, dtype=np.int64) // len(self.attribute_names)

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """Class and attribute of each group."""
        return tuple((label, value) for label in self.class_names for value in self.attribute_names)

    @property
    def names(self) -> tuple[str, ...]:
        """``"class, attribute"`` of each group."""
        return tuple(group_name(label, value) for label, value in self.labels)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the group's name of each sample, shape ``(N,)``: what fairlearn and scikit-learn take for groups."""
        return np.asarray(self.names, dtype=object)[self.index].astype(dtype or object)

    def name(self, g: int) -> str:
        """Return the name of one group."""
        k, a = divmod(g, len(self.attribute_names))
        return group_name(self.class_names[k], self.attribute_names[a])

    def membership(self, *, soft: bool = False) -> NDArray[np.float64]:
        """Return how much each sample belongs to each group, shape ``(N, G)``, rows summing to one.

        For a look at small data: fitting uses :class:`~debias_pt.utils.membership.Membership`, which keeps
        one integer per sample, or its posterior.

        Parameters
        ----------
        soft : bool
            Spread a sample over the groups of its class by the posterior, instead of one-hot.
        """
        membership = np.zeros((len(self), len(self.class_names), len(self.attribute_names)))
        membership[np.arange(len(self)), self.y] = (
            self.posterior if soft else one_hot(self.attribute, membership.shape[2])
        )
        return membership.reshape(len(self), -1)

    def sizes(self, *, soft: bool = False) -> NDArray[np.float64]:
        """Return the number of samples of each group, the expected one if `soft`, shape ``(G,)``."""
        if self.hard or not soft:
            return self.counts.astype(np.float64)
        columns = [np.bincount(self.y, column, len(self.class_names)) for column in self.posterior.T]
        return np.stack(columns, axis=1).astype(np.float64).reshape(-1)

    def rows(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Groups:
        """Return the groups of some of the samples."""
        return replace(self, y=self.y[rows], values=self.values[rows])

    def warn_if_small(self, *, soft: bool = False) -> None:
        """Warn of groups that are empty or have fewer than 10 (expected) samples: by name, or of many at once."""
        sizes = np.round(self.sizes(soft=soft), 1)
        small = np.flatnonzero(sizes < SMALL_GROUP)
        small = small[np.argsort(sizes[small], kind="stable")]
        kind = "" if self.source == "class" else f"{self.source} "
        if len(small) > SHOWN_GROUPS:
            warnings.warn(self._many_small(kind, sizes, small), DebiasWarning, stacklevel=2)
            return
        for g in small.tolist():
            name, size = self.name(g), float(sizes[g])
            what = (
                f"has {counted(size, 'sample')}; its weight rests on very few" if size else "is empty; its weight is 0"
            )
            warnings.warn(f"the {kind}group ({name}) {what}", DebiasWarning, stacklevel=2)

    def _many_small(self, kind: str, sizes: NDArray[np.float64], small: NDArray[np.int64]) -> str:
        """Say in one line how many groups are empty, how many are small, and which are the smallest of these."""
        few = small[sizes[small] > 0]
        shown = "; ".join(f"({self.name(g)}) with {sizes[g]:g}" for g in few[:SHOWN_GROUPS].tolist())
        smallest = f", the smallest are {shown}" if len(few) else ""
        return (
            f"of {self.n_groups} {kind}groups {len(small) - len(few)} are empty (their weight is 0) and {len(few)} "
            f"have fewer than {SMALL_GROUP} samples (their weights rest on very few){smallest}"
        )


def one_hot(values: NDArray[np.int64] | NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return rows of a posterior as they are, integers ``(N,)`` as one-hot rows ``(N, size)``."""
    if values.ndim == 2:
        return values.astype(np.float64, copy=False)
    rows = np.zeros((len(values), size))
    rows[np.arange(len(values)), values.astype(np.int64, copy=False)] = 1.0
    return rows


def group_name(label: str, value: str | None) -> str:
    """Return how a group is called.

    Examples
    --------
    >>> group_name("cat", "indoors"), group_name("cat", "")
    ('cat, indoors', 'cat')
    """
    return f"{label}, {value}" if value else label


def known_groups(dataset: ImageDataset) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the group of every image and the groups' names: class x annotation, or the classes where there is none.

    Returns
    -------
    index : ndarray of int, shape (N,)
    names : tuple of str
    """
    if not dataset.attributes:
        return dataset.y, dataset.class_names
    groups = Groups.true(dataset.y, dataset.class_names, list(dataset.attributes.values()))
    return groups.index, groups.names
