"""no_grad and enable_grad: as contexts and decorators, across calls, steps and threads."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Iterator

import numpy as np
import pytest
import weft


def test_one_object_is_used_again_and_within_itself() -> None:
    off = weft.no_grad()
    for _ in range(2):
        with off:
            with off, weft.enable_grad():
                assert weft.is_grad_enabled()
            assert not weft.is_grad_enabled()
        assert weft.is_grad_enabled()


def test_modes_of_threads_do_not_mix() -> None:
    off, barrier, seen = weft.no_grad(), threading.Barrier(2), []

    def work(mine: weft.no_grad, steps: int) -> None:
        with mine:
            barrier.wait()
            seen.append(weft.is_grad_enabled())
            barrier.wait()
        seen.append(weft.is_grad_enabled())

    # One object in two threads, which leave it in the order in which they entered.
    threads = [threading.Thread(target=work, args=(off, i)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [False, False, True, True]
    assert weft.is_grad_enabled()


@pytest.mark.parametrize("decorate", [weft.no_grad, weft.no_grad()], ids=["class", "object"])
def test_each_call_of_a_decorated_function_has_the_mode(decorate) -> None:
    @decorate
    def depth(n: int, fail: bool) -> int:
        """What it says."""
        assert not weft.is_grad_enabled()
        with weft.enable_grad():
            rest = depth(n - 1, fail) if n else 0
            assert weft.is_grad_enabled()
        if fail:
            raise KeyError
        return rest + 1

    assert depth(3, False) == 4
    assert weft.is_grad_enabled()
    assert depth.__doc__ == "What it says."
    with pytest.raises(KeyError):
        depth(2, True)
    assert weft.is_grad_enabled()


def test_decorated_calls_in_two_threads_at_once() -> None:
    barrier, seen = threading.Barrier(2), []

    @weft.no_grad()
    def work() -> None:
        barrier.wait()
        seen.append(weft.is_grad_enabled())
        barrier.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [False, False]
    assert weft.is_grad_enabled()


def test_generators_have_the_mode_while_they_run() -> None:
    @weft.no_grad()
    def count(n: int) -> Iterator[bool]:
        got = []
        try:
            for _ in range(n):
                try:
                    got.append((yield weft.is_grad_enabled()))
                except KeyError:
                    got.append("thrown")
        finally:
            got.append(weft.is_grad_enabled())
        return got

    first, second = count(3), count(3)
    assert [next(first), weft.is_grad_enabled(), next(second)] == [False, True, False]
    with weft.enable_grad():
        assert first.send(5) is False
        assert weft.is_grad_enabled()
    assert first.throw(KeyError()) is False
    with pytest.raises(StopIteration) as end:
        next(first)
    assert end.value.value == [5, "thrown", None, False]
    second.close()
    assert weft.is_grad_enabled()


def test_coroutines_have_the_mode_while_they_run() -> None:
    @weft.no_grad()
    async def work() -> list[bool]:
        seen = [weft.is_grad_enabled()]
        await asyncio.sleep(0)
        return [*seen, weft.is_grad_enabled()]

    async def watch() -> list[bool]:
        seen = []
        for _ in range(3):
            seen.append(weft.is_grad_enabled())
            await asyncio.sleep(0)
        return seen

    async def both() -> list:
        return await asyncio.gather(work(), watch(), work())

    assert asyncio.run(both()) == [[False, False], [True, True, True], [False, False]]


def test_methods_of_every_kind() -> None:
    class Model:
        @weft.no_grad()
        def plain(self) -> bool:
            return weft.is_grad_enabled()

        @weft.no_grad()
        @staticmethod
        def static() -> bool:
            return weft.is_grad_enabled()

        @classmethod
        @weft.no_grad()
        def of_class(cls) -> bool:
            return weft.is_grad_enabled()

        @property
        @weft.no_grad()
        def value(self) -> bool:
            return weft.is_grad_enabled()

    model = Model()
    assert [model.plain(), Model.static(), model.of_class(), model.value] == [False] * 4


def test_what_can_not_be_decorated() -> None:
    class Model:
        pass

    async def steps():
        yield 1

    for thing in (Model, 3, steps):
        with pytest.raises(TypeError, match="no_grad"):
            weft.no_grad()(thing)


def test_nothing_is_recorded() -> None:
    w = weft.ones(3, requires_grad=True)
    assert not weft.no_grad(lambda: (w * 2).requires_grad)()
    with weft.no_grad():
        assert weft.enable_grad(lambda: (w * 2).requires_grad)()


def test_contexts_are_copied_and_pickled() -> None:
    off = weft.no_grad()
    with off:
        for other in (copy.deepcopy(off), pickle.loads(pickle.dumps(off))):
            with other:
                assert not weft.is_grad_enabled()


def _square(x):
    return weft.sum(x * x)


#: Of a tensor that may require gradients and one that does.
_DERIVATIVES = {
    "grad": lambda x, w: weft.grad(_square)(x),
    "grad of what is captured": lambda x, w: weft.grad(lambda t: weft.sum(t * w))(x),
    "grad of what is detached": lambda x, w: weft.grad(lambda t: weft.sum(t * w.detach()))(x),
    "value": lambda x, w: weft.value_and_grad(_square)(x)[0],
    "grad of grad": lambda x, w: weft.grad(lambda t: weft.sum(weft.grad(_square)(t) * t))(x),
    "inner captures": lambda x, w: weft.grad(
        lambda t: weft.sum(weft.grad(lambda s: weft.sum(s * s * w))(t))
    )(x),
    "jvp": lambda x, w: weft.jvp(_square, (x,), (weft.ones_like(x),))[1],
    "along what is tracked": lambda x, w: weft.jvp(_square, (x.detach(),), (w,))[1],
    "hessian": lambda x, w: weft.hessian(_square)(x),
    "in a batch": lambda x, w: weft.vmap(lambda t: weft.grad(_square)(t))(x),
}


@pytest.mark.parametrize("name", _DERIVATIVES)
@pytest.mark.parametrize("tracked", [False, True])
def test_derivatives_require_gradients_as_eagerly(name, tracked):
    seen = []

    def program(x, w):
        result = _DERIVATIVES[name](x, w)
        seen.append(result.requires_grad)
        return result

    x = weft.asarray(np.arange(3.0, dtype=np.float32))
    x.requires_grad = tracked
    w = weft.ones(3)
    w.requires_grad = True
    eager = program(x, w)
    compiled = weft.jit(program)(x, w)
    assert np.array_equal(eager.detach(), compiled.detach())
    assert seen[0] == seen[1] == compiled.requires_grad


@pytest.mark.parametrize("compiled", [False, True])
def test_vjp_changes_no_gradients_of_leaves(compiled):
    w = weft.ones(3)
    w.requires_grad = True
    w.grad = weft.zeros(3)
    x = weft.asarray(np.arange(3.0, dtype=np.float32))
    x.requires_grad = True

    def program(x):
        value, pull = weft.vjp(lambda a, b: weft.stack([a * w, a * b * w]), x, x)
        return [*pull(weft.ones_like(value)), *pull(value)]

    found = (weft.jit(program) if compiled else program)(x)
    at = np.arange(3.0)
    for gradient, expected in zip(found, [1 + at, at, at + at**3, at**3], strict=True):
        assert np.array_equal(gradient.detach(), expected)
    assert x.grad is None
    assert np.array_equal(w.grad, np.zeros(3))
