"""Random modules of PyTorch as .pt2 files, through weftc into objects that are called from C."""

from __future__ import annotations

import os
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import weft  # noqa: E402
from aot_models import WEFTC, Library, assert_same_bits, run  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from random_programs import count_of_examples  # noqa: E402
from torch_exported import exported  # noqa: E402
from torch_generated import unlike  # noqa: E402
from torch_layer_templates import KINDS  # noqa: E402
from torch_layers import Layer, drawn  # noqa: E402


def _tensors(value: Any) -> list[torch.Tensor]:
    return [x for x in torch.utils._pytree.tree_leaves(value) if isinstance(x, torch.Tensor)]


def _sizes(specs: Any, given: list[np.ndarray]) -> dict[str, int]:
    """What the names of sizes stand for, in the order of the arguments' dimensions."""
    found: dict[str, int] = {}
    for spec, x in zip(specs, given, strict=True):
        for size, number in zip(spec.shape, x.shape, strict=True):
            if not isinstance(size, int):
                found.setdefault(str(size), number)
    return found


def _object_problem(layer: Layer, folder: Path) -> str:
    """What is wrong with the object of the module's file; "" if nothing is."""
    made = exported(layer)
    if made is None:
        return ""
    model, program = made
    try:
        ours = weft.from_torch(program)
    except weft.UnsupportedError:
        return ""  # test_torch_layers.py tells which rows these are
    torch.export.save(program, folder / "net.pt2")
    try:
        torch.export.load(folder / "net.pt2").run_decompositions()
    except AssertionError:
        return ""  # PyTorch 2.13 writes some files that it can't read
    run([WEFTC, folder / "net.pt2", "-o", folder / "net.so", "--emit=shared", "--name=net"])
    library = Library(folder / "net.so", "net")
    for number, arguments in enumerate(layer.calls):
        mine = [x.detach() for x in arguments.make()]
        given = [x.contiguous().numpy() for x in mine]
        try:
            results = ours(*(weft.asarray(x) for x in given))
        except (weft.ShapeError, weft.DTypeError):
            continue
        expected = _tensors(model(*mine))
        like = [x.detach().contiguous().numpy() for x in expected]
        found = library(given, like, list(_sizes(ours.specs, given).values()))
        leaves = list(torch.utils._pytree.tree_leaves(results))
        assert_same_bits(found, [np.array(x) for x in leaves])
        exact = _tensors(layer.build().double().eval()(*(x.detach() for x in arguments.make(True))))
        for i, (x, theirs, true) in enumerate(zip(found, expected, exact, strict=True)):
            if problem := unlike(torch.from_numpy(x), theirs.detach(), true.detach(), 1.0):
                return f"call {number}, result {i}: {problem}"
    return ""


#: All kinds under `tools/test --full`: it takes seconds to write an object.
CHOSEN = KINDS if "WEFT_TEST_EXAMPLES" in os.environ else ("normalizations", "activations")


@pytest.mark.parametrize("kind", CHOSEN)
def test_objects_of_modules(kind: str, tmp_path: Path) -> None:
    wrong = []
    for seed in range(min(count_of_examples(1), 100)):
        draw = random.Random(f"{kind} {seed} object")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layer = drawn(draw.choice(KINDS[kind]), draw, 2)
            folder = tmp_path / str(seed)
            folder.mkdir()
            if layer and (problem := _object_problem(layer, folder)):
                wrong.append(f"seed {seed}: {problem}\n{layer}")
    assert not wrong, "\n\n".join(wrong)
