"""PyTorch's database of operators, over the core ATen set, forward and gradient."""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from torch_op_samples import DTYPES, Tally, check, core_operators  # noqa: E402

#: All operators and more samples of each under `tools/test --full`, each seventh one otherwise.
FULL = "WEFT_TEST_EXAMPLES" in os.environ
SAMPLES, EVERY = (8, 1) if FULL else (2, 7)
#: So many of the operators' rows are computed by weft alone; a part may have more of the others.
LEAST = 0.95 if FULL else 0.9


@pytest.fixture(autouse=True)
def _quiet():
    # PyTorch writes a line for each step of each graph where anything listens, as pytest does.
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def test_operators():
    rows: list[tuple[str, Tally]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for info in core_operators()[::EVERY]:
            for dtype in DTYPES:
                if dtype not in info.supported_dtypes("cpu"):
                    continue
                with_gradient = dtype == torch.float32 and info.supports_autograd
                for gradients in (False, True) if with_gradient else (False,):
                    tally = check(info, dtype, SAMPLES, gradients)
                    rows.append((f"{info.formatted_name} {dtype}", tally))
    wrong = [text for _, tally in rows for text in tally.wrong]
    assert not wrong, "\n".join(wrong)
    tried = [tally for _, tally in rows if tally.right or tally.left]
    whole = sum(not tally.left for tally in tried)
    left = sum((tally.left for tally in tried), Counter())
    assert len(tried) > 20
    assert whole >= LEAST * len(tried), left.most_common(20)
