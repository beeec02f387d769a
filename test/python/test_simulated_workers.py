"""The simulation of many workers (benchmarks/simulate_workers.py) beside closed formulas."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "simulate_workers.py"


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("simulate_workers", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def costs(simulation: ModuleType, **changed: float) -> object:
    values = {
        "alpha": 2e-5,
        "beta": 3e-10,
        "gamma": 2e-10,
        "forward": 0.1,
        "backward": 0.2,
        "gradient_bytes": 1e8,
        "buckets": 4,
        "spread": 0.0,
    }
    return simulation.Costs(**{**values, **changed})


@pytest.mark.parametrize("count", [2, 8, 64, 1024])
@pytest.mark.parametrize("way", ["ordered", "ring", "halving"])
def test_sums_take_what_the_formulas_say(simulation: ModuleType, way: str, count: int) -> None:
    given, size = costs(simulation), 1e7
    messages = 2 * (count - 1) if way != "halving" else 2 * math.log2(count)
    share = (count - 1) / count
    want = messages * given.alpha + share * size * (2 * given.beta + given.gamma)
    have = simulation.WAYS[way](np.full(count, 3.0), size, given)
    np.testing.assert_allclose(have, 3.0 + want, rtol=1e-9)


@pytest.mark.parametrize("way", ["ordered", "ring", "halving"])
def test_nobody_has_a_sum_before_the_last_part_is_there(simulation: ModuleType, way: str) -> None:
    ready = np.random.default_rng(0).random(16)
    assert simulation.WAYS[way](ready, 1e6, costs(simulation)).min() > ready.max()


@pytest.mark.parametrize("way", ["ordered", "ring", "halving"])
def test_what_overlaps_is_hidden_but_for_the_last_bucket(simulation: ModuleType, way: str) -> None:
    given = costs(simulation, gradient_bytes=1e7)
    alone = simulation.step_seconds(way, 1, given)
    last = simulation.WAYS[way](np.zeros(8), 1e7 / 4, given).max()
    assert alone == pytest.approx(0.3)
    assert simulation.step_seconds(way, 8, given) == pytest.approx(0.3 + last)
    apart = simulation.step_seconds(way, 8, given, overlaps=False)
    assert apart == pytest.approx(0.3 + 4 * last)


def test_more_workers_wait_for_slower_ones(simulation: ModuleType) -> None:
    rows = simulation.table(costs(simulation, spread=0.1))
    shares = [cells["halving"] for _, cells in rows]
    assert [count for count, _ in rows][-1] == 1024
    assert shares[0] > shares[5] > shares[-1] > 0.3
