"""A worker of a cluster that there is time to kill."""

from __future__ import annotations

import time

from debias_pt.features import ray_encoding


class SlowWorker(ray_encoding.ImageWorker):
    """Takes its time, so that there is a middle to be killed in."""

    def encode(self, paths: tuple[str, ...], batch_size: int) -> ray_encoding.Result:
        time.sleep(0.4)
        return super().encode(paths, batch_size)
