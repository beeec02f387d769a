"""What records a program as it runs, where PyTorch's programs look for it: see weft.profiler."""

from .._refused import refusing as _refusing
from ..profiler import profile, record_function

__all__ = ["profile", "record_function"]

__getattr__ = _refusing("autograd.profiler")
