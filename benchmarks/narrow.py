"""A model of narrow weights beside the same one of float32, where weights are all that is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import peers
import weft
from functions import compare
from harness import WEFT, Bar, Case
from models import MODELS, PAST, Model, torch_call, weft_call, weft_model
from models import tokens as drawn_tokens

LEAST_RATIO, LEAST_OF_INT4, LEAST_OF_PROMPT = 1.6, 2.5, 2
TOLERANCE, TOLERANCE_OF_INT4, TOLERANCE_OF_BYTES = 0.02, 0.1, 0.05
"""Of the largest score: bfloat16 and int8 have 8 bits, and twelve layers round."""
PROMPT = 128
FLOAT32 = "weft, float32"
NAME = f"LLaMA 110M, a token after {PAST}"


def cases() -> Iterator[Case]:
    """A token of LLaMA: of bfloat16, what it is appended to as well; with weights of int8 and of
    int4; with products whose operands are rounded; and many tokens with activations of int8."""
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
    prompt = f"LLaMA 110M, {PROMPT} tokens"
    _, (words,) = weft_model(Model(MODELS[NAME].build, drawn_tokens(32000, PROMPT)))
    for name, call, arguments, ratio in (
        (prompt, _of_bytes(copy()), (words,), LEAST_OF_PROMPT),
        (NAME, _of_bytes(copy()), (tokens, *past), LEAST_RATIO),
    ):
        yield _case(
            "weights and activations of int8",
            lambda call=call, arguments=arguments: call(*arguments),
            lambda arguments=arguments: reference(*arguments),
            {},
            TOLERANCE_OF_BYTES,
            ratio,
            name,
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


def _of_bytes(model: Any) -> Callable:
    weft.quantize(model, "int8", activations="int8")
    return weft_call(model)


def _case(
    name: str,
    call: Callable,
    reference: Callable,
    others: dict,
    tolerance: float = TOLERANCE,
    ratio: float = LEAST_RATIO,
    model: str = NAME,
) -> Case:
    compare(f"{model}, {name}", _scores(call()), _scores(reference()), tolerance)
    bar = Bar(f">= {ratio} of float32", 1 / ratio, (FLOAT32,))
    return Case(f"{model}, {name}", {WEFT: call, FLOAT32: reference} | others, bar)


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
