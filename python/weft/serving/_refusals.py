"""What is answered where something can't be done: one kind of error for HTTP and gRPC."""

from __future__ import annotations

import re
from enum import Enum

from .._errors import FileError, OptionError, UnsupportedError, WeftError


class Kind(Enum):
    """Why a request is refused: the status of HTTP, and the name of that of gRPC."""

    INVALID = 400, "INVALID_ARGUMENT"
    UNKNOWN_CALLER = 401, "UNAUTHENTICATED"
    NOT_FOUND = 404, "NOT_FOUND"
    SLOW = 408, "DEADLINE_EXCEEDED"
    TOO_LARGE = 413, "RESOURCE_EXHAUSTED"
    FULL = 429, "RESOURCE_EXHAUSTED"
    FAULT = 500, "INTERNAL"
    UNAVAILABLE = 503, "UNAVAILABLE"
    LATE = 504, "DEADLINE_EXCEEDED"

    @property
    def http(self) -> int:
        """The status of HTTP."""
        return self.value[0]

    @property
    def grpc(self) -> str:
        """The name of gRPC's status."""
        return self.value[1]


class RefusedError(WeftError):
    """A request that gets no result, and why."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ClosedError(RefusedError):
    """A request that came too late for a version: another may have taken its place."""

    def __init__(self) -> None:
        super().__init__(Kind.UNAVAILABLE, "the model is being unloaded")


def invalid(message: str) -> RefusedError:
    """The refusal of a request that can't be meant."""
    return RefusedError(Kind.INVALID, message)


def reason(error: BaseException) -> str:
    """An error's message, without the places in source files that it begins with."""
    text = re.sub(r"^([^ ]*:[0-9]+: )+", "", str(error))
    return text or type(error).__name__


def refusal_of(error: BaseException) -> RefusedError:
    """What a request is told of an error that its computation raised."""
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, MemoryError):
        return RefusedError(Kind.TOO_LARGE, f"there is no memory for this: {reason(error)}")
    # What the request asked for; files and faults of weft's own are not its matter.
    if isinstance(error, WeftError) and not isinstance(error, (FileError, UnsupportedError)):
        return invalid(reason(error))
    return RefusedError(Kind.FAULT, f"the model failed: {type(error).__name__}: {reason(error)}")


def refused_setting(message: str) -> OptionError:
    """The error of a setting, which is no line of the user's program."""
    return OptionError(message)
