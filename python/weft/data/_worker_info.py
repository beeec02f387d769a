"""What workers and loaders tell about themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class WorkerInfo:
    """What `get_worker_info` tells a worker about itself.

    Attributes:
        id: its number. num_workers: how many there are. seed: what its random numbers began from,
        another one in each worker and epoch. dataset: its copy of the dataset.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker of a `DataLoader` what it is, elsewhere None."""
    return _info


def set_worker_info(info: WorkerInfo) -> None:
    """Has `get_worker_info` return this from now on."""
    global _info
    _info = info


class SupersededError(RuntimeError):
    """An epoch that is asked for a batch after another one with the same workers has begun."""
