"""Estimators and scorers for scikit-learn: group reweighting in pipelines, grid searches and cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from debias_pt.utils.lazy import lazy_names

if TYPE_CHECKING:
    from debias_pt.sklearn.debiased_classifier import DebiasedClassifier
    from debias_pt.sklearn.group_scores import (
        group_accuracy_gap,
        make_group_scorer,
        mean_group_score,
        worst_group_score,
    )
    from debias_pt.sklearn.groups_of import infer_attribute
    from debias_pt.sklearn.logistic_regression import GroupReweightedLogisticRegression

__all__ = [
    "DebiasedClassifier",
    "GroupReweightedLogisticRegression",
    "group_accuracy_gap",
    "infer_attribute",
    "make_group_scorer",
    "mean_group_score",
    "worst_group_score",
]
__getattr__ = lazy_names(__name__)
