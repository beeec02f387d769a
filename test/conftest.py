"""What all Python tests share."""

from __future__ import annotations

import ctypes
import os
import random
import sys
import zlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"


#: Whether other numbers are drawn in each run, and more of them: `tools/test --full`.
SEARCHING = "WEFT_TEST_EXAMPLES" in os.environ


def pytest_configure() -> None:
    """Lets the programs that tests start find the package and the tools, too."""
    os.environ["PYTHONPATH"] = str(BUILD / "python")
    os.environ["PATH"] = os.pathsep.join([str(BUILD / "bin"), os.environ["PATH"]])
    if not SEARCHING:
        hypothesis.settings.register_profile("fixed", derandomize=True)
        hypothesis.settings.load_profile("fixed")


def has_cuda_device() -> bool:
    """Whether the CUDA driver is there and finds a device."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return (
        driver.cuInit(0) == 0
        and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
        and count.value > 0
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests marked `device` where there is none."""
    marked = [item for item in items if item.get_closest_marker("device")]
    if marked and not has_cuda_device():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True)
def numbers_drawn_by_name(request: pytest.FixtureRequest) -> None:
    """Each test draws the same numbers in each run, in any order and in any process."""
    if SEARCHING:
        return
    seed = zlib.crc32(request.node.nodeid.encode())
    random.seed(seed)
    np.random.seed(seed)
    for library, start in (("torch", "manual_seed"), ("weft.random", "seed")):
        if library in sys.modules:
            getattr(sys.modules[library], start)(seed)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source tree."""
    return ROOT


@pytest.fixture(scope="session")
def build_folder() -> Path:
    """The build folder of the release preset."""
    return BUILD
