"""The tuner: fit, predict, score."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from debias_pt.datasets.base import require_classes
from debias_pt.errors import FingerprintError, UsageError
from debias_pt.features.table import FeatureTable
from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport, known_counts
from debias_pt.methods.composition import complete, fill, method_of, parts
from debias_pt.methods.grouping import fitted_rows, is_inferred, make_groups
from debias_pt.models.backbone import Backbone
from debias_pt.models.feature_backbone import FeatureBackbone, is_without_model, require_features, require_maker
from debias_pt.models.heads import Head
from debias_pt.models.heads.base import class_logits
from debias_pt.reweighting import Reweighter
from debias_pt.settings import FitSettings, resolve
from debias_pt.training.callbacks import Callback, Progress
from debias_pt.training.data import FitData
from debias_pt.training.fit_checks import (
    check_fit,
    criterion,
    head_kind,
    require_distinct_runs,
    require_head,
    scheduler,
    validation_rows,
)
from debias_pt.training.fit_plan import plan
from debias_pt.training.inputs import Inputs, feature_blocks
from debias_pt.training.run_group import RunGroup
from debias_pt.training.selection import RULES
from debias_pt.training.several_devices import training_of
from debias_pt.training.tuner_files import TunerState, read_tuner, write_tuner
from debias_pt.utils.fingerprint import require_match
from debias_pt.utils.progress import progress

__all__ = ["PromptTuner", "Tuner", "check_fit", "criterion", "scheduler"]


Origin = tuple[str | None, str | None, dict[str, Any], str, str]  # name, weights, fingerprint, device, precision
NO_MODEL: Origin = (None, None, {}, "cpu", "fp32")


def _source_of(backbone: Backbone) -> Origin:
    return (*backbone.source, backbone.fingerprint, str(backbone.device), backbone.precision)


class Tuner:
    """Learns a prompt, or another head, for a frozen model, with group weights that adapt during training.

    A pickle of a tuner holds what was learned and the model's name, not its weights; they are loaded again when an
    image is to be encoded or the tuner fitted.

    Parameters
    ----------
    backbone : Backbone or None
        The frozen model. None, for features of a model that is not here: heads that read no words (``head="linear"``,
        ``"standardized"``) can be fitted, and features classified.
    settings : FitSettings, optional
        All settings at once.
    **options
        Single settings by name, over `settings`: ``method="dpt"``, ``eta=2.0``, ``seeds=3``; see
        :class:`debias_pt.settings.FitSettings`.

    Attributes
    ----------
    head_ : Head
        What was learned; R runs.
    scale_ : float
        Factor from products of unit vectors to logits.
    class_weights_ : ndarray, shape (R, K, D)
        Unit class weights; ``features @ class_weights_[r].T`` is all that plain open_clip needs. With the head
        ``group-prompt``, which has V prompts per class, ``(R, K V, D)``.
    selected_steps_ : list of int
        Updates each run's kept parameters had seen.
    train_groups_ : Groups or None
        The training groups it was fitted with; None if the head was loaded.
    inferred_ : dict or None
        With ``infer_groups``: what was inferred, see :func:`debias_pt.infer_groups`.

    Raises
    ------
    UnknownNameError, UsageError
        For a method, loss, rule or option that does not exist, with the nearest name.

    Examples
    --------
    >>> tuner = Tuner(backbone, method="dpt", seeds=3)             # doctest: +SKIP
    >>> tuner.fit(table, groups)                                          # doctest: +SKIP
    >>> tuner.score(table, true_groups, split="test").worst_group_accuracy  # doctest: +SKIP
    array([0.67, 0.68, 0.67])
    >>> tuner.predict(["bird.jpg"], ensemble=True)                        # doctest: +SKIP
    array([1])
    """

    scale_: float
    class_names_: tuple[str, ...]
    class_weights_: NDArray[np.float32]
    selected_steps_: list[int]
    train_groups_: Groups | None = None
    inferred_: dict[str, Any] | None = None
    data_: str | None = None
    _oracle: bool | None = None
    _annotated: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed

    def __init__(self, backbone: Backbone | None, settings: FitSettings | None = None, **options: Any) -> None:
        self._backbone: Backbone | None = backbone
        self._source = NO_MODEL if backbone is None else _source_of(backbone)
        self._head: Head | dict[str, torch.Tensor] | None = None
        names = FitSettings.__dataclass_fields__  # only the settings that concern fitting
        given = {name: getattr(settings, name) for name in names} if settings else {}
        self.settings = complete(resolve(FitSettings, given, options))
        check_fit(self.settings)
        if backbone is None:
            require_head(self.settings, FeatureBackbone(1), ("one", "other"))

    def __repr__(self) -> str:
        """Name the settings that are not the default, the model, and whether it is fitted."""
        changed = [f"{name}={value!r}" for name, value in self.changed_settings().items()]
        state = f"fitted to {len(self.class_names_)} classes" if self._head is not None else "not fitted"
        return f"Tuner({', '.join([self._model(), *changed])}): {state}"

    def _repr_html_(self) -> str:
        """Show the tuner in a notebook: its settings, and what it was fitted to."""
        from debias_pt.pages.render import fragment
        from debias_pt.training.tuner_view import tuner_blocks

        state = self.state() if self._head is not None else None
        return fragment(*tuner_blocks(self._model(), self.settings, self.changed_settings(), state, self.train_groups_))

    def _model(self) -> str:
        if self._backbone is None and self._source[0] is None:
            return "no backbone"
        return repr(self._backbone) if self._backbone else f"Backbone({self._source[0]!r}, not loaded)"

    def changed_settings(self) -> dict[str, Any]:
        """Return the method and what it does not decide itself, where that is not the default."""
        plain = {**vars(fill(FitSettings(method=self.settings.method))), "method": FitSettings().method}
        return {name: value for name, value in vars(self.settings).items() if value != plain[name]}

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_backbone"}
        return {**state, "_head": self.head_.state_dict() if self._head is not None else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _backbone=None)

    @property
    def backbone(self) -> Backbone:
        """The frozen model; after unpickling it is loaded when it is first needed.

        Raises
        ------
        FingerprintError
            If its files have changed since.
        """
        if self._backbone is None:
            model, pretrained, fingerprint, device, precision = self._source
            device = device if device == "cpu" or torch.cuda.is_available() else "auto"
            if model is None and is_without_model(fingerprint):
                self._backbone = FeatureBackbone(fingerprint["features"], made_by=fingerprint["made_by"])
                return self._backbone
            if model is None:
                raise UsageError("this tuner's backbone was not loaded by name; assign one: tuner.backbone = ...")
            self.backbone = Backbone.load(model, pretrained, device=device, precision=precision)
            assert self._backbone is not None
        return self._backbone

    @backbone.setter
    def backbone(self, backbone: Backbone) -> None:
        known = self._source[2]
        if is_without_model(known) and not isinstance(backbone, FeatureBackbone):
            require_maker(known, known["features"], backbone, "this tuner")
        else:
            require_match(backbone.fingerprint, known, "the tuner's model", "give the model it was")
        self._backbone = backbone

    @property
    def head_(self) -> Head:
        """What was learned; R runs."""
        self._require_fitted()
        if isinstance(self._head, dict):
            head = self.make_head(self.class_names_)
            head.load_state_dict(self._head)
            self._head = head
        assert isinstance(self._head, Head)
        return self._head

    def _require_fitted(self) -> None:
        if self._head is None:
            from debias_pt.training.not_fitted import NotFittedError

            raise NotFittedError("this tuner has learned nothing yet; call fit first, or open a finished run: open_run")

    @property
    def rule(self) -> str:
        """The rule that says which step to keep."""
        return str(self.settings.select)

    @property
    def parts_(self) -> dict[str, Any]:
        """What the fit is made of; see :func:`debias_pt.methods.parts`."""
        return parts(self.settings, self.train_groups_)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed per run."""
        return tuple(range(self.settings.seed, self.settings.seed + self.settings.seeds))

    @property
    def oracle_(self) -> bool | None:
        """Whether annotated attributes were used, to fit or to select a step; None if that is not known."""
        if self._oracle is not None or self.train_groups_ is None:
            return self._oracle
        return self.train_groups_.source == "true" or RULES[self.rule].uses_true_attributes

    def fit(
        self,
        table: FeatureTable,
        groups: Groups | None = None,
        *,
        validation_groups: Groups | None = None,
        reweighter: Reweighter | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Tuner:
        """Train on the table's ``train`` rows, select on its ``val`` rows.

        Parameters
        ----------
        table : FeatureTable
            N rows with both splits.
        groups : Groups, optional
            Of all N rows, annotated or made by :func:`debias_pt.make_groups`; those of the fitted rows are used.
            Methods that ask for no attribute (``erm``, ``class-balanced``, ``inferred``) need none.
        validation_groups : Groups, optional
            Of all N rows, for the selection rule; default `groups`, or the classes where groups are inferred.
        reweighter : Reweighter, optional
            A fresh scheduler instead of the one that the settings name.
        callbacks : sequence of Callback
            Told of the start and of every update: checkpoints, measurements. Progress is shown anyway.

        Raises
        ------
        UsageError
            If the method needs groups and none are given, or is defined by other groups than those given.
        FingerprintError
            If the features come from another backbone.
        NonFiniteError
            If training diverges; names step, group and learning rate.
        """
        run_group = self.run_group(table, groups, validation_groups=validation_groups, reweighter=reweighter)
        training = training_of(self.make_head, self.class_names_, self.backbone, [run_group])
        with progress(f"fitting {self.settings.method}", self.settings.steps, "steps") as advance:
            training.run([*callbacks, Progress(advance)])
        self._adopt(training.head, run_group)
        return self

    def run_group(
        self,
        table: FeatureTable,
        groups: Groups | None = None,
        *,
        validation_groups: Groups | None = None,
        reweighter: Reweighter | None = None,
        share_features_with: RunGroup | None = None,
    ) -> RunGroup:
        """Return what :meth:`fit` would fit with the same arguments, to fit it together with others.

        See :func:`debias_pt.training.stacking.fit_together`.

        Parameters
        ----------
        table, groups, validation_groups, reweighter
            As for :meth:`fit`.
        share_features_with : RunGroup, optional
            A run group made from the same table: its features are shared instead of copied.

        Raises
        ------
        FingerprintError
            If the features come from another backbone.
        """
        if self._source == NO_MODEL:
            backbone = FeatureBackbone(table.features.shape[1], made_by=table.fingerprint)
            self._backbone, self._source = backbone, _source_of(backbone)
        require_features(table.fingerprint, table.features.shape[1], self.backbone, table.name)
        require_classes(table.name, table.class_names)
        reweighter = scheduler(self.settings) if reweighter is None else reweighter
        if groups is None and RULES[self.rule].uses_true_attributes:
            raise UsageError(f"the selection rule {self.rule!r} needs groups; give them: fit(table, Groups.true(...))")
        device, fitted = self.backbone.device, fitted_rows(table, self.settings)
        made = make_groups(table, self.settings, groups)
        if validation_groups is None:
            first = made if groups is None else groups
            # Values are inferred for the rows that are fitted, and no others.
            validation_groups = Groups.by_class(table.y, table.class_names) if is_inferred(first) else first
        train_groups = made.rows(fitted)
        if method_of(self.settings).uses_groups and not is_inferred(made):
            train_groups.warn_if_small(soft=bool(self.settings.soft))
        self.inferred_ = made.facts.get("inferred")
        how = plan(table, len(train_groups), self.settings, device)
        require_distinct_runs(how.settings, len(train_groups))
        self.train_groups_ = train_groups
        self._annotated = {name: true.rows(table.split == "train") for name, true in table.attributes.items()}
        self.class_names_, self.data_, self._oracle = table.class_names, table.name, None
        train, val = (
            FitData.of(table, of, device, soft=soft, rows=np.flatnonzero(rows), mapped=how.mapped)
            for rows, of, soft in (
                (fitted, train_groups, bool(self.settings.soft)),
                validation_rows(table, validation_groups, self.rule, fitted),
            )
        )
        if share_features_with is not None:
            shared = ((train, share_features_with.train), (val, share_features_with.val))
            train, val = (replace(a, features=b.features) if len(a) == len(b) else a for a, b in shared)
        return RunGroup(criterion(self.settings), reweighter, how.settings, self.seeds, train, val, made)

    def _adopt(self, head: Head, run_group: RunGroup) -> None:
        """Take what a finished fit learned in this tuner's run group of it."""
        if len(run_group.seeds) != len(next(head.parameters())):
            state = {name: value[run_group.runs] for name, value in head.state_dict().items()}
            head = self.make_head(self.class_names_)
            head.load_state_dict(state)
        self._head = head
        self.selected_steps_ = run_group.selector.step_.tolist()
        self._refresh_weights()

    def make_head(
        self, class_names: Sequence[str], seeds: Sequence[int] | None = None, backbone: Backbone | None = None
    ) -> Head:
        """Build the untrained head that the settings describe; for other `seeds` or another `backbone`, if given."""
        seeds = self.seeds if seeds is None else seeds
        return head_kind(self.settings)(
            self.backbone if backbone is None else backbone, class_names, seeds, self.settings
        )

    @classmethod
    def reopened(
        cls, backbone: Backbone, settings: FitSettings, class_names: Sequence[str], state: dict[str, torch.Tensor]
    ) -> Tuner:
        """Return the tuner of a finished run, which may be of a version that allowed what is refused today."""
        names = FitSettings.__dataclass_fields__
        known = resolve(FitSettings, {name: getattr(settings, name) for name in names})
        tuner = cls(backbone)
        tuner.settings = fill(known)
        return tuner.load_head(class_names, state)

    def load_head(self, class_names: Sequence[str], state: dict[str, torch.Tensor]) -> Tuner:
        """Load a saved head instead of fitting one; another head's or other classes' is refused."""
        self.class_names_ = tuple(class_names)
        head = self.make_head(class_names)
        try:
            head.load_state_dict(state)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise FingerprintError(f"what was learned does not fit head {self.settings.head!r}: {reason}") from error
        self._head = head
        self._refresh_weights()
        return self

    def _refresh_weights(self) -> None:
        """Take ``class_weights_`` and ``scale_`` from the head as it now is."""
        self.scale_ = self.head_.scale
        with torch.no_grad():  # copied: it may be a view of a parameter
            self.class_weights_ = self.head_.class_weights(self.head_()).float().cpu().numpy().copy()

    def logits(self, inputs: Inputs) -> NDArray[np.float32]:
        """Return logits ``(R, N, K)`` of images or their unit features ``(N, D)``; see :meth:`predict`."""
        return np.concatenate(list(self._logits(inputs)), axis=1)

    def _logits(self, inputs: Inputs) -> Iterator[NDArray[np.float32]]:
        """Yield logits ``(R, n, K)``, block by block where features are in a file, else of all at once."""
        self._require_fitted()
        for features in feature_blocks(inputs, lambda: self.backbone, self.class_weights_.shape[-1]):
            logits = torch.from_numpy(self.scale_ * (features @ self.class_weights_.transpose(0, 2, 1)))
            yield class_logits(logits, len(self.class_names_)).numpy()

    def predict(self, inputs: Inputs, *, ensemble: bool = False) -> NDArray[np.int64]:
        """Return class labels.

        Parameters
        ----------
        inputs : Inputs
            Unit features ``(N, D)``, a table, an image file or a list of them, a folder, or images at hand in Python.
        ensemble : bool
            One answer for all seeds, by their mean probability, as ``debias-pt predict`` gives it.

        Returns
        -------
        ndarray of int, shape (R, N), or (N,) with `ensemble`

        Raises
        ------
        UsageError
            If nothing was fitted or loaded, or `inputs` is nothing of the kind.
        ImageError
            If an image cannot be read.
        """
        if ensemble:
            return np.asarray(self.predict_proba(inputs, ensemble=True).argmax(axis=-1), dtype=np.int64)
        return np.concatenate([block.argmax(axis=-1) for block in self._logits(inputs)], axis=1)

    def predict_proba(self, inputs: Inputs, *, ensemble: bool = False) -> NDArray[np.float64]:
        """Return class probabilities ``(R, N, K)``, or with `ensemble` their mean ``(N, K)``; see :meth:`predict`."""
        probabilities: NDArray[np.float64] = torch.from_numpy(self.logits(inputs)).double().softmax(dim=-1).numpy()
        return np.asarray(probabilities.mean(axis=0)) if ensemble else probabilities

    def score(
        self,
        table: FeatureTable,
        groups: Groups,
        train_counts: NDArray[np.int64] | None = None,
        *,
        split: str | None = None,
        ensemble: bool = False,
    ) -> GroupReport:
        """Report accuracy by group.

        Parameters
        ----------
        table : FeatureTable
            N rows, usually one split.
        groups : Groups
            Of these rows.
        train_counts : ndarray of int, shape (G,), optional
            Sizes of the same groups in training, for the adjusted average. Default: those of the table's training
            rows, if `split` is given; else those it was fitted with, or those of the annotations of the table that it
            was fitted on, if `groups` are of that kind; else the adjusted average is NaN.
        split : str, optional
            Report on these rows of the table only: ``"train"``, ``"val"`` or ``"test"``.
        ensemble : bool
            Report on the one answer of all seeds; see :meth:`predict`.
        """
        if split is not None:
            train = groups.rows(table.split == "train").counts
            groups, table = groups.rows(table.split == split), table.where(split)
            train_counts = train if train_counts is None else train_counts
        counts = known_counts(groups, self.train_groups_, self._annotated) if train_counts is None else train_counts
        answers = self.predict(table.features, ensemble=ensemble)
        seeds = self.seeds[:1] if ensemble else self.seeds
        return GroupReport.of(answers.reshape(len(seeds), -1), groups, counts, seeds)

    def state(self) -> TunerState:
        """Return what was learned and what it belongs to, without the model.

        Raises
        ------
        UsageError
            If nothing was fitted.
        """
        self._require_fitted()
        head = self._head if isinstance(self._head, dict) else self.head_.state_dict()  # not to load the model for it
        return TunerState(
            source=self._source,
            settings=self.settings,
            class_names=self.class_names_,
            class_weights=self.class_weights_,
            scale=self.scale_,
            head=head,
            data=self.data_,
            oracle=self.oracle_,
            inferred=self.inferred_,
            selected_steps=getattr(self, "selected_steps_", None),
        )

    def save(self, path: str | Path) -> Path:
        """Write what was learned into a folder: ``tuner.safetensors`` and ``tuner.json``, without pickle.

        The model is named, not stored. An older tuner there is replaced as a whole.

        Parameters
        ----------
        path : path-like
            A new folder, or one that holds a saved tuner.

        Raises
        ------
        UsageError
            If nothing was fitted.
        OutputError
            If the folder holds anything else, or cannot be written to.

        Examples
        --------
        >>> tuner.save("tuners/birds")                          # doctest: +SKIP
        >>> Tuner.load("tuners/birds").predict(features)  # doctest: +SKIP
        """
        return write_tuner(self.state(), path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        model: str | None = None,
        pretrained: str | None = None,
        device: str = "cpu",
        backbone: Backbone | None = None,
    ) -> Tuner:
        """Load a tuner that :meth:`save` wrote.

        Features are classified at once; the model is loaded when an image has to be encoded, and must be the one that
        the tuner was fitted with.

        Parameters
        ----------
        path : path-like
            The folder.
        model, pretrained : str, optional
            Where the model is now, if it has moved.
        device : str
            Where to load the model.
        backbone : Backbone, optional
            The model itself.

        Raises
        ------
        UsageError
            If there is no saved tuner.
        FingerprintError
            If its files are damaged, or the model is another one.
        """
        state = read_tuner(path, model=model, pretrained=pretrained, device=device)
        tuner = cls.__new__(cls)
        tuner._backbone, tuner._source, tuner._head = None, state.source, state.head
        tuner.settings, tuner.class_names_ = state.settings, state.class_names
        tuner.class_weights_, tuner.scale_ = state.class_weights, state.scale
        tuner.data_, tuner._oracle, tuner.inferred_ = state.data, state.oracle, state.inferred
        if state.selected_steps is not None:
            tuner.selected_steps_ = state.selected_steps
        if backbone is not None:
            tuner.backbone = backbone
        return tuner

    def export(self, *_: object, **__: object) -> NoReturn:
        """Refuse: now :func:`debias_pt.export_tuner`."""
        raise UsageError("tuner.export(path) is now debias_pt.export_tuner(tuner, path)")

    def push_to_hub(self, *_: object, **__: object) -> NoReturn:
        """Refuse: now :func:`debias_pt.push_to_hub`."""
        raise UsageError("tuner.push_to_hub(name, licence=...) is now debias_pt.push_to_hub(tuner, name, license=...)")

    @classmethod
    def from_pretrained(cls, *_: object, **__: object) -> NoReturn:
        """Refuse: now :func:`debias_pt.from_hub`."""
        raise UsageError("Tuner.from_pretrained(name) is now debias_pt.from_hub(name)")


PromptTuner = Tuner  # its name until 0.2; it fits linear heads as well
