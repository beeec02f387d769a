"""Random programs of PyTorch, as text, that run in PyTorch and in weft's backend.

A program is drawn line by line and each line is run at once, in PyTorch and in a twin whose
floating-point numbers are all of double precision: what is equal in both counts as exact, and only
exact values go into ops with jumps. So the twin gives the true results, and PyTorch's own error.
"""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch_templates import ELEMENTS, INDICES, LINEAR, REDUCTIONS, VIEWS, WRITES

FAMILIES = (ELEMENTS, ELEMENTS, VIEWS, VIEWS, REDUCTIONS, INDICES, LINEAR, WRITES)
_DTYPES = {
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f32": torch.float32,
    "f64": torch.float64,
    "c64": torch.complex64,
    "c128": torch.complex128,
}
_INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")
_KINDS = ("f32",) * 6 + ("f64", "f16", "bf16", "c64", "int64", "int64", "int32", "uint8", "bool")
#: A result may be so many times as far from the twin's as PyTorch's own, plus so many units.
TIMES, UNITS = 8, 64


def _signs_flipped(x: torch.Tensor) -> torch.Tensor:
    """-x, by the bits of float32."""
    if x.dtype != torch.float32:
        return -x
    return (x.view(torch.int32) ^ -(2**31)).view(torch.float32)


def names(twin: bool) -> dict[str, Any]:
    """What programs may name; in the twin all floating dtypes are double precision."""
    wide = {"f": torch.float64, "b": torch.float64, "c": torch.complex128}
    dtypes = {name: wide[name[0]] if twin else dtype for name, dtype in _DTYPES.items()}
    flipped = torch.neg if twin else _signs_flipped
    return {"torch": torch, "F": F, "signs_flipped": flipped, **dtypes}


@dataclass
class Value:
    """A tensor that a program has made so far, and what it is in the twin."""

    name: str
    real: torch.Tensor
    twin: torch.Tensor

    @property
    def exact(self) -> bool:
        real, twin = self.real.detach(), self.twin.detach()
        return torch.equal(real.to(twin.dtype).nan_to_num(-77.0), twin.nan_to_num(-77.0))

    def fits(self, kind: str) -> bool:
        floating = self.real.is_floating_point()
        if kind in "xy":
            return True
        if kind == "f":
            return floating
        if kind == "c":
            return self.real.is_complex()
        if kind == "b":
            return self.real.dtype == torch.bool
        if kind == "i":
            return not (floating or self.real.is_complex() or self.real.dtype == torch.bool)
        return not self.real.is_complex() and self.exact and (kind == "e" or floating)


@dataclass
class Input:
    """How an argument is made: its elements, how they lie in memory, whether it has a gradient."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    needs_grad: bool
    seed: int

    def make(self, twin: bool = False) -> torch.Tensor:
        draw = torch.Generator().manual_seed(self.seed)
        shape = list(self.shape)
        if self.layout == "expanded" and shape:
            shape[0] = 1
        elif self.layout == "gaps" and shape:
            shape[-1] *= 2
        elif self.layout == "turned":
            shape.reverse()
        elif self.layout == "shifted":
            shape = [*shape, 2]
        dtype = names(twin).get(self.dtype) or getattr(torch, self.dtype)
        numbers = torch.randint(-8, 9, shape, generator=draw) / 4
        if dtype.is_complex:
            other = torch.randint(-8, 9, shape, generator=draw) / 4
            whole = torch.complex(numbers.double(), other.double()).to(dtype)
        elif self.dtype in _INTEGERS:
            low = 0 if self.dtype in ("uint8", "bool") else -2
            high = 2 if self.dtype == "bool" else 5
            whole = torch.randint(low, high, shape, generator=draw).to(dtype)
        else:
            whole = numbers.to(dtype)
        if self.needs_grad:
            whole.requires_grad_()
            return self._laid_out(whole * 1)
        return self._laid_out(whole)

    def _laid_out(self, whole: torch.Tensor) -> torch.Tensor:
        if self.layout == "expanded" and self.shape:
            return whole.expand(self.shape)
        if self.layout == "gaps" and self.shape:
            return whole[..., ::2]
        if self.layout == "turned":
            return whole.permute(list(reversed(range(whole.ndim))))
        return whole[..., 1] if self.layout == "shifted" else whole


def leaf_of(tensor: torch.Tensor) -> torch.Tensor | None:
    """The tensor without history that an argument was made of."""
    node = tensor.grad_fn
    while node is not None and not hasattr(node, "variable"):
        node = next((n for n, _ in node.next_functions if n is not None), None)
    return None if node is None else node.variable


@dataclass
class Program:
    """The lines of a function, its arguments and its results."""

    inputs: list[Input]
    lines: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        given = ", ".join(x.name for x in self.inputs)
        lines = [f"    {line}" for line in self.lines]
        return "\n".join([f"def program({given}):", *lines, f"    return ({self._tuple()})"])

    def _tuple(self) -> str:
        return "".join(f"{name}, " for name in self.results)

    def function(self, twin: bool = False) -> Callable:
        space = names(twin)
        exec(compile(self.text, "<generated>", "exec"), space)
        return space["program"]


class _Drawing:
    """A program under way."""

    def __init__(self, seed: int, families: Sequence[Sequence[str]]) -> None:
        self.draw = random.Random(seed)
        self.families = families
        sizes = self.draw.choices((1, 2, 3, 4, 5), k=2)
        if self.draw.random() < 0.1:
            sizes[self.draw.randrange(2)] = 0
        count = self.draw.randint(1, 4)
        gradients = self.draw.random() < 0.6
        inputs = [self._input(f"a{i}", sizes, gradients) for i in range(count)]
        if not any(x.dtype == "int64" for x in inputs):
            shape = tuple(self.draw.sample(sizes, self.draw.randrange(3)))
            inputs.append(Input("a9", shape, "int64", "dense", False, self.draw.randrange(999)))
        self.program = Program(inputs)
        self.spaces = [names(False), names(True)]
        self.values: list[Value] = []
        for x in inputs:
            self._note(x.name, [x.make(), x.make(twin=True)])

    def _note(self, name: str, pair: Sequence[torch.Tensor]) -> None:
        for space, tensor in zip(self.spaces, pair):
            space[name] = tensor
        self.values.append(Value(name, pair[0], pair[1]))

    def _input(self, name: str, sizes: Sequence[int], gradients: bool) -> Input:
        draw = self.draw
        rank = draw.choice((0, 1, 2, 2, 2, 3, 3, 4))
        shape = tuple(draw.choice([*sizes, sizes[0], 1]) for _ in range(rank))
        dtype = draw.choice(_KINDS)
        layout = draw.choice(("dense",) * 4 + ("turned", "gaps", "shifted", "expanded"))
        needs = gradients and dtype in _DTYPES and draw.random() < 0.8
        return Input(name, shape, dtype, layout, needs, draw.randrange(10**6))

    def _blank(self, kind: str) -> str:
        draw = self.draw
        if kind in "xyfcbiep":
            found = [v for v in self.values if v.fits(kind)]
            if not found:
                raise LookupError
            # New values more often than old ones: chains get long.
            places = draw.choices(range(len(found)), weights=range(3, len(found) + 3))
            return found[places[0]].name
        if kind == "d":
            return str(draw.choice((0, 1, -1, -1, -2, 2, 0)))
        if kind == "k":
            return str(draw.choice((0, 1, 1, 2, 2, 3)))
        if kind == "n":
            return str(draw.choice((-2, -1, 0, 1, 2)))
        if kind == "s":
            return draw.choice(("2", "-1", "0.5", "1.25", "True", "3", "-0.75", "0"))
        if kind == "t":
            return draw.choice(("True", "False"))
        return draw.choice((*_DTYPES, *(f"torch.{name}" for name in _INTEGERS)))

    def line(self) -> None:
        template = self.draw.choice(self.draw.choice(self.families))
        known: dict[str, str] = {}

        def fill(match: re.Match) -> str:
            kind = match[1]
            text = known.get(kind) or self._blank(kind[0])
            if len(kind) > 1:
                known[kind] = text
            elif kind in "xy":
                known.setdefault("x0", text)  # a repeated tensor is more often the same one
            return text

        try:
            text = re.sub(r"\{(\w\d?)\}", fill, template)
        except LookupError:
            return
        if template in WRITES:
            self._write(text, re.search(r"\ba\d\b|\bv\d+\b", text))
        else:
            self._expression(text)

    def _expression(self, text: str) -> None:
        try:
            pair = [eval(text, space) for space in self.spaces]
        except Exception:
            return
        real, twin = pair
        if not isinstance(real, torch.Tensor) or real.shape != twin.shape or real.numel() > 300:
            return
        if real.dtype.is_floating_point != twin.dtype.is_floating_point:
            return
        if real.numel() and not bool((twin.detach().abs() < 1e4).all()):
            return
        name = f"v{len(self.program.lines)}"
        self.program.lines.append(f"{name} = {text}")
        self._note(name, pair)

    def _write(self, text: str, target: re.Match | None) -> None:
        tensors = [space[target[0]] for space in self.spaces]  # type: ignore[index]
        if "out=" in text:
            tensors = [space[re.search(r"out=(\w+)", text)[1]] for space in self.spaces]  # type: ignore[index]
            if any(x.requires_grad for x in tensors):
                return
        if any(torch._debug_has_internal_overlap(x) for x in tensors):
            return
        shape = tensors[0].shape
        try:
            exec(text, self.spaces[0])
        except Exception:
            return
        exec(text, self.spaces[1])  # what fails here alone ends the program
        if "out=" in text and tensors[0].shape != shape:
            raise RuntimeError("a result of another shape, which PyTorch warns of")
        self.program.lines.append(text)


def generated(seed: int, length: int, families: Sequence[Sequence[str]] = FAMILIES) -> Program:
    """The program of this number; of about so many lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawing = _Drawing(seed, families)
        draw = drawing.draw
        for _ in range(length * 12):
            try:
                drawing.line()
            except Exception:
                break
            if len(drawing.program.lines) >= length:
                break
    program = drawing.program
    names_ = [v.name for v in drawing.values]
    late = names_[len(program.inputs) :] or names_
    program.results = draw.sample(late, min(len(late), draw.randint(1, 6)))
    if draw.random() < 0.3:
        program.results.append(draw.choice(names_))
    if draw.random() < 0.15:
        program.results.append(program.results[0])
    return program


@dataclass
class Outcome:
    """What a call leaves: results, arguments and gradients, and how memory is shared."""

    tensors: list[torch.Tensor]
    labels: list[str]
    facts: list[Any]
    written: list[bool]


def _shared(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.untyped_storage()._cdata == other.untyped_storage()._cdata


def outcome(
    program: Program, call: Callable, twin: bool = False, like: Outcome | None = None
) -> Outcome:
    """Calls the program with fresh arguments; results are written to as in the outcome `like`."""
    given = [x.make(twin) for x in program.inputs]
    leaves = [leaf_of(x) for x in given]
    results = list(call(*given))
    tensors = [*results, *given]
    labels = [*(f"result {i}" for i in range(len(results))), *(x.name for x in program.inputs)]
    facts: list[Any] = [(x.dtype if not twin else 0, x.shape, x.requires_grad) for x in tensors]
    for i, one in enumerate(results):
        for j, other in enumerate(tensors[:i] + given):
            if one.numel() and other.numel():
                facts.append((i, j, one is other, _shared(one, other)))
    roots = [x for x in tensors if x.requires_grad and x.grad_fn is not None]
    wanted = [x for x in leaves if x is not None]
    grads: list[Any] = []
    if roots and wanted:
        weights = [_weights(x) for x in roots]
        grads = list(torch.autograd.grad(roots, wanted, weights, allow_unused=True))
    facts += [x is None for x in grads]
    kept = [x.detach().clone() for x in tensors] + [x for x in grads if x is not None]
    labels += [f"gradient {i}" for i, x in enumerate(grads) if x is not None]
    written = like.written if like else [_is_dense(x) for x in results]
    kept += _after_writes([x for x, w in zip(results, written) if w], tensors)
    labels += [f"{label} after writes" for label in labels[: len(tensors)]]
    return Outcome(kept, labels, facts, written)


def _is_dense(x: torch.Tensor) -> bool:
    return torch._prims_common.is_non_overlapping_and_dense_or_false(x)


def _weights(x: torch.Tensor) -> torch.Tensor:
    return (torch.arange(x.numel()) % 3 * 0.5 + 0.5).reshape(x.shape).to(x.dtype)


def _after_writes(results: list[torch.Tensor], tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """All tensors after each result was written to, which shows what shares memory."""
    with torch.no_grad():
        for x in results:
            y = x.detach()
            y.logical_not_() if y.dtype == torch.bool else y.add_(1)
    return [x.detach().clone() for x in tensors]


def difference(found: Outcome, expected: Outcome, true: Outcome) -> str:
    """What is wrong; "" if nothing is."""
    if found.facts != expected.facts:
        wrong = [(a, b) for a, b in zip(found.facts, expected.facts) if a != b]
        return f"facts (ours, PyTorch's): {wrong[:3]}"
    sizes = [x.detach().abs().nan_to_num(0, 0, 0).max() for x in true.tensors if x.numel()]
    largest = max((float(x) for x in sizes), default=1.0)
    for ours, theirs, exact, label in zip(
        found.tensors, expected.tensors, true.tensors, expected.labels, strict=True
    ):
        problem = unlike(ours, theirs, exact, max(largest, 1.0) if "grad" in label else 1.0)
        if problem:
            return f"{label}: {problem}"
    return ""


def unlike(ours: Any, theirs: Any, exact: Any, largest: float) -> str:
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
        return f"{ours.dtype} {tuple(ours.shape)} for {theirs.dtype} {tuple(theirs.shape)}"
    shown = f"{ours.flatten()[:6].tolist()} for {theirs.flatten()[:6].tolist()}"
    if not (ours.is_floating_point() or ours.is_complex()):
        return "" if torch.equal(ours, theirs) else shown
    unit = torch.finfo(ours.dtype).eps
    ours, theirs, exact = (x.to(torch.complex128) for x in (ours, theirs, exact))
    for part in (torch.Tensor.real.__get__, torch.Tensor.imag.__get__):
        mine, other, right = (part(x) for x in (ours, theirs, exact))
        if not torch.equal(mine.isfinite(), other.isfinite()):
            return shown
        finite = other.isfinite() & right.isfinite()
        if not finite.any():
            continue
        mine, other, right = mine[finite], other[finite], right[finite]
        # Halves that a program makes and widens again leave errors of theirs.
        error = (other - right).abs().max()
        bound = TIMES * error + UNITS * unit * max(float(right.abs().max()), largest)
        if (mine - right).abs().max() > bound:
            return f"{shown}, allowed {float(bound):.3g}"
    return ""
