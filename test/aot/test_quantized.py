"""Objects whose weights are of few bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import weft
from aot_cases import normal
from aot_models import Case, Library, assert_same_bits, compile_text
from test_aarch64 import run_emulated, run_on_arm
from test_packed_constants import Program
from test_riscv64 import processor
from weft import nn

Form = tuple[int, int | None, bool] | tuple[int, int | None, bool, str]
FORMATS: list[Form] = [(4, 32, True), (4, 8, False), (8, None, True), (8, 4, False)]
OF_BYTES: list[Form] = [(4, 8, False, "int8"), (8, 4, True, "int8"), (8, None, False, "int8")]


def network(
    bits: int, group: int | None, symmetric: bool, activations: str | None = None
) -> nn.Module:
    weft.random.seed(bits)
    layers = [nn.Linear(32, 70), nn.Linear(70, 33)]
    first = nn.QuantizedLinear.of(layers[0], bits, group, symmetric, activations)
    last = nn.QuantizedLinear.of(layers[1], bits, None, symmetric, activations)
    return nn.Sequential(first, nn.ReLU(), last)


def float_network() -> nn.Module:
    weft.random.seed(0)
    first = nn.QuantizedLinear.of(nn.Linear(32, 70), group=16, floats="float8_e4m3fn")
    last = nn.QuantizedLinear.of(nn.Linear(70, 33), floats="float8_e5m2")
    return nn.Sequential(first, nn.ReLU(), last)


@pytest.mark.parametrize("form", FORMATS + OF_BYTES)
@pytest.mark.parametrize("target", ["native", "x86-64-v3"])
def test_objects_have_the_bits_of_calls(target: str, form: Form, tmp_path: Path) -> None:
    case = Program(network(*form).__call__, [normal(9, 32)])
    flags = ["--emit=shared", "--name=net", f"--target={target}"]
    library = Library(compile_text(case.text(), tmp_path / "net.so", *flags), "net")
    assert_same_bits(library(case.inputs, case.expected()), case.expected())


@pytest.mark.parametrize("form", [*FORMATS[:2], *OF_BYTES[:2], None])
def test_other_processors_have_them_too(form: Form | None, tmp_path: Path) -> None:
    case = Program((network(*form) if form else float_network()).__call__, [normal(5, 32)])
    assert_same_bits(run_on_arm(case, tmp_path), case.expected())
    results = run_emulated(case, tmp_path, "riscv64", options=processor(256))
    assert_same_bits(results, case.expected())


def test_one_object_serves_any_number_of_rows(tmp_path: Path) -> None:
    module = network(4, 16, True)
    text = weft.export(module.__call__, weft.spec(("n", 32))).mlir(elide_constants=False)
    library = Library(compile_text(text, tmp_path / "net.so", "--emit=shared", "--name=net"), "net")
    for rows in (0, 1, 2, 7, 8, 9, 65):
        case = Case(module.__call__, [normal(rows, 32)])
        assert_same_bits(library(case.inputs, case.expected(), [rows]), case.expected())


@pytest.mark.parametrize("target", ["wasm32", "neoverse-v2", "x86-64-v4"])
def test_the_weights_stay_as_small(target: str, tmp_path: Path) -> None:
    layer = nn.QuantizedLinear.of(nn.Linear(1024, 512, bias=False), bits=4, group=128)
    text = Program(layer.__call__, [normal(1, 1024)]).text()
    made = compile_text(text, tmp_path / "net.o", f"--target={target}", header=False)
    assert made.stat().st_size < 1024 * 512 * 4 / 5
