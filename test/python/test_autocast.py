"""Autocast: which operations compute in which dtype, beside PyTorch's; and its modes."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from weft import nn
from weft.nn import functional as F

LOW = weft.bfloat16


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> weft.Tensor:
    return weft.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32)).astype(
        dtype
    )


def in_mode(function: Callable, dtype: object = LOW) -> Callable:
    def run(*arguments: object) -> object:
        with weft.autocast("cpu", dtype=dtype):
            return function(*arguments)

    return run


X, SQUARE = numbers(6, 6), numbers(6, 6, seed=1)
IMAGE, KERNEL, BIAS = numbers(2, 3, 8, 8), numbers(4, 3, 3, 3), numbers(4)
PRODUCTS = {
    "matmul": (lambda x, y: x @ y, [X, SQUARE]),
    "linear": (F.linear, [X, SQUARE, X[0]]),
    "linear of mixed dtypes": (F.linear, [X.astype("bfloat16"), SQUARE, X[0]]),
    "conv2d": (F.conv2d, [IMAGE, KERNEL, BIAS]),
    "conv1d": (F.conv1d, [IMAGE[:, :, 0], KERNEL[:, :, 0], BIAS]),
    "conv_transpose2d": (
        F.conv_transpose2d,
        [IMAGE, weft.permute_dims(KERNEL, (1, 0, 2, 3)), BIAS],
    ),
    "attention": (F.scaled_dot_product_attention, [X, SQUARE, X]),
    "attention of mixed dtypes": (F.scaled_dot_product_attention, [X.half(), SQUARE, X]),
    "einsum": (lambda x, y: weft.einsum("ij,kj->ik", x, y), [X, SQUARE]),
}
POSITIVE = weft.abs(X) + 0.5
LABELS = weft.asarray([0, 1, 2, 3, 4, 5])
SUMS = {
    "sum": weft.sum,
    "mean": weft.mean,
    "prod": weft.prod,
    "var": weft.var,
    "cumulative_sum": lambda x: weft.cumulative_sum(x, axis=0),
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "logsumexp": lambda x: weft.logsumexp(x, axis=0),
    "layer_norm": lambda x: F.layer_norm(x, (6,)),
    "batch_norm": lambda x: F.batch_norm(x, weft.zeros(6), weft.ones(6)),
    "cross_entropy": lambda x: F.cross_entropy(x, LABELS),
    "mse_loss": lambda x: F.mse_loss(x, weft.ones((6, 6), dtype=x.dtype)),
    "exp": weft.exp,
    "log": weft.log,
    "pow": lambda x: x**1.5,
    "square": lambda x: x**2,
    "rsqrt": weft.rsqrt,
}
OTHERS = {
    "add": lambda x: x + x,
    "multiply": lambda x: x * 2.0,
    "relu": F.relu,
    "gelu": F.gelu,
    "softplus": F.softplus,
    "tanh": weft.tanh,
    "leaky_relu": F.leaky_relu,
    "maximum": lambda x: weft.maximum(x, 0.1),
    "reshape": lambda x: x.reshape(-1),
    "max": lambda x: weft.max(x, axis=0),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_products_are_those_of_narrow_operands(name: str, dtype: str) -> None:
    function, arguments = PRODUCTS[name]
    ours = eager_and_jit(in_mode(function, dtype), *arguments)
    assert ours.dtype == dtype
    assert_same_bits(ours, function(*(x.astype(dtype) for x in arguments)))
    wide = [x.astype("float64") for x in arguments]
    assert in_mode(function, dtype)(*wide).dtype == "float64"


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_sums_are_those_of_wide_operands(name: str, dtype: str) -> None:
    x = POSITIVE.astype(dtype)
    ours = eager_and_jit(in_mode(SUMS[name]), x)
    assert ours.dtype == "float32"
    assert_same_bits(ours, SUMS[name](x.astype("float32")))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_others_take_what_they_get(name: str, dtype: str) -> None:
    x = X.astype(dtype)
    ours = eager_and_jit(in_mode(OTHERS[name]), x)
    assert ours.dtype == dtype
    assert_same_bits(ours, OTHERS[name](x))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(6, 16), nn.Linear(16, 4)

    def forward(self, x: weft.Tensor, seen: list) -> weft.Tensor:
        hidden = self.first(x)
        active = F.relu(hidden)
        scores = self.second(active)
        seen += [hidden, active, scores]
        return scores


class TorchNet(torch.nn.Module):
    def __init__(self, like: Net) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 16), torch.nn.Linear(16, 4)
        state = {k: torch.from_numpy(to_numpy(v).copy()) for k, v in like.state_dict().items()}
        self.load_state_dict(state)

    def forward(self, x: torch.Tensor, seen: list) -> torch.Tensor:
        hidden = self.first(x)
        active = torch.relu(hidden)
        scores = self.second(active)
        seen += [hidden, active, scores]
        return scores


@pytest.mark.parametrize("loss", ["cross_entropy", "mse_loss"])
def test_training_has_the_dtypes_of_pytorchs(loss: str) -> None:
    weft.manual_seed(0)
    ours = Net()
    theirs = TorchNet(ours)
    x, labels = numbers(8, 6), np.arange(8) % 4
    target = labels if loss == "cross_entropy" else np.eye(4, dtype=np.float32)[labels]
    our_seen: list = []
    their_seen: list = []
    our_optimizer = weft.optim.SGD(ours.parameters(), lr=0.1)
    their_optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    for step in range(5):
        with weft.autocast("cpu", dtype=weft.bfloat16):
            our_loss = getattr(F, loss)(ours(x, our_seen), weft.asarray(target))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = theirs(torch.from_numpy(to_numpy(x).copy()), their_seen)
            their_loss = getattr(torch.nn.functional, loss)(scores, torch.from_numpy(target))
        names = [str(tensor.dtype)[6:] for tensor in their_seen]
        assert [tensor.dtype.name for tensor in our_seen] == names
        assert our_loss.dtype == weft.float32
        # Each product is rounded to 8 bits on both sides; their sums' orders differ.
        assert abs(our_loss.item() - their_loss.item()) < 0.02 * (1 + their_loss.item()), step
        for optimizer, value in ((our_optimizer, our_loss), (their_optimizer, their_loss)):
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        for parameter in ours.parameters():
            assert parameter.dtype == parameter.grad.dtype == "float32"


def test_a_compiled_step_is_the_eager_one() -> None:
    def trained(wrap: Callable) -> list[np.ndarray]:
        weft.manual_seed(0)
        net = Net()
        optimizer = weft.optim.Adam(net.parameters(), lr=0.01)

        def step(x: weft.Tensor, labels: weft.Tensor) -> weft.Tensor:
            with weft.autocast("cpu"):
                loss = F.cross_entropy(net(x, []), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        run = wrap(step)
        losses = [run(numbers(8, 6), weft.asarray(np.arange(8) % 4)) for _ in range(3)]
        return [*map(to_numpy, losses), *(to_numpy(p.detach()) for p in net.parameters())]

    for left, right in zip(trained(lambda f: f), trained(weft.jit), strict=True):
        assert_same_bits(left, right)


def test_a_change_of_mode_traces_anew() -> None:
    product = weft.jit(lambda x: x @ x)
    for _ in range(2):
        assert product(X).dtype == "float32"
        with weft.autocast("cpu"):
            assert product(X).dtype == "bfloat16"
        with weft.autocast("cuda"):
            assert product(X).dtype == "float16"
    assert product.stats()["traces"] == 3


def test_contexts_nest_and_end() -> None:
    assert not weft.is_autocast_enabled()
    with weft.autocast("cpu"):
        with weft.autocast("cpu", enabled=False):
            assert not weft.is_autocast_enabled()
            assert (X @ X).dtype == "float32"
        with weft.autocast("cpu", dtype="float16"):
            assert (X @ X).dtype == "float16"
        assert weft.autocast_dtype() is weft.bfloat16
        with pytest.raises(ZeroDivisionError), weft.autocast("cpu", enabled=False):
            1 / 0  # noqa: B018
        assert (X @ X).dtype == "bfloat16"
    assert weft.autocast_dtype() is None
    mode = pickle.loads(pickle.dumps(weft.amp.autocast("cpu", weft.float16)))
    with mode, mode:
        assert weft.autocast_dtype() is weft.float16
    assert not weft.is_autocast_enabled()


def test_it_decorates_functions() -> None:
    @weft.autocast("cpu")
    def product(x: weft.Tensor) -> weft.Tensor:
        return x @ x

    @weft.autocast("cpu")
    def steps(x: weft.Tensor) -> object:
        yield x @ x
        yield x @ x

    assert product(X).dtype == "bfloat16"
    assert weft.jit(product)(X).dtype == "bfloat16"
    for value in steps(X):
        assert value.dtype == "bfloat16"
        assert (X @ X).dtype == "float32"


def test_each_thread_has_its_own_mode() -> None:
    seen = []
    with weft.autocast("cpu"):
        thread = threading.Thread(target=lambda: seen.append((X @ X).dtype.name))
        thread.start()
        thread.join()
        assert (X @ X).dtype == "bfloat16"
    assert seen == ["float32"]


def test_transformations_see_it() -> None:
    with weft.autocast("cpu"):
        gradient = weft.grad(lambda w: F.linear(X, w).sum())(SQUARE)
        mapped = weft.vmap(lambda x: F.linear(x, SQUARE))(X)
        again = F.linear(X, SQUARE)
    assert gradient.dtype == "float32"
    assert_same_bits(mapped, again)
    exported = weft.export(in_mode(lambda x: x @ x), X)
    assert_same_bits(exported(X), in_mode(lambda x: x @ x)(X))


def test_what_it_does_not_know() -> None:
    with pytest.raises(weft.OptionError, match="device_type is 'tpu'"):
        weft.autocast("tpu")
    with pytest.raises(weft.DTypeError, match="dtype is float32, but has to be bfloat16"):
        weft.autocast("cpu", dtype=weft.float32)


@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_recurrent_layers_keep_the_dtype_of_their_state(name: str) -> None:
    layer = getattr(nn, name)(6, 4)

    def run(x: weft.Tensor) -> weft.Tensor:
        return layer(x)[0].detach()

    x = numbers(5, 2, 6)
    narrow = eager_and_jit(in_mode(run), x)
    assert narrow.dtype == weft.float32
    # Sums of a few ones with operands and results of 8 bits; tanh and sigmoid let no error grow.
    np.testing.assert_allclose(to_numpy(narrow), to_numpy(run(x)), atol=2.0**-5)
    assert (to_numpy(narrow) != to_numpy(run(x))).any()
