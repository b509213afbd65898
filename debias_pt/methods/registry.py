"""The registry of methods: those with a file, those of other packages, and schedulers that stand alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from debias_pt.errors import UsageError
from debias_pt.models.heads import HEADS
from debias_pt.reweighting import REWEIGHTERS
from debias_pt.utils.registry import Registry

if TYPE_CHECKING:
    from debias_pt.methods.base import Method


class MethodRegistry(Registry["Method"]):
    """Methods by name.

    A scheduler that no method is made of is a method too, with the probe's groups and a prompt. A method that brings a
    scheduler or a head of its own makes them known under its own name.
    """

    def __getitem__(self, name: str) -> Method:
        if not super().__contains__(name):
            if name not in self._alone():
                raise KeyError(name)
            from debias_pt.methods.base import Method

            return Method(scheduler=name)
        method = super().__getitem__(name)
        if not isinstance(method.scheduler, str):
            _make_known(REWEIGHTERS, name, method.scheduler, "scheduler")
            method = replace(method, scheduler=name)
        if not isinstance(method.head, str):
            _make_known(HEADS, name, method.head, "head")
            method = replace(method, head=name)
        self._things[name] = method
        return method

    def _alone(self) -> set[str]:
        """Return the schedulers that no built-in method is made of."""
        own = [super(MethodRegistry, self).__getitem__(name) for name in self._modules]
        return {*REWEIGHTERS} - {str(method.scheduler) for method in own} - {*super().__iter__()}

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._alone()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*super().__iter__(), *self._alone()}))


def _make_known(registry: Registry, name: str, thing: object, kind: str) -> None:  # type: ignore[type-arg]
    if name in registry and registry[name] is not thing:
        raise UsageError(
            f"the method {name!r} brings a {kind}, but there is another one of that name; rename the method"
        )
    registry[name] = thing
