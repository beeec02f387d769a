"""Where LAPACK and BLAS are: those that SciPy brings."""

from __future__ import annotations

import ctypes
import functools
import importlib

from . import _core
from ._creation import _fail
from ._errors import UnsupportedError


def _address(capsule: object) -> int:
    """What a capsule of Cython's interface points to."""
    name_of, pointer_of = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return pointer_of(capsule, name_of(capsule))


@functools.cache
def require_lapack() -> None:
    """Makes LAPACK known to the functions that compiled code calls.

    Raises:
        UnsupportedError: there is no SciPy, or one without these functions.
    """
    try:
        modules = [
            importlib.import_module(f"scipy.linalg.cython_{name}") for name in ("lapack", "blas")
        ]
    except ImportError:
        raise _fail(
            UnsupportedError,
            "weft.linalg computes by LAPACK, which SciPy brings: pip install scipy",
        ) from None
    addresses = {
        name: _address(capsule)
        for module in modules
        for name, capsule in module.__pyx_capi__.items()
        if name[0] in "sdcz"
    }
    if not _core.provide_lapack(addresses):
        raise _fail(UnsupportedError, "weft.linalg: this SciPy lacks functions of LAPACK")
