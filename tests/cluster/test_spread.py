"""Promises, on a cluster of plain objects: each item's result comes once, whoever dies; an item that takes worker after
worker with it is named; a worker that must not work never gets an item; what the work raises is raised."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from debias_pt.cluster.spread import AHEAD, TRIES, LostError, Workers
from debias_pt.errors import ImageError, UsageError


class DiedError(Exception):
    def __init__(self, text: str = "the node is gone", *, at_start: bool = False) -> None:
        super().__init__(text)
        self.actor_init_failed = at_start


class TaskError(Exception):
    def __init__(self, cause: Exception) -> None:
        super().__init__("a page of traceback")
        self.cause = cause


class ObjectLostError(Exception):
    pass


class Ref:
    def __init__(self, result: Any) -> None:
        self.result = result


class Ray:
    """Answers the newest question first; an actor dies after as many items as it was given."""

    exceptions = SimpleNamespace(RayActorError=DiedError, RayTaskError=TaskError, ObjectLostError=ObjectLostError)

    def __init__(self) -> None:
        self.killed: list[Any] = []

    def wait(self, refs: list[Ref], num_returns: int, timeout: float) -> tuple[list[Ref], list[Ref]]:
        return [refs[-1]], refs[:-1]

    def get(self, ref: Ref) -> Any:
        if isinstance(ref.result, Exception):
            raise ref.result
        return ref.result

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


class Actor:
    def __init__(self, items: int = 10**9) -> None:
        self.left, self.in_hand = items, 0

    def work(self, item: int) -> Ref:
        self.left -= 1
        return Ref(DiedError() if self.left < 0 or item == POISON else TaskError(BAD) if item == WRONG else item**2)


POISON, WRONG = -1, -2
BAD = ImageError("a.jpg: cannot read this image")


def crew(lives: list[int], greeting: Any = "hello") -> tuple[Workers[Any], list[Actor]]:
    """Actors that live for so many items each, one after the other; then immortal ones."""
    hired: list[Actor] = []

    def hire() -> Actor:
        hired.append(Actor(lives[len(hired)]) if len(hired) < len(lives) else Actor())
        return hired[-1]

    def check(seen: Any) -> None:
        if seen != "hello":
            raise UsageError(f"the greeting is {seen}")

    return Workers(Ray(), hire, lambda actor: Ref(greeting), check, 2), hired


@pytest.mark.parametrize("lives", [[], [3], [0, 5], [2, 2, 2], [0, 0, 4, 1]])
def test_each_result_comes_once(lives: list[int]) -> None:
    workers, hired = crew(lives)
    found = list(workers.spread(range(20), Actor.work))
    assert sorted(found) == [(i, i**2) for i in range(20)]
    assert len(hired) <= 2 + len(lives)


def test_items_are_taken_only_as_workers_become_free() -> None:
    workers, _ = crew([])
    taken: list[int] = []
    results = workers.spread((taken.append(i) or i for i in range(20)), Actor.work)
    next(results)
    assert len(taken) <= 2 * AHEAD


def test_an_item_that_kills_is_named() -> None:
    workers, hired = crew([])
    with pytest.raises(LostError, match=f"-1: lost with {TRIES} workers, last: the node is gone"):
        list(workers.spread([POISON], Actor.work))
    assert len(hired) == 2 + TRIES - 1


def test_what_the_work_raises_is_raised() -> None:
    workers, _ = crew([])
    with pytest.raises(ImageError, match=r"a\.jpg: cannot read this image"):
        list(workers.spread([1, WRONG], Actor.work))


def test_a_worker_that_must_not_work_never_does() -> None:
    workers, _ = crew([], greeting="other")
    with pytest.raises(UsageError, match="the greeting is other"):
        workers.gather()
    assert not workers.ready


def test_a_worker_that_cannot_begin_is_told_of_in_a_line() -> None:
    workers, _ = crew(
        [], greeting=DiedError("traceback\nModuleNotFoundError: No module named 'debias_pt'", at_start=True)
    )
    with pytest.raises(UsageError, match="a worker cannot begin .ModuleNotFoundError: No module named 'debias_pt'.;"):
        workers.gather()


def test_all_are_dismissed() -> None:
    workers, hired = crew([])
    workers.dismiss()
    assert workers.ray.killed == hired
