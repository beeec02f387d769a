"""A piece of a graph as one program of weft, called with PyTorch's tensors."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.fx

import weft

from .._creation import _fail
from .._errors import UnsupportedError
from . import _sizes
from ._graph import Failures, constant, is_size, meta, run
from ._rules import weft_dtype
from ._sharing import FrozenInput, KeptInput, dense_order, inverse, to_torch, to_weft

#: What `_forward` computes in this thread.
_CURRENT = threading.local()


def _forward(*tensors: weft.Tensor) -> tuple:
    """The function that is exported: a trace looks into what a closure holds, not in here."""
    return _CURRENT.body(tensors)


#: So many programs of one piece are kept if sizes had to be numbers in it.
MOST_PROGRAMS = 64


class SizesNeededError(Exception):
    """A program for all sizes could not be compiled: from now on each combination gets its own."""


class Piece:
    """Nodes that weft computes by one call.

    Sizes that calls choose are symbolic, so that one program serves them all; where an op needs
    their numbers, each combination gets a program of its own (`specialised` says why).
    """

    def __init__(
        self,
        nodes: Sequence[torch.fx.Node],
        results: Sequence[torch.fx.Node],
        constants: dict[torch.fx.Node, Any],
        kept: set[torch.fx.Node],
        freezing: bool = False,
    ) -> None:
        self.nodes, self.results = list(nodes), list(results)
        inside = set(nodes)
        outside = dict.fromkeys(
            other for node in nodes for other in node.all_input_nodes if other not in inside
        )
        self.sizes = [node for node in outside if is_size(node)]
        self.constants = {n: constants[n] for n in outside if n in constants}
        self.inputs = [n for n in outside if not is_size(n) and n not in constants]
        self.orders = [dense_order(meta(node)) for node in self.inputs]
        self.result_orders = [dense_order(meta(node)) for node in self.results]
        is_kept = [n in kept and _is_plain(meta(n)) for n in self.inputs]
        holder = FrozenInput if freezing else KeptInput
        self.convert: list[Callable] = [holder() if kept else to_weft for kept in is_kept]
        self._frozen = [i for i, kept in enumerate(is_kept) if kept and freezing]
        self.specialised = ""
        self.programs: OrderedDict[tuple, Any] = OrderedDict()
        self.program: Any = None
        self._plain = not any(self.orders) and not any(self.result_orders)

    def compile(self) -> dict[torch.fx.Node, str]:
        """Makes the program; the nodes that weft can't compute, and why."""
        failures, program, error = self._traced(None)
        if program is not None:
            self.program = program
            return {}
        if not self._is_symbolic():
            if not failures.reasons and error is not None:
                return dict.fromkeys(self.nodes, f"{type(error).__name__}: {error}")
            return failures.reasons
        self.specialised = _why(failures, error)
        hints = [[_hint(size) for size in meta(node).shape] for node in self.inputs]
        numbers = {node: _hint(meta(node)) for node in self.sizes}
        failures, program, error = self._traced((hints, numbers))
        if program is None and not failures.reasons:
            return dict.fromkeys(self.nodes, f"{type(error).__name__}: {error}")
        return failures.reasons

    def _is_symbolic(self) -> bool:
        shapes = [size for node in self.inputs for size in meta(node).shape]
        return any(not isinstance(size, int) for size in shapes) or bool(self.sizes)

    def _check_told(self) -> None:
        """Raises UnsupportedError if a size is read that no tensor's dimension tells a call."""
        dimensions = [size for node in self.inputs for size in meta(node).shape]
        for node in self.sizes:
            for symbol in _sizes.symbols(meta(node)):
                if not any(_sizes.tells(size, symbol) for size in dimensions):
                    raise _fail(
                        UnsupportedError, f"no argument has a size that tells the number {symbol}"
                    )

    def _traced(self, known: Any) -> tuple[Failures, Any, Exception | None]:
        """The program for symbolic sizes (None) or for these shapes and numbers."""
        failures = Failures()

        try:
            if known is None:
                self._check_told()
            shapes = known[0] if known else [None] * len(self.inputs)
            specs = list(map(self._spec, self.inputs, shapes, self.orders))
            _CURRENT.body = functools.partial(self._body, known, failures)
            program = weft.export(_forward, *specs)._program
            program.keep_arguments(self._frozen)
        except (weft.WeftError, NotImplementedError) as error:
            return failures, None, error
        finally:
            _CURRENT.body = None
        return failures, None if failures.reasons else program, None

    def _body(self, known: Any, failures: Failures, tensors: Sequence[weft.Tensor]) -> tuple:
        values: dict[torch.fx.Node, Any] = {}
        for node, tensor, order in zip(self.inputs, tensors, self.orders):
            values[node] = tensor if order is None else tensor.permute(*inverse(order))
        for node in self.sizes:
            values[node] = known[1][node] if known else _sizes.symbolic(meta(node))
        for node, value in self.constants.items():
            values[node] = constant(value)
        run(self.nodes, values, failures)
        found = [values[node] for node in self.results]
        return tuple(
            x if order is None else x.permute(*order) for x, order in zip(found, self.result_orders)
        )

    def _spec(self, node: torch.fx.Node, known: Any, order: Any) -> Any:
        tensor = meta(node)
        shape = known or [_sizes.formula(size) for size in tensor.shape]
        axes = order or range(len(shape))
        return weft.spec([shape[axis] for axis in axes], weft_dtype(tensor.dtype))

    def __call__(self, values: dict[torch.fx.Node, Any]) -> None:
        """Computes the results and puts them among the values."""
        tensors = [values[node] for node in self.inputs]
        try:
            self._run(self.program or self._program_for(tensors, values), tensors, values)
        except weft.WeftError as error:
            if self.specialised or not self._is_symbolic():
                raise
            self.specialised, self.program = str(error), None
            raise SizesNeededError from error

    def _run(self, program: Any, tensors: Sequence[torch.Tensor], values: dict) -> None:
        if self._plain:
            given = [convert(x) for convert, x in zip(self.convert, tensors)]
            found = [to_torch(x) for x in program.run(given)]
        else:
            given = [
                convert(x if order is None else x.permute(order))
                for convert, x, order in zip(self.convert, tensors, self.orders)
            ]
            found = [
                to_torch(x) if order is None else to_torch(x).permute(inverse(order))
                for x, order in zip(program.run(given), self.result_orders)
            ]
        if len(found) > 1:
            _part(found)
        values.update(zip(self.results, found))

    def _program_for(self, tensors: Sequence[torch.Tensor], values: dict) -> Any:
        """The program for these sizes; the least recently used one makes room."""
        numbers = {node: values[node] for node in self.sizes}
        shapes = [tuple(tensor.shape) for tensor in tensors]
        key = (tuple(shapes), tuple(numbers.values()))
        if key in self.programs:
            self.programs.move_to_end(key)
            return self.programs[key]
        failures, program, error = self._traced((shapes, numbers))
        if program is None:
            raise error or weft.UnsupportedError(_why(failures, None))
        self.programs[key] = program
        if len(self.programs) > MOST_PROGRAMS:
            self.programs.popitem(last=False)
        return program


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether shape and strides are known numbers of dense memory, with an address of its own."""
    return (
        all(isinstance(size, int) for size in tensor.shape)
        and tensor.numel() > 0
        and tensor.is_contiguous()
        and not tensor.is_complex()
    )


def _part(found: list[torch.Tensor]) -> None:
    """PyTorch may write into a result: results that weft keeps in one memory are parted."""
    seen: set[int] = set()
    for i, tensor in enumerate(found):
        address = tensor.data_ptr()
        if address in seen and tensor.numel():
            found[i] = tensor.clone()
        seen.add(address)


def _hint(size: Any) -> Any:
    if _sizes.found_late(size):
        return 2  # any number: no program is kept of it
    return size.node.hint if isinstance(size, (torch.SymInt, torch.SymFloat)) else size


def _why(failures: Failures, error: Exception | None) -> str:
    for reason in failures.reasons.values():
        return reason
    return str(error)
