"""``torch.compile(model, backend="weft")``."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import torch
import torch.fx
from torch._decomp import core_aten_decompositions, decomposition_table
from torch._dynamo.backends.common import aot_autograd
from torch._functorch._aot_autograd.schemas import OutputType

from . import _families  # noqa: F401
from ._decompositions import FACTORED
from ._joint import partition
from ._losses import multilabel_margin_loss, replace_losses
from ._once import once_differentiable
from ._rules import TABLE
from ._runner import Compiled
from ._sharing import shared_memory

#: Draws of random numbers, which have PyTorch's bits only where PyTorch makes them.
_DRAWS = ("aten.bernoulli.default", "aten.bernoulli.p")

#: Has a decomposition that PyTorch's table of core ops does not list.
_RRELU_BACKWARD = torch.ops.aten.rrelu_with_noise_backward.default


@functools.cache
def decompositions() -> dict[Any, Callable]:
    """ATen's ops that are taken apart: those of PyTorch's table for which weft has no rule."""
    known = {*TABLE.names(), *_DRAWS}
    table: dict[Any, Callable] = dict(core_aten_decompositions())
    found = {op: rule for op, rule in table.items() if str(op) not in known}
    return {
        **found,
        **FACTORED,
        torch.ops.aten.native_dropout.default: _dropout,
        _RRELU_BACKWARD: decomposition_table[_RRELU_BACKWARD],
        torch.ops.aten.multilabel_margin_loss.default: multilabel_margin_loss,
    }


def _dropout(x: torch.Tensor, p: float, train: bool | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Dropout by a draw that does not look at x, so that all draws come before weft's piece."""
    if train is False:
        return x.clone(), torch.ones_like(x, dtype=torch.bool)
    mask = torch.ops.aten.bernoulli.p(torch.empty_like(x, dtype=torch.bool), 1 - p)
    return x * mask * (1 / (1 - p) if p < 1 else 0.0), mask


def _known(name: str) -> Any:
    """What AOTAutograd knows of the graph under way."""
    context = torch._guards.TracingContext.try_get()
    return getattr(getattr(context, "fw_metadata", None), name, None)


def compiler(
    kind: str, record: Callable[[Compiled], None] | None = None, freezing: bool = False
) -> Callable:
    """What compiles the graphs of one kind: "inference", "forward" or "backward"."""

    def compile_graph(module: torch.fx.GraphModule, examples: Sequence[Any]) -> Compiled:
        kept = list(_known("static_input_indices") or ())
        if kind == "backward":
            names = [node.name for node in module.graph.nodes if node.op == "placeholder"]
            kept = [i for i, name in enumerate(names) if name.startswith("primals")]
        returned = {"forward": _known("num_forward_returns"), "backward": 0}.get(kind)
        compiled = Compiled(module, kept, kind, freezing, returned)
        if record is not None:
            record(compiled)
        if kind == "backward":
            # A compiled function may call `backward`: TorchDynamo doesn't look into what runs then.
            run: Any = torch._dynamo.disable(compiled, wrapping=False)  # type: ignore[no-untyped-call]
            run._boxed_call = True
            return run
        return compiled

    if kind == "backward":
        # PyTorch's own wrapper would hide that the arguments come as a list.
        compile_graph._is_wrapped_bw_compiler = True  # type: ignore[attr-defined]
    return compile_graph


def make_backend(
    record: Callable[[Compiled], None] | None = None, freezing: bool = False
) -> Callable:
    """A backend for `torch.compile`; `record` sees each graph that is compiled."""
    compile_whole = aot_autograd(
        fw_compiler=compiler("forward", record),
        bw_compiler=compiler("backward", record),
        inference_compiler=compiler("inference", record, freezing),
        decompositions=decompositions(),
        partition_fn=partition,
        keep_inference_input_mutations=False,
    )

    def compile_captured(module: torch.fx.GraphModule, examples: Sequence[Any]) -> Callable:
        replace_losses(module)
        try:
            compiled = compile_whole(module, examples)
        except (AssertionError, RuntimeError) as error:
            if not shared_memory(examples, range(len(examples))):
                raise
            return _left(module, str(error).partition("\n")[0])
        written = _written(len(examples))
        shared = shared_memory(examples, written)
        kinds = [info.output_type for info in _known("output_info") or ()]
        # AOTAutograd writes to one tensor made of those that share memory, and makes results that
        # are views of them from a wrong one.
        if shared and OutputType.alias_of_input in kinds:
            return _left(module, "results are views of them")
        tensors = [x for x in (*examples, *module.parameters()) if isinstance(x, torch.Tensor)]
        if any(x.requires_grad for x in tensors):
            compiled = once_differentiable(compiled)
        return _for_shared(compiled, module, written, shared) if written else compiled

    compile_captured.__name__ = "weft"  # PyTorch's errors name it
    return compile_captured


def _written(count: int) -> Container[int]:
    """Which of so many arguments the graph under way writes to; all where that is not known."""
    known = _known("input_info") or ()
    written = {i for i, info in enumerate(known) if info.mutates_data}
    # Those that share memory with one of these may be one tensor here.
    return written if len(known) == count or not written else range(count)


def _left(module: torch.fx.GraphModule, reason: str) -> Callable:
    """The graph in PyTorch, with a warning."""
    warnings.warn(
        "torch.compile(backend='weft'): a function of arguments that share memory runs in PyTorch, "
        f"as AOTAutograd does not compile what it writes to them: {reason}",
        stacklevel=2,
    )
    return module


def _for_shared(
    compiled: Callable, module: torch.fx.GraphModule, written: Container[int], shared: list
) -> Callable:
    """Calls whose arguments share memory otherwise than the first ones run as PyTorch has them.

    AOTAutograd made one tensor of what was shared and is written to, and nobody guards that.
    """

    def call(*args: Any) -> Any:
        if shared_memory(args, written) == shared:
            return compiled(*args)
        warnings.warn(
            "torch.compile(backend='weft'): a function that writes to its arguments is called with "
            "some that share memory otherwise than those it was compiled for; this call runs in "
            "PyTorch",
            stacklevel=2,
        )
        return module(*args)

    return call


@functools.cache
def _backend(freezing: bool) -> Callable:
    return make_backend(freezing=freezing)


def backend(
    module: torch.fx.GraphModule,
    examples: Sequence[Any],
    *,
    options: Mapping[str, Any] | None = None,
    mode: str | None = None,
) -> Callable:
    """Compiles a graph that TorchDynamo captured: ``torch.compile(model, backend="weft")``.

    Ops without a rule run in PyTorch; `weft.torch.explain` shows them.

    Args:
        options: ``{"freezing": True}``: where nothing is recorded for gradients, what depends on
            parameters and buffers alone (packed weights, tables) is computed once, and again after
            PyTorch counted a write to them (an optimizer's step, `load_state_dict`). Writes that it
            does not count, through ``.data`` or NumPy, are not seen. The results are the same bits.
        mode: all modes of `torch.compile` are taken, and are one: there is one way to compile.

    Raises:
        TypeError: there is no such option.
    """
    unknown = sorted(set(options or {}) - {"freezing"})
    if unknown:
        raise TypeError(
            f'torch.compile(backend="weft") has no option {unknown[0]!r}; there is "freezing"'
        )
    return _backend(bool((options or {}).get("freezing", False)))(module, examples)


def register() -> None:
    """Makes "weft" a backend of `torch.compile` where weft is not installed as a package."""
    from torch._dynamo.backends.registry import register_backend

    if "weft" not in torch._dynamo.list_backends(exclude_tags=()):
        register_backend(compiler_fn=backend, name="weft")
