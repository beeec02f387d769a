"""Several processes that compute together: ``mpirun -n 4 python train.py``, or ``torchrun``.

Each runs the same program on its part of the data. `init` connects them; then functions here, which
may be part of compiled functions and have gradients, combine what they have::

    import weft
    import weft.distributed as dist

    dist.init()
    total = dist.all_reduce(weft.ones(3) * dist.rank())

A program that is started as usual is a group of one process, and runs unchanged.
"""

from __future__ import annotations

from .._errors import CommunicationError
from ._checkpoints import last_checkpoint, load_checkpoint, save_checkpoint
from ._data_parallel import DistributedDataParallel, share_state
from ._fully_sharded import FullyShardedDataParallel
from ._groups import (
    Group,
    barrier,
    finalize,
    init,
    is_initialized,
    new_group,
    rank,
    world_size,
)
from ._objects import all_gather_object, broadcast_object
from ._operations import (
    all_gather,
    all_reduce,
    all_to_all,
    broadcast,
    merge,
    permute,
    reduce,
    reduce_scatter,
    replicate,
    shift,
)
from ._sharded_optimizer import ZeroRedundancyOptimizer
from ._tensor_parallel import ColumnParallelLinear, RowParallelLinear

__all__ = [
    "ColumnParallelLinear",
    "CommunicationError",
    "DistributedDataParallel",
    "FullyShardedDataParallel",
    "Group",
    "RowParallelLinear",
    "ZeroRedundancyOptimizer",
    "all_gather",
    "all_gather_object",
    "all_reduce",
    "all_to_all",
    "barrier",
    "broadcast",
    "broadcast_object",
    "finalize",
    "init",
    "is_initialized",
    "last_checkpoint",
    "load_checkpoint",
    "merge",
    "new_group",
    "permute",
    "rank",
    "reduce",
    "reduce_scatter",
    "replicate",
    "save_checkpoint",
    "share_state",
    "shift",
    "world_size",
]
