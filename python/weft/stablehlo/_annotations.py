"""Rules for what only annotates a program, or asserts something of it."""

from __future__ import annotations

from typing import Any

from .._creation import _fail
from .._errors import UnsupportedError
from ._known import Known
from ._rules import Call, raw_rule, rule
from ._weft import weft


@raw_rule(
    "stablehlo.custom_call @Sharding",
    "stablehlo.custom_call @SPMDFullToShardShape",
    "stablehlo.custom_call @SPMDShardToFullShape",
    "stablehlo.custom_call @annotate_device_placement",
    "stablehlo.custom_call @LayoutConstraint",
    "sdy.sharding_constraint",
)
def same(call: Call, *values: Any) -> tuple:
    """What annotates a value gives it on."""
    return values


@raw_rule("stablehlo.custom_call @shape_assertion")
def shape_assertion(call: Call, *values: Any) -> tuple:
    """What JAX asserts of symbolic sizes is checked as far as it is known while tracing."""
    if isinstance(values[0], Known) and values[0].values.item() is False:
        sizes = [value.values.item() for value in values[1:] if isinstance(value, Known)]
        raise _fail(weft.ShapeError, str(call["error_message"]).format(*sizes)[:500])
    return ()


@rule("stablehlo.rng")
def rng(call: Call, *values: Any) -> Any:
    raise _fail(UnsupportedError, "stablehlo.rng draws of a hidden state; draw with a key instead")
