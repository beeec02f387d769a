"""PyTorch's modules as modules of weft: `weft.from_torch`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.export
import torch.fx
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

import weft
from weft import nn

from .._creation import _fail
from .._errors import DTypeError, ShapeError, UnsupportedError
from .._foreign import ForeignUse
from ..nn._parameter import adopted
from . import _sizes
from ._backend import decompositions
from ._detached import with_detached
from ._graph import Failures, attribute, constant, is_check, lacking, meta, op_name, run, why_not
from ._lines import place
from ._reading import damage, read
from ._rules import TABLE, weft_dtype
from ._sharing import to_weft

_STATE = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


class TorchModule(nn.Module):
    """A program of PyTorch as a module of weft, with PyTorch's names for its weights.

    Called as the module was; takes arrays and tensors of weft, and returns the latter. `specs` are
    what `weft.export` needs: sizes that were dynamic in the exported program are symbolic.
    """

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        super().__init__()
        self._graph = _Graph(program)
        for name, tensor, is_parameter in self._graph.state:
            _place(self, name.split("."), tensor, is_parameter)
        self.eval()

    @property
    def specs(self) -> tuple[Any, ...]:
        """The specs of the tensors among the arguments, in their order."""
        return self._graph.specs

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The program's results for these arguments."""
        return self._graph.call(dict(self._weights()), args, kwargs)

    def _weights(self) -> list[tuple[str, weft.Tensor]]:
        return [*self.named_parameters(), *self.named_buffers()]


def _place(module: nn.Module, path: Sequence[str], tensor: torch.Tensor, trained: bool) -> None:
    """Puts a weight where its dotted name says, in modules without anything else."""
    for name in path[:-1]:
        inner = getattr(module, name, None)
        if inner is None:
            inner = nn.Module()
            module.add_module(name, inner)
        module = inner
    shared = to_weft(tensor.detach())
    if trained:
        wanted = tensor.requires_grad and tensor.is_floating_point()
        module.register_parameter(path[-1], adopted(shared, wanted))
    else:
        module.register_buffer(path[-1], shared)


class _Graph:
    """The exported program, taken apart; an object that no trace has to look into."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        program = with_detached(program).run_decompositions(decompositions())
        signature = program.graph_signature
        self.nodes = [n for n in program.graph.nodes if n.op == "call_function"]
        self.outputs = next(iter(reversed(program.graph.nodes))).args[0]
        self._require()
        changed = [s for s in signature.output_specs if s.kind != OutputKind.USER_OUTPUT]
        if changed:
            raise _fail(
                UnsupportedError,
                f"from_torch: the program changes {changed[0].target or 'an argument'} in place: "
                "export it in eval() mode, or return the new value",
            )
        names = {n.name: n for n in program.graph.nodes if n.op == "placeholder"}
        self.arguments: list[torch.fx.Node] = []
        self.weights: dict[str, torch.fx.Node] = {}
        self.state: list[tuple[str, torch.Tensor, bool]] = []
        for spec in signature.input_specs:
            node = names[spec.arg.name]
            if spec.kind not in _STATE:
                self.arguments.append(node)
                continue
            name = str(spec.target)
            found = program.state_dict.get(name, program.constants.get(name))
            self.weights[name] = node
            self.state.append((name, found, spec.kind == InputKind.PARAMETER))
        module = program.graph_module
        self.constants = {
            n: constant(attribute(module, n)) for n in program.graph.nodes if n.op == "get_attr"
        }
        self.in_form, self.out_form = program.call_spec.in_spec, program.call_spec.out_spec
        specs = {n: _spec(n) for n in self.arguments if isinstance(meta(n), torch.Tensor)}
        self.specs = tuple(specs.values())
        # With numbers that symbols turned out to be, too.
        self.wanted = {n: (tuple(spec.shape), spec.dtype) for n, spec in specs.items()}

    def _require(self) -> None:
        """Raises one error for all ops that weft can't compute."""
        uses = lacking(self.nodes)
        TABLE.require(
            [ForeignUse(op_name(n), place=place(n)) for n in uses],
            'torch.compile(model, backend="weft") runs such ops in PyTorch.',
        )
        if uses:
            raise _fail(
                UnsupportedError, f"{place(uses[0])}: {op_name(uses[0])}: {why_not(uses[0])}"
            )

    def call(self, weights: dict[str, weft.Tensor], args: tuple, kwargs: dict) -> Any:
        flat, form = pytree.tree_flatten((args, kwargs))
        if form != self.in_form or len(flat) != len(self.arguments):
            raise _fail(DTypeError, f"the program takes {self.in_form}; the call gives {form}")
        flat = [weft.asarray(x) if isinstance(x, np.ndarray) else x for x in flat]
        values: dict[Any, Any] = dict(zip(self.arguments, flat, strict=True))
        values.update(self.constants)
        values.update((node, weights[name]) for name, node in self.weights.items())
        self._check(values)
        failures = Failures()
        run([n for n in self.nodes if not is_check(n)], values, failures)
        failures.check()
        found = [values[x] if isinstance(x, torch.fx.Node) else x for x in self.outputs]
        return _rebuilt(self.out_form, iter(found))

    def _check(self, values: dict) -> None:
        """Refuses tensors of another dtype or shape than the program is for."""
        for node, (shape, dtype) in self.wanted.items():
            value = values[node]
            if not isinstance(value, weft.Tensor):
                raise _fail(
                    DTypeError,
                    f"the argument {node.name} has to be {_spec(node)}, but is a "
                    f"{type(value).__module__}.{type(value).__name__}: weft.asarray makes a tensor",
                )
            fits = value.ndim == len(shape) and all(
                not isinstance(want, int) or have == want for have, want in zip(value.shape, shape)
            )
            same = value.dtype == dtype
            if not fits or not same:
                raise _fail(
                    ShapeError if same else DTypeError,
                    f"the argument {node.name} has to be {_spec(node)}, but is "
                    f"{value.dtype.name} of shape {list(value.shape)}",
                )


def _rebuilt(form: Any, found: Iterator[Any]) -> Any:
    """Tuples, lists and dicts as they were; dicts instead of other classes with keys."""
    if form.is_leaf():
        return next(found)
    parts = [_rebuilt(inner, found) for inner in form.children()]
    if issubclass(form.type, dict):
        return dict(zip(form.context, parts, strict=True))
    return parts if form.type is list else tuple(parts)


def _spec(node: torch.fx.Node) -> Any:
    tensor = meta(node)
    return weft.spec([_sizes.formula(s) for s in tensor.shape], weft_dtype(tensor.dtype))


def from_torch(
    module: Any,
    args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
) -> TorchModule:
    """A module of weft made of a PyTorch module, or of a program of ``torch.export``.

    Args:
        module: a ``torch.nn.Module``, with example arguments, an ``ExportedProgram``, or the path
            of a file of ``torch.export.save``.
        args, kwargs: examples of the arguments, as ``torch.export.export`` takes them.
        dynamic_shapes: which of their sizes calls choose, as ``torch.export.export`` takes it.

    The weights share PyTorch's memory until they are changed here. They keep PyTorch's names, and
    the module can be given to `jit`, `grad`, `export` and the optimizers.

    Raises:
        UnsupportedError: ops without a rule, all of them named with their lines; a program that
        changes its buffers; a file that holds more than data. FileError: there is no such file, or
        it is damaged.
    """
    if isinstance(module, (str, os.PathLike)):
        program = read(module)
        try:
            return TorchModule(program)
        except Exception as error:  # PyTorch's own, of a graph that is none
            what = "PyTorch can't take its program apart, which is damaged or beyond PyTorch"
            raise damage(os.fsdecode(module), error, what) from None
    if isinstance(module, torch.export.ExportedProgram):
        return TorchModule(module)
    if not isinstance(module, torch.nn.Module):
        raise _fail(
            DTypeError,
            f"from_torch takes a torch.nn.Module, an ExportedProgram or a path, not a "
            f"{type(module).__name__}",
        )
    program = torch.export.export(module, tuple(args), kwargs, dynamic_shapes=dynamic_shapes)
    return TorchModule(program)
