"""What a tuner can do beyond its process: save and load, go to the Hub and come from there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from debias_pt.groups.groups import Groups
from debias_pt.groups.metrics import GroupReport
from debias_pt.models.backbone import Backbone
from debias_pt.settings import FitSettings
from debias_pt.training.selection import RULES

if TYPE_CHECKING:
    from debias_pt.training.tuner import PromptTuner

T = TypeVar("T", bound="SharedTuner")


class SharedTuner:
    """Base of the tuner: everything that moves a fitted one."""

    settings: FitSettings
    train_groups_: Groups | None
    data_: str | None = None
    _oracle: bool | None = None

    @property
    def oracle_(self) -> bool | None:
        """Whether annotated attributes were used, to fit or to select a step; None if that is not known."""
        if self._oracle is not None or self.train_groups_ is None:
            return self._oracle
        return self.train_groups_.source == "true" or RULES[str(self.settings.select)].uses_true_attributes

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
        >>> PromptTuner.load("tuners/birds").predict(features)  # doctest: +SKIP
        """
        from debias_pt.training.sharing.saved_tuner import save_tuner

        return save_tuner(cast("PromptTuner", self), path)

    @classmethod
    def load(
        cls: type[T],
        path: str | Path,
        *,
        model: str | None = None,
        pretrained: str | None = None,
        device: str = "cpu",
        backbone: Backbone | None = None,
    ) -> T:
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
        from debias_pt.training.sharing.saved_tuner import load_tuner_state

        tuner = cls.__new__(cls)
        vars(tuner).update(load_tuner_state(path, model, pretrained, device, backbone))
        return tuner

    def export(self, path: str | Path, *, seed: int | None = None) -> Path:
        """Write image tower and classifier for other runtimes: preprocessed images in, logits out.

        Parameters
        ----------
        path : path-like
            ``.onnx`` for ONNX, ``.pt2`` for ``torch.export``; a folder becomes an open_clip checkpoint
            (``local-dir:``), with the class weights beside it.
        seed : int, optional
            Which of the seeds; default the first.

        Raises
        ------
        UsageError
            For another ending, a seed that was not fitted, a missing package, or a model that open_clip cannot name.

        Examples
        --------
        >>> tuner.export("birds.onnx")                            # doctest: +SKIP
        """
        from debias_pt.training.sharing.exports import export_tuner

        return export_tuner(cast("PromptTuner", self), path, seed)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        result: Mapping[str, Any] | GroupReport | None = None,
        licence: str | None = None,
        private: bool = False,
        token: str | None = None,
    ) -> str:
        """Upload the tuner to the Hugging Face Hub, with a model card.

        Parameters
        ----------
        repo_id : str
            ``"user/name"``; made if it does not exist.
        result : mapping or GroupReport, optional
            Figures for the card: a run's ``result``, or what :meth:`score` returned.
        licence : str, optional
            Of what was learned, by the Hub's name, such as ``"apache-2.0"``. The terms of the model and of the images
            go on applying; the card says so.
        private : bool
            Make a private repository.
        token : str, optional
            Default the one that ``hf auth login`` stored.

        Returns
        -------
        str
            The commit's address.

        Raises
        ------
        UsageError
            If nothing was fitted, or the Hub refuses.
        """
        from debias_pt.training.sharing.hub import push

        return push(cast("PromptTuner", self), repo_id, result, licence=licence, private=private, token=token)

    @classmethod
    def from_pretrained(
        cls: type[T], repo_id: str, *, revision: str | None = None, token: str | None = None, **where: Any
    ) -> T:
        """Load a tuner from the Hub, or from a folder.

        Parameters
        ----------
        repo_id : str
            ``"user/name"``, or a folder.
        revision : str, optional
            Branch, tag or commit.
        token : str, optional
        **where
            ``model``, ``pretrained``, ``device``, ``backbone``; see :meth:`load`.

        Raises
        ------
        UsageError
            If there is no such repository, or it holds no tuner.
        """
        from debias_pt.training.sharing.hub import fetch

        folder = repo_id if Path(repo_id).is_dir() else fetch(repo_id, revision, token)
        return cls.load(folder, **where)
