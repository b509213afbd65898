"""Groups: class x attribute, with the numbering that WILDS and group_DRO use."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from debias_pt.datasets.attributes import PseudoAttribute, TrueAttribute
from debias_pt.datasets.base import ImageDataset
from debias_pt.errors import DebiasWarning, UsageError
from debias_pt.utils.words import counted

SMALL_GROUP = 10


@dataclass(frozen=True)
class Groups:
    """The group of each of N samples, ``g = y * n_attributes + a`` (DPT, section on groups).

    Parameters
    ----------
    y : ndarray of int, shape (N,)
        Class labels.
    posterior : ndarray of float, shape (N, A)
        Probability of each attribute value; one-hot rows for true attributes.
    class_names : tuple of str
        K names.
    attribute_names : tuple of str
        A names; the values of several attributes are joined by ``+``.
    source : {"pseudo", "true", "class"}
        Where the attribute comes from. True attributes make whatever is fitted with them an oracle; with ``"class"``
        there is none, and the groups are the classes.

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
    posterior: NDArray[np.float64]
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        if self.posterior.shape != (len(self.y), len(self.attribute_names)):
            raise UsageError(
                f"posterior has shape {self.posterior.shape} for {len(self.y)} labels and "
                f"{len(self.attribute_names)} attribute values; give one row per label, one column per value"
            )

    @classmethod
    def pseudo(cls, y: NDArray[np.int64], class_names: Sequence[str], attributes: Sequence[PseudoAttribute]) -> Groups:
        """Cross classes with the probe's answers, the joint posterior of several attributes being their product."""
        named = [(attribute.values, attribute.posterior) for attribute in attributes]
        return cls._cross(y, class_names, named, "pseudo")

    @classmethod
    def true(cls, y: NDArray[np.int64], class_names: Sequence[str], attributes: Sequence[TrueAttribute]) -> Groups:
        """Cross classes with annotated attributes: an oracle when fitted with, the report_groups when reported by."""
        named = [(attribute.values, np.eye(len(attribute.values))[attribute.labels]) for attribute in attributes]
        return cls._cross(y, class_names, named, "true")

    @classmethod
    def by_class(cls, y: NDArray[np.int64], class_names: Sequence[str]) -> Groups:
        """Return the classes as groups, for methods that need no attribute.

        Examples
        --------
        >>> Groups.by_class(np.array([0, 1, 1]), ("cat", "dog")).names
        ('cat', 'dog')
        """
        return cls(y, np.ones((len(y), 1)), tuple(class_names), ("",), "class")

    @classmethod
    def _cross(
        cls,
        y: NDArray[np.int64],
        class_names: Sequence[str],
        named: Sequence[tuple[tuple[str, ...], NDArray[np.float64]]],
        source: str,
    ) -> Groups:
        values, posterior = named[0]
        for more, other in named[1:]:
            values = tuple(f"{a}+{b}" for a in values for b in more)
            posterior = (posterior[:, :, None] * other[:, None, :]).reshape(len(y), -1)
        return cls(y, posterior, tuple(class_names), values, source)

    def split_by(self, values: tuple[str, ...], posterior: NDArray[np.float64]) -> Groups:
        """Return every group split by the values of one more attribute, given their posterior ``(N, V)``.

        Examples
        --------
        >>> by_class = Groups.by_class(np.array([0, 1]), ("cat", "dog"))
        >>> by_class.split_by(("small", "large"), np.eye(2)).names
        ('cat, small', 'cat, large', 'dog, small', 'dog, large')
        """
        known = [] if self.source == "class" else [(self.attribute_names, self.posterior)]
        source = "pseudo" if self.source == "class" else self.source
        return self._cross(self.y, self.class_names, [*known, (values, posterior)], source)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_groups(self) -> int:
        """K x A, empty groups included."""
        return len(self.class_names) * len(self.attribute_names)

    @property
    def attribute(self) -> NDArray[np.int64]:
        """The most probable attribute value of each sample, shape ``(N,)``."""
        return np.asarray(self.posterior.argmax(axis=1), dtype=np.int64)

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

    def membership(self, *, soft: bool = False) -> NDArray[np.float64]:
        """Return how much each sample belongs to each group, shape ``(N, G)``, rows summing to one.

        Parameters
        ----------
        soft : bool
            Spread a sample over the groups of its class by the posterior, instead of one-hot.
        """
        values = self.posterior if soft else np.eye(len(self.attribute_names))[self.attribute]
        classes = np.eye(len(self.class_names))[self.y]
        return (classes[:, :, None] * values[:, None, :]).reshape(len(self), -1)

    def rows(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Groups:
        """Return the groups of some of the samples."""
        return replace(self, y=self.y[rows], posterior=self.posterior[rows])

    def warn_if_small(self, *, soft: bool = False) -> None:
        """Warn of groups that are empty or have fewer than 10 (expected) samples, by name."""
        counts = np.round(self.membership(soft=soft).sum(axis=0), 1)
        kind = "" if self.source == "class" else f"{self.source} "
        for name, count in zip(self.names, counts.tolist(), strict=True):
            if count == 0:
                warnings.warn(f"the {kind}group ({name}) is empty; its weight is 0", DebiasWarning, stacklevel=2)
            elif count < SMALL_GROUP:
                warnings.warn(
                    f"the {kind}group ({name}) has {counted(count, 'sample')}; its weight rests on very few",
                    DebiasWarning,
                    stacklevel=2,
                )


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
