"""Weights lie in an object in the order in which its kernels read them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_cases import normal
from aot_models import WEFTC, Case, Library, assert_same_bits, compile_text, run
from test_aarch64 import run_on_arm
from weft.nn import functional as F

Function = Callable[..., weft.Tensor]


def product(rows: int, depth: int, columns: int, dtype: str, turned: bool) -> tuple[Function, list]:
    """A product by a constant matrix, as it is or turned, maybe of a narrower dtype."""
    numbers = normal(columns, depth) if turned else normal(depth, columns)
    left = normal(rows, depth)
    dtype, _, stored = dtype.partition(" by ")
    stored = stored or dtype
    if stored.startswith("int"):
        numbers = np.rint(numbers * 20)
    if dtype.startswith("int"):
        left = np.rint(left * 20)
    element = getattr(weft, dtype)
    matrix = weft.asarray(numbers.astype(np.float32)).astype(getattr(weft, stored))

    def function(x: weft.Tensor) -> weft.Tensor:
        return (x.astype(element) @ (matrix.T if turned else matrix)).astype(weft.float32)

    return function, [left.astype(np.float32)]


def convolution(
    channels: int, size: int, out: int, window: int, groups: int
) -> tuple[Function, list]:
    """An image and a constant filter."""
    weight = weft.asarray(normal(out, channels // groups, window, window))

    def function(x: weft.Tensor) -> weft.Tensor:
        return F.conv2d(x, weight, padding=window // 2, groups=groups)

    return function, [normal(1, channels, size, size)]


DTYPES = [
    *("float32", "float64", "bfloat16", "float16", "int8", "int32"),
    *("float32 by int8", "float32 by bfloat16", "bfloat16 by int8"),
]


def cases(seed: int, count: int) -> dict[str, tuple[Function, list]]:
    """Products and convolutions of sizes that fill tiles and that do not."""
    random = np.random.default_rng(seed)
    found = {}
    for _ in range(count):
        rows, depth, columns = (int(random.choice([0, 1, 3, 8, 17, 40, 130])) for _ in range(3))
        dtype = str(random.choice(DTYPES))
        turned = bool(random.integers(2))
        name = f"{rows}x{depth}x{columns} {dtype}{' turned' if turned else ''}"
        found[name] = product(rows, depth, columns, dtype, turned)
        groups = int(random.choice([1, 1, 2]))
        channels, out = (groups * int(random.choice([1, 3, 8, 20])) for _ in range(2))
        size, window = int(random.choice([1, 5, 14])), int(random.choice([1, 3]))
        name = f"{channels}@{size} to {out}, window {window}, groups {groups}"
        found[name] = convolution(channels, size, out, window, groups)
    return found


CASES = cases(3, 14)


@dataclass
class Program(Case):
    """A function whose tensors from outside are constants of the text."""

    def text(self) -> str:
        program = weft.export(self.function, *(weft.spec(x.shape) for x in self.inputs))
        return program.mlir(elide_constants=False)


@pytest.mark.parametrize("target", ["native", "x86-64-v3"])
@pytest.mark.parametrize("name", CASES)
def test_objects_compute_what_compiled_functions_do(name: str, target: str, tmp_path: Path) -> None:
    case = Program(*CASES[name])
    flags = ["--emit=shared", "--name=net", f"--target={target}"]
    expected = case.expected()
    model = compile_text(case.text(), tmp_path / "net.so", *flags)
    assert_same_bits(Library(model, "net")(case.inputs, expected), expected)


@pytest.mark.parametrize("name", list(CASES)[:6])
def test_the_order_is_that_of_the_target(name: str, tmp_path: Path) -> None:
    """The host fills the panels of a processor with other registers."""
    case = Program(*CASES[name])
    assert_same_bits(run_on_arm(case, tmp_path), case.expected())


@pytest.mark.parametrize("seed", range(8))
def test_one_object_serves_any_number_of_rows(seed: int, tmp_path: Path) -> None:
    """A single row has tiles of its own, as wide as there are panels of columns for them."""
    random = np.random.default_rng(100 + seed)
    depth, columns = (int(random.choice([1, 3, 40, 300, 1500])) for _ in range(2))
    function, _ = product(1, depth, columns, DTYPES[seed], bool(random.integers(2)))
    text = weft.export(function, weft.spec(("n", depth))).mlir(elide_constants=False)
    library = Library(compile_text(text, tmp_path / "net.so", "--emit=shared", "--name=net"), "net")
    for rows in (0, 1, 2, 5, 6, 7, 48, 49, 97):
        left = normal(rows, depth)
        case = Case(function, [np.rint(left * 20) if DTYPES[seed].startswith("int") else left])
        assert_same_bits(library(case.inputs, case.expected(), [rows]), case.expected())


def weighted(rows: str, depth: int, columns: int, uses: int = 1) -> str:
    """The text of a program with a weight, which it multiplies by so often."""
    data = normal(depth, columns).tobytes().hex().upper()
    left = f'tensor<?x{depth}xf32, #weft.shape<["{rows}", {depth}]>>'
    result = f'tensor<?x{columns}xf32, #weft.shape<["{rows}", {columns}]>>'
    if rows.isdigit():
        left, result = f"tensor<{rows}x{depth}xf32>", f"tensor<{rows}x{columns}xf32>"
    weight = f"tensor<{depth}x{columns}xf32>"
    lines = [
        f"func.func @main(%x0: {left}) -> {result} {{",
        f'  %w = weft.constant {{weft.name = "w"}} dense<"0x{data}"> : {weight} : {weight}',
    ]
    for number in range(uses):
        lines.append(
            f"  %x{number + 1} = weft.matmul %x{number}, %w : {left}, {weight} -> {result}"
        )
    return "\n".join([*lines, f"  return %x{uses} : {result}", "}"])


@pytest.mark.parametrize("rows", ["40", "n"])
def test_no_call_packs_a_weight_and_it_is_there_once(rows: str, tmp_path: Path) -> None:
    """Its panels take the place of the weight, also where a size is known in a call alone."""
    (tmp_path / "net.mlir").write_text(weighted(rows, 96, 96, uses=3))
    weights = tmp_path / "net.safetensors"
    run([WEFTC, tmp_path / "net.mlir", "-o", tmp_path / "net.o", "--weights", weights])
    tensors = weft.load_safetensors(weights)
    assert list(tensors) == ["w"]
    assert tensors["w"].dtype == weft.uint8
    assert 96 * 96 * 4 <= tensors["w"].shape[0] < 1.2 * 96 * 96 * 4
    numbers = tensors["w"].numpy().view(np.float32)
    assert np.array_equal(np.sort(numbers[numbers != 0]), np.sort(normal(96, 96).ravel()))


def test_objects_of_a_program_are_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "net.mlir").write_text(weighted("5", 70, 50))
    for name in ("a", "b"):
        run([WEFTC, tmp_path / "net.mlir", "-o", tmp_path / f"{name}.o", "--name=net"])
    assert (tmp_path / "a.o").read_bytes() == (tmp_path / "b.o").read_bytes()


def test_a_constant_that_other_stages_read_stays(tmp_path: Path) -> None:
    """A product by a weight, and the weight itself."""
    text = weighted("3", 64, 64)
    text = text.replace("-> tensor<3x64xf32> {", "-> (tensor<3x64xf32>, tensor<64x64xf32>) {", 1)
    text = text.replace(
        "return %x1 : tensor<3x64xf32>", "return %x1, %w : tensor<3x64xf32>, tensor<64x64xf32>"
    )
    model = compile_text(text, tmp_path / "net.so", "--emit=shared", "--name=net")
    x = normal(3, 64)
    like = [np.zeros((3, 64), np.float32), np.zeros((64, 64), np.float32)]
    y, w = Library(model, "net")([x], like)
    assert w.tobytes() == normal(64, 64).tobytes()
    np.testing.assert_allclose(y, x @ w, rtol=64 * 2**-23, atol=64 * 2**-23 * 8)


def test_compiling_again_keeps_nothing(tmp_path: Path) -> None:
    """What is computed for an object goes with its compilation."""
    weight = weft.asarray(normal(512, 512))
    program = weft.export(lambda x: x @ weight.T, weft.spec((8, 512)))
    program.compile_object(tmp_path / "net.o")
    before = weft.stats()["bytes_in_use"]
    for _ in range(3):
        program.compile_object(tmp_path / "net.o")
    assert weft.stats()["bytes_in_use"] == before
