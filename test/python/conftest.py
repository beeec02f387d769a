"""What the tests of the package share."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import configuration

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "release"

# The helpers beside the tests, and the table that weft-tblgen generates.
sys.path[:0] = [str(Path(__file__).parent), str(BUILD / "generated")]

# Not a folder in the source tree.
configuration.set_hypothesis_home_dir(BUILD / "hypothesis")


@pytest.fixture
def quiet_torch() -> Iterator[None]:
    """PyTorch and transformers as references of small models: quiet, with the same numbers drawn,
    and on one thread, as the sizes are too small for several."""
    import torch

    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unfeasible length constraints")
        yield
    torch.set_num_threads(threads)
    logging.disable(logging.NOTSET)


@pytest.fixture
def fresh_torch_compiler() -> Iterator[None]:
    """PyTorch's compiler without what earlier tests compiled, and quiet."""
    import torch

    # It writes a line for each step of each graph where anything listens, as pytest does.
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    torch.compiler.reset()
    yield
    logging.disable(logging.NOTSET)
