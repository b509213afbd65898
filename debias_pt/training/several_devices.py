"""Stacked runs on several devices: each does the text pass of some of the runs, all at the same time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.func import functional_call

from debias_pt.models.backbone import Backbone
from debias_pt.models.heads.base import Head
from debias_pt.models.heads.prompt import FEW_ON_GPU
from debias_pt.training.loop import Training
from debias_pt.training.run_group import RunGroup


def view_on(backbone: Backbone, place: int) -> Backbone:
    """Return the backbone as if the one of its devices with that place were its only one."""
    view = copy.copy(backbone)
    vars(view).pop("replicas", None)
    view.model, view.device = backbone.replicas[place], backbone.devices[place]
    view.devices = (view.device,)
    return view


def splits(backbone: Backbone, head: Head, runs: int, classes: int) -> bool:
    """Tell whether a stack of runs is worth splitting over the backbone's devices.

    Few prompts are not: a GPU needs as long to start their kernels as those of one.
    """
    several = len(backbone.devices) > 1 and runs > 1 and head.passes_text
    return several and (backbone.device.type != "cuda" or runs * classes > FEW_ON_GPU)


class SplitPass:
    """Gives a head's class weights ``(R, K, D)``, computed on all devices of a backbone.

    Parameters and everything else of a fit stay on the first device, so that what is saved does not depend on how many
    there are. Gradients flow back through the copies to the parameters.

    Parameters
    ----------
    head : Head
        Of all R runs, on the first device.
    backbone : Backbone
        With several devices.
    make : callable
        Builds the same head for some of the seeds on a backbone: ``make(seeds, backbone)``.
    seeds : sequence of int
        R of them.

    Examples
    --------
    >>> SplitPass(head, backbone, make, seeds=[0, 1, 2])().shape  # doctest: +SKIP
    torch.Size([3, 2, 512])
    """

    def __init__(
        self, head: Head, backbone: Backbone, make: Callable[[Sequence[int], Backbone], Head], seeds: Sequence[int]
    ) -> None:
        self.head, self.device = head, backbone.device
        parts = torch.arange(len(seeds)).tensor_split(min(len(backbone.devices), len(seeds)))
        self.runs = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
        views = [view_on(backbone, place) for place in range(len(self.runs))]
        self.devices = [view.device for view in views]
        self.heads = [make(seeds[runs], view) for view, runs in zip(views, self.runs, strict=True)]
        self._threads = ThreadPoolExecutor(len(self.runs), "text pass")

    def __call__(self) -> Tensor:
        """Start all parts, each from a thread of its own, and join what they give on the first device."""
        with_gradient = torch.is_grad_enabled()
        begun = [self._threads.submit(self._part, place, with_gradient) for place in range(len(self.runs))]
        return torch.cat([part.result().to(self.device) for part in begun])

    def _part(self, place: int, with_gradient: bool) -> Tensor:
        device, runs = self.devices[place], self.runs[place]
        own = {name: value[runs].to(device) for name, value in self.head.named_parameters()}
        with torch.set_grad_enabled(with_gradient), torch.cuda.device(device if device.type == "cuda" else -1):
            return torch.as_tensor(functional_call(self.heads[place], own, ()))


class MakeHead(Protocol):
    """Builds an untrained head, as :meth:`~debias_pt.training.tuner.Tuner.make_head` does."""

    def __call__(self, class_names: Sequence[str], seeds: Sequence[int], backbone: Backbone) -> Head:
        """Return the head of these seeds on a backbone."""


def training_of(
    make_head: MakeHead, class_names: Sequence[str], backbone: Backbone, run_groups: Sequence[RunGroup]
) -> Training:
    """Return the one training of a stack of runs, before its first step, on as many devices as pay.

    Parameters
    ----------
    make_head : callable
        Builds the head that all runs share; see :class:`MakeHead`.
    class_names : sequence of str
        K names.
    backbone : Backbone
        With one device or several.
    run_groups : sequence of RunGroup
        R runs in all.
    """
    make = partial(make_head, class_names)
    seeds = [seed for run_group in run_groups for seed in run_group.seeds]
    head = make(seeds, backbone)
    if not splits(backbone, head, len(seeds), len(class_names)):
        return Training(head, run_groups)
    return Training(head, run_groups, SplitPass(head, backbone, make, seeds))
