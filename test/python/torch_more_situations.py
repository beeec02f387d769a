"""More of what users do around torch.compile: custom ops, results in any containers, complex
numbers, sparse tensors, subclasses, several open sizes, code that breaks graphs."""

from __future__ import annotations

import copy
import dataclasses
from collections import OrderedDict, namedtuple
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch_situations import Compile, network, numbers, situation, with_slopes


@torch.library.custom_op("weft_tests::twisted", mutates_args=())
def twisted(x: torch.Tensor, factor: float) -> torch.Tensor:
    """An op of a user's, with a gradient."""
    return x.flip(0) * factor


@twisted.register_fake
def _(x: torch.Tensor, factor: float) -> torch.Tensor:
    return torch.empty_like(x)


twisted.register_autograd(
    lambda ctx, slope: (slope.flip(0) * ctx.factor, None),
    setup_context=lambda ctx, inputs, output: setattr(ctx, "factor", inputs[1]),
)


@torch.library.custom_op("weft_tests::raise_to", mutates_args={"x"})
def raise_to(x: torch.Tensor, least: float) -> None:
    """An op of a user's that writes to its argument."""
    x.clamp_(min=least)


@situation
def ops_of_users(compile: Compile) -> Any:
    def raised(x: torch.Tensor) -> Any:
        y = x * 2
        raise_to(y[0], 0.5)
        return y, y.sum()

    x = numbers(3, 4, grad=True)
    return (
        with_slopes(compile(lambda x: twisted(x.sin(), 2.0).exp()), x),
        with_slopes(compile(lambda x: twisted(x, 2.0) @ twisted(x.T, 3.0)), x),
        compile(raised)(x.detach()),
    )


@dataclasses.dataclass
class _Found:
    value: torch.Tensor
    rest: Any = None


_Pair = namedtuple("_Pair", "first second")


@situation
def results_in_any_containers(compile: Compile) -> Any:
    def several(x: torch.Tensor, options: dict[str, Any]) -> Any:
        y = x.sin()
        found = _Found(y * options["scale"], [None, {"x": x, 3: (y, "name", 1.5)}])
        return OrderedDict(b=found, a=_Pair(y.sum(), None)), [], x.shape, options["flag"]

    x = numbers(3, 4)
    found = []
    for flag in (True, False, True):
        ordered, empty, shape, told = compile(several)(x, {"scale": 2.0, "flag": flag})
        rest = ordered["b"].rest
        found += [ordered["b"].value, rest[1]["x"], rest[1][3][0], ordered["a"].first]
        found += [list(ordered), empty, tuple(shape), told, rest[0], rest[1][3][1:]]
        found.append(ordered["a"].second is None)
    return found


@situation
def arguments_in_any_containers(compile: Compile) -> Any:
    def total(found: Any, *rest: Any, scale: Any = 1, **more: Any) -> Any:
        value = found.value * scale + sum(r.sum() for r in rest)
        return value + more["pair"].first if "pair" in more else value

    x, call = numbers(3, 4), compile(total)
    return (
        call(_Found(x)),
        call(_Found(x), x, x[0], scale=2),
        call(_Found(x), x, scale=x, pair=_Pair(x.cos(), None)),
        call(_Found(x[:2]), scale=0.5),
    )


@situation
def draws_with_generators(compile: Compile) -> Any:
    def drawn(x: torch.Tensor) -> Any:
        return x + torch.rand(4), torch.randn_like(x), F.dropout(x, 0.4), torch.randint(0, 9, (3,))

    call, found = compile(drawn), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append((call(numbers(4)), torch.rand(2)))
    own = torch.Generator().manual_seed(5)
    given = compile(lambda x: x * torch.rand(4, generator=own))
    return found, given(numbers(4)), given(numbers(4)), torch.rand(2, generator=own)


@situation
def complex_numbers(compile: Compile) -> Any:
    def waves(x: torch.Tensor, z: torch.Tensor) -> Any:
        y = torch.fft.fft(x) * z.conj() + 1j
        return y.abs(), torch.view_as_real(y), y.angle().sin(), (y @ y).real, y.imag.sum()

    x, z = numbers(5, grad=True), torch.complex(numbers(5), numbers(1, 5)[0]).requires_grad_()
    call = compile(waves)
    return with_slopes(lambda x, z: call(x * 1, z * 1), x, z)


@situation
def sparse_tensors(compile: Compile) -> Any:
    dense = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    call = compile(lambda a, b: torch.sparse.mm(a, b) * 2 + b.sin())
    return call(dense.to_sparse(), numbers(2, 3)), call(dense.to_sparse_csr(), numbers(2, 3))


class _Named(torch.Tensor):
    pass


@situation
def subclasses_of_tensors(compile: Compile) -> Any:
    x = numbers(3, 4).as_subclass(_Named)
    call = compile(lambda x: (x.sin() * 2, x[0] + 1))
    first, second = call(x)
    return type(first).__name__, first.as_subclass(torch.Tensor), second + nn.Buffer(numbers(4))


@situation
def several_open_sizes(compile: Compile) -> Any:
    def mixed(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor) -> Any:
        a = torch.einsum("bij,jk->bik", x, y) * z.shape[0] + x.shape[1]
        return a.flatten(1), a.transpose(1, 2).reshape(a.shape[0], -1).softmax(-1), z.repeat(2)

    call, found = compile(mixed, dynamic=True), []
    for b, i, j, k in ((2, 3, 4, 5), (3, 3, 3, 3), (4, 2, 6, 3), (2, 5, 2, 2)):
        given = numbers(b, i, j, grad=True), numbers(j, k, grad=True), numbers(i, grad=True)
        found.append(with_slopes(call, *given))
    marked = compile(lambda x: x.view(-1, x.shape[-1]).sum(0) / x.shape[0])
    for size in (4, 6, 2):
        x = numbers(size, 3, size + 1)
        torch._dynamo.mark_dynamic(x, 0)
        torch._dynamo.mark_dynamic(x, 2)
        found.append(marked(x))
    return found


@situation
def code_that_breaks_graphs(compile: Compile) -> Any:
    seen: list[Any] = []

    def step(x: torch.Tensor, tell: Any) -> torch.Tensor:
        y = x * 2
        seen.append(("before", float(y.max())))
        torch._dynamo.graph_break()
        if y.sum() > 0:
            y = y + 1
        y.mul_(tell(y.shape[0]))
        seen.append(y)
        return y[: int(y.abs().max()) % 3 + 1].sin()

    x = numbers(4, grad=True)
    call = compile(step)
    return with_slopes(lambda x: call(x, lambda n: n + 1), x), call(-x.detach(), abs), seen


@situation
def modules_that_look_at_themselves(compile: Compile) -> Any:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
            self.inner["b"].weight = self.inner["a"].weight
            self.list = nn.ParameterList([nn.Parameter(numbers(4)), nn.Parameter(numbers(4) + 1)])
            self.kept: torch.Tensor | None = None
            self.count = 0

        def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            self.count += 1
            for name, layer in self.inner.items():
                x = layer(x) if name == "a" else layer(x).tanh()
            x = x + sum(p * i for i, p in enumerate(self.list))
            self.kept = x.detach() if self.kept is None else self.kept + x.detach()
            return x if mask is None else x.masked_fill(mask, 0.0)

    torch.manual_seed(0)
    model, x = Tied(), numbers(3, 4)
    call, found = compile(model), []
    for mask in (None, x > 0, None):
        model.zero_grad()
        call(x, mask).square().sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    return found, model.kept, model.count, len(found[0])


@situation
def settings_around_calls(compile: Compile) -> Any:
    model, x, found = network(), numbers(4, 5), []
    call = compile(model)
    torch.use_deterministic_algorithms(True)
    try:
        found.append(with_slopes(call, x.clone().requires_grad_()))
    finally:
        torch.use_deterministic_algorithms(False)
    with torch.inference_mode():
        inner = call(x)
        found.append((inner.is_inference(), inner.clone(), compile(lambda y: y * 2)(inner).clone()))
    decorated = compile(torch.inference_mode()(lambda x: x.cos() * 2))
    other = copy.deepcopy(model).to(torch.bfloat16)
    found += [decorated(x).clone(), compile(other)(x.bfloat16())]
    with torch.device("cpu"), torch.random.fork_rng():
        return found, compile(lambda x: x + torch.ones(5))(x)
