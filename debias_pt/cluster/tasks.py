"""Independent calls as tasks of a cluster, which does a lost one again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from debias_pt.cluster.join import joined
from debias_pt.errors import DebiasError, FingerprintError, WorkerError
from debias_pt.utils.versions import public_versions

T = TypeVar("T")
PACKAGES = ("debias-pt", "torch")  # what a result depends on
TRIES = 3  # times that a lost call is done again


def remote_calls(
    engine: str, function: Callable[..., T], calls: Iterable[tuple[Any, ...]], *, gpu: bool = False
) -> Iterator[tuple[int, T]]:
    """Yield each call's number and result, in the order in which they are done.

    Parameters
    ----------
    engine : str
        ``ray`` or ``ray:ADDRESS``.
    function : callable
        Of a module that every worker has, or an object; sent once.
    calls : iterable of tuple
        Arguments, all of them objects that can be sent; taken as the cluster has room, one for each result at last.
    gpu : bool
        Each call takes a GPU; otherwise one core.

    Raises
    ------
    UsageError
        If there is no such cluster.
    FingerprintError
        If a worker has another version of debias-pt or torch.
    WorkerError
        If a call was lost with several workers.
    DebiasError
        What a call raised.
    """
    source = enumerate(calls)
    first = next(source, None)  # before a cluster is started for nothing
    if first is None:
        return
    with joined(engine) as ray:
        task = ray.remote(_checked).options(num_cpus=1, num_gpus=1 if gpu else 0, max_retries=TRIES)
        here = public_versions(PACKAGES)

        sent = ray.put(function)  # once: it may hold a model

        def send(call: tuple[Any, ...]) -> Any:
            return task.remote(here, [sent, ray.put(call)])

        waiting = {send(first[1]): first[0]}
        most = max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1)))
        while waiting:
            for number, call in islice(source, max(0, most - len(waiting))):
                waiting[send(call)] = number
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            number = waiting.pop(done)
            yield number, _result(ray, done)
            most = max(1, int(ray.cluster_resources().get("GPU" if gpu else "CPU", 1)))


def _result(ray: Any, done: Any) -> Any:
    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, DebiasError) else error) from None
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise WorkerError(f"lost with {TRIES + 1} workers, last: {reason}; what was done is kept, run again") from error


def _checked(wanted: dict[str, str], sent: list[Any]) -> Any:
    """Compare versions, and only then read what was sent: it may not be readable with another version."""
    for package, seen in public_versions(PACKAGES).items():
        if seen != wanted[package]:
            raise FingerprintError(f"a worker's {package} is {seen}, here it is {wanted[package]}; install the same")
    import ray

    function, call = ray.get(sent)
    return function(*call)
