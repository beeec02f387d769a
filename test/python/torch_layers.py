"""Random calls of PyTorch's modules and functions, in PyTorch and through weft.

A program is a row of `torch_layer_templates` with its blanks filled: a module, and calls of it with
arguments of sizes, layouts and modes that are drawn anew. It runs in PyTorch, in a twin of double
precision, which gives the true results, and in what is tested.
"""

from __future__ import annotations

import ast
import dataclasses
import random
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch_generated import unlike

_MODULES = re.compile(r"nn\.[A-Z]\w*(\.from_pretrained)?|nn\.utils\.(parametrizations\.)?\w+_norm")
_ORTHOGONAL = "nn.utils.parametrizations.orthogonal"
_SIZES = (1, 1, 2, 3, 4, 5, 7)


@dataclass(frozen=True)
class Arguments:
    """How the arguments of one call are made."""

    makers: str
    sizes: dict[str, int]
    seed: int
    layout: str
    train: bool

    def make(self, twin: bool = False, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
        draw = torch.Generator().manual_seed(self.seed)
        last = torch.float64 if twin else dtype

        def numbers(function: Callable) -> Callable:
            def make(*shape: int) -> torch.Tensor:
                made = function(shape).to(dtype).to(last)
                return self._laid_out(made).requires_grad_()

            return make

        def integers(bound: int) -> Callable:
            return lambda *shape: torch.randint(0, bound, shape, generator=draw)

        space: dict[str, Any] = {
            "x": numbers(lambda shape: torch.randn(shape, generator=draw)),
            "u": numbers(lambda shape: torch.rand(shape, generator=draw) * 0.9 + 0.05),
            "p": numbers(lambda shape: torch.rand(shape, generator=draw) + 0.5),
            "s": lambda *shape: integers(2)(*shape).to(last) * 2 - 1,
            "b": lambda *shape: integers(2)(*shape).bool(),
            **{f"i{bound}": integers(bound) for bound in (4, 5, 7, 8)},
            **self.sizes,
        }
        return list(eval(f"({self.makers},)", space))

    def _laid_out(self, x: torch.Tensor) -> torch.Tensor:
        if self.layout == "turned" and x.ndim > 1:
            return x.transpose(0, -1).contiguous().transpose(0, -1)
        if self.layout == "last" and x.ndim in (4, 5):
            format = torch.channels_last if x.ndim == 4 else torch.channels_last_3d
            return x.contiguous(memory_format=format)
        if self.layout == "gaps" and x.ndim:
            return torch.stack([x, x], -1)[..., 0]
        return x


@dataclass
class Layer:
    """A filled row: the text of its forward, the modules in it, and the calls."""

    text: str
    modules: list[str]
    calls: list[Arguments] = field(default_factory=list)
    seed: int = 0

    def build(self, package: Any = nn) -> nn.Module:
        """The module, with the same weights each time."""
        torch.manual_seed(self.seed)
        return _Filled(self)

    def __str__(self) -> str:
        calls = "\n".join(f"  {call}" for call in self.calls)
        return f"{self.text}\n  {self.modules}\n{calls}"


class _Filled(nn.Module):
    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.m = nn.ModuleList([eval(text, {"nn": nn, "torch": torch}) for text in layer.modules])
        names = ", ".join("abcd"[: len(layer.calls[0].make())])
        space = {"nn": nn, "torch": torch, "F": F}
        exec(f"def run(self, {names}):\n    return {layer.text}", space)
        self.run = space["run"]

    def forward(self, *args: torch.Tensor) -> Any:
        return self.run(self, *args)


def _taken_out(text: str, names: str) -> tuple[str, list[str]]:
    """The expression with its modules as `self.m[i]`, and what makes these."""
    tree = ast.parse(text, mode="eval")
    found: list[str] = []

    class Take(ast.NodeTransformer):
        def visit_Call(self, node: ast.Call) -> ast.AST:
            name = ast.unparse(node.func)
            if _MODULES.fullmatch(name) or name == _ORTHOGONAL:
                found.append(ast.unparse(node))
                return ast.parse(f"self.m[{len(found) - 1}]", mode="eval").body
            return self.generic_visit(node)

    taken = ast.unparse(Take().visit(tree))
    return (f"{taken}({names})" if taken == "self.m[0]" else taken), found


def drawn(row: str, draw: random.Random, calls: int = 3, empty: bool = True) -> Layer | None:
    """The row with its blanks filled; None if PyTorch refuses it."""

    def fill(text: str) -> str:
        while True:
            more = re.sub(r"\{([^{}]*\|[^{}]*)\}", lambda m: draw.choice(m[1].split("|")), text)
            if more == text:
                return text
            text = more

    makers, _, call = fill(row).partition(" => ")
    count = len(re.findall(r"\b\w+\(", makers))
    try:
        text, modules = _taken_out(call, ", ".join("abcd"[:count]))
    except SyntaxError:
        raise ValueError(call) from None
    layer = Layer(text, modules, seed=draw.randrange(10**6))
    for _ in range(40):
        sizes = {name: draw.choice(_SIZES) for name in "NLM"}
        if empty and draw.random() < 0.07:
            sizes["N"] = 0
        layout = draw.choice(("dense", "dense", "last", "turned", "gaps"))
        layer.calls.append(
            Arguments(makers, sizes, draw.randrange(10**6), layout, draw.random() < 0.6)
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call_of(layer.build(), layer.calls[-1])
                is_known = _has_one_result(layer)
        except Exception:
            is_known = False
        if not is_known:
            layer.calls.pop()
        if len(layer.calls) == calls:
            return layer
    return None


def _has_one_result(layer: Layer) -> bool:
    """Whether PyTorch's last call gives the same in another layout, if it draws no numbers.

    The gradient of its batch norm does not, where several dimensions have one element.
    """
    arguments = layer.calls[-1]
    found = call_of(layer.build().double(), arguments, True)
    after = torch.get_rng_state()
    torch.manual_seed(arguments.seed)
    if arguments.layout == "dense" or not torch.equal(torch.get_rng_state(), after):
        return True
    dense = dataclasses.replace(arguments, layout="dense")
    expected = call_of(layer.build().double(), dense, True).tensors
    return all(
        torch.allclose(x, expected[name], rtol=1e-9, atol=1e-9, equal_nan=True)
        for name, x in found.tensors.items()
    )


def call_of(model: Callable, arguments: Arguments, twin: bool = False) -> Any:
    """What a call leaves: labels, results, gradients, buffers."""
    given = arguments.make(twin)
    module = getattr(model, "_orig_mod", model)
    module.train(arguments.train)
    module.zero_grad(set_to_none=True)
    torch.manual_seed(arguments.seed)
    found = torch.utils._pytree.tree_leaves(model(*given))
    results = [x for x in found if isinstance(x, torch.Tensor)]
    return Found.of(results, given, module)


@dataclass
class Found:
    """Tensors by what they are, and facts about them."""

    tensors: dict[str, torch.Tensor]
    facts: dict[str, Any]

    @staticmethod
    def of(results: list[torch.Tensor], given: list[torch.Tensor], module: nn.Module) -> Found:
        tensors = {f"result {i}": x.detach().clone() for i, x in enumerate(results)}
        facts: dict[str, Any] = {
            f"result {i}": (x.dtype, x.requires_grad, _strides(x)) for i, x in enumerate(results)
        }
        leaves = {f"argument {i}": x for i, x in enumerate(given)}
        leaves.update(module.named_parameters())
        leaves = {name: x for name, x in leaves.items() if x.requires_grad}
        roots = [x for x in results if x.requires_grad]
        if roots and leaves:
            weights = [(torch.arange(x.numel()) % 5 * 0.5 - 0.75).reshape(x.shape) for x in roots]
            seeds = [w.to(x.dtype) for w, x in zip(weights, roots)]
            grads = torch.autograd.grad(roots, list(leaves.values()), seeds, allow_unused=True)
            for name, grad in zip(leaves, grads):
                facts[f"gradient of {name}"] = grad is None
                if grad is not None:
                    tensors[f"gradient of {name}"] = grad
        for name, buffer in module.named_buffers():
            tensors[name] = buffer.detach().clone()
        return Found(tensors, facts)


def _strides(x: torch.Tensor) -> Any:
    """Strides of the dimensions in which there is more than one element."""
    if x.numel() == 0:
        return None
    return [step for size, step in zip(x.shape, x.stride()) if size > 1]


def difference(found: Found, expected: Found, true: Found) -> str:
    """What is wrong; "" if nothing is."""
    if found.facts != expected.facts:
        wrong = {
            name: (found.facts.get(name), fact)
            for name, fact in expected.facts.items()
            if found.facts.get(name) != fact
        }
        return f"facts (ours, PyTorch's): {wrong}"
    sizes = [x.abs().nan_to_num(0, 0, 0).max() for x in true.tensors.values() if x.numel()]
    largest = max([1.0, *map(float, sizes)])
    for label, theirs in expected.tensors.items():
        size = largest if label.startswith("gradient") else 1.0
        if problem := unlike(found.tensors[label], theirs, true.tensors[label], size):
            return f"{label}: {problem}"
    return ""


def problem(layer: Layer, backend: Any, dynamic: bool | None) -> str:
    """What is wrong with the program in a backend; "" if nothing is."""
    torch.compiler.reset()
    theirs, twin, ours = layer.build(), layer.build().double(), layer.build()
    compiled = torch.compile(ours, backend=backend, dynamic=dynamic)
    for number, arguments in enumerate(layer.calls):
        expected, true = call_of(theirs, arguments), call_of(twin, arguments, True)
        try:
            if wrong := difference(call_of(compiled, arguments), expected, true):
                return f"call {number}: {wrong}"
        except Exception as error:
            return f"call {number}: {type(error).__name__}: {str(error)[:600]}"
    return ""
