"""Every op with a generated function on a device: the bits of the processor, in each dtype."""

from __future__ import annotations

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
