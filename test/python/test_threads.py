"""Several threads at once: compiling, running, tracing, differentiating; forks; the end."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
import weft


def run_threads(work: Callable[[int], None], count: int = 8) -> None:
    """Calls ``work(0)``, ``work(1)``, ... at once, and raises what the first of them raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(count)

    def guarded(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def run_script(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in a process of its own, with stacks of all threads if it crashes or hangs."""
    prologue = "import faulthandler; faulthandler.enable(); import sys\n"
    prologue += "faulthandler.dump_traceback_later(100, exit=True)\n"
    return subprocess.run(
        [sys.executable, "-c", prologue + script],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


def check(result: weft.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)


# Compiling ------------------------------------------------------------------------------------


def _eager(seed: int, step: int) -> None:
    rng = np.random.default_rng((seed, step))
    a = rng.standard_normal((step + 2, seed + 3), dtype=np.float32)
    b = rng.standard_normal((seed + 3, 4), dtype=np.float32)
    x, y = weft.array(a), weft.array(b)
    check(weft.exp(x) @ y - weft.sum(x * 2, axis=1, keepdims=True),
          np.exp(a) @ b - (a * 2).sum(1, keepdims=True))  # fmt: skip


def _jitted(seed: int, step: int) -> None:
    scale = 1 + seed / 8 + step / 64
    a = np.random.default_rng((seed, step)).standard_normal((5 + step, 7), dtype=np.float32)

    @weft.jit
    def function(x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        y = weft.tanh(x * scale)
        for _ in range(step % 3):
            y = y * 0.5 + x
        return y, weft.max(y, axis=0)

    expected = np.tanh(a * scale)
    for _ in range(step % 3):
        expected = expected * 0.5 + a
    for _ in range(2):
        whole, largest = function(weft.array(a))
        check(whole, expected)
        check(largest, expected.max(0))


def _differentiated(seed: int, step: int) -> None:
    rng = np.random.default_rng((seed, step))
    a = rng.standard_normal((3 + step, 4), dtype=np.float32)
    w = weft.tensor(rng.standard_normal((4, seed + 1), dtype=np.float32), requires_grad=True)
    weft.sum((weft.array(a) @ w) * 2.0).backward()
    assert w.grad is not None
    check(w.grad, np.repeat(2 * a.sum(0)[:, None], seed + 1, axis=1))


def _exported(seed: int, step: int) -> None:
    shift = float(seed + 10 * step)
    program = weft.export(lambda x: weft.sum(x * x, axis=0) + shift, weft.spec(("n", 3)))
    a = np.random.default_rng((seed, step)).standard_normal((2 + step, 3), dtype=np.float32)
    check(program(a), (a * a).sum(0) + shift)


KINDS = {
    "eager": [_eager],
    "jit": [_jitted],
    "backward": [_differentiated],
    "export": [_exported],
    "all": [_eager, _jitted, _differentiated, _exported],
}


@pytest.mark.parametrize("name", KINDS)
def test_threads_compile_at_once(name: str) -> None:
    kinds = KINDS[name]

    def work(number: int) -> None:
        for step in range(3):
            kinds[(number + step) % len(kinds)](number, step)

    run_threads(work)


def test_threads_compile_the_same_kernels() -> None:
    """Every thread asks for the same new kernels in the same order."""
    tag = float(np.random.default_rng().integers(1 << 40))

    def work(number: int) -> None:
        for step in range(3):
            a = np.full((4, step + 2), number, np.float32)
            function = weft.jit(lambda x: weft.sum(weft.sin(x * x + x) - x, axis=1) + tag)
            check(function(weft.array(a)), np.sum(np.sin(a * a + a) - a, axis=1) + tag)

    run_threads(work)


def test_other_threads_run_while_one_compiles() -> None:
    """Nobody holds the interpreter's lock for as long as a compile takes."""
    longest = 0.0
    done = threading.Event()

    def watch() -> None:
        nonlocal longest
        last = time.perf_counter()
        while not done.is_set():
            time.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now

    def slow(x: weft.Tensor) -> list[weft.Tensor]:
        results = []
        for i in range(24):
            y = x
            for j in range(12):
                y = weft.tanh(y * (i + 1)) + weft.exp(-y * (j + 1))
            results.append(weft.sum(y, axis=i % 2))
        return results

    watcher = threading.Thread(target=watch)
    compiled = weft.jit(slow)
    before = weft.stats()
    watcher.start()
    start = time.perf_counter()
    compiled(weft.ones((3, 5)))
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    after = weft.stats()
    if after["kernels_compiled"] == before["kernels_compiled"]:
        pytest.skip("all kernels were on disk")
    compiling = after["codegen_seconds"] - before["codegen_seconds"]
    assert longest < seconds - compiling / 2


def test_errors_stay_with_their_threads() -> None:
    """A diagnostic of the compiler reaches the thread whose op caused it."""

    def work(number: int) -> None:
        rows = number + 2
        for _ in range(20):
            with pytest.raises(weft.ShapeError, match=rf"{rows}"):
                weft.matmul(weft.ones((4, rows)), weft.ones((rows + 1, 3)))
            check(weft.ones((rows,)) * rows, np.full(rows, rows, np.float32))

    run_threads(work)


def test_no_gradient_of_several_threads_is_lost() -> None:
    w = weft.zeros((400, 300), requires_grad=True)
    x = weft.ones((400, 300))

    def work(_: int) -> None:
        for _ in range(10):
            weft.sum(w * x).backward()

    run_threads(work, 4)
    assert w.grad is not None
    assert np.all(w.grad.numpy() == 40)


def test_no_update_of_several_threads_is_lost() -> None:
    w = weft.zeros((400, 300))

    @weft.jit
    def step() -> None:
        nonlocal w
        w += 1

    step()
    run_threads(lambda _: [step() for _ in range(10)], 4)  # type: ignore[arg-type, return-value]
    assert np.all(w.numpy() == 41)


# Exported programs ----------------------------------------------------------------------------


def test_one_program_is_called_with_different_sizes() -> None:
    program = weft.export(
        lambda x: {"double": x * 2, "sum": weft.sum(x, axis=1)}, weft.spec(("n", "m"))
    )

    def work(number: int) -> None:
        for step in range(40):
            # Large enough to let other threads run, and more sizes than are kept.
            rows, columns = 200 + (7 * number + step) % 90, 400 + number
            a = np.full((rows, columns), number + step, np.float32)
            result = program(a)
            assert result["double"].shape == (rows, columns)
            assert result["double"].numpy()[-1, -1] == 2 * (number + step)
            check(result["sum"], a.sum(1))

    run_threads(work, 4)


def test_programs_are_saved_and_compiled_while_others_run(tmp_path) -> None:
    w = weft.array(np.arange(6, dtype=np.float32).reshape(2, 3))
    program = weft.export(lambda x: weft.tanh(x @ w), weft.spec(("n", 2)))

    def work(number: int) -> None:
        path = str(tmp_path / f"{number}")
        a = np.full((number + 1, 2), 0.5, np.float32)
        expected = np.tanh(a @ w.numpy())
        check(program(a), expected)
        if number % 2:
            program.save(path + ".weft")
            check(weft.load(path + ".weft")(a), expected)
        else:
            program.compile_object(path + ".o")
            assert (tmp_path / f"{number}.o").stat().st_size > 0

    run_threads(work, 4)


# Forks ----------------------------------------------------------------------------------------


FORK = """
import os, threading, time
import numpy as np, weft

stop = threading.Event()

def busy(number):
    step = 0
    while not stop.is_set():
        step += 1
        shift = number * 1000 + step % 50
        f = weft.jit(lambda x: weft.sum(weft.tanh(x * (step % 7 + 1.5)) + shift, axis=0))
        f(weft.ones((3, 2 + step % 5)))
        weft.ones((600, 300)) @ weft.ones((300, 200))

# What is imported when it is first needed is there: Python's own locks of imports do not survive.
weft.sum(weft.ones(2, requires_grad=True) * weft.jit(lambda: weft.ones(2))()).backward()
np.testing.assert_allclose(1, 1)
threads = [threading.Thread(target=busy, args=(i,)) for i in range(3)]
for thread in threads: thread.start()
children = []
for number in range(6):
    time.sleep(0.05)
    child = os.fork()
    if child == 0:
        x = np.full((400, 300), number, np.float32)
        f = weft.jit(lambda a: weft.exp(a - number * 1.25) * 2 + number)
        expected = np.exp(x - number * 1.25) * 2 + number
        np.testing.assert_allclose(f(weft.array(x)).numpy(), expected, rtol=1e-5)
        w = weft.ones((3, 2), requires_grad=True)
        weft.sum(w * (number + 2.0)).backward()
        assert w.grad.tolist() == [[number + 2.0] * 2] * 3
        os._exit(0)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
stop.set()
for thread in threads: thread.join()
print(codes)
"""


def test_children_work_that_were_forked_amid_compiling(tmp_path) -> None:
    for cache in ("", str(tmp_path)):
        result = run_script(FORK, WEFT_CACHE_DIR=cache)
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip() == str([0] * 6)


def test_worker_processes() -> None:
    result = run_script(
        "import multiprocessing, weft\n"
        "def work(n):\n"
        "    return float(weft.sum(weft.ones((n, 300)) * 2))\n"
        "weft.sum(weft.ones((500, 500)) * 3)\n"
        "with multiprocessing.get_context('fork').Pool(3) as pool:\n"
        "    print(pool.map(work, range(100, 108)))\n"
    )
    assert result.stdout.strip() == str([600.0 * n for n in range(100, 108)]), result.stderr


# The end of the interpreter -------------------------------------------------------------------


ENDINGS = {
    "a daemon runs kernels": """
import threading, time, weft
x = weft.ones((700, 700))
def work():
    while True:
        x @ x
for _ in range(3): threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
""",
    "a daemon compiles": """
import threading, time, weft
def work(k):
    n = 0
    while True:
        n += 1
        weft.jit(lambda x: weft.tanh(x * (n * 8 + k)) + n)(weft.ones((2, 3)))
for k in range(3): threading.Thread(target=work, args=(k,), daemon=True).start()
time.sleep(0.5)
""",
    "a daemon traces": """
import threading, time, weft
def spin(x, *rest):
    while True: time.sleep(0)
calls = [weft.jit(spin), weft.grad(spin), lambda x: weft.jit(weft.grad(spin))(x),
         lambda x: weft.jit(spin).lower(x), lambda x: weft.export(spin, x),
         lambda x: weft.jit(lambda x: weft.jit(spin)(x * 2) + 1)(x)]
for call in calls: threading.Thread(target=call, args=(weft.ones((3,)),), daemon=True).start()
time.sleep(0.2)
""",
    "a daemon's own Python runs amid a call": """
import threading, time, weft
def spin(*rest):
    while True: time.sleep(0)
class Late:
    __del__ = spin
class Number:
    __float__ = __index__ = __array__ = spin
def calls(x):
    yield lambda: weft.jit(lambda x: [x, Late(), x * 2][::2])(x)
    yield lambda: x + Number()
    yield lambda: weft.asarray(Number())
    yield lambda: weft.reshape(x, (Number(), 3))
    yield lambda: x[Number()]
    yield lambda: weft.jit(lambda x, y: x)(x, Number())
for call in calls(weft.ones((3,))): threading.Thread(target=call, daemon=True).start()
time.sleep(0.2)
""",
    "threads go on": """
import threading, time, weft
def work():
    time.sleep(0.2)
    for n in range(20): weft.sum(weft.ones((n + 300, 300)) * n)
    print("done")
threading.Thread(target=work).start()
""",
    "tensors at exit": """
import atexit, numpy as np, weft
class Holder: pass
holder = Holder(); holder.self = holder
holder.x = weft.asarray(np.ones(1 << 18, np.float32)); holder.f = weft.jit(lambda: holder.x * 2)
holder.f()
atexit.register(lambda: print(float(weft.sum(holder.f() + weft.ones(1)))))
class Late:
    def __del__(self, x=weft.from_numpy(np.ones(3, np.float32))): x
late = Late()
""",
    "foreign memory is dropped on a daemon": """
import threading, time, numpy as np, weft
def work():
    while True:
        x = weft.asarray(np.ones((600, 600), np.float32))
        y = x @ x
threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
""",
}


@pytest.mark.parametrize("name", ENDINGS)
def test_the_end_of_the_interpreter(name: str) -> None:
    for _ in range(2):
        result = run_script(ENDINGS[name])
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""


def test_subinterpreters_are_refused() -> None:
    result = run_script(
        "import _xxsubinterpreters as interpreters\n"
        "import weft\n"
        "print(interpreters.run_string(interpreters.create(), '''\n"
        "try:\n"
        "    import weft\n"
        "except ImportError as error:\n"
        "    print('refused:', error)\n"
        "'''))\n"
        "print(float(weft.sum(weft.ones(3))))\n"
    )
    assert "refused: weft can't be imported in a subinterpreter" in result.stdout, result.stderr
    assert "3.0" in result.stdout


def test_threads_change_their_own_objects() -> None:
    """One compiled function, objects of each thread: nobody gets another's."""

    class Own:
        def __init__(self) -> None:
            self.weight = weft.ones(4)

    def step(x: weft.Tensor, own: Own) -> weft.Tensor:
        own.weight.mul_(0.5)
        return x * own.weight

    for _ in range(10):
        function, owns = weft.jit(step), [Own() for _ in range(3)]

        def work(number: int, function=function, owns=owns) -> None:  # type: ignore[no-untyped-def]
            for repeat in (1, 2):
                result = function(weft.ones(4), owns[number])
                assert result.tolist() == [0.5**repeat] * 4

        run_threads(work, 3)
        assert [own.weight.tolist() for own in owns] == [[0.25] * 4] * 3


def test_threads_compile_one_function_at_once() -> None:
    """Each runs what it holds, though another puts its own in the same place."""
    for size in (300_000, 300_001, 300_002):
        x = weft.ones((size,))
        compiled = weft.jit(lambda x: (x * 2, (x.exp().sin() + x).sum()))
        run_threads(lambda _: [compiled(x) for _ in range(8)], 4)
        assert compiled(x)[0][-1].item() == 2.0


@pytest.mark.parametrize(
    "read",
    [
        lambda big: big.detach().numpy(),
        lambda big: big.clone().numpy(),
        lambda big: big.data.numpy(),
        lambda big: weft.zeros(big.shape).copy_(big),
        copy.deepcopy,
        weft.Tensor,
    ],
)
def test_copies_wait_for_a_call_that_writes(read: Callable) -> None:
    big, one = weft.zeros(200_000), weft.ones(200_000)

    @weft.jit
    def write(x: weft.Tensor) -> None:
        big.add_(x)

    write(one)
    works = [lambda: [write(one) for _ in range(200)], lambda: [read(big) for _ in range(200)]]
    run_threads(lambda number: works[number](), 2)
    assert big[0].item() == 201.0


def test_a_call_keeps_the_tensors_that_it_was_given() -> None:
    given = [weft.ones(300)]

    @weft.jit
    def use(tensors: list) -> weft.Tensor:
        given.clear()
        kept.extend(weft.zeros(300) for _ in range(100))
        return tensors[0] * 2

    kept: list[weft.Tensor] = []
    assert use(given)[0].item() == 2.0
    assert given == []


def test_repeated_arguments_are_one_though_others_are_read_anew() -> None:
    """Reading a view lets other threads in, which mark the same tensors."""
    grid = weft.zeros((4, 50_000))
    shared = weft.zeros(50_000)

    @weft.jit
    def double(a: weft.Tensor, view: weft.Tensor, b: weft.Tensor) -> weft.Tensor:
        a.add_(1)
        return b + view

    def work(_: int) -> None:
        for _ in range(30):
            own = weft.zeros(50_000)
            view = grid[1]
            with weft.no_grad():
                grid[0].fill_(1)
            assert double(own, view, own)[0].item() == 1.0
            double(shared, view, shared)

    run_threads(work, 3)
    assert shared[0].item() == 90.0
