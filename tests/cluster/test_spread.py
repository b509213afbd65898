"""Promises, on a cluster of plain objects: each item's result comes once, whoever dies; an item that takes worker after
worker with it is named; a worker that must not work never gets an item; a machine that cannot work is given up; what
the work raises is raised."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from debias_pt.cluster.spread import AHEAD, TRIES, LostError, Workers
from debias_pt.errors import ImageError, UsageError, WorkerError


class RayError(Exception):
    pass


class DiedError(RayError):
    def __init__(self, text: str = "the node is gone", *, at_start: bool = False) -> None:
        super().__init__(text)
        self.actor_init_failed = at_start


class TaskError(RayError):
    def __init__(self, cause: Exception) -> None:
        super().__init__("a page of traceback")
        self.cause = cause


class Ref:
    def __init__(self, result: Any) -> None:
        self.result = result


class Ray:
    """Answers the newest question first; an actor dies after as many items as it was given."""

    exceptions = SimpleNamespace(RayActorError=DiedError, RayTaskError=TaskError, RayError=RayError)

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
    def __init__(self, items: int = 10**9, *, full: bool = False) -> None:
        self.left, self.full = items, full

    def work(self, item: int) -> Ref:
        self.left -= 1
        if self.full:
            return Ref(TaskError(WorkerError("the worker on b: [Errno 28] No space left on device")))
        return Ref(DiedError() if self.left < 0 or item == POISON else TaskError(BAD) if item == WRONG else item**2)


POISON, WRONG = -1, -2
BAD = ImageError("a.jpg: cannot read this image")


def crew(lives: list[int], greeting: Any = "hello", full: int = 0) -> tuple[Workers[Any], list[Actor]]:
    """Actors that live for so many items each, then immortal ones; the first `full` have no room on their disk."""
    hired: list[Actor] = []

    def hire() -> Actor:
        items = lives[len(hired)] if len(hired) < len(lives) else 10**9
        hired.append(Actor(items, full=len(hired) < full))
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


def test_a_machine_without_room_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    workers, hired = crew([], full=1)
    found = list(workers.spread(range(20), Actor.work))
    assert sorted(found) == [(i, i**2) for i in range(20)]
    assert workers.ray.killed == hired[:1]
    assert len(hired) == 2
    assert [line.getMessage() for line in caplog.records] == [
        "a worker is given up; its part is done by others: the worker on b: [Errno 28] No space left on device"
    ]


def test_no_room_anywhere_is_one_line() -> None:
    workers, hired = crew([], full=2)
    with pytest.raises(LostError, match=r"no worker is left; the last: the worker on b: .*No space left") as raised:
        list(workers.spread(range(20), Actor.work))
    assert "\n" not in str(raised.value)
    assert workers.ray.killed == hired


def test_all_are_dismissed() -> None:
    workers, hired = crew([])
    workers.dismiss()
    assert workers.ray.killed == hired
