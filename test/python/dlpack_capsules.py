"""DLPack capsules made by hand, as another library might make them: right and wrong ones."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

CPU, CUDA = 1, 2
FLOAT, INTEGER = 2, 0

_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _View(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("dimensions", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", _View), ("context", ctypes.c_void_p), ("deleter", _Deleter))


class _ManagedVersioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", _View),
    )


_Destructor = ctypes.CFUNCTYPE(None, ctypes.py_object)
_api = ctypes.pythonapi
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_api.PyCapsule_IsValid.argtypes = (ctypes.c_void_p, ctypes.c_char_p)


#: Tensors and capsules call back when they go: what they call stays for good.
_KEPT: list[Foreign] = []


def _call_deleter(capsule: int, name: bytes, form: Any) -> None:
    if _api.PyCapsule_IsValid(capsule, name) and form.deleter:
        form.deleter(ctypes.addressof(form))


class Foreign:
    """An object with ``__dlpack__`` whose capsule says what the test wants it to say.

    ``deleted`` counts how often the memory was given back.
    """

    def __init__(
        self,
        array: np.ndarray,
        *,
        versioned: bool = True,
        major: int = 1,
        flags: int = 0,
        dimensions: int | None = None,
        shape: list[int] | None = None,
        strides: list[int] | None = None,
        null_shape: bool = False,
        null_data: bool = False,
        byte_offset: int = 0,
        code: int = FLOAT,
        bits: int = 32,
        lanes: int = 1,
        device: tuple[int, int] = (CPU, 0),
        null_deleter: bool = False,
    ) -> None:
        self.array = array
        self.deleted = 0
        sizes = list(array.shape) if shape is None else shape
        self._shape = (ctypes.c_int64 * max(len(sizes), 1))(*sizes)
        view = _View()
        view.data = None if null_data else array.ctypes.data
        view.device[:] = device
        view.dimensions = len(sizes) if dimensions is None else dimensions
        view.code, view.bits, view.lanes = code, bits, lanes
        if not null_shape:
            view.shape = ctypes.cast(self._shape, ctypes.POINTER(ctypes.c_int64))
        if strides is not None:
            self._strides = (ctypes.c_int64 * max(len(strides), 1))(*strides)
            view.strides = ctypes.cast(self._strides, ctypes.POINTER(ctypes.c_int64))
        view.byte_offset = byte_offset
        self._deleter = _Deleter(self._delete)
        self.form = _ManagedVersioned() if versioned else _Managed()
        if versioned:
            self.form.major, self.form.flags = major, flags
        self.form.tensor = view
        if not null_deleter:
            self.form.deleter = self._deleter
        self._name = b"dltensor_versioned" if versioned else b"dltensor"

        @ctypes.CFUNCTYPE(None, ctypes.c_void_p)
        def destroy(capsule: int) -> None:
            _call_deleter(capsule, self._name, self.form)

        self._destroy = destroy
        _KEPT.append(self)
        self.capsule: Any = _api.PyCapsule_New(
            ctypes.addressof(self.form), self._name, ctypes.cast(destroy, ctypes.c_void_p)
        )

    def _delete(self, _: int) -> None:
        self.deleted += 1

    def __dlpack__(self, **_: Any) -> Any:
        capsule, self.capsule = self.capsule, None
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.form.tensor.device[0], self.form.tensor.device[1]
