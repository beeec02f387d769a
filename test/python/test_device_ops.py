"""Every op with a generated function on a device: the bits of the processor, in each dtype."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from devices import DEVICES, moved
from numerics import assert_same_bits
from op_row import OpRow
from test_op_table import SHAPES, _cases, _inputs, _special_inputs

#: A column of odd length, and operands that are broadcast.
DEVICE_SHAPES = [SHAPES[2], SHAPES[3]]

#: Large angles of these are the library's business on a processor, and a GPU has no library.
NOT_IN_DOUBLE = ("sin", "cos", "tan")


@pytest.mark.parametrize("place", DEVICES)
@pytest.mark.parametrize(("row", "dtype"), _cases())
def test_an_op_gives_the_bits_of_the_processor(row: OpRow, dtype: str, place: str) -> None:
    device = weft.device(place)
    function = getattr(weft, row.python)
    drawn = [_inputs(row, dtype, shapes) for shapes in DEVICE_SHAPES]
    for inputs in [*drawn, _special_inputs(row, dtype)]:
        arguments = [weft.asarray(x, copy=True) for x in inputs]
        if dtype == "float64" and row.python in NOT_IN_DOUBLE:
            with pytest.raises(weft.UnsupportedError, match="can't be computed on a GPU"):
                function(*moved(arguments, device))
            continue
        result = function(*moved(arguments, device))
        assert result.device == device
        assert_same_bits(result.cpu(), function(*arguments), f"{row.python} of {dtype}")


@pytest.mark.parametrize("place", DEVICES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_remainders_of_any_bits_are_exact(dtype: str, place: str) -> None:
    """Subnormal numbers, quotients of hundreds of digits, infinities and NaN are among them."""
    device, generator = weft.device(place), np.random.default_rng(0)
    bits = np.dtype(dtype.replace("float", "uint"))
    x, y = (generator.integers(0, np.iinfo(bits).max, 4096, bits).view(dtype) for _ in range(2))
    with np.errstate(all="ignore"):
        near = y * generator.integers(1, 1000, 4096).astype(dtype)
        tiny = np.finfo(dtype).smallest_subnormal * generator.integers(1, 1000, 4096).astype(dtype)
        for left in (x, y, near, tiny):
            for right in (y, tiny, np.full_like(y, np.inf)):
                tensors = [weft.asarray(array).to(device) for array in (left, right)]
                result = weft.remainder(*tensors).cpu()
                assert_same_bits(result, np.remainder(left, right), f"remainder of {dtype}")
