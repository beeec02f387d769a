"""What the compiled core calls in Python: one table, handed over when the package is imported."""

from __future__ import annotations

import copy

from . import (
    _core,
    _creation,
    _devices,
    _dtypes,
    _errors,
    _guards,
    _indexing,
    _left_numbers,
    _linear,
    _printing,
    _pytree,
)
from ._arguments import explain_errors

explain_errors(vars(_indexing), ["get_item", "set_item"])

_core.register_hooks(
    {
        "errors": _errors,
        "scanner": _guards.Scanner,
        "describe_type": _pytree.describe,
        "copy": copy.copy,
        "as_dtype": _dtypes.as_dtype,
        "as_array": _creation.asarray,
        "matmul": _linear.matmul,
        "get_item": _indexing.get_item,
        "set_item": _indexing.set_item,
        "argument_name": _devices.argument_name,
        "is_fixed": _guards.is_fixed,
        "put_numbers": _left_numbers.put_numbers,
        "record_print": _printing.record,
        "print": _printing.show,
    }
)
