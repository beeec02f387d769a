"""Random quantised modules as objects, of any number of rows, on other processors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import weft
from aot_models import Case, assert_same_bits
from drawn_quantised import drawn
from random_programs import count_of_examples
from test_aarch64 import run_on_arm
from test_controllers import run_on_board
from test_riscv64 import run_on_riscv
from web_models import arrays_of, call, given, module_of

TARGETS: dict[str, Callable[[Case, Path], list[np.ndarray]]] = {
    "aarch64": run_on_arm,
    "riscv64": run_on_riscv,
    "cortex-m4": lambda case, folder: run_on_board(case, folder, "cortex-m4"),
}


@dataclass
class Exported(Case):
    """A module whose program leaves the number of rows open."""

    def text(self) -> str:
        spec = weft.spec(("rows", *self.inputs[0].shape[1:]), self.inputs[0].dtype.name)
        return weft.export(self.function, spec).mlir(elide_constants=False)


def case_of(seed: int) -> Case:
    """A random module that is quantised, where it has such groups."""
    made = drawn(seed)
    try:
        weft.quantize(made.module, **made.options)
    except weft.ShapeError as error:
        assert "have no groups" in str(error)  # noqa: PT017
        pytest.skip("the weights have no such groups, as the error says")
    return Exported(made.module.__call__, [made.x], [len(made.x)])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("seed", range(100, 100 + count_of_examples(8)))
def test_other_processors_have_the_bits(seed: int, target: str, tmp_path: Path) -> None:
    case = case_of(seed)
    assert_same_bits(TARGETS[target](case, tmp_path), case.expected())


@pytest.mark.parametrize("seed", range(200, 200 + count_of_examples(8)))
def test_webassembly_is_off_by_what_its_products_are(seed: int, tmp_path: Path) -> None:
    case = case_of(seed)
    [answer] = call(module_of(case.text(), tmp_path), [given(x) for x in case.inputs])
    [made], [expected] = arrays_of(answer, case.expected()), case.expected()
    np.testing.assert_allclose(
        made, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max(initial=0)
    )
