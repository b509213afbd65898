"""What discovery names on annotated sets, as a table: ``python -m studies.discovery_names SET... --data-root DATA``.

The annotation is for the table alone: neither discovery nor the words of a set are chosen by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from debias_pt.benchmarks.discovery.suite import agreement_with
from debias_pt.benchmarks.group_robustness.several_sets.compare import settings_of
from debias_pt.benchmarks.shared.tables import markdown_table
from debias_pt.datasets.attributes import Attribute, TrueAttribute, choose_attributes
from debias_pt.discovery import Discovery, find_attributes
from debias_pt.errors import DebiasError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.probe import AttributeProbe
from debias_pt.models.backbone import Backbone
from debias_pt.workflows.discovery.run import load_and_encode

FIRST = 3  # named attributes that count
RIGHT = 0.75  # share of images, the mean over true groups
FOLDS = 5
HEADER = ["set", "images", "errors", "probe on the true words", "named", "right for", "without a name"]


@dataclass(frozen=True)
class Line:
    """One data set of the table.

    Parameters
    ----------
    name : str
    found : Discovery
    probe : float
        See :func:`cross_fitted`.
    right : float or None
        How often the best of the first three named is the annotated value, the mean over true groups.
    """

    name: str
    found: Discovery
    probe: float
    right: float | None

    @property
    def words_suffice(self) -> bool:
        """Whether the model knows the true words."""
        return self.probe >= RIGHT

    @property
    def true_named(self) -> bool:
        """Whether the annotated attribute is among the first three."""
        return self.right is not None and self.right >= RIGHT

    def cells(self) -> list[str]:
        """Return the line as text."""
        named = "; ".join(_short(one.attribute) for one in self.found.findings)
        counts = [str(self.found.images), str(self.found.errors)]
        right = "-" if self.right is None else f"{self.right:.2f}"
        return [self.name, *counts, f"{self.probe:.2f}", named or "nothing", right, str(len(self.found.unnamed))]


def measure(name: str, given: dict[str, Any]) -> Line:
    """Discover on one data set, whose first annotated attribute is compared with.

    Parameters
    ----------
    name : str
        A name, a path, or a JSON file with settings that name the columns and the true words.
    given : dict
        Settings for all sets.

    Raises
    ------
    UsageError
        If the set has no annotation, or no words for it.
    """
    settings = settings_of(name, given)
    dataset, backbone, table = load_and_encode(settings)
    if not table.attributes:
        raise UsageError(f"{name} has no annotated attribute to compare with; name its column: attribute_column")
    (words, *_) = choose_attributes(settings.attribute, dataset.suspects)
    (truth, *_) = table.where("train").attributes.values()
    found = find_attributes(table, backbone)
    train = table.where("train")
    shares = [agreement_with(one, train.y, truth) for one in found.findings[:FIRST]]
    return Line(table.name, found, cross_fitted(train, words, truth, backbone), max(shares, default=None))


def cross_fitted(train: FeatureTable, words: Attribute, truth: TrueAttribute, backbone: Backbone) -> float:
    """Return how often a zero-shot probe on the true words is right, the mean over true groups.

    Raw scores prefer some words whatever the image shows. So a logistic regression on the V scores alone, in which
    every group counts the same, is fitted on four fifths of the annotated images and asked about the last.

    Parameters
    ----------
    train : FeatureTable
        Training rows.
    words : Attribute
    truth : TrueAttribute
    backbone : Backbone
    """
    (scores,) = AttributeProbe(backbone, [words], train.class_names).scores(train.features, train.y)
    return held_out_accuracy(scores, train.y * len(truth.values) + truth.labels, truth.labels)


def held_out_accuracy(scores: NDArray[np.float64], group: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """Return the cross-fitted accuracy on `labels` of scores ``(N, V)``, the mean over groups.

    Examples
    --------
    >>> scores = np.array([[9.0, 8.0], [9.0, 1.0]] * 20)
    >>> held_out_accuracy(scores, np.array([0, 1] * 20), np.array([0, 1] * 20))
    1.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    weight = 1 / np.bincount(group)[group]
    relative = scores - scores.mean(axis=1, keepdims=True)
    answers = np.zeros_like(labels)
    for seen, unseen in KFold(FOLDS, shuffle=True, random_state=0).split(relative):
        model = LogisticRegression(C=10, max_iter=1000)
        model.fit(relative[seen], labels[seen], sample_weight=weight[seen] / weight[seen].mean())
        answers[unseen] = model.predict(relative[unseen])
    right = answers == labels
    return float(np.mean([right[group == one].mean() for one in np.unique(group)]))


def summary(lines: Sequence[Line]) -> str:
    """Say on how many of the sets whose words the model knows the true attribute is named."""
    known = [one for one in lines if one.words_suffice]
    hits = sum(one.true_named for one in known)
    return (
        f"Of {len(lines)} sets the probe on the true words is right for {RIGHT:.0%} or more on {len(known)}; on {hits} "
        f"of these the annotated attribute is among the first {FIRST} that are named."
    )


def _short(attribute: Attribute) -> str:
    return f"{attribute.name}: {', '.join(attribute.values)}"


def main(
    dataset: Annotated[
        list[str], typer.Argument(help="Sets by name, path or JSON file; NAME-mini take the model mini.")
    ],
    data_root: Annotated[str | None, typer.Option(help="As for debias-pt train.")] = None,
    pretrained: Annotated[str | None, typer.Option(help="The checkpoint, for all but the miniatures.")] = None,
    cache_dir: Annotated[str | None, typer.Option(help="Cache of features.")] = None,
) -> None:
    """Print the table in Markdown."""
    try:
        lines = []
        for name in dataset:
            given = {"cache_dir": cache_dir} if cache_dir else {}
            if not name.endswith("-mini"):
                given |= {key: value for key, value in (("data_root", data_root), ("pretrained", pretrained)) if value}
            lines.append(measure(name, given))
    except DebiasError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(error.exit_code) from error
    print(markdown_table(HEADER, [one.cells() for one in lines], left=1))
    print(f"\n{summary(lines)}")


if __name__ == "__main__":
    typer.run(main)
