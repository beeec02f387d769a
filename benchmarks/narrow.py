"""A model of narrow weights beside the same one of float32, where weights are all that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import peers
import weft
from functions import compare
from harness import WEFT, Bar, Case
from models import MODELS, PAST, torch_call, weft_call, weft_model

LEAST_RATIO, LEAST_OF_INT4 = 1.6, 2.5
TOLERANCE, TOLERANCE_OF_INT4 = 0.02, 0.1
"""Of the largest score: bfloat16 and int8 have 8 bits, and twelve layers round."""
FLOAT32 = "weft, float32"
NAME = f"LLaMA 110M, a token after {PAST}"


def cases() -> Iterator[Case]:
    """A token of LLaMA: of bfloat16, what it is appended to as well; with weights of int8 and of
    int4; with products whose operands are rounded."""
    wide, (tokens, *past) = weft_model(MODELS[NAME])
    reference = weft_call(wide)

    def copy() -> Any:
        return weft_model(MODELS[NAME], wide.state_dict())[0]

    short, half = [x.to(weft.bfloat16) for x in past], weft_call(copy().bfloat16())
    yield _case(
        "bfloat16", lambda: half(tokens, *short), lambda: reference(tokens, *past), _torch()
    )
    rounded = weft_call(wide, matmul_precision="bf16")
    yield _case(
        'matmul_precision="bf16"',
        lambda: rounded(tokens, *past),
        lambda: reference(tokens, *past),
        {},
    )
    for weights, *limits in (
        ("int8", TOLERANCE, LEAST_RATIO),
        ("int4", TOLERANCE_OF_INT4, LEAST_OF_INT4),
    ):
        narrow = copy()
        weft.quantize(narrow, weights)
        call = weft_call(narrow)
        yield _case(
            f"weights of {weights}",
            lambda call=call: call(tokens, *past),
            lambda: reference(tokens, *past),
            {},
            *limits,
        )


def _case(
    name: str,
    call: Callable,
    reference: Callable,
    others: dict,
    tolerance: float = TOLERANCE,
    ratio: float = LEAST_RATIO,
) -> Case:
    compare(f"{NAME}, {name}", _scores(call()), _scores(reference()), tolerance)
    bar = Bar(f">= {ratio} of float32", 1 / ratio, (FLOAT32,))
    return Case(f"{NAME}, {name}", {WEFT: call, FLOAT32: reference} | others, bar)


def _scores(result: Any) -> np.ndarray:
    return np.asarray(result.to(weft.float32))


def _torch() -> dict[str, Callable]:
    """The model of bfloat16 by PyTorch."""
    torch = peers.torch()
    if not torch:
        return {}
    module = MODELS[NAME].build(torch).eval().bfloat16()
    tokens, *past = (torch.from_numpy(np.array(array)) for array in weft_model(MODELS[NAME])[1])
    return {"torch": torch_call(module, [tokens, *(x.bfloat16() for x in past)])}
