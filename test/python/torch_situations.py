"""What users do around torch.compile: modes, aliases, sizes, optimizers, copies, threads.

A situation is called with a function that compiles (or, for what PyTorch makes of it, does not)
and returns tensors in any containers; both have to return the same.
"""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

Compile = Callable[..., Callable]
SITUATIONS: dict[str, Callable[[Compile], Any]] = {}


def situation(function: Callable[[Compile], Any]) -> Callable[[Compile], Any]:
    """Notes a situation by its name."""
    SITUATIONS[function.__name__] = function
    return function


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 3))


def numbers(*shape: int, grad: bool = False) -> torch.Tensor:
    draw = torch.Generator().manual_seed(sum(shape) + len(shape))
    return torch.randn(shape, generator=draw).requires_grad_(grad)


def with_slopes(call: Callable, *args: torch.Tensor) -> Any:
    """The results of a call, and the gradients of their squares by the arguments."""
    torch.manual_seed(1)
    results = list(torch.utils._pytree.tree_leaves(call(*args)))
    roots = [x.abs().square().sum() for x in results if x.requires_grad]
    leaves = [x for x in args if x.requires_grad]
    return results, torch.autograd.grad(roots, leaves, allow_unused=True)


@situation
def parts_computed_again(compile: Compile) -> Any:
    model, x = network(), numbers(4, 5, grad=True)

    def dropped(y: torch.Tensor) -> torch.Tensor:
        return F.dropout(model(y), 0.5) * torch.rand(3)

    call = compile(lambda x: checkpoint(dropped, x, use_reentrant=False) * torch.rand(3))
    return with_slopes(call, x), with_slopes(call, x), torch.rand(2)


@situation
def autocast_around_and_inside(compile: Compile) -> Any:
    model, x = network(), numbers(4, 5, grad=True)
    call, found = compile(model), []
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            found.append(call(x))
    found.append(call(x))

    def inside(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = model(x)
        with torch.autocast("cpu", enabled=False):
            return y, x @ x.mT

    return found, compile(inside)(x)


@situation
def transforms_of_functions(compile: Compile) -> Any:
    x, y = numbers(4, grad=True), numbers(3, 4)
    model = network()
    weights = {name: p.detach() * 2 for name, p in model.named_parameters()}

    def loss(weights: Any, row: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, weights, (row[None],)).square().sum()

    def wave(v: torch.Tensor) -> torch.Tensor:
        return v.sin() * v[0]

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))
    return (
        with_slopes(compile(lambda x: torch.func.grad(lambda v: wave(v).sum())(x) * 2), x),
        compile(lambda x: torch.func.hessian(lambda v: wave(v).sum())(x))(x.detach()),
        compile(lambda x: torch.func.jacrev(wave)(x) - torch.func.jacfwd(wave)(x))(x.detach()),
        compile(lambda x: torch.func.jvp(wave, (x,), (torch.ones(4),)))(x.detach()),
        compile(lambda y: torch.func.vmap(wave, in_dims=1, out_dims=1)(y))(y),
        compile(lambda rows: each(weights, rows))(numbers(2, 5)),
        torch.func.vmap(compile(wave))(y),
        torch.func.grad(lambda v: compile(wave)(v).sum())(x.detach()),
    )


@situation
def sizes_that_change(compile: Compile) -> Any:
    found = []
    sizes = ((3, 3), (3, 4), (0, 2), (5, 5), (1, 4), (4, 0), (1, 1))
    for dynamic in (True, None):
        model, outer = compile(network(), dynamic=dynamic), compile(_outer, dynamic=dynamic)
        taken = compile(lambda x, n, s: x.narrow(0, n, 1) * s + n, dynamic=dynamic)
        for a, b in sizes:
            found.append(with_slopes(model, numbers(a, 5, grad=True)))
            found.append(outer(numbers(a), numbers(b)))
            found.append(taken(numbers(9), a, b / 2))
    return found


def _outer(x: torch.Tensor, y: torch.Tensor) -> Any:
    return x[:, None] * y[None] + x.sum(), torch.cat([x, y]).softmax(0), y.new_ones(len(x), 2)


@situation
def sizes_that_elements_tell(compile: Compile) -> Any:
    config, found = torch._dynamo.config, []
    functions = (
        lambda x: x * x.sum().item(),
        lambda x: x.nonzero() * 2,
        lambda x: (x[x > 0] * 2).cumsum(0),
        lambda x: torch.unique(x).sum() * x,
        lambda x: torch.zeros(int(x.abs().sum().item())) + 1,
        lambda x: torch.repeat_interleave(x, torch.tensor([1, 2, 3])) * 2,
    )
    with config.patch(capture_scalar_outputs=True, capture_dynamic_output_shape_ops=True):
        for function in functions:
            call = compile(function)
            for row in ([1.0, -2.0, 3.0], [-1.0, -2.0, -3.0], [1.0, 2.0, 3.0]):
                found.append(call(torch.tensor(row)))
    return found


@situation
def arguments_that_share_memory(compile: Compile) -> Any:
    def added(x: torch.Tensor, y: torch.Tensor) -> Any:
        x.add_(y)
        return x * y, y

    found = []
    call = compile(added)
    for pair in (
        lambda a: (a, a.clone()),
        lambda a: (a, a),
        lambda a: (a[:2], a[:2]),
        lambda a: (a[0], a[1]),
        lambda a: (a, a.detach()),
        lambda a: (a, a.clone()),
    ):
        whole = torch.arange(16.0).reshape(4, 4)
        found.append((call(*pair(whole)), whole))
    return found


LAYOUTS: tuple[Callable[[], torch.Tensor], ...] = (
    lambda: numbers(1, 4).expand(3, 4),
    lambda: numbers(3, 8)[:, ::2],
    lambda: numbers(10).as_strided((3, 4), (2, 1)),
    lambda: numbers(10).as_strided((2, 4), (3, 1), 1),
    lambda: numbers(1).expand(3, 4),
    lambda: numbers(4, 3).t(),
    lambda: numbers(0, 4),
    lambda: numbers(7)[3:].as_strided((2, 2), (1, 2), 3),
    lambda: numbers(2, 3, 4, 5).to(memory_format=torch.channels_last),
    lambda: torch.complex(numbers(3, 3), numbers(3, 3)).conj().imag,
    lambda: torch._neg_view(numbers(3, 3)),
)


@situation
def layouts(compile: Compile) -> Any:
    def several(x: torch.Tensor) -> Any:
        return x, x.mul(2), x.sum(0), x.mT, x[1:], x.clone(), torch.empty_like(x).fill_(1)

    def written(x: torch.Tensor) -> Any:
        x.mul_(2)
        x[0].add_(1)
        return x.sum()

    parts = (lambda b: b[:, ::2], lambda b: b.t(), lambda b: b[1:, 1:], lambda b: b.t()[::2])
    found: list[Any] = [compile(several)(make()) for make in LAYOUTS]
    for part in parts:
        whole = torch.arange(20.0).reshape(4, 5)
        found.append((compile(written)(part(whole)), whole))
    return found


@situation
def arguments_that_change_their_kind(compile: Compile) -> Any:
    call, found = compile(lambda x: (x * 2 + 1).sum(0)), []
    dtypes = (torch.float32, torch.float64, torch.float16, torch.int64, torch.bool)
    for dtype in (*dtypes, torch.complex64, torch.float32):
        found.append(call((torch.arange(6).reshape(2, 3) % 3).to(dtype)))
    for grad in (False, True, False):
        x = numbers(3, grad=grad)
        found.append(call(x))
        with torch.no_grad():
            found.append(call(x))
        with torch.inference_mode():
            found.append(call(x.clone()).clone())
    return found


@situation
def default_dtypes(compile: Compile) -> Any:
    x = torch.tensor([1, 2, 3])

    def made(x: torch.Tensor) -> Any:
        made = torch.ones(3), torch.tensor(0.1), torch.arange(3) / 3, torch.linspace(0, 1, 3)
        return made, x / 2, x.sin(), x * 0.1, x**0.5, torch.where(x > 1, 0.1, 2), x.float() * 0.1

    call, found = compile(made), []
    for dtype in (torch.float32, torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        try:
            found.append(call(x))
        finally:
            torch.set_default_dtype(torch.float32)
    return found


@situation
def gradients_off_and_on_inside(compile: Compile) -> Any:
    def mixed(x: torch.Tensor) -> Any:
        with torch.no_grad():
            y = x * 3
            with torch.enable_grad():
                z = x.sin()
        return x * y, y, z

    x = numbers(3, grad=True)
    found = with_slopes(compile(mixed), x)
    with torch.no_grad():
        return found, compile(mixed)(x)


OPTIMIZERS: tuple[Callable[..., torch.optim.Optimizer], ...] = (
    lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    lambda p: torch.optim.Adam(p, 0.01, amsgrad=True, maximize=True),
    lambda p: torch.optim.AdamW(p, torch.tensor(0.01)),
    lambda p: torch.optim.Adagrad(p, 0.1),
    lambda p: torch.optim.RMSprop(p, 0.01, centered=True, momentum=0.5),
    lambda p: torch.optim.Adadelta(p),
    lambda p: torch.optim.NAdam(p),
    lambda p: torch.optim.Rprop(p),
)


@situation
def optimizers(compile: Compile) -> Any:
    found = []
    for make in OPTIMIZERS:
        model = network()
        optimizer = make(model.parameters())
        step = compile(optimizer.step)
        for i in range(3):
            optimizer.zero_grad()
            model(numbers(4 + i, 5)).square().sum().backward()
            step()
        found.append(list(model.parameters()))
    return found


@situation
def whole_training_steps(compile: Compile) -> Any:
    model = network()
    optimizer = torch.optim.Adam(model.parameters())

    def step(x: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss.detach()

    call = compile(step)
    return [call(numbers(4, 5)) for _ in range(3)], list(model.parameters())


class _Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> torch.Tensor:
        return slope * ctx.saved_tensors[0] * 7


@situation
def gradients_of_users(compile: Compile) -> Any:
    def hooked(x: torch.Tensor) -> torch.Tensor:
        y = x * 2
        y.register_hook(lambda slope: slope * 10)
        return y.sin()

    model, x = network(), numbers(4, 5, grad=True)
    model[0].register_forward_hook(lambda module, given, result: result * 2)
    model.register_full_backward_hook(lambda module, inner, outer: (inner[0] * 2,))
    calls = (compile(hooked), compile(lambda x: _Scaled.apply(x * 2) + 1), compile(model))
    return [with_slopes(call, x) for call in calls]


class _Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 4)
        self.scores = nn.Linear(4, 7, bias=False)
        self.scores.weight = self.table.weight
        self.norm = nn.BatchNorm1d(4)
        self.norm.requires_grad_(False)
        self.register_buffer("seen", torch.zeros(()))
        self.calls = 0

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        self.seen += 1
        self.calls += 1
        return self.scores(F.dropout(self.norm(self.table(places)), 0.5, self.training)) * self.seen


@situation
def state_of_modules(compile: Compile) -> Any:
    torch.manual_seed(0)
    model = _Stateful()
    call, found = compile(model), []
    for training in (True, False, True, False):
        model.train(training)
        torch.manual_seed(2)
        model.zero_grad()
        result = call(torch.tensor([1, 2, 2, 6]))
        result.square().sum().backward()
        slopes = [p.grad for p in model.parameters() if p.requires_grad]
        found.append((result, slopes, [x.clone() for x in model.buffers()]))
        model.norm.requires_grad_(not training)
    return found


@situation
def weights_that_are_loaded_and_replaced(compile: Compile) -> Any:
    model, x = network(), numbers(4, 5)
    call, found = compile(model), []
    state = {name: value + 1 for name, value in model.state_dict().items()}
    for change in (
        lambda: None,
        lambda: model.load_state_dict(state),
        lambda: model.load_state_dict({n: v * 2 for n, v in state.items()}, assign=True),
        lambda: setattr(model[0].weight, "data", numbers(5, 6).t()),
        lambda: setattr(model[0], "weight", nn.Parameter(numbers(12, 10)[::2, ::2])),
        lambda: setattr(model[0], "bias", None),
    ):
        change()
        found.append(call(x))
    model.double()
    return found, call(x.double())


@situation
def copies_and_files(compile: Compile) -> Any:
    model, x = network(), numbers(4, 5)
    call = compile(model)
    found = [call(x)]
    other = copy.deepcopy(call)
    with torch.no_grad():
        getattr(other, "_orig_mod", other)[0].weight.mul_(2)
    found += [other(x), call(x)]
    return found, pickle.loads(pickle.dumps(other))(x)


@situation
def threads(compile: Compile) -> Any:
    call, found = compile(network(), dynamic=True), {}
    call(numbers(3, 5))

    def work(number: int) -> None:
        for size in range(1, 4):
            x = numbers(size + number, 5, grad=True)
            result = call(x)
            found[number, size] = (result, torch.autograd.grad(result.square().sum(), x))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [found[number, size] for number in range(4) for size in range(1, 4)]


@situation
def attention_whose_heads_share_keys(compile: Compile) -> Any:
    def attend(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, k * 2, enable_gqa=True, is_causal=True)

    q, k = numbers(2, 4, 3, 4, grad=True), numbers(2, 2, 5, 4, grad=True)
    return with_slopes(compile(attend), q, k)


@situation
def losses_that_end_at_a_label(compile: Compile) -> Any:
    labels = torch.tensor([[-1, 2, 3, 0, 1], [0, -1, 2, 2, 1], [4, 3, 2, 2, 1], [0, 0, -1, -1, 0]])
    return [
        with_slopes(
            compile(lambda x, r=reduction: F.multilabel_margin_loss(x, labels, reduction=r)),
            numbers(4, 5, grad=True),
        )
        for reduction in ("none", "sum", "mean")
    ]
