"""Spreading items over workers that may die: each item is done, and its result comes once."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from debias_pt.errors import DebiasError, UsageError, WorkerError

LOG = logging.getLogger(__name__)

T = TypeVar("T")
TRIES = 3  # workers that an item may take with it before it is held to be the reason
AHEAD = 2  # items a worker has in hand, so that it never waits for the next one
EVERY_S = 30.0


class LostError(DebiasError):
    """Work that was lost with one worker after the other, or that no worker is left for."""


class Workers(Generic[T]):
    """Actors that come and go.

    Parameters
    ----------
    ray : module
        With a cluster joined.
    hire : callable
        Starts an actor; it may take long to come, or never come.
    admit : callable
        Given an actor, returns the reference of its greeting.
    check : callable
        Given the greeting, raises for an actor that must not work.
    number : int
        How many to have.
    """

    def __init__(
        self, ray: Any, hire: Callable[[], Any], admit: Callable[[Any], Any], check: Callable[[T], object], number: int
    ) -> None:
        self.ray, self.hire, self.admit, self.check = ray, hire, admit, check
        self.coming: dict[Any, Any] = {}
        self.ready: list[Any] = []
        for _ in range(number):
            self.call_one()

    def call_one(self) -> None:
        """Start another actor."""
        actor = self.hire()
        self.coming[self.admit(actor)] = actor

    def greet(self, reference: Any) -> None:
        """Take in an actor that has come, if it may work; call another one for one that died on the way."""
        actor = self.coming.pop(reference)
        try:
            self.check(self.ray.get(reference))
        except self.ray.exceptions.RayActorError as error:
            if error.actor_init_failed:
                reason = str(error).strip().splitlines()[-1]
                raise UsageError(
                    f"a worker cannot begin ({reason}); install the same debias-pt on every machine, and put model and "
                    "images where all see them"
                ) from None
            self.call_one()
        else:
            self.ready.append(actor)

    def gather(self) -> None:
        """Wait until those that were called at first are here, or half a minute has passed; each is checked."""
        deadline = time.monotonic() + EVERY_S
        while self.coming and time.monotonic() < deadline:
            done, _ = self.ray.wait(list(self.coming), num_returns=1, timeout=1.0)
            for reference in done:
                self.greet(reference)

    def spread(self, items: Iterable[Any], call: Callable[[Any, Any], Any]) -> Iterator[tuple[Any, Any]]:
        """Yield items with their results, in the order in which they are done.

        Parameters
        ----------
        items : iterable
            Taken as workers become free.
        call : callable
            Given an actor and an item, starts the work and returns the reference of its result.

        Raises
        ------
        LostError
            If an item was lost with several workers, or every worker was given up.
        DebiasError
            What the work itself raised, unless it is a `WorkerError`: that machine is given up, others do the item.
        """
        errors = self.ray.exceptions
        source, again = iter(items), deque[Any]()
        under_way: dict[Any, tuple[Any, Any]] = {}  # reference to actor and item
        lost: dict[int, int] = {}
        over, reason = False, ""
        while True:
            for actor in [actor for actor in self.ready for _ in range(AHEAD)]:
                if sum(one is actor for one, _ in under_way.values()) >= AHEAD:
                    continue
                item = again.popleft() if again else next(source, None) if not over else None
                if item is None:
                    over = True
                    break
                under_way[call(actor, item)] = (actor, item)
            if over and not under_way and not again:
                return
            if not self.ready and not self.coming:
                raise LostError(f"no worker is left; the last: {reason}; what was done is kept, run the same again")
            done, _ = self.ray.wait([*under_way, *self.coming], num_returns=1, timeout=EVERY_S)
            if not done and not self.ready:
                LOG.warning("waiting: the cluster has no room for a worker (ray status says why)")
            for reference in done:
                if reference in self.coming:
                    self.greet(reference)
                    continue
                actor = under_way[reference][0]
                in_work = next(item for one, item in under_way.values() if one is actor)  # the others were waiting
                _, item = under_way.pop(reference)
                try:
                    result = self.ray.get(reference)
                except errors.RayTaskError as error:
                    if not isinstance(error.cause, WorkerError):
                        raise (error.cause if isinstance(error.cause, DebiasError) else error) from None
                    reason, part_with = str(error.cause), self._give_up
                except errors.RayError as error:
                    reason, part_with = " ".join(str(error).split())[:200], self._replace
                else:
                    yield item, result
                    continue
                again.append(item)
                if actor not in self.ready:
                    continue
                lost[id(in_work)] = lost.get(id(in_work), 0) + 1
                if lost[id(in_work)] >= TRIES:
                    raise LostError(f"{in_work}: lost with {TRIES} workers, last: {reason}")
                self.ready.remove(actor)
                part_with(actor, reason)

    def _replace(self, actor: Any, reason: str) -> None:
        LOG.warning("a worker is gone; its part is done again by others")
        LOG.debug("%s: %s", actor, reason)
        self.ray.kill(actor)  # it may live: what it computed was lost on the way
        self.call_one()

    def _give_up(self, actor: Any, reason: str) -> None:
        """Stop a worker on a machine that cannot do the work; another one might come to the same machine."""
        LOG.warning("a worker is given up; its part is done by others: %s", reason)
        self.ray.kill(actor)

    def dismiss(self) -> None:
        """Stop all actors."""
        for actor in (*self.ready, *self.coming.values()):
            self.ray.kill(actor)
