"""Loops and branches in objects: the bits of jit and of eager operations, in given memory."""

from __future__ import annotations

import ctypes
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_cases import loop_cases, normal
from aot_models import Case, Library, assert_same_bits, compile_text, options, run, tool
from loop_programs import NestedProgram
from test_aarch64 import program_for
from test_interface import ALLOWED, undefined_symbols
from test_weights import map_weights, with_weights
from weft import nn

CASES = loop_cases()


def called(case: Case, library: Library, sizes: tuple[int, ...] = ()) -> list[np.ndarray]:
    """The outputs of a call with a workspace of the caller, around which nothing is written."""
    size = library.workspace_bytes(*map(ctypes.c_int64, sizes))
    memory = np.full(size + 192, 255, np.uint8)
    start = -memory.ctypes.data % 64 + 64
    given = options(workspace=memory.ctypes.data + start, workspace_bytes=size)
    outputs = library(case.inputs, case.expected(), sizes=sizes, given=given)
    assert (memory[:start] == 255).all()
    assert (memory[start + size :] == 255).all()
    return outputs


@pytest.mark.parametrize("seed", range(24))
def test_random_programs(seed: int, tmp_path: Path) -> None:
    program = NestedProgram(seed)
    case = Case(lambda *tensors: program(weft, *tensors), program.arrays)
    expected = case.expected()
    at_once = [np.array(value) for value in case.function(*map(weft.asarray, case.inputs))]
    assert_same_bits(at_once, expected)
    path = compile_text(case.text(), tmp_path / "libcase.so", "--emit=shared", "--name=case")
    assert_same_bits(called(case, Library(path, "case")), expected)


def symbolic(x: weft.Tensor, limit: weft.Tensor) -> tuple[weft.Tensor, ...]:
    """Loops over as many slices as there are, and over a tensor of that size."""

    def step(state):
        total, count = state
        following = weft.cond(
            count % 2 == 0, lambda: total * 2, lambda: total - weft.sum(total, axis=0)
        )
        return following, count + 1

    total, count = weft.while_loop(lambda state: state[1] < limit, step, (x, 0))
    last, rows = weft.scan(lambda c, row: (c + row, c * 2), weft.sum(x, axis=0), x)

    def inner(row):
        last, sums = weft.scan(lambda c, y: (c @ products, weft.sum(c) * row + y), products, x)
        return sums + weft.sum(last)

    products = x @ x.mT / 8
    back = weft.scan(lambda c, row: (weft.exp(-c * row), c), last, x, reverse=True)
    return total, count, last, rows, weft.map(inner, x), *back


def test_symbolic_sizes(tmp_path: Path) -> None:
    limit = np.asarray(5)
    weft.export(symbolic, weft.spec(("n", 4)), weft.asarray(limit)).save(tmp_path / "loops.weft")
    path = tmp_path / "libloops.so"
    program = weft.load(tmp_path / "loops.weft")
    program.compile_object(path, emit="shared", name="loops")
    library = Library(path, "loops")
    for n in (0, 1, 2, 3, 17):
        case = Case(symbolic, [normal(n, 4, seed=n) / 3, limit])
        assert_same_bits(called(case, library, (n,)), case.expected())


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_of_any_number_of_steps(name: str, tmp_path: Path) -> None:
    weft.manual_seed(0)
    layer = getattr(nn, name)(6, 8, num_layers=2, bidirectional=True).eval()
    path = tmp_path / "libnet.so"
    program = weft.export(lambda x: layer(x)[0], weft.spec(("t", 3, 6)))
    program.compile_object(path, emit="shared", name="net")
    library = Library(path, "net")
    for steps in (1, 2, 30):
        case = Case(lambda x: layer(x)[0], [normal(steps, 3, 6, seed=steps)])
        assert_same_bits(called(case, library, (steps,)), case.expected())
        at_once = np.array(case.function(weft.asarray(case.inputs[0])).detach())
        assert_same_bits([at_once], case.expected())


@pytest.mark.parametrize("name", CASES)
def test_objects_need_the_c_library_alone(name: str, tmp_path: Path) -> None:
    for target in ("native", "aarch64"):
        path = compile_text(CASES[name].text(), tmp_path / "model.o", f"--target={target}")
        assert undefined_symbols(path) <= ALLOWED


@pytest.mark.parametrize("name", CASES)
def test_sanitizers_find_nothing(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    expected = case.expected()
    model = compile_text(case.text(), tmp_path / "net.o")
    (tmp_path / "main.c").write_text(program_for(case, expected))
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", tmp_path]
    run([tool("gcc"), *flags, tmp_path / "main.c", model, "-lm", "-o", tmp_path / "main"])
    given = b"".join(np.ascontiguousarray(x).tobytes() for x in case.inputs)
    made = subprocess.run([tmp_path / "main"], input=given, capture_output=True, check=True)
    assert made.stdout == b"".join(np.ascontiguousarray(x).tobytes() for x in expected)


def carried_in_place(x: weft.Tensor, limit: weft.Tensor) -> weft.Tensor:
    """One element of a large tensor, again and again."""

    def step(state):
        values, i = state
        return values.at[i].set(values[i - 1] + 1.0), i + 1

    return weft.while_loop(lambda state: state[1] < limit, step, (x, weft.asarray(1)))[0]


def test_carried_values_are_in_place(tmp_path: Path) -> None:
    case = Case(carried_in_place, [normal(1 << 20), np.asarray(1000)])
    path = compile_text(case.text(), tmp_path / "libin.so", "--emit=shared", "--name=inplace")
    library = Library(path, "inplace")
    # A second buffer of the tensor would be 4 MiB.
    assert library.workspace_bytes() < 4096
    assert_same_bits(called(case, library), case.expected())


def test_constants_are_packed_while_compiling(tmp_path: Path) -> None:
    case, weights = CASES["loops over constants"], tmp_path / "case.safetensors"
    flags = ["--emit=shared", "--name=net", f"--weights={weights}"]
    library = Library(compile_text(case.text(), tmp_path / "libnet.so", *flags), "net")
    content = weights.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    # Panels of the weight, in the order in which the body reads them, and no other copy.
    assert [entry["dtype"] for entry in header.values()] == ["U8"]
    status, mapped = map_weights(library, weights)
    assert status == 0
    expected = case.expected()
    assert_same_bits(library(case.inputs, expected, given=with_weights(mapped)), expected)
