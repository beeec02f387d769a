"""Compares drawn ONNX models with the references, and weft's ways to run them with each other."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drawn_layers  # noqa: F401 - adds rules
import drawn_nodes  # noqa: F401
import drawn_regions  # noqa: F401
import numpy as np
import onnx
import weft
from drawn_models import Drawn, draw
from hunting import Found
from modes import run_object
from node_reference import NotComputedError, References, has_graph
from onnx_backend import results_of

#: Which of the models run in a mode: one of so many.
FRACTIONS = {"jit": 1, "saved": 5, "object": 20}
#: Steps by which models are drawn: of most, and of one in ten.
STEPS, MANY_STEPS = 6, 50
#: Units in the last place of a node's largest term: sums of up to some hundreds of terms in other
#: orders, and functions by other polynomials.
UNITS = 64
#: The nodes of a branch or of the turns of a loop, one after the other.
INNER_NODES = 50


def same_kind(have: Any, want: Any) -> bool:
    """Whether dtypes and shapes are equal."""
    return have.dtype == want.dtype and have.shape == want.shape


def same_bits(have: Any, want: Any) -> bool:
    """Whether all elements are equal; NaN is one number."""
    if isinstance(want, list):
        pairs = zip(have, want, strict=False)
        return len(have) == len(want) and all(same_bits(a, b) for a, b in pairs)
    if not same_kind(have, want):
        return False
    if want.dtype.kind not in "fc":
        return np.array_equal(have, want)
    bits = f"u{want.dtype.itemsize}"
    equal = np.ascontiguousarray(have).view(bits) == np.ascontiguousarray(want).view(bits)
    return bool(np.all(equal | (np.isnan(have) & np.isnan(want))))


def fault(have: Any, want: Any, bound: float) -> str:
    """How a value differs from the wanted one; empty if it does not."""
    if isinstance(want, list):
        if not isinstance(have, list) or len(have) != len(want):
            return f"{have} is not a sequence of {len(want)}"
        return next(filter(None, (fault(a, b, bound) for a, b in zip(have, want))), "")
    if not same_kind(have, want):
        return f"{have.dtype}{have.shape} is not {want.dtype}{want.shape}"
    if want.dtype.kind == "f":
        a, b = have.astype(np.float64), want.astype(np.float64)
        limit = bound * np.abs(b[np.isfinite(b)]).max(initial=1.0)
        if np.allclose(a, b, rtol=bound, atol=limit, equal_nan=True):
            return ""
    elif np.array_equal(have, want):
        return ""
    return f"{have.ravel()[:6]} is not {want.ravel()[:6]}"


def arrays_of(made: Any) -> list[Any]:
    """The results of a model as arrays, and sequences as lists of them."""
    return [
        [np.asarray(y) for y in x] if isinstance(x, (list, tuple)) else np.asarray(x)
        for x in results_of(made)
    ]


def _written(node: onnx.NodeProto, values: dict[str, Any]) -> str:
    operands = [
        f"{values[name].dtype}{values[name].shape}" if isinstance(values.get(name), np.ndarray)
        else "a sequence" if name else "none"
        for name in node.input
    ]  # fmt: skip
    attributes = [
        f"{row.name}={onnx.helper.get_attribute_value(row)}"
        for row in node.attribute
        if row.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.TENSOR)
    ]
    return f"{node.op_type}({', '.join((*operands, *attributes))})"


def node_faults(drawn: Drawn, made: dict[str, Any], references: References) -> Iterator[str]:
    """The nodes that give something else than the reference does, of the operands weft gave it."""
    values = {**drawn.values, **made}
    for node in drawn.nodes:
        if node.op_type == "Constant":
            continue
        try:
            want, by_runtime = references(node, values, drawn.opset)
        except NotComputedError:
            # With what weft gave, which differs by some bits from what it was drawn with.
            continue
        nodes = INNER_NODES if has_graph(node) else 1
        for name, expected in zip((x for x in node.output if x), want, strict=True):
            sample = expected[0] if isinstance(expected, list) and expected else expected
            dtype = getattr(sample, "dtype", np.dtype("int64"))
            # The package onnx computes some functions of float64 in float32.
            least = np.finfo("float32").eps if not by_runtime else 0.0
            eps = max(np.finfo(dtype).eps, least) if dtype.kind == "f" else 0.0
            if found := fault(values[name], expected, UNITS * nodes * float(eps)):
                engine = "ONNX Runtime" if by_runtime else "the package onnx"
                yield f"{_written(node, values)} of opset {drawn.opset}: {found} ({engine})"


def function_of(model: Any, drawn: Drawn) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """The model as a function of all inputs but those that shapes follow from, and the rest."""
    free = [name for name in model.input_names if name not in drawn.shape_inputs]

    def call(*arrays: Any) -> Any:
        given = {**drawn.inputs, **dict(zip(free, arrays, strict=True))}
        return model(*(given[name] for name in model.input_names))

    return call, [drawn.inputs[name] for name in free]


def tensors_of(call: Callable, want: Sequence[Any]) -> Callable[..., tuple]:
    """The function without the sequences among its results."""
    places = [i for i, x in enumerate(want) if not isinstance(x, list)]
    return lambda *arrays: tuple(results_of(call(*arrays))[i] for i in places)


def _same(names: Sequence[str], made: Sequence[Any], want: Sequence[Any]) -> Iterator[str]:
    if len(made) != len(want):
        yield f"{len(made)} results, not {len(want)}"
    for name, a, b in zip(names, made, want, strict=False):
        if not same_bits(a, b):
            yield f"{name}: {a} is not {b}"


def object_faults(call: Callable, arrays: list[np.ndarray], want: list[Any]) -> Iterator[str]:
    """What an object file gives other than eager mode does."""
    (made,) = run_object([(call, arrays)])
    yield from _same([f"result {i}" for i in range(len(want))], made, want)


def saved_faults(
    call: Callable, arrays: list[np.ndarray], want: list[Any], references: References
) -> Iterator[str]:
    """What the model that weft.onnx.save writes gives in ONNX Runtime, and in weft again."""
    program = weft.export(call, *arrays)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.onnx"
        weft.onnx.save(program, path)
        written = onnx.load(path)
        made = {"weft": arrays_of(weft.onnx.load(path)(*arrays))}
    names = [spec.name for spec in program.inputs]
    if answer := references.model(written, dict(zip(names, arrays, strict=True))):
        made["ONNX Runtime"] = answer[0]
    for engine, results in made.items():
        for place, (have, expected) in enumerate(zip(results, want, strict=True)):
            eps = float(np.finfo(expected.dtype).eps) if expected.dtype.kind == "f" else 0.0
            if found := fault(have, expected, UNITS * INNER_NODES * eps):
                yield f"result {place} in {engine}: {found}"


@dataclass
class ModelHunt:
    """Takes drawn models; one that differs is written to the folder."""

    folder: Path
    modes: tuple[str, ...] = tuple(FRACTIONS)

    def __call__(self, seeds: Sequence[int]) -> Iterator[tuple[int, dict[str, int], list[Found]]]:
        """Runs the models of these numbers."""
        references = References()
        try:
            for seed in seeds:
                steps = MANY_STEPS if seed % 10 == 9 else STEPS
                drawn = draw(seed, steps, references)
                modes = [m for m in self.modes if seed % FRACTIONS[m] == 0]
                counts: Counter[str] = Counter()
                faults = list(self.faults(drawn, modes, references, counts))
                yield 1, dict(counts), [self.report(seed, drawn, *each) for each in faults]
        finally:
            references.close()

    def faults(
        self, drawn: Drawn, modes: Sequence[str], references: References, counts: Counter[str]
    ) -> Iterator[tuple[str, str]]:
        """What differs, with the mode; counts the modes that ran."""
        counts["reference"] += 1
        try:
            model = weft.onnx.load(drawn.model)
            want = arrays_of(model(*(drawn.inputs[name] for name in model.input_names)))
        except weft.UnsupportedError:
            counts["refused"] += 1
            return
        except Exception as error:
            yield "reference", f"{type(error).__name__}: {error}"
            return
        made = dict(zip(model.output_names, want, strict=True))
        yield from zip(itertools.repeat("reference"), node_faults(drawn, made, references))
        call, arrays = function_of(model, drawn)
        alone = tensors_of(call, want)
        tensors = [x for x in want if not isinstance(x, list)]
        runs: dict[str, Callable[[], Iterator[str]]] = {
            "jit": lambda: _same(model.output_names, arrays_of(weft.jit(call)(*arrays)), want),
            "object": lambda: object_faults(alone, arrays, tensors),
            "saved": lambda: saved_faults(alone, arrays, tensors, references),
        }
        for mode in modes:
            try:
                yield from zip(itertools.repeat(mode), runs[mode]())
                counts[mode] += 1
            except (weft.UnsupportedError, weft.ConcretizationError):
                counts[f"{mode} refused"] += 1
            except Exception as error:
                yield mode, f"{type(error).__name__}: {error}"

    def report(self, seed: int, drawn: Drawn, mode: str, message: str) -> Found:
        """The model in a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"model_{seed}.onnx"
        onnx.save(drawn.model, path)
        return Found(seed, mode, message, str(path))
