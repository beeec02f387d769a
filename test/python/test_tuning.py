"""Schedules that are measured (WEFT_TUNE), and the candidates among which contractions choose."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, numpy_dtype
from random_programs import count_of_examples

PROGRAM = """
import json, sys
import numpy as np
import weft
from weft import _core
generator = np.random.default_rng(0)
x = weft.asarray(generator.standard_normal((40, 70), np.float32))
weight = weft.asarray(generator.standard_normal((30, 70), np.float32)) * 1.0
layer = weft.jit(lambda x: weft.tanh(x @ weight.T) + 1.0)
result = np.asarray(layer(x))
schedules = [kernel.schedule for kernel in layer.profile(x)]
print(json.dumps({
    "bits": result.tobytes().hex(),
    "schedules": schedules,
    "shown": layer.lower(x).ir("kernels"),
    "tuned": weft.stats()["kernels_tuned"],
    "seconds": weft.stats()["tune_seconds"],
    "measured": [kernel["schedules"] for kernel in _core.tuned_kernels()],
}))
"""


def _run(cache: Path, **environment: str) -> dict:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"WEFT_CACHE_DIR": str(cache)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def test_schedules_are_measured_once_and_kept_on_disk(tmp_path: Path) -> None:
    plain = _run(tmp_path)
    assert plain["tuned"] == 0
    assert plain["measured"] == []
    first = _run(tmp_path, WEFT_TUNE="1")
    assert first["tuned"] == 1
    assert first["seconds"] > 0
    (measured,) = first["measured"]
    assert 2 <= len(measured) <= 5
    times = [time for _, _, time, _ in measured]
    assert times == sorted(times)
    assert times[0] > 0
    assert sum(chosen for *_, chosen in measured) == 1
    # What runs is the fastest, it is what is shown, and the values are the same.
    assert first["schedules"] == [measured[0][0]]
    assert measured[0][0] in first["shown"]
    assert first["bits"] == plain["bits"]
    second = _run(tmp_path, WEFT_TUNE="1")
    assert second["tuned"] == 0
    assert second["measured"] == first["measured"]
    assert second["schedules"] == first["schedules"]


def test_other_threads_and_more_candidates_are_measured_anew(tmp_path: Path) -> None:
    _run(tmp_path, WEFT_TUNE="1", WEFT_NUM_THREADS="1")
    assert _run(tmp_path, WEFT_TUNE="1", WEFT_NUM_THREADS="2")["tuned"] == 1
    more = _run(tmp_path, WEFT_TUNE="1000", WEFT_NUM_THREADS="1")
    assert more["tuned"] == 1
    assert len(more["measured"][0]) > 5


def test_without_a_cache_on_disk_a_process_measures(tmp_path: Path) -> None:
    for _ in range(2):
        assert _run(tmp_path, WEFT_TUNE="1", WEFT_CACHE_DIR="")["tuned"] == 1


def test_a_damaged_note_is_measured_anew(tmp_path: Path) -> None:
    _run(tmp_path, WEFT_TUNE="1")
    (note,) = tmp_path.rglob("tuned_*.kernel")
    note.write_bytes(note.read_bytes()[:-1] + b"?")
    assert _run(tmp_path, WEFT_TUNE="1")["tuned"] == 1


@pytest.mark.parametrize("text", ["yes", "-1", "1001"])
def test_what_is_no_number_of_candidates_is_refused(text: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"WEFT_TUNE": text, "WEFT_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert "WEFT_TUNE" in run.stderr.splitlines()[-1]


CANDIDATES = """
import json, sys
import weft
from weft import _core
text = sys.stdin.read()
sizes = [json.loads(line) for line in text.splitlines()]
for rows, depth, columns, batch, turned, kept, dtype in sizes:
    x = weft.ones((*batch, rows, depth), dtype=dtype)
    y = weft.ones((*batch, columns, depth) if turned else (*batch, depth, columns), dtype=dtype)
    product = lambda x, y: x @ (y.mT if turned else y)
    weft.jit((lambda x: product(x, y)) if kept else product)(*([x] if kept else [x, y]))
print(json.dumps([[entry[0] for entry in kernel["schedules"]]
                  for kernel in _core.tuned_kernels()]))
"""


def _candidates(sizes: list[tuple], cache: Path) -> list[str]:
    """All schedules that contractions of these sizes may have."""
    run = subprocess.run(
        [sys.executable, "-c", CANDIDATES],
        env=os.environ | {"WEFT_TUNE": "1000", "WEFT_CACHE_DIR": str(cache)},
        input="\n".join(json.dumps(size) for size in sizes),
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted({schedule for kernel in json.loads(run.stdout) for schedule in kernel})


def _random_sizes(generator: np.random.Generator, dtype: str) -> tuple:
    rows, depth, columns = (int(generator.choice([1, 3, 7, 16, 30, 70])) for _ in range(3))
    batch = [] if generator.random() < 0.7 else [2]
    return rows, depth, columns, batch, *map(bool, generator.integers(0, 2, 2)), dtype


def _values(generator: np.random.Generator, dtype: str, *shape: int) -> weft.Tensor:
    if dtype.startswith(("int", "uint")):
        limits = np.iinfo(dtype)
        return weft.asarray(generator.integers(limits.min, limits.max, shape, dtype=dtype))
    return weft.asarray(generator.standard_normal(shape).astype(numpy_dtype(dtype)))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int8", "int32"])
def test_every_candidate_gives_the_same_bits(dtype: str, tmp_path: Path) -> None:
    """Each schedule that some size has is tried on sizes that are its own and on others: kernels
    are generic in sizes."""
    generator = np.random.default_rng(5)
    most = count_of_examples(24)
    # Measuring each candidate of a size takes seconds: six sizes have more than are tried.
    sizes = [_random_sizes(generator, dtype) for _ in range(min(most // 4, 12))]
    schedules = _candidates(sizes, tmp_path)
    assert len(schedules) > 24
    schedules = list(generator.permutation(schedules)[:most])
    path = tmp_path / "program.mlir"
    for turned in (False, True):
        for schedule in schedules:
            rows, depth, columns = (int(generator.integers(0, 80)) for _ in range(3))
            if "pack_rhs" not in schedule and "pack_block" not in schedule:
                # The right operand is read where it is: chosen where it fills a tile.
                columns += 128
                if turned:
                    continue
            x = _values(generator, dtype, rows, depth)
            y = _values(generator, dtype, *((columns, depth) if turned else (depth, columns)))
            product = weft.jit(lambda x, y, turned=turned: x @ (y.mT if turned else y) + 1)
            text = product.lower(x, y).ir("kernels")
            before = text.index("#weft.contraction<")
            path.write_text(text[:before] + schedule + text[text.index(">", before) + 1 :])
            assert_same_bits(weft.load(path)(x, y), product(x, y))
