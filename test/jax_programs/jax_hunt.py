"""Compares drawn JAX programs in weft with JAX, and weft's ways to run them with each other."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax_elements  # noqa: F401 - adds rules
import jax_layers  # noqa: F401
import jax_movement  # noqa: F401
import jax_regions  # noqa: F401
import numpy as np
import weft
from hunting import Found
from jax_drawing import Call, DrawnProgram, draw, enabled, is_float
from modes import run_object

jax.config.update("jax_platforms", "cpu")

#: Which of the programs run in a mode: one of so many.
FRACTIONS = {"jit": 1, "object": 20}
STEPS, MANY_STEPS = 6, 30
#: Each program runs once.
QUICKLY = {"xla_backend_optimization_level": 0}
#: What objects have not.
HOST = "computed by a library on the host"


def widened(x: np.ndarray) -> np.ndarray:
    """In a dtype that NumPy computes with."""
    if x.dtype.kind == "c":
        return x.astype(np.complex128)
    return x.astype(np.float64)


def same_bits(have: np.ndarray, want: np.ndarray) -> bool:
    """Whether all elements are equal; NaN is one number."""
    if (have.dtype, have.shape) != (want.dtype, want.shape):
        return False
    if not is_float(want.dtype) and want.dtype.kind != "c":
        return np.array_equal(have, want)
    if want.dtype.kind == "c":
        pairs = ((have.real, want.real), (have.imag, want.imag))
        return all(same_bits(np.asarray(a), np.asarray(b)) for a, b in pairs)
    bits = f"u{want.dtype.itemsize}"
    equal = np.ascontiguousarray(have).view(bits) == np.ascontiguousarray(want).view(bits)
    return bool(np.all(equal | (np.isnan(have) & np.isnan(want))))


def limits_of(call: Call, operands: Sequence[Any], want: np.ndarray, terms: np.ndarray) -> Any:
    """How far each element of a result may be off; terms are what magnitudes give."""
    size = np.abs(widened(want))
    size = np.where(np.isfinite(size), size, 0.0)
    if call.bound.of == "terms":
        size = np.abs(widened(terms))
        size = np.where(np.isfinite(size), size, 0.0)
    elif call.bound.of == "largest":
        values = [np.abs(widened(x)) for x in (want, *operands) if x.dtype.kind not in "iub"]
        size = max((x[np.isfinite(x)].max(initial=1.0) for x in values), default=1.0)
    else:
        size = np.maximum(size, 1.0)
    return call.bound.units * float(jax.numpy.finfo(want.dtype).eps) * size


def fault(
    call: Call, operands: Sequence[Any], have: np.ndarray, want: np.ndarray, terms: np.ndarray
) -> str:
    """How a result differs from the wanted one; empty if it does not."""
    if (have.dtype, have.shape) != (want.dtype, want.shape):
        return f"{have.dtype}{have.shape} is not {want.dtype}{want.shape}"
    inexact = is_float(want.dtype) or want.dtype.kind == "c"
    if not inexact or not call.bound.units:
        equal = np.array_equal(have, want, equal_nan=True) if inexact else same_bits(have, want)
    else:
        a, b = widened(have), widened(want)
        with np.errstate(all="ignore"):
            near = np.abs(a - b) <= limits_of(call, operands, want, terms)
        equal = near | (a == b) | (np.isnan(a) & np.isnan(b))
        # XLA takes numbers below the smallest normal one for zeros.
        least = float(jax.numpy.finfo(want.dtype).smallest_normal)
        for x in operands:
            if x.shape == want.shape and x.dtype == want.dtype:
                equal |= (x != 0) & (np.abs(widened(x)) < least)
        equal = bool(np.all(equal))
    if equal:
        return ""
    wrong = ~((have == want) | ((have != have) & (want != want)))
    shown = [np.asarray(x)[wrong][:5] for x in (have, want)]
    at = [x[wrong][:5] for x in operands if x.shape == want.shape]
    return f"{shown[0]} is not {shown[1]}" + (f" of {at}" if at else "")


def _results(call: Call, operands: Sequence[Any]) -> list[Any]:
    made = call.function(*operands)
    return list(made) if isinstance(made, (tuple, list)) else [made]


def reference(program: DrawnProgram, values: Sequence[np.ndarray]) -> list[list[list[Any]]]:
    """What JAX gives of the operands that are given to each call, and of their magnitudes."""

    def all_calls(*values: Any) -> list[list[list[Any]]]:
        made = []
        for call in program.calls:
            operands = [values[i] for i in call.operands]
            inexact = lambda x: jax.numpy.issubdtype(x.dtype, jax.numpy.inexact)  # noqa: E731
            sizes = [abs(x) if inexact(x) else x for x in operands]
            results = _results(call, operands)
            terms = _results(call, sizes) if call.bound.of == "terms" else results
            made.append([results, terms])
        return made

    # All of them in one compilation: each has operands of its own, and none is fused with another.
    return jax.jit(all_calls, compiler_options=QUICKLY)(*values)


def call_faults(program: DrawnProgram, made: Sequence[np.ndarray]) -> Iterator[str]:
    """The calls that give something else than JAX does, of the operands weft gave them."""
    values = [*program.inputs, *made]
    for call, (want, terms) in zip(program.calls, reference(program, values), strict=True):
        operands = [values[i] for i in call.operands]
        shown = ", ".join(f"{x.dtype}{list(x.shape)}" for x in operands)
        for k, number in enumerate(call.results):
            expected, sizes = np.asarray(want[k]), np.asarray(terms[k])
            if found := fault(call, operands, values[number], expected, sizes):
                yield f"{call.name}({shown}), result {k}: {found}"


def arrays_of(made: Any) -> list[np.ndarray]:
    """The results as arrays."""
    return [np.asarray(x) for x in (made if isinstance(made, (tuple, list)) else (made,))]


def _same(made: Sequence[np.ndarray], want: Sequence[np.ndarray]) -> Iterator[str]:
    for place, (a, b) in enumerate(zip(made, want, strict=True)):
        if not same_bits(a, b):
            yield f"result {place}: {a} is not {b}"


def _object_faults(
    call: Callable, inputs: Sequence[np.ndarray], want: Sequence[np.ndarray]
) -> Iterator[str]:
    (made,) = run_object([(lambda *tensors: tuple(call(*tensors)), inputs)])
    yield from _same(made, want)


@dataclass
class JaxHunt:
    """Takes drawn programs."""

    modes: tuple[str, ...] = tuple(FRACTIONS)

    def __call__(self, seeds: Sequence[int]) -> Iterator[tuple[int, dict[str, int], list[Found]]]:
        """Runs the programs of these numbers."""
        for seed in seeds:
            counts: Counter[str] = Counter()
            with enabled(seed):
                program = draw(seed, MANY_STEPS if seed % 10 == 9 else STEPS)
                modes = [m for m in self.modes if seed % FRACTIONS[m] == 0]
                found = [Found(seed, *each) for each in self.faults(program, modes, counts)]
            yield 1, dict(counts), found

    def faults(
        self, program: DrawnProgram, modes: Sequence[str], counts: Counter[str]
    ) -> Iterator[tuple[str, str]]:
        """What differs, with the mode; counts the modes that ran."""
        counts["reference"] += 1
        if not program.calls:
            return
        try:
            read = weft.from_jax(program, *program.inputs)
            want = arrays_of(read(*program.inputs))
        except weft.UnsupportedError as error:
            counts[f"refused: {'; '.join(str(error).splitlines()[:-1])}"] += 1
            return
        except Exception as error:
            yield "reference", f"{type(error).__name__}: {error}"
            return
        yield from zip(itertools.repeat("reference"), call_faults(program, want))
        compiled = weft.jit(lambda *values: read(*values))
        runs: dict[str, Callable[[], Iterator[str]]] = {
            "jit": lambda: _same(arrays_of(compiled(*program.inputs)), want),
            "object": lambda: _object_faults(read, program.inputs, want),
        }
        for mode in modes:
            try:
                yield from zip(itertools.repeat(mode), runs[mode]())
                counts[mode] += 1
            except (weft.UnsupportedError, weft.ConcretizationError) as error:
                counts[f"{mode} refused: {str(error)[:120]}"] += 1
            except Exception as error:
                if HOST in str(error):
                    counts[f"{mode} refused: {HOST}"] += 1
                    continue
                yield mode, f"{type(error).__name__}: {error}"
