"""What the PTX of each template is made of."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from programs import programs
from ptx import CHIPS, ptx_of

PROGRAMS = programs()


def _program(name: str) -> tuple[Any, ...]:
    function, arguments = PROGRAMS[name]
    return (function, *arguments)


def _instructions(name: str, chip: str = "sm_80") -> Counter[str]:
    """How often each instruction is in the PTX of a program."""
    text = ptx_of(*_program(name), chip=chip)
    return Counter(re.findall(r"^\s+(?:@!?%p\d+ )?([a-z][\w.]*)\s", text, re.MULTILINE))


def test_elementwise_is_vectorised() -> None:
    found = _instructions("broadcast")
    assert found["ld.global.nc.v4.b32"] == 2
    assert found["st.global.v4.b32"] == 1


def test_row_is_read_once() -> None:
    found = _instructions("softmax_long")
    # Eight vectors of a thread hold its part of a row of 5000 elements; all else is the path for
    # memory that is not aligned.
    assert found["ld.global.nc.v4.b32"] == 8
    assert found["shfl.sync.down.b32"] == 20


def test_columns_without_atomics() -> None:
    found = _instructions("sum_columns_float32")
    assert found["ld.global.nc.v4.b32"] > 0
    assert not [name for name in found if name.startswith(("atom", "red."))]


def test_transpose_through_shared_memory() -> None:
    found = _instructions("transpose")
    assert found["st.shared.b32"] == found["ld.shared.b32"] == 4
    assert found["bar.sync"] == 2


def test_matmul_is_fused_multiply_add() -> None:
    found = _instructions("matmul_large_float32")
    assert found["fma.rn.f32"] >= 8 * 8 * 16
    assert found["ld.shared.v4.b32"] >= 4 * 16


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_tensor_cores(dtype: str) -> None:
    kind = {"float16": "f16", "bfloat16": "bf16"}[dtype]
    found = _instructions(f"matmul_{dtype}")
    assert found[f"mma.sync.aligned.m16n8k16.row.col.f32.{kind}.{kind}.f32"] == 16
    assert found["cp.async.cg.shared.global"] > 0
    assert found["ldmatrix.sync.aligned.m8n8.x4.shared.b16"] > 0
    assert found["ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"] > 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_warpgroups(dtype: str) -> None:
    kind = {"float16": "f16", "bfloat16": "bf16"}[dtype]
    for name, columns, boxes in (("", 128, 3), ("_gelu", 128, 3), ("_wide", 256, 5)):
        program = f"warpgroups{name}_{dtype}"
        found = _instructions(program, "sm_90a")
        text = ptx_of(*_program(program), chip="sm_90a")
        product = f"wgmma.mma_async.sync.aligned.m64n{columns}k16.f32.{kind}.{kind}"
        # A step of 64, four times 16.
        assert text.count(product) == 4
        copy = "cp.async.bulk.tensor.2d.shared::cluster.global"
        assert text.count(copy) == boxes
        assert text.count(".param .align 64 .b8") == 2
        assert found["setmaxnreg.dec.sync.aligned.u32"] == 1
        assert found["setmaxnreg.inc.sync.aligned.u32"] == 1
        assert found["mbarrier.arrive.expect_tx.shared.b64"] == 1
        # Full and empty.
        assert found["mbarrier.try_wait.parity.shared.b64"] == 2
        assert "wgmma" not in ptx_of(*_program(program), chip="sm_80")


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("name", ["softmax_long", "layer_norm_gradient", "linear_gelu_float32"])
def test_arithmetic_is_ieee(name: str, chip: str) -> None:
    """Each operation is rounded to nearest by itself: no approximation, no flush, no contraction.

    ptxas contracts what has no rounding mode of its own.
    """
    arithmetic = re.compile(r"(add|sub|mul|fma|div|sqrt|rcp|ex2|lg2|rsqrt|sin|cos|tanh)\.(\S*f\d+)")
    found = [name for name in _instructions(name, chip) if arithmetic.fullmatch(name)]
    assert found
    assert not [name for name in found if ".rn." not in name or ".ftz" in name]


@pytest.mark.parametrize("name", ["softmax_long", "conv2d_gradient_float32", "transpose_all"])
def test_no_calls_and_no_wide_division(name: str) -> None:
    """The 64-bit division of a GPU is a call, which spills."""
    function, arguments = PROGRAMS[name]
    text = ptx_of(function, *arguments)
    assert ".extern .func" not in text
    assert not re.search(r"^\s+(call|(div|rem)\.[us]64)", text, re.MULTILINE)
