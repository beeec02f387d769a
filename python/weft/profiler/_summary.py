"""What is in a model: its layers, what they give, and what they weigh and cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .. import tree
from .._arguments import explain_errors
from .._autodiff import no_grad
from .._core import SymbolicSize, Tensor
from .._creation import _fail, asarray
from .._errors import DTypeError, ShapeError
from .._export import Spec, export
from ..nn import Module
from ._needs import needed, plain, printed

#: Shape and dtype of each tensor of a result.
Shapes = tuple[Spec, ...]


@dataclass(frozen=True)
class LayerSummary:
    """A module of a model."""

    name: str
    """As `Module.named_modules` has it; "" is the model."""
    kind: str
    """The name of its class."""
    depth: int
    calls: int
    """How often the model calls it."""
    inputs: Shapes
    outputs: Shapes
    """Of the first call; empty if it is not called."""
    parameters: int
    """Elements of its own parameters, without those of modules below."""
    bytes: int
    """Of its own parameters and buffers."""
    multiply_adds: int | None
    """Of all calls; None for modules with others below, but for the model."""


@dataclass(frozen=True)
class ModelSummary:
    """The figures of a model; prints as a table."""

    layers: tuple[LayerSummary, ...]
    """The model and all modules below, in the order of `Module.named_modules`."""
    parameters: int
    trainable_parameters: int
    """Those that require gradients."""
    buffers: int
    """Elements."""
    parameter_bytes: int
    """Parameters and buffers."""
    input_bytes: int
    output_bytes: int
    """Of what all layers without others below give, in all calls: about what backward() keeps."""
    multiply_adds: int
    """Products that matrix products, convolutions and attention add up, wherever they are written;
    half of the floating-point operations of these. Elementwise work and biases are no part; loops
    whose trips nobody knows count once, and so does each branch. A transposed convolution of stride
    s is computed over its input with zeros between, and counts them: about s x s times as much as a
    count without."""

    def __str__(self) -> str:
        return _text(self)

    __repr__ = __str__


@dataclass
class _Calls:
    """What was seen of a module."""

    inputs: Shapes = ()
    outputs: Shapes = ()
    count: int = 0
    bytes: int = 0
    #: How it was called, with specs in the place of tensors: each way once, and how often.
    ways: dict[tuple, list[Any]] = field(default_factory=dict)


def _specs(value: Any) -> tuple[list[Spec], Any]:
    """The tensors of a container as specs, and the container with specs in their place."""
    found: list[Spec] = []

    def spec(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            leaf = Spec(tuple(leaf.shape), leaf.dtype)
        if isinstance(leaf, Spec):
            found.append(leaf)
        return leaf

    return found, tree.map(spec, value, is_leaf=lambda leaf: isinstance(leaf, Spec))


def _kind(leaf: Any) -> Any:
    """What tells an argument from others: its shape and dtype, or what it is."""
    if isinstance(leaf, Spec):
        return leaf.shape, leaf.dtype
    return type(leaf), leaf if isinstance(leaf, (bool, int, float, str)) else id(leaf)


def _bytes(specs: list[Spec] | Shapes) -> int:
    return sum(math.prod(spec.shape) * spec.dtype.itemsize for spec in specs)


def _argument(value: Any) -> Any:
    """An argument of the model's: arrays of other libraries become tensors."""
    if isinstance(value, Spec):
        if any(isinstance(size, SymbolicSize) for size in value.shape):
            raise _fail(
                ShapeError, f"summary: the sizes have to be numbers, not those of {value!r}"
            )
        return value
    return asarray(value) if hasattr(value, "__array__") or hasattr(value, "__dlpack__") else value


@contextmanager
def _evaluated(model: Module) -> Iterator[None]:
    """The model in its evaluation mode; behind it every module is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _program(function: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
    """The traced program of a call; tensors are specs."""
    specs, (args, kwargs) = _specs((args, kwargs))
    is_spec = lambda leaf: isinstance(leaf, Spec)  # noqa: E731
    leaves, structure = tree.flatten((args, kwargs), is_leaf=is_spec)

    def called(*tensors: Tensor) -> Any:
        given = iter(tensors)
        filled = [next(given) if isinstance(leaf, Spec) else leaf for leaf in leaves]
        positional, keywords = structure.unflatten(filled)
        with no_grad():
            return list(_specs_free(function(*positional, **keywords)))

    return export(called, *specs)._program


def _specs_free(result: Any) -> Iterator[Tensor]:
    """The tensors of a result, whatever else is in it."""
    return (leaf for leaf in tree.leaves(result) if isinstance(leaf, Tensor))


def _traced(model: Module, args: tuple, kwargs: dict[str, Any]) -> tuple[dict[int, _Calls], Any]:
    """What was seen of each module, by its identity, in one trace of the model; the program."""
    seen = {id(module): _Calls() for module in model.modules()}

    def note(module: Module, args: tuple, kwargs: dict[str, Any], result: Any) -> None:
        calls = seen[id(module)]
        inputs, way = _specs((args, kwargs))
        outputs, _ = _specs(result)
        if not calls.count:
            calls.inputs, calls.outputs = tuple(inputs), tuple(outputs)
        calls.count += 1
        calls.bytes += _bytes(outputs)
        # Beside tensors, a number or a flag can decide what is computed.
        leaves, structure = tree.flatten(way, is_leaf=lambda leaf: isinstance(leaf, Spec))
        key = (repr(structure), *map(_kind, leaves))
        calls.ways.setdefault(key, [0, way])[0] += 1

    handles = [
        module.register_forward_hook(note, with_kwargs=True) for module in list(model.modules())
    ]
    try:
        program = _program(model, args, kwargs)
    finally:
        for handle in handles:
            handle.remove()
    return seen, program


def _layer(name: str, module: Module, calls: _Calls, total: int, known: set[int]) -> LayerSummary:
    parameters = [p for p in module.parameters(recurse=False) if id(p) not in known]
    buffers = [b for b in module.buffers(recurse=False) if id(b) not in known]
    known.update(map(id, (*parameters, *buffers)))
    multiply_adds: int | None = total if not name else None
    if name and not any(True for _ in module.children()):
        ways = [(count, _program(module, *way)) for count, way in calls.ways.values()]
        multiply_adds = sum(count * int(program.multiply_adds()) for count, program in ways)
    return LayerSummary(
        name=name,
        kind=type(module).__name__,
        depth=name.count(".") + 1 if name else 0,
        calls=calls.count,
        inputs=calls.inputs,
        outputs=calls.outputs,
        parameters=sum(parameter.numel() for parameter in parameters),
        bytes=sum(tensor.nbytes for tensor in (*parameters, *buffers)),
        multiply_adds=multiply_adds,
    )


def summary(model: Module, *args: Any, **kwargs: Any) -> ModelSummary:
    """The layers of a model, with the shapes that they give, parameters, bytes and multiply-adds.

    ::

        print(weft.summary(model, weft.spec((1, 3, 224, 224))))

    Nothing is computed: the model is traced, in its evaluation mode, and is as before afterwards.

    Args:
        model: a module.
        args, kwargs: what it is called with: tensors, arrays of other libraries, or specs
            (`weft.spec`), in containers too; numbers and strings as they are.

    Raises:
        DTypeError: the model is no module. ShapeError: a spec has a size that is no number; the
        layers do not fit together. UnsupportedError: the model changes tensors in its evaluation
        mode; at printing, the package rich is missing.
    """
    if not isinstance(model, Module):
        raise _fail(DTypeError, f"summary takes a module, not a {type(model).__name__}")
    is_spec = lambda leaf: isinstance(leaf, Spec)  # noqa: E731
    args, kwargs = tree.map(_argument, (args, kwargs), is_leaf=is_spec)
    with _evaluated(model):
        seen, program = _traced(model, args, kwargs)
        total, known = int(program.multiply_adds()), set[int]()
        layers = tuple(
            _layer(name, module, seen[id(module)], total, known)
            for name, module in model.named_modules()
        )
    leaves = {id(module) for module in model.modules() if not any(True for _ in module.children())}
    parameters = list(model.parameters())
    buffers = list(model.buffers())
    return ModelSummary(
        layers=layers,
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        buffers=sum(buffer.numel() for buffer in buffers),
        parameter_bytes=sum(tensor.nbytes for tensor in (*parameters, *buffers)),
        input_bytes=_bytes(_specs((args, kwargs))[0]),
        output_bytes=sum(calls.bytes for number, calls in seen.items() if number in leaves),
        multiply_adds=total,
    )


def _shapes(specs: Shapes) -> str:
    return ", ".join(f"{spec.dtype.name}[{', '.join(map(str, spec.shape))}]" for spec in specs)


def _amount(number: float) -> str:
    """1234567 as "1.23 M"."""
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if number >= factor:
            return f"{number / factor:.2f} {letter}"
    return f"{number:,}"


def _text(model: ModelSummary) -> str:
    grid = needed("rich.table", "the table of a summary")
    title = (
        f"{model.parameters:,} parameters ({model.trainable_parameters:,} trainable), "
        f"{model.parameter_bytes / 2**20:.2f} MiB; {_amount(model.multiply_adds)} multiply-adds; "
        f"inputs {model.input_bytes / 2**20:.2f} MiB, results of all layers "
        f"{model.output_bytes / 2**20:.2f} MiB"
    )
    found = grid.Table()
    for heading in ("layer", "gives"):
        found.add_column(heading, overflow="fold")
    for heading in ("calls", "parameters", "multiply-adds"):
        found.add_column(heading, justify="right")
    for layer in model.layers:
        own = layer.name.rpartition(".")[2]
        name = "  " * layer.depth + (f"{own}: " if own else "") + layer.kind
        adds = layer.multiply_adds
        found.add_row(
            plain(name),
            plain(_shapes(layer.outputs) if layer.calls else "not called"),
            str(layer.calls),
            f"{layer.parameters:,}" if layer.parameters else "",
            _amount(adds) if adds else "",
        )
    return f"{title}\n{printed(found)}"


explain_errors(globals(), ["summary"])
