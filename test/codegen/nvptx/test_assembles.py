"""Each op's kernels become PTX that ptxas accepts, without a spill or a stall of tensor cores."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from op_row import OpRow
from op_table import OPS
from programs import array, programs
from ptx import CHIPS, HAS_PTXAS, assemble, ptx_of

needs_ptxas = pytest.mark.skipif(
    not HAS_PTXAS, reason="did not run: ptxas of the CUDA toolkit is not in the search path"
)


# Their float64 expansions leave large angles to a processor's library.
NEED_A_LIBRARY = {(name, "float64") for name in ("sin", "cos", "tan")}


def _check(text: str, chip: str) -> None:
    assert ".visible .entry" in text
    report = assemble(text, chip)
    assert report.spills == 0, report.text
    assert report.stalls == []


def _attributes(row: OpRow) -> dict[str, object]:
    values = {"int": 1, "ints": (1,), "float": 1.0, "bool": False}
    return {attribute.name: values[attribute.kind] for attribute in row.attributes}


@needs_ptxas
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("row", OPS, ids=lambda row: row.python)
def test_op_of_the_table(row: OpRow, chip: str) -> None:
    function = getattr(weft, row.python)
    attributes = _attributes(row)

    def run(*arguments: weft.Tensor) -> list[weft.Tensor]:
        width = len(row.operands)
        return [
            function(*arguments[first : first + width], **attributes)
            for first in range(0, len(arguments), width)
        ]

    # Sizes of their own keep the dtypes in kernels of their own.
    arguments = [
        array(4 * number + 8, dtype=dtype if dtype in operand.dtypes() else operand.dtypes()[0])
        for number, dtype in enumerate(row.operands[-1].dtypes())
        for operand in row.operands
        if (row.python, dtype) not in NEED_A_LIBRARY
    ]
    text = ptx_of(run, *arguments, chip=chip)
    if "weft.kernel" in weft.jit(run).lower(*arguments, target=f"cuda:{chip}").ir("kernels"):
        _check(text, chip)
    else:  # The op gives its operand, as stop_gradient does.
        assert ".entry" not in text


PROGRAMS = programs()


@needs_ptxas
@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, chip: str) -> None:
    function, arguments = PROGRAMS[name]
    _check(ptx_of(function, *arguments, chip=chip), chip)


@pytest.mark.parametrize(("name", "dtype"), sorted(NEED_A_LIBRARY))
def test_no_library(name: str, dtype: str) -> None:
    function = getattr(weft, name)
    with pytest.raises(weft.WeftError, match=rf"{name} of {dtype} can't be .* convert to float32"):
        ptx_of(lambda x: function(x), array(8, dtype=dtype))


def test_unknown_target() -> None:
    with pytest.raises(weft.UnsupportedError, match=r"cuda:sm_10.*cuda:sm_80, cuda:sm_90a"):
        ptx_of(weft.exp, weft.asarray(np.ones(3)), chip="sm_10")


def test_unknown_level() -> None:
    lowered = weft.jit(weft.exp).lower(weft.asarray(np.ones(3)), target="cuda:sm_80")
    with pytest.raises(weft.UnsupportedError, match="weft, kernels, loops, llvm and ptx"):
        lowered.ir("asm")
