"""A model of bfloat16 beside the same one of float32, where weights are all that is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import peers
import weft
from functions import compare
from harness import WEFT, Bar, Case
from models import MODELS, PAST, torch_call, weft_call, weft_model

LEAST_RATIO = 1.6
TOLERANCE = 0.02
"""Of the largest score: bfloat16 has 8 bits, and twelve layers round."""
FLOAT32 = "weft, float32"


def _float32(scores: Any) -> np.ndarray:
    return np.asarray(scores.to(weft.float32))


def cases() -> Iterator[Case]:
    """A token of LLaMA; what it is appended to is of the dtype of the weights."""
    name = f"LLaMA 110M, a token after {PAST}"
    wide, inputs = weft_model(MODELS[name])
    narrow = weft_model(MODELS[name], wide.state_dict())[0].bfloat16()
    reference, compiled = weft_call(wide), weft_call(narrow)
    tokens, past = inputs
    short = past.to(weft.bfloat16)
    contenders = {
        WEFT: lambda: compiled(tokens, short),
        FLOAT32: lambda: reference(tokens, past),
    }
    scores = {peer: _float32(call()[0]) for peer, call in contenders.items()}
    compare(name, scores[WEFT], scores[FLOAT32], TOLERANCE)
    if torch := peers.torch():
        module = MODELS[name].build(torch).eval().bfloat16()
        arguments = [torch.from_numpy(np.array(tokens)), torch.from_numpy(np.array(past))]
        arguments[1] = arguments[1].bfloat16()
        contenders["torch"] = torch_call(module, arguments)
    bar = Bar(f">= {LEAST_RATIO} of float32", 1 / LEAST_RATIO, (FLOAT32,))
    yield Case(f"{name}, bfloat16", contenders, bar)
