"""Watching programs: what ran, for how long, by which line of the user's; and figures of training.

`profile` records the kernels, calls, compiles and memory of whatever runs inside of it; `summary`
(also ``weft.summary``) tells what is in a model; `SummaryWriter` and `WandbWriter` keep figures,
distributions, pictures and graphs; `progress` shows how far a loop is. See docs/watching.md.
"""

from .._refused import refusing as _refusing

from ._events import Event, Source
from ._progress import progress
from ._record import profile, record_function, schedule, tensorboard_trace_handler
from ._summary import LayerSummary, ModelSummary, summary
from ._writers import SummaryWriter, WandbWriter, Writer

__all__ = [
    "Event",
    "LayerSummary",
    "ModelSummary",
    "Source",
    "SummaryWriter",
    "WandbWriter",
    "Writer",
    "profile",
    "progress",
    "record_function",
    "schedule",
    "summary",
    "tensorboard_trace_handler",
]


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("profiler")
