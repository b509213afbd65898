"""Independent calls as tasks of a cluster, which does a lost one again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from debias_pt.cluster.join import joined
from debias_pt.errors import DebiasError, FingerprintError
from debias_pt.utils.versions import public_versions

T = TypeVar("T")
PACKAGES = ("debias-pt", "torch")  # what a result depends on


def remote_calls(
    engine: str, function: Callable[..., T], calls: Sequence[tuple[Any, ...]], *, gpu: bool = False
) -> Iterator[tuple[int, T]]:
    """Yield each call's number and result, in the order in which they are done.

    Parameters
    ----------
    engine : str
        ``ray`` or ``ray:ADDRESS``.
    function : callable
        Of a module that every worker has.
    calls : sequence of tuple
        Arguments, all of them objects that can be sent.
    gpu : bool
        Each call takes a GPU; otherwise one core.

    Raises
    ------
    UsageError
        If there is no such cluster.
    FingerprintError
        If a worker has another version of debias-pt or torch.
    DebiasError
        What a call raised.
    """
    if not calls:
        return
    with joined(engine) as ray:
        task = ray.remote(_checked).options(num_cpus=1, num_gpus=1 if gpu else 0, max_retries=3)
        here = public_versions(PACKAGES)
        waiting = {task.remote(here, function, call): number for number, call in enumerate(calls)}
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            number = waiting.pop(done)
            try:
                result: T = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, DebiasError) else error) from None
            yield number, result


def _checked(wanted: dict[str, str], function: Callable[..., T], call: tuple[Any, ...]) -> T:
    for package, seen in public_versions(PACKAGES).items():
        if seen != wanted[package]:
            raise FingerprintError(f"a worker's {package} is {seen}, here it is {wanted[package]}; install the same")
    return function(*call)
