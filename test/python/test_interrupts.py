"""Ctrl-C, and other signals, while weft works: soon, and with everything as it was."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import weft


@contextmanager
def signal_after(seconds: float, number: int = signal.SIGINT) -> Iterator[None]:
    # What a shell starts in the background ignores Ctrl-C.
    handler = signal.default_int_handler if number == signal.SIGINT else signal.getsignal(number)
    former = signal.signal(number, handler)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), number))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(number, former)


def assert_interrupted(work: Callable[[], object]) -> None:
    """Repeats the work until Ctrl-C ends it, which has to be soon."""
    end = time.monotonic() + 30
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 (it ends anywhere)
        while time.monotonic() < end:
            work()


def many_kernels(tag: float, count: int) -> Callable[[weft.Tensor], list[weft.Tensor]]:
    """A function whose kernels nobody has compiled before, each different from the others."""

    def function(x: weft.Tensor) -> list[weft.Tensor]:
        results = []
        for i in range(count):
            y = x * tag
            for bit in range(10):
                y = weft.tanh(y) if i >> bit & 1 else weft.exp(-y * y)
            results.append(weft.sum(y, axis=1))
            x = x + results[-1].reshape(-1, 1)
        return results

    return function


def test_compiling_is_interrupted_and_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = weft.ones((3, 4))
    start = time.perf_counter()
    with signal_after(0.5):
        assert_interrupted(lambda: weft.jit(many_kernels(1.5, 200))(x))
    assert time.perf_counter() - start < 5
    # Caches and the function are whole.
    small = weft.jit(many_kernels(1.5, 3))
    expected = [value.numpy() for value in many_kernels(1.5, 3)(x)]
    for value, wanted in zip(small(x), expected, strict=True):
        np.testing.assert_allclose(value.numpy(), wanted, rtol=1e-6)


def test_an_interrupted_plan_changes_nothing() -> None:
    w = weft.array(np.full((320, 320), 1e-3, np.float32))
    a = weft.array(np.full((320, 320), 1e-3, np.float32))

    def step() -> weft.Tensor:
        nonlocal w
        y = a
        for _ in range(200):
            y = y @ a
        w += weft.sum(y) + 1
        return weft.sum(y)

    compiled = weft.jit(step)
    compiled()
    before = w.numpy().copy()
    start = time.perf_counter()

    def steps() -> None:
        nonlocal before
        compiled()
        before = w.numpy().copy()

    with signal_after(0.2):
        assert_interrupted(steps)
    assert time.perf_counter() - start < 10
    after = w.numpy()
    # Each step is done whole or not at all.
    done = int(np.rint(after[0, 0] - before[0, 0]))
    assert done in (0, 1)
    assert np.all(after == after[0, 0])
    compiled()
    assert np.all(w.numpy() == w.numpy()[0, 0])


def test_handlers_that_do_not_raise_interrupt_nothing() -> None:
    calls = []
    former = signal.signal(signal.SIGUSR1, lambda *_: calls.append(float(weft.sum(weft.ones(3)))))
    try:
        a = weft.array(np.full((700, 700), 1e-3, np.float32))
        with signal_after(0.1, signal.SIGUSR1):
            end = time.perf_counter() + 0.4
            while time.perf_counter() < end:
                result = weft.jit(lambda x: weft.sum((x @ x) @ x))(a)
        assert calls == [3.0]
        np.testing.assert_allclose(float(result), 700 * 700 * 700**2 * 1e-9, rtol=1e-4)
    finally:
        signal.signal(signal.SIGUSR1, former)


def test_signals_reach_the_main_thread_while_others_work() -> None:
    stop = threading.Event()

    def work() -> None:
        a = weft.ones((500, 500))
        while not stop.is_set():
            a @ a

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        a = weft.ones((500, 500))
        with signal_after(0.2):
            assert_interrupted(lambda: a @ a)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
