"""Prepared values: what depends on tensors from outside alone is computed once for each of them."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from devices import DEVICES
from prepared_models import MODELS, repeated_launches
from weft import nn


def compiled(function: Callable) -> tuple[Any, Any]:
    """Compiled with and without preparation."""
    return weft.jit(function), weft.jit(function, prepare=False)


def counts() -> tuple[int, int, int]:
    stats = weft.stats()
    return stats["prepared_values"], stats["prepared_hits"], stats["prepared_bytes"]


def same(left: weft.Tensor, right: weft.Tensor) -> bool:
    return left.shape == right.shape and left.numpy().tobytes() == right.numpy().tobytes()


@pytest.mark.parametrize("make", MODELS, ids=lambda make: make.__name__)
def test_networks_launch_nothing_of_weights_alone(make: Any) -> None:
    weft.random.seed(1)
    model, x = make().eval(), make.example()
    f, plain = compiled(lambda x: model(x))
    gc.collect()
    before = counts()
    expected = plain(x)
    assert counts() == before
    assert same(f(x), expected)
    first = counts()
    assert first[0] > before[0]
    assert first[2] > before[2]
    for _ in range(3):
        assert same(f(x), expected)
    again = counts()
    assert again[0] == first[0]
    assert again[1] > first[1]
    assert again[2] == first[2]
    assert repeated_launches(f.lower(x).ir("kernels")) == []
    assert "weft.prepare" not in plain.lower(x).ir("kernels")
    text = f.explain(x)
    assert "prepared when tensors from outside are first seen" in text
    assert "prepared when" not in plain.explain(x)
    # No more than the weights again.
    weights = sum(p.numpy().nbytes for p in model.parameters())
    assert again[2] - before[2] <= 2 * weights
    model = None
    del f, plain, expected
    gc.collect()
    assert counts()[2] == before[2]


def changes(model: nn.Module) -> dict[str, Callable[[], None]]:
    """Ways to give the weight of a linear layer other values."""
    weight = model.weight

    def load() -> None:
        model.load_state_dict({k: v * 0.5 for k, v in model.state_dict().items()})

    def step() -> None:
        optimizer = weft.optim.SGD(model.parameters(), lr=0.25)
        weft.sum(model(weft.ones((3, 4)))).backward()
        optimizer.step()
        optimizer.zero_grad()

    def write() -> None:
        with weft.no_grad():
            weight[1:3] = weight.numpy().max() + 2

    def through_view() -> None:
        weight.data.reshape(-1)[3] = weight.numpy().max() + 7

    def multiply() -> None:
        with weft.no_grad():
            weight.mul_(1.5)

    def replace() -> None:
        model.weight = nn.Parameter(weft.asarray(weight.numpy() + 1))

    def assign() -> None:
        weight.data = weft.ones(weight.shape) * (weight.numpy().max() + 1)

    def compiled_step() -> None:
        optimizer = weft.optim.Adam(model.parameters(), lr=0.25)

        @weft.jit
        def train(x: weft.Tensor) -> None:
            optimizer.zero_grad()
            weft.sum(model(x) ** 2).backward()
            optimizer.step()

        train(weft.ones((3, 4)))
        train(weft.ones((3, 4)))

    return {
        name: change
        for name, change in locals().items()
        if callable(change) and name not in ("model", "weight")
    }


@pytest.mark.parametrize("name", changes(nn.Linear(4, 5)))
def test_a_changed_weight_is_used_at_the_next_call(name: str) -> None:
    weft.random.seed(2)
    model = nn.Linear(4, 5)
    x = weft.random.normal((3, 4))
    f, plain = compiled(lambda x: weft.tanh(model(x)))
    for _ in range(3):
        assert same(f(x), plain(x))
        assert same(f(x), weft.tanh(model(x)))
        before = model.weight.numpy().copy()
        changes(model)[name]()
        assert model.weight.numpy().tobytes() != before.tobytes()
        assert same(f(x), weft.tanh(model(x)))


def test_modules_that_swap_their_weights() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    f = weft.jit(lambda x: second(first(x)))
    x = weft.ones((2, 4))
    f(x)
    computed = counts()[0]
    for _ in range(4):
        first.weight, second.weight = second.weight, first.weight
        assert same(f(x), second(first(x)))
    # Each weight at each of the two places, once.
    assert counts()[0] - computed <= 2


def test_memory_that_others_may_write_is_never_prepared() -> None:
    array = np.ones((4, 5), np.float32)
    w = weft.asarray(array)
    f = weft.jit(lambda x: x @ weft.exp(w))
    x = weft.ones((2, 4))
    for value in (1.0, 2.0, 0.5):
        array[:] = value
        np.testing.assert_allclose(f(x).numpy(), 4 * np.exp(np.full((2, 5), value)), rtol=1e-5)
    exported = weft.ones((4, 5))
    g = weft.jit(lambda x: x @ weft.exp(exported))
    g(x)
    kept = counts()[2]
    consumer = np.from_dlpack(exported)
    assert counts()[2] < kept
    pointer = np.lib.stride_tricks.as_strided(consumer)
    assert same(g(x), x @ weft.exp(exported))
    assert pointer.shape == (4, 5)
    assert counts()[2] < kept


def test_only_kept_memory_is_packed_for_a_few_rows() -> None:
    """A copy at each call would cost more than reading the weight where it is."""
    array = np.random.default_rng(0).standard_normal((128, 256), np.float32)
    x = weft.asarray(np.ones((1, 256), np.float32))
    shared, own = weft.asarray(array), weft.asarray(array, copy=True)
    reads, packs = weft.jit(lambda x: x @ shared.T), weft.jit(lambda x: x @ own.T)
    assert "pack_rhs" not in reads.lower(x).ir("kernels")
    assert "pack_rhs = true, direct_rows = 0" in packs.lower(x).ir("kernels")
    first = packs(x)
    assert weft.stats()["prepared_bytes"] >= array.nbytes
    for _ in range(2):
        assert same(reads(x), first)
        assert same(packs(x), first)
    array *= 2
    assert same(reads(x), first * 2)


def test_sizes_share_what_they_prepare() -> None:
    model = nn.Linear(64, 64)
    f = weft.jit(lambda x: model(x))
    f(weft.ones((100, 64)))
    before = counts()
    for rows in (80, 90, 130):
        assert same(f(weft.ones((rows, 64))), model(weft.ones((rows, 64))))
    assert counts()[::2] == before[::2]
    # A few rows read it in another order: one more copy, or two; three with vectors of AVX-512.
    for rows in (1, 2, 3, 4, 7, 16):
        assert same(f(weft.ones((rows, 64))), model(weft.ones((rows, 64))))
    assert counts()[2] - before[2] <= 3 * model.weight.numpy().nbytes
    before = counts()
    # So do the steps of a loop that reads the weight again and again; another kernel has its own.
    h = weft.jit(lambda x: weft.tanh(model(weft.tanh(model(weft.tanh(model(x)))))))
    h(weft.ones((100, 64)))
    assert counts()[2] - before[2] == model.weight.numpy().nbytes


def test_what_the_function_changes_itself_is_not_prepared() -> None:
    model = nn.Linear(4, 4)
    optimizer = weft.optim.SGD(model.parameters(), lr=0.1)

    @weft.jit
    def train(x: weft.Tensor) -> weft.Tensor:
        optimizer.zero_grad()
        loss = weft.sum(model(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    x = weft.ones((2, 4))
    train(x)
    before = counts()
    for _ in range(5):
        train(x)
    # The learning rate, which the function does not change, may be.
    assert counts()[::2] == before[::2]
    assert "matmul" not in train.explain(x).partition("prepared when")[2]


def test_a_weight_that_is_new_at_each_call_leaves_nothing_behind() -> None:
    model = nn.Linear(64, 64)
    f = weft.jit(lambda x: model(x))
    x = weft.ones((2, 64))
    f(x)
    bytes_before = counts()[2]
    for number in range(50):
        model.weight.data = weft.full((64, 64), float(number))
        assert f(x).numpy()[0, 0] == pytest.approx(64.0 * number + model.bias.numpy()[0], rel=1e-5)
        assert counts()[2] <= bytes_before


def test_gradients_of_prepared_functions() -> None:
    weft.random.seed(3)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    frozen = weft.random.normal((3, 4))
    x = weft.random.normal((5, 4))
    f, plain = compiled(lambda x: model(x) @ weft.exp(frozen) @ frozen.T)
    results = []
    for function in (f, f, plain, lambda x: model(x) @ weft.exp(frozen) @ frozen.T):
        model.zero_grad()
        y = function(x)
        weft.sum(y * y).backward()
        results.append([y.numpy(), *(p.grad.numpy() for p in model.parameters())])
    for result in results[1:]:
        for value, expected in zip(result, results[0], strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
    for value, expected in zip(results[0], results[2], strict=True):
        assert value.tobytes() == expected.tobytes()


def test_gradients_inside_of_the_function() -> None:
    weft.random.seed(4)
    model = nn.Linear(4, 3)
    x = weft.random.normal((5, 4))

    def gradients(x: weft.Tensor) -> Any:
        return weft.grad(lambda x: weft.sum(weft.tanh(model(x)) ** 2))(x)

    f, plain = compiled(gradients)
    for _ in range(2):
        assert same(f(x), plain(x))
    with weft.no_grad():
        model.weight.mul_(2)
    assert same(f(x), plain(x))


def test_loaded_programs_prepare_their_weights(tmp_path: Any) -> None:
    model = nn.Linear(32, 16)
    x = weft.random.normal((100, 32))
    weft.export(lambda x: weft.tanh(model(x)), weft.spec(("n", 32))).save(tmp_path / "a.weft")
    program = weft.load(tmp_path / "a.weft")
    expected = weft.tanh(model(x))
    assert same(program(x), expected)
    before = counts()
    assert same(program(x), expected)
    assert counts()[0] == before[0]
    assert counts()[1] > before[1]
    assert same(program(x[:70]), expected[:70])


@pytest.mark.parametrize("place", DEVICES)
def test_values_are_prepared_on_devices(place: str) -> None:
    device = weft.device(place)
    w = weft.asarray(np.linspace(-1, 1, 48, dtype=np.float32).reshape(6, 8))
    there = w.to(device)
    f = weft.jit(lambda x: (weft.matmul(x, weft.exp(there).T) + 1, weft.exp(there)))
    x = weft.asarray(np.linspace(0, 1, 24, dtype=np.float32).reshape(3, 8))
    before = counts()
    expected = weft.matmul(x, weft.exp(w).T) + 1
    for _ in range(3):
        result, table = f(x.to(device))
        assert same(result.cpu(), expected)
        assert same(table.cpu(), weft.exp(w))
    assert counts()[0] - before[0] == 1
    assert counts()[1] > before[1]
    bytes_before = counts()[2]
    there.mul_(2)
    assert same(f(x.to(device))[1].cpu(), weft.exp(w * 2))
    assert counts()[2] == bytes_before


def test_a_returned_value_is_a_tensor_of_its_own() -> None:
    w = weft.ones((3, 5))
    f = weft.jit(lambda x: (x + 1, weft.exp(w).T))
    first, second = f(weft.ones(2))[1], f(weft.ones(2))[1]
    first[0] = 9
    assert second.numpy()[0, 0] == weft.exp(w).numpy()[0, 0]
    assert same(f(weft.ones(2))[1], second)


def test_threads_and_a_fork() -> None:
    model = nn.Linear(16, 16)
    f = weft.jit(lambda x: model(x))
    x = weft.ones((3, 16))
    expected = f(x)
    failures = []

    def call() -> None:
        for _ in range(50):
            if not same(f(x), expected):
                failures.append(1)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    child = os.fork()
    if child == 0:
        model.weight.data = model.weight.data * 2
        os._exit(0 if same(f(x), model(x)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert same(f(x), expected)


#: What a program may do with a weight of shape [4, 4].
STEPS: list[Callable[[weft.Tensor], weft.Tensor]] = [
    lambda w: w.T,
    lambda w: w * 0.5,
    lambda w: weft.exp(w * 0.1),
    lambda w: w.reshape(2, 8).reshape(4, 4).T,
    lambda w: weft.concat([w[2:], w[:2]], axis=0),
    lambda w: w[::-1],
    lambda w: w.astype(weft.float16).astype(weft.float32),
    lambda w: w / weft.sqrt(weft.sum(w * w, axis=1, keepdims=True) + 1),
    lambda w: w @ w,
    lambda w: weft.broadcast_to(w[1], (4, 4)),
    lambda w: w - weft.mean(w, axis=0),
    lambda w: weft.roll(w, 1, axis=1) + weft.arange(4, dtype=weft.float32),
    lambda w: weft.softmax(w, dim=-1),
]


def random_program(random: np.random.Generator, weights: list[nn.Module]) -> Callable:
    plan = [
        (
            int(random.integers(len(weights))),
            [STEPS[i] for i in random.integers(len(STEPS), size=random.integers(4))],
            int(random.integers(4)),
        )
        for _ in range(random.integers(1, 6))
    ]

    def program(x: weft.Tensor) -> Any:
        seen = []
        for number, steps, use in plan:
            w = weights[number].weight
            for step in steps:
                w = step(w)
            seen.append(w)
            x = [
                lambda x, w: x @ w,
                lambda x, w: x + w[0],
                lambda x, w: x * w.T[2],
                lambda x, w: weft.tanh(x) @ w.T,
            ][use](x, w)
        return x, seen[-1]

    return program


def change_randomly(random: np.random.Generator, weights: list[nn.Module]) -> None:
    one, other = random.choice(len(weights), 2, replace=False)
    weight = weights[one].weight
    kind = int(random.integers(7))
    value = random.normal(size=(4, 4)).astype(np.float32)
    with weft.no_grad():
        if kind == 0:
            weight[int(random.integers(4))] = 0.25
        elif kind == 1:
            weight.data = weft.asarray(value)
        elif kind == 2:
            weights[one].weight, weights[other].weight = weights[other].weight, weight
        elif kind == 3:
            weights[one].weight = nn.Parameter(weft.asarray(value))
        elif kind == 4:
            weight.mul_(0.75)
        elif kind == 5:
            weights[one].load_state_dict({"weight": weft.asarray(value)})


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_agree(seed: int) -> None:
    random = np.random.default_rng(seed)
    weights: list[nn.Module] = [nn.Linear(4, 4, bias=False) for _ in range(3)]
    f, plain = compiled(random_program(random, weights))
    for _ in range(8):
        x = weft.asarray(random.normal(size=(int(random.integers(1, 3)), 4)).astype(np.float32))
        for result, expected in zip(f(x), plain(x), strict=True):
            assert same(result, expected)
        change_randomly(random, weights)


def test_the_memory_is_bounded(tmp_path: Any) -> None:
    import subprocess
    import sys

    code = """
import weft
ws = [weft.ones((64, 64)) * i for i in range(64)]
fs = [weft.jit(lambda x, w=w: x @ weft.exp(w)) for w in ws]
x = weft.ones((2, 64))
for _ in range(2):
    for w in ws:
        weft.jit(lambda x: x @ weft.exp(w))(x)
print(weft.stats()["prepared_bytes"])
"""
    for limit, most in (("100K", 100 << 10), ("0", 0)):
        environment = {**os.environ, "WEFT_PREPARED_BYTES": limit}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True
        )
        assert run.returncode == 0, run.stderr
        assert int(run.stdout) <= most
    environment = {**os.environ, "WEFT_PREPARED_BYTES": "lots"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert run.returncode != 0
    assert "WEFT_PREPARED_BYTES" in run.stderr
