"""Watching programs: what ran, for how long, by which line of the user's.

`profile` records the kernels, calls, compiles and memory of whatever runs inside of it.
"""

from ._events import Event, Source
from ._record import profile, record_function, schedule, tensorboard_trace_handler

__all__ = [
    "Event",
    "Source",
    "profile",
    "record_function",
    "schedule",
    "tensorboard_trace_handler",
]
