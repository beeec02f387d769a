"""Watching programs: what ran, for how long, by which line of the user's.

`profile` records the kernels, calls, compiles and memory of whatever runs inside of it; `summary`
(also ``weft.summary``) tells what is in a model.
"""

from ._events import Event, Source
from ._record import profile, record_function, schedule, tensorboard_trace_handler
from ._summary import LayerSummary, ModelSummary, summary

__all__ = [
    "Event",
    "LayerSummary",
    "ModelSummary",
    "Source",
    "profile",
    "record_function",
    "schedule",
    "summary",
    "tensorboard_trace_handler",
]
