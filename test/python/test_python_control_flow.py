"""Plain Python control flow in compiled functions gives what the plain function gives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from branching_programs import STATE_SIZE, function_of, source_of
from numerics import assert_same_bits
from random_programs import count_of_examples


def _outcome(function: Callable, variables: dict[str, Any], x: np.ndarray, y: np.ndarray) -> Any:
    """What a call gives and leaves; one that raises changes no tensor in a compiled function."""
    state = variables["S"].numpy().copy()
    try:
        result = function(weft.asarray(x), weft.asarray(y))
    except ValueError as error:
        variables["S"].copy_(weft.asarray(state))
        return str(error)
    return [value.numpy() if isinstance(value, weft.Tensor) else value for value in result]


def _run(source: str, compiled: bool, calls: int) -> list[Any]:
    weft.manual_seed(7)
    function, variables = function_of(source)
    step = weft.jit(function) if compiled else function
    generator = np.random.default_rng(3)
    outcomes = []
    for call in range(calls):
        # Every second call has the arguments of the one before.
        if call % 2 == 0:
            arguments = generator.standard_normal((2, STATE_SIZE)).astype(np.float32)
        if call == calls // 2:
            variables["FACTOR"] = 0.25
        weft.manual_seed(call)
        outcomes.append((_outcome(step, variables, *arguments), variables["S"].numpy().copy()))
    return outcomes


@pytest.mark.parametrize("chunk", range(8))
def test_random_programs_give_what_the_plain_function_gives(chunk: int) -> None:
    for seed in range(chunk, count_of_examples(48), 8):
        source = source_of(seed)
        eager, compiled = _run(source, False, 8), _run(source, True, 8)
        for call, (one, other) in enumerate(zip(eager, compiled, strict=True)):
            message = f"program {seed}, call {call}:\n{source}"
            if isinstance(one[0], str) or isinstance(other[0], str):
                assert one[0] == other[0], message
            else:
                assert_same_bits(one[0], other[0], message)
            assert_same_bits(one[1], other[1], message)


def _same(function: Callable, *calls: Any, **options: Any) -> Any:
    """Calls the plain function and the compiled one with each of the arguments; the latter."""
    compiled = weft.jit(function, **options)
    for arguments in calls:
        assert_same_bits(function(*arguments), compiled(*arguments), str(arguments))
    return compiled


def _tensors(*values: Any) -> list[tuple[weft.Tensor]]:
    return [(weft.asarray(np.asarray(value, np.float32)),) for value in values]


def test_a_path_that_was_taken_is_walked_without_python() -> None:
    function: Any = weft.jit(lambda x: x * 2 if x.sum() > 0 else -x)
    for value in (1.0, 2.0, -1.0, 3.0, -2.0):
        assert function(weft.asarray(value)).item() == (value * 2 if value > 0 else -value)
    assert function.stats()["traces"] == 2


def test_loops_of_any_length() -> None:
    def halve(x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        steps = weft.zeros((), dtype=weft.int64)
        while x.sum() > 1:
            x = x / 2
            steps += 1
        return x, steps

    function = _same(halve, *_tensors([1, 2], [100, 7], [0.1, 0.1], [1000, 0], [100, 7], [1, 2]))
    traces = function.stats()["traces"]
    assert traces == 4
    # Lengths that were seen are no new traces, in whatever order they come.
    for arguments in _tensors([100, 7], [1000, 0], [1, 2], [0, 0]):
        function(*arguments)
    assert function.stats()["traces"] == traces


def test_a_loop_compiles_its_body_once() -> None:
    def count(x: weft.Tensor, bound: weft.Tensor) -> weft.Tensor:
        while x < bound:
            x = x + 1
        return x

    function: Any = weft.jit(count)
    function(weft.asarray(0.0), weft.asarray(5.0))
    compiles = function.stats()["compiles"]
    assert function(weft.asarray(0.0), weft.asarray(200.0)).item() == 200
    assert function.stats()["compiles"] <= compiles + 2


def test_newton_a_state_machine_and_a_beam_search() -> None:
    def newton(a: weft.Tensor) -> weft.Tensor:
        x = a
        for _ in range(50):
            step = (x * x - a) / (2 * x)
            x = x - step
            if abs(step).max() < 1e-6:
                break
        return x

    def machine(tape: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        state, place, seen = "even", 0, weft.zeros((), dtype=weft.int64)
        while place < len(tape):
            symbol = int(tape[place])
            if state == "even":
                state = "odd" if symbol == 1 else "even"
            else:
                state = "even" if symbol == 1 else "odd"
                seen += symbol
            place += 1
        return seen, weft.asarray(state == "odd")

    def beam(scores: weft.Tensor) -> tuple[list[int], weft.Tensor]:
        beams = [([], weft.zeros(()))]
        for row in scores:
            grown = [
                ([*tokens, token], total + row[token])
                for tokens, total in beams
                for token in range(len(row))
            ]
            order = weft.argsort(-weft.stack([total for _, total in grown])).tolist()
            beams = [grown[place] for place in order[:2]]
        tokens, total = beams[0]
        return weft.asarray(tokens), total

    _same(newton, *_tensors([2.0, 9.0], [1e4, 0.5], [1.0, 1.0]))
    _same(machine, *_tensors([1, 0, 1], [1, 1, 1], [0, 0, 0], [1, 0, 1]))
    generator = np.random.default_rng(5)
    _same(beam, *_tensors(*generator.standard_normal((3, 3, 3))))


def test_effects_are_published_at_the_end_alone() -> None:
    state = weft.zeros(2)

    @weft.jit
    def add(x: weft.Tensor) -> weft.Tensor:
        state.add_(x)
        if state.sum() > 3:
            raise ValueError("too much")
        state.mul_(2)
        return state * 1

    add(weft.ones(2))
    assert state.tolist() == [2, 2]
    for _ in range(2):
        with pytest.raises(ValueError, match="too much"):
            add(weft.ones(2))
        assert state.tolist() == [2, 2]
    add(weft.zeros(2) - 1)
    assert state.tolist() == [2, 2]
    assert add.stats()["calls"] == 2


def test_guards_of_a_branch_are_those_of_this_branch() -> None:
    settings = {"low": 2.0, "high": 3.0}

    def choose(x: weft.Tensor) -> weft.Tensor:
        return x * settings["high"] if x.sum() > 0 else x * settings["low"]

    function: Any = weft.jit(choose)
    for value in (1.0, -1.0, 1.0):
        assert function(weft.asarray(value)).item() == choose(weft.asarray(value)).item()
    settings["high"] = 5.0
    for value in (1.0, -1.0, 1.0, -1.0):
        assert function(weft.asarray(value)).item() == choose(weft.asarray(value)).item()


def test_weights_that_only_one_branch_reads() -> None:
    layers = [weft.asarray([2.0]), weft.asarray([3.0])]

    def route(x: weft.Tensor) -> weft.Tensor:
        return x * layers[0] if x.sum() > 0 else x * layers[1]

    function: Any = weft.jit(route)
    for value in (1.0, -1.0):
        function(weft.asarray([value]))
    layers[0].copy_(weft.asarray([7.0]))
    layers[1] = weft.asarray([11.0])
    traces = function.stats()["traces"]
    for value in (1.0, -1.0, -2.0, 2.0):
        x = weft.asarray([value])
        assert_same_bits(function(x), route(x))
    assert function.stats()["traces"] == traces


@pytest.mark.parametrize("inside", [True, False])
def test_gradients_across_cuts(inside: bool) -> None:
    def forward(weight: weft.Tensor, x: weft.Tensor) -> weft.Tensor:
        h = weft.tanh(x @ weight)
        while (h * h).sum() > 1:
            h = weft.tanh(h @ weight) * 0.5
        loss = (h * h).sum() if h[0, 0] > 0 else weft.exp(h).sum()
        if inside:
            loss.backward()
        return loss

    generator = np.random.default_rng(1)
    start, calls = generator.standard_normal((3, 3)), generator.standard_normal((6, 2, 3))
    gradients = []
    for function in (forward, weft.jit(forward)):
        weight = weft.asarray(start.astype(np.float32)).requires_grad_()
        for x in calls:
            loss = function(weight, weft.asarray(x.astype(np.float32)))
            if not inside:
                loss.backward()
        gradients.append(weight.grad)
    assert_same_bits(*gradients)


def test_weft_grad_of_a_function_that_branches() -> None:
    def loss(x: weft.Tensor) -> weft.Tensor:
        return (x * x).sum() if x.sum() > 0 else (3 * x).sum()

    for function in (weft.grad(loss), weft.jit(weft.grad(loss))):
        assert function(weft.asarray([1.0, 2.0])).tolist() == [2, 4]
        assert function(weft.asarray([-1.0, -2.0])).tolist() == [3, 3]


def test_random_numbers_across_cuts() -> None:
    def wait(x: weft.Tensor) -> weft.Tensor:
        while weft.rand(()) < 0.8:
            x = x + 1
        return x + weft.rand(())

    results = []
    for function in (wait, weft.jit(wait)):
        weft.manual_seed(3)
        results.append([function(weft.zeros(())) for _ in range(12)])
    assert_same_bits(*results)


def test_too_many_answers_run_the_function_as_it_is() -> None:
    def scale(x: weft.Tensor) -> weft.Tensor:
        return x * x.sum().item()

    function = _same(scale, *_tensors(*range(70)))
    statistics = function.stats()
    assert statistics["traces"] == 64
    assert statistics["uncompiled_calls"] == 6
    assert "64 different answers" in statistics["uncompiled"][0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: weft.nonzero(x > 0),
        lambda x: weft.unique_values(weft.round(x)),
        lambda x: x[x > 0] * 2,
        lambda x: x[(x > 0) & (x < 1)].sum(),
        lambda x: weft.where(x > 0),
        lambda x: x.reshape(2, 3)[x.reshape(2, 3).sum(1) > 0],
        lambda x: x.reshape(2, 3)[:, x[:3] > 0],
        lambda x: weft.repeat(x, weft.maximum(weft.floor(x), 0).astype(weft.int64)),
        lambda x: weft.bincount(abs(weft.floor(x)).astype(weft.int64)),
    ],
)
def test_shapes_that_depend_on_data(function: Callable) -> None:
    generator = np.random.default_rng(2)
    rows = [*generator.standard_normal((4, 6)), np.zeros(6), np.ones(6)]
    compiled = _same(function, *_tensors(*rows, *rows))
    assert compiled.stats()["traces"] <= len(rows)


def test_values_put_at_a_mask() -> None:
    def assign(x: weft.Tensor) -> weft.Tensor:
        x = x * 1
        mask = x > 0
        x[mask] = weft.arange(int(mask.sum())).astype(weft.float32)
        return x

    generator = np.random.default_rng(2)
    _same(assign, *_tensors(*generator.standard_normal((4, 6))))


def test_printed_text_comes_in_order_with_true_values(capsys: pytest.CaptureFixture) -> None:
    def report(x: weft.Tensor) -> weft.Tensor:
        print("start")
        for step in range(3):
            x = x * 2
            print(step, x, f"sum {x.sum():.3f}", sep=" | ")
            print(f"{step}: {x.max()!s:>30}")
            if x.sum() > 10:
                print("early", end=".\n")
                return x
        print("end", x.requires_grad)
        return x

    function: Any = weft.jit(report)
    for value in (0.25, 5.0, 0.5, 6.0, 0.125):
        x = weft.asarray([value, 1.0])
        report(x)
        expected = capsys.readouterr().out
        function(x)
        assert capsys.readouterr().out == expected


def test_printing_makes_no_new_paths(capsys: pytest.CaptureFixture) -> None:
    @weft.jit
    def step(x: weft.Tensor) -> weft.Tensor:
        print(f"loss {x.sum():.4f}")
        return x * 2

    for value in range(5):
        step(weft.asarray([float(value)]))
        assert capsys.readouterr().out == f"loss {float(value):.4f}\n"
    assert step.stats()["traces"] == 1


def test_a_formatted_string_that_is_kept_is_an_answer() -> None:
    @weft.jit
    def name(x: weft.Tensor) -> weft.Tensor:
        text = f"{x.sum():.1f}"
        return x * len(text)

    assert name(weft.asarray([1.0])).item() == 3
    assert name(weft.asarray([10.0])).item() == 40


def test_static_arguments_that_changed_take_no_path_of_others() -> None:
    def power(x: weft.Tensor, mode: str) -> weft.Tensor:
        return x * len(mode) if x.sum() > 0 else -x * len(mode)

    calls = [
        (weft.asarray(value), mode)
        for mode in ("a", "long", "a")
        for value in (1.0, 2.0, -1.0, 3.0, -2.0)
    ]
    compiled = _same(power, *calls)
    assert compiled.stats()["traces"] == 4


def test_explain_shows_the_paths() -> None:
    @weft.jit
    def relu(x: weft.Tensor) -> weft.Tensor:
        return x * 2 if x.sum() > 0 else -x

    relu(weft.asarray(1.0))
    relu(weft.asarray(-1.0))
    text = relu.explain(weft.asarray(1.0))
    assert "2 paths" in text
    assert "test_python_control_flow.py:" in text
    assert "bool() is True" in text
    assert "bool() is False" in text


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda f: weft.jit(f, strict=True)(weft.ones(2)), weft.UnsupportedError, "strict"),
        (lambda f: weft.jit(f).lower(weft.ones(2)), weft.ConcretizationError, "one piece"),
        (
            lambda f: weft.export(f, weft.spec((2,), "float32")),
            weft.ConcretizationError,
            "one piece",
        ),
        (lambda f: weft.vmap(f)(weft.ones((3, 2))), weft.ConcretizationError, "vmap"),
        (lambda f: weft.jit(weft.vmap(f))(weft.ones((3, 2))), weft.ConcretizationError, "vmap"),
    ],
)
def test_where_no_value_is_given(call: Callable, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        call(lambda x: x if x.sum() > 0 else -x)


def test_on_a_device() -> None:
    def grow(x: weft.Tensor, bound: weft.Tensor) -> weft.Tensor:
        while x.sum() < bound:
            x = x * 2 + 1
        return x[x > 3]

    place = weft.device("emulator")
    x, bounds = weft.asarray([1.0, 0.5, 2.0]).to(place), [50.0, 5.0, 50.0]
    compiled: Any = weft.jit(grow)
    for bound in bounds:
        result = compiled(x, weft.asarray(bound).to(place))
        assert result.device == place
        assert_same_bits(result.cpu(), grow(x.cpu(), weft.asarray(bound)))
    assert compiled.stats()["traces"] == 2


def test_threads_lose_no_update_of_either_branch() -> None:
    total = weft.zeros(())

    @weft.jit
    def change(x: weft.Tensor) -> None:
        if x > 0:
            total.add_(x)
        else:
            total.sub_(x)

    def work(first: int) -> None:
        for step in range(50):
            change(weft.asarray(1.0 if (step + first) % 2 else -1.0))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total.item() == 200


def test_views_that_are_written_on_both_sides_of_a_cut() -> None:
    def write(view: weft.Tensor) -> None:
        view.add_(1)
        if view.sum() > 5:
            view.mul_(2)

    bases = [weft.arange(6).astype(weft.float32) for _ in range(2)]
    for base, function in zip(bases, (write, weft.jit(write)), strict=True):
        for _ in range(4):
            function(base[2:4])
    assert_same_bits(*bases)


def test_what_a_function_leaves_in_objects() -> None:
    logs: list[list[Any]] = []
    for compiled in (False, True):
        log: list[Any] = []

        def note(x: weft.Tensor, log: list[Any] = log) -> weft.Tensor:
            log.append(x * 2)
            if x.sum() > 0:
                log.append("positive")
            return x

        function: Any = weft.jit(note) if compiled else note
        for value in (1.0, -1.0, 2.0):
            function(weft.asarray(value))
        logs.append([entry if isinstance(entry, str) else entry.item() for entry in log])
    assert logs[0] == logs[1]


def test_the_value_of_a_tensor_from_outside_is_that_of_the_call() -> None:
    weight = weft.asarray([3.0])
    scale: Any = weft.jit(lambda x: x * weight.item())
    assert scale(weft.ones(1)).item() == 3
    weight.copy_(weft.asarray([5.0]))
    assert scale(weft.ones(1)).item() == 5


def test_arrays_made_while_tracing() -> None:
    def add(x: weft.Tensor) -> weft.Tensor:
        table = weft.asarray(np.array([1.0, 2.0], np.float32))
        y = x + table
        return y * table if y.sum() > 4 else y - table

    compiled = _same(add, *_tensors(0.0, 5.0, 0.0, 5.0, -1.0))
    assert compiled.stats()["traces"] == 2
