"""A finished run from Python, in one call."""

from __future__ import annotations

from pathlib import Path

from debias_pt.training.tuner import PromptTuner
from debias_pt.workflows.evaluate import load_tuner, open_run, require_same_model, run_settings
from debias_pt.workflows.prepare import load_backbone


def load_run(
    path: str | Path | None = None,
    *,
    model: str | None = None,
    pretrained: str | None = None,
    device: str | None = None,
) -> PromptTuner:
    """Open a finished run.

    Parameters
    ----------
    path : str or Path, optional
        Its folder; default the newest finished run under ``./runs``.
    model, pretrained : str, optional
        Where the model is now, if it has moved.
    device : str, optional
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``; default the run's.

    Returns
    -------
    PromptTuner
        Fitted: it predicts features, image files and images, and scores tables.

    Raises
    ------
    RunError
        If there is no such run, or it is not finished.
    FingerprintError
        If the model is not the run's.

    Examples
    --------
    >>> tuner = load_run("runs/waterbirds-dpt-20260101-120000")   # doctest: +SKIP
    >>> tuner.predict(["bird.jpg"], ensemble=True)                # doctest: +SKIP
    array([1])
    """
    run = open_run(None if path is None else str(path))
    prompt = run.read_prompt()
    settings = run_settings(run, {"model": model, "pretrained": pretrained, "device": device})
    backbone = load_backbone(settings)
    require_same_model(run, prompt, backbone)
    return load_tuner(prompt, settings, backbone)
