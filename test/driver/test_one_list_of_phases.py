"""What weft-opt shows is what jit compiles: the same phases, by the same targets."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import pytest
import weft

PROGRAMS = {
    "elementwise": lambda x, y: weft.exp(x) * y + 2.5,
    "rows": lambda x, y: weft.softmax(x + y),
    "columns": lambda x, y: (x * y).sum(0),
    "contraction": lambda x, y: weft.relu(x @ y.T + 1.0),
    "transposition": lambda x, y: x.T * 2.0,
    "scatter": lambda x, y: weft.scatter_add(x, (x[:2, 0] > 0).astype("int64"), y[:2]),
    "scan": lambda x, y: weft.cumulative_sum(x, axis=0) + y,
    "sort": lambda x, y: (weft.sort(x), weft.argsort(y)),
}
LEVELS = {"kernels": "plan", "loops": "loops"}


def _arguments() -> list[weft.Tensor]:
    random = np.random.default_rng(0)
    return [weft.asarray(random.standard_normal((6, 40)).astype(np.float32)) for _ in range(2)]


def _driver(text: str, target: str, last: str) -> str:
    run = subprocess.run(
        ["weft-opt", f"--weft-pipeline={target}", "--from=fuse", f"--until={last}"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


@pytest.mark.parametrize("target", ["", "cuda:sm_80", "cuda:sm_90a"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_driver_and_jit_agree(name: str, level: str, target: str) -> None:
    lowered = weft.jit(PROGRAMS[name]).lower(*_arguments(), target=target)
    ours = _driver(lowered.ir("weft"), target or "native", LEVELS[level])
    assert ours.strip() == lowered.ir(level).strip()


@pytest.mark.parametrize("name", PROGRAMS)
def test_kernels_that_run_are_those_that_are_shown(name: str) -> None:
    function, arguments = weft.jit(PROGRAMS[name]), _arguments()
    shown = _driver(function.lower(*arguments).ir("weft"), "native", "plan")
    launches = re.findall(r"weft\.launch @(\w+)", shown)
    assert [kernel.name for kernel in function.profile(*arguments)] == launches
    schedules = dict(re.findall(r"weft\.kernel @(\w+).*schedule = (#weft\.\w+<.*>)\}", shown))
    for kernel in function.profile(*arguments):
        assert kernel.schedule == schedules[kernel.name]
