"""What weft.profiler records, and the files that it writes, read by TensorBoard's plugin."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from weft.profiler import Event, profile, record_function, schedule

HERE = Path(__file__).name


def wave(x: weft.Tensor) -> weft.Tensor:
    y = weft.exp(x)  # the line of exp
    return weft.sum(y * 2.0)  # the line of sum


def line_with(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if line.endswith(text))


def of_kind(p: profile, *kinds: str) -> list[Event]:
    return [event for event in p.events if event.kind in kinds]


def contains(outer: Event, inner: Event) -> bool:
    return outer.thread == inner.thread and outer.start <= inner.start and inner.end <= outer.end


def test_a_call_its_plan_its_kernels_and_the_lines_in_them() -> None:
    compiled = weft.jit(wave)
    x = weft.ones((64, 65))
    with profile() as p:
        began = time.monotonic_ns()
        compiled(x)
        ended = time.monotonic_ns()
    (call,) = of_kind(p, "call")
    (plan,) = of_kind(p, "plan")
    kernels = of_kind(p, "kernel")
    assert call.name == "wave"
    assert began <= call.start
    assert call.end <= ended
    assert call.source is not None
    assert call.source.lines[-1].startswith("test_a_call_its_plan")
    assert HERE in call.source.lines[-1]
    assert contains(call, plan)
    assert kernels
    assert all(contains(plan, kernel) for kernel in kernels)
    assert sum(kernel.duration for kernel in kernels) <= plan.duration
    lines = {line.rpartition("/")[2] for k in kernels for line in k.source.lines}
    assert {f"{HERE}:{line_with('the line of exp')}", f"{HERE}:{line_with('the line of sum')}"} <= (
        lines
    )
    assert "exp" in {name for kernel in kernels for name in kernel.source.operators}
    report = compiled.profile(x)
    assert [kernel.name for kernel in kernels] == [kernel.name for kernel in report]
    assert [kernel.source.bytes for kernel in kernels] == [kernel.bytes for kernel in report]


def test_compiling_has_events_of_its_own() -> None:
    compiled = weft.jit(lambda x: weft.tanh(x) + 3.25)
    x = weft.ones(7)
    with profile() as p:
        compiled(x)
    compiles = of_kind(p, "compile")
    names = [event.name for event in compiles]
    phases = {"differentiate", "simplify", "fuse", "schedule", "plan"}
    assert {"trace", "compile", "passes", *phases} <= set(names)
    whole = next(event for event in compiles if event.name == "compile")
    assert all(contains(whole, event) for event in compiles if event.name in phases)
    with profile() as again:
        compiled(x)
    assert not of_kind(again, "compile")


def test_an_eager_operation_has_the_line_of_its_own_call() -> None:
    x = weft.ones((8, 8))
    weft.sin(x)
    with profile() as p:
        weft.sin(x)  # here first
        weft.sin(x)  # here second
    first, second = of_kind(p, "operation")
    assert first.name == second.name == "sin"
    places = [event.source.lines[-1] for event in (first, second)]
    expected = [f"{line_with('here first')})", f"{line_with('here second')})"]
    assert [place.rpartition(":")[2] for place in places] == expected
    assert expected[0][:-1] in p.table(by="line")
    assert expected[1][:-1] in p.table(by="line")


def test_iterations_of_a_loop_are_launches() -> None:
    @weft.jit
    def grown(x: weft.Tensor) -> weft.Tensor:
        return weft.fori_loop(0, 17, lambda i, x: weft.sin(x) + 1.0, x)

    x = weft.ones(1000)
    grown(x)
    with profile() as p:
        grown(x)
    assert len(of_kind(p, "kernel")) == 17
    assert [event.name for event in of_kind(p, "step")] == ["loop"]


def test_backward_is_a_call() -> None:
    x = weft.ones(5, requires_grad=True)
    loss = weft.sum(x * x)
    with profile() as p:
        loss.backward()
    (call,) = of_kind(p, "call")
    assert call.name == "backward"
    assert all(contains(call, kernel) for kernel in of_kind(p, "kernel"))
    assert of_kind(p, "kernel")


def test_an_exported_program_is_a_call() -> None:
    program = weft.export(wave, weft.spec((3, 4)))
    with profile() as p:
        program(weft.ones((3, 4)))
    assert "exported program" in [event.name for event in of_kind(p, "call")]


def test_all_threads_are_recorded() -> None:
    compiled = weft.jit(wave)
    x = weft.ones((10, 10))
    compiled(x)
    barrier = threading.Barrier(3)

    def work() -> int:
        barrier.wait()
        for _ in range(20):
            compiled(x)
        barrier.wait()
        return threading.get_native_id()

    with ThreadPoolExecutor(3, thread_name_prefix="reader") as pool, profile() as p:
        numbers = [future.result() for future in [pool.submit(work) for _ in range(3)]]
    calls = of_kind(p, "call")
    assert dict.fromkeys(numbers, 20) == {
        number: sum(call.thread == number for call in calls) for number in numbers
    }
    assert all(p.threads[number].startswith("reader") for number in numbers)


def test_workers_tell_what_they_do() -> None:
    threads = weft.get_num_threads()
    weft.set_num_threads(2)
    try:
        x = weft.ones(4_000_000)
        compiled = weft.jit(lambda x: weft.sin(weft.exp(weft.sin(x))))
        compiled(x)
        # A worker that wakes late finds nothing left to do.
        for _ in range(100):
            with profile() as p:
                compiled(x)
            if tasks := of_kind(p, "tasks"):
                break
    finally:
        weft.set_num_threads(threads)
    (kernel,) = of_kind(p, "kernel")
    assert {task.name for task in tasks} == {kernel.name}
    assert {task.thread for task in tasks}.isdisjoint({kernel.thread})


def test_memory_is_what_the_allocator_says() -> None:
    compiled = weft.jit(lambda x: x + 1.0)
    x = weft.ones(1 << 20)
    compiled(x)
    before = weft.stats()["bytes_in_use"]
    with profile() as p:
        y = compiled(x)
    (plan,) = of_kind(p, "plan")
    assert plan.bytes_allocated == y.nbytes == 4 << 20
    assert plan.bytes_in_use >= before + y.nbytes
    assert p.peak_bytes == max(event.bytes_in_use for event in p.events)
    assert of_kind(p, "call")[0].bytes_in_use <= weft.stats()["bytes_in_use"] + (1 << 16)


def test_the_record_has_a_bound_and_says_what_it_dropped(tmp_path: Path) -> None:
    x = weft.ones(3)
    weft.sin(x)
    with profile() as unbounded:
        for _ in range(50):
            weft.sin(x)
    with profile(limit=10) as p:
        for _ in range(50):
            weft.sin(x)
        with record_function("one more"):
            pass
    assert len(p.events) == 10
    assert p.dropped == len(unbounded.events) + 1 - 10
    p.save(tmp_path / "trace.json")
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert trace["otherData"] | {"limit": 10, "dropped": p.dropped} == trace["otherData"]
    assert [e for e in trace["traceEvents"] if e.get("args", {}).get("dropped") == p.dropped]
    assert f"{p.dropped} LATER ONES DROPPED" in str(p)
    with profile(limit=0) as nothing:
        weft.sin(x)
    assert not nothing.events
    assert nothing.dropped == len(unbounded.events) // 50


def test_what_was_recorded_stays_when_something_fails() -> None:
    def failing() -> None:
        weft.sin(weft.ones(3))
        raise ValueError("no")

    p = profile()
    with pytest.raises(ValueError, match="no"), p:
        failing()
    assert [event.name for event in of_kind(p, "operation")][-1] == "sin"
    with profile() as after:
        weft.sin(weft.ones(3))
    assert of_kind(after, "operation")


def test_wrong_use_is_an_error_and_the_record_goes_on() -> None:
    with pytest.raises(weft.OptionError, match="limit of -1"):
        profile(limit=-1)
    with pytest.raises(weft.OptionError, match=r"stop\(\) before start"):
        profile().stop()
    with pytest.raises(weft.OptionError, match=r"step\(\) before start"):
        profile().step()
    with pytest.raises(weft.OutOfMemoryError, match="no memory for a record"):
        profile(limit=1 << 62).start()
    with profile() as p:
        with pytest.raises(weft.OptionError, match="one at a time"):
            profile().start()
        weft.sin(weft.ones(3))
    assert of_kind(p, "operation")
    with pytest.raises(weft.OptionError, match='by is "kernel"'):
        p.table(by="moon")
    for wrong in ({"active": 0}, {"active": 1, "wait": -1}, {"active": 1, "repeat": -2}):
        with pytest.raises(weft.OptionError, match="has to be at least"):
            schedule(**wrong)


@settings(max_examples=50, deadline=None)
@given(
    wait=st.integers(0, 3),
    warmup=st.integers(0, 3),
    active=st.integers(1, 3),
    repeat=st.integers(0, 3),
    skip_first=st.integers(0, 3),
)
def test_a_schedule_is_that_of_pytorch(**numbers: int) -> None:
    torch = pytest.importorskip("torch")
    with pytest.warns() if numbers["warmup"] == 0 else _nothing():
        theirs = torch.profiler.schedule(**numbers)
    recorded = (torch.profiler.ProfilerAction.RECORD, torch.profiler.ProfilerAction.RECORD_AND_SAVE)
    ours = schedule(**numbers)
    assert [ours(step) for step in range(40)] == [theirs(step) in recorded for step in range(40)]


def _nothing() -> Callable:
    from contextlib import nullcontext

    return nullcontext()


def test_steps_by_a_schedule() -> None:
    x = weft.ones(3)
    weft.sin(x)
    traces: list[list[str]] = []
    names = lambda p: traces.append([e.name for e in of_kind(p, "iteration")])  # noqa: E731
    chosen = schedule(wait=1, warmup=1, active=2, repeat=2)
    with profile(schedule=chosen, on_trace_ready=names) as p:
        for _ in range(12):
            weft.sin(x)
            p.step()
    assert traces == [["step 2", "step 3"], ["step 6", "step 7"]]
    with profile() as p:
        for _ in range(3):
            with record_function("inside"):
                weft.sin(x)
            p.step()
    assert len(of_kind(p, "annotation")) == 3
    assert len(of_kind(p, "operation")) == 3


def test_traces_are_read_by_tensorboards_plugin(tmp_path: Path) -> None:
    plugin = pytest.importorskip("torch_tb_profiler.profiler.data")
    consts = pytest.importorskip("torch_tb_profiler.consts")
    compiled = weft.jit(wave)
    x = weft.ones((30, 30))
    ready = weft.profiler.tensorboard_trace_handler(tmp_path)
    with profile(schedule=schedule(active=3, repeat=1), on_trace_ready=ready) as p:
        for _ in range(3):
            with record_function("a name of mine"):
                compiled(x)
            p.step()
    (path,) = tmp_path.iterdir()
    worker, span = consts.WORKER_PATTERN.match(path.name).groups()
    assert str(os.getpid()) in worker
    data = plugin.RunProfileData.parse(worker, span, str(path), str(tmp_path))
    assert data.steps_names == ["0", "1", "2"]
    read = {(e.name, e.ts, e.duration) for e in data.events if e.type == "Operator"}
    written = of_kind(p, "kernel", "call", "plan", "step", "compile", "operation")
    origin = min(event.start for event in p.events)
    assert read == {(e.name, (e.start - origin) / 1000, e.duration / 1000) for e in written}
    assert sum(op.calls for op in data.op_list_groupby_name if op.name == "wave") == 3
    events = json.loads(path.read_text())["traceEvents"]
    annotations = [e["cat"] for e in events if e["name"] == "a name of mine"]
    assert annotations == ["user_annotation"] * 3


def test_a_trace_names_threads_and_counts_memory(tmp_path: Path) -> None:
    with profile() as p:
        weft.sin(weft.ones(3))
    p.save(tmp_path / "new" / "trace.json")
    events = json.loads((tmp_path / "new" / "trace.json").read_text())["traceEvents"]
    assert all({"ph", "pid", "tid", "name"} <= set(event) for event in events)
    assert all(event["dur"] >= 0 <= event["ts"] for event in events if event["ph"] == "X")
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names[threading.get_native_id()] == threading.current_thread().name
    counters = [e["args"]["bytes in use"] for e in events if e["ph"] == "C"]
    assert sorted(counters) == sorted(event.bytes_in_use for event in p.events)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with profile() as p:
        weft.sin(weft.ones(3))
    (tmp_path / "file").write_text("what was there")
    with pytest.raises(weft.FileError, match="a trace can't be written"):
        p.save(tmp_path / "file" / "trace.json")
    with pytest.raises(weft.FileError, match="zero byte"):
        p.save("a\0b")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(weft.FileError, match="a flame graph can't be written"):
        p.flame_graph(tmp_path / "folder.svg")
    assert (tmp_path / "file").read_text() == "what was there"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.svg"]


def test_flame_graphs_add_up(tmp_path: Path) -> None:
    compiled = weft.jit(wave)

    def outer() -> None:
        compiled(weft.ones((30, 30)))  # the caller's line

    with profile() as p:
        outer()
        weft.sin(weft.ones(3))
    p.flame_graph(tmp_path / "stacks.folded")
    lines = (tmp_path / "stacks.folded").read_text().splitlines()
    stacks = {}
    for line in lines:
        found = re.fullmatch(r"(.+) (\d+)", line)
        assert found
        stacks[tuple(found[1].split(";"))] = int(found[2])
    assert stacks == p.stacks()
    top = of_kind(p, "call", "operation")
    assert sum(stacks.values()) == sum(event.duration for event in top)
    inside = [stack for stack in stacks if f"outer ({__file__}:" in ";".join(stack)]
    assert any(f":{line_with('caller' + chr(39) + 's line')})" in ";".join(s) for s in inside)
    assert any(f"{HERE}:{line_with('the line of exp')}" in ";".join(stack) for stack in inside)
    assert any(stack[-1] == "fuse" for stack in inside)
    p.flame_graph(tmp_path / "flame.svg")
    picture = ElementTree.parse(tmp_path / "flame.svg").getroot()
    titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("outer (") for title in titles)


def test_tables_have_the_sums(tmp_path: Path) -> None:
    compiled = weft.jit(wave)
    x = weft.ones((300, 300))
    with profile() as p:
        for _ in range(5):
            compiled(x)
    total = sum(kernel.duration for kernel in of_kind(p, "kernel"))
    text = str(p)
    assert f"kernels {total / 1e6:.3f} ms" in text
    assert of_kind(p, "kernel")[0].source.operators[0] in text
    assert "wave" in p.table(by="call")
    assert "1 more" in p.table(by="kernel", rows=0) or len({k.name for k in p.events}) > 1
    empty = profile()
    assert "0 events" in str(empty)
    empty.save(tmp_path / "empty.json")
    assert json.loads((tmp_path / "empty.json").read_text())["otherData"]["events"] == 0


def test_kernels_of_a_device_have_their_times() -> None:
    device = weft.device("emulator")
    compiled = weft.jit(wave)
    x = weft.ones((16, 16)).to(device)
    expected = compiled(x)
    with profile() as p:
        result = compiled(x)
    kernels = of_kind(p, "device kernel")
    assert kernels
    assert all(contains(of_kind(p, "plan")[0], kernel) for kernel in kernels)
    assert any(HERE in line for kernel in kernels for line in kernel.source.lines)
    np.testing.assert_array_equal(np.asarray(result.to("cpu")), np.asarray(expected.to("cpu")))


def test_the_child_of_a_fork_has_a_record_of_its_own() -> None:
    x = weft.ones(3)
    weft.sin(x)
    with profile() as p:
        weft.sin(x)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                weft.sin(x)
                p.stop()
                status = 0 if len(of_kind(p, "operation")) == 2 else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(of_kind(p, "operation")) == 1


def test_results_are_the_same_while_recorded() -> None:
    generator = np.random.default_rng(0)
    compiled = weft.jit(lambda a, b: weft.softmax(a @ b, axis=-1) + weft.sum(a))
    for shape in ((0, 3, 4), (1, 1, 1), (17, 33, 65)):
        rows, depth, columns = shape
        a = weft.asarray(generator.standard_normal((rows, depth)).astype(np.float32))
        b = weft.asarray(generator.standard_normal((depth, columns)).astype(np.float32))
        expected = np.asarray(compiled(a, b))
        with profile():
            found = np.asarray(compiled(a, b))
        np.testing.assert_array_equal(found, expected)


def test_importing_weft_imports_nothing_of_this() -> None:
    import subprocess
    import sys

    code = (
        "import sys, weft; print([name for name in sys.modules if name.split('.')[0] in "
        "('rich', 'tensorboard', 'wandb') or name.startswith('weft.profiler')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"


def test_names_of_files_are_no_styles(tmp_path: Path) -> None:
    """A table has them as they are, and so has a picture."""
    source = "import weft\ndef double(x):\n    return weft.sin(x)\n"
    for name in ("[red]a.py", "[b].py", "a\\", "<&>é日本.py"):
        path = tmp_path / name
        names: dict = {}
        exec(compile(source, str(path), "exec"), names)
        with weft.profiler.profile() as p:
            names["double"](weft.ones(5))
        assert f" {name}:3 " in p.table(by="line")
        p.flame_graph(tmp_path / "a.svg")
        assert f"{name}:3" in "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext())
    with pytest.raises(weft.OptionError, match="-1 rows"):
        p.table(rows=-1)


@pytest.mark.parametrize("name", ["schedule", "on_trace_ready"])
def test_what_is_no_function_is_refused_before_it_is_called(name: str) -> None:
    with pytest.raises(weft.DTypeError, match=f"{name} has to be a function, not 5"):
        weft.profiler.profile(**{name: 5})
    with pytest.raises(weft.DTypeError, match=r"limit has to be an integer, not 1\.5"):
        weft.profiler.profile(limit=1.5)


ODD_NAMES = [
    "\x1b[31m",
    "a;b\nc",
    "\ud800",
    "\udcff.py",
    "<&\"'>",
    "\uffff\ufffe",
    "\x85\u2028",
    "]]>",
]


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("place", ["file", "function", "annotation"])
def test_files_have_names_of_any_characters(name: str, place: str, tmp_path: Path) -> None:
    """Files that others read: JSON and XML in UTF-8, and lines of stacks and numbers."""
    code = compile(
        "def f(x):\n    return weft.sin(x) * 2\n", name if place == "file" else "f", "exec"
    )
    spaces: dict[str, Any] = {"weft": weft}
    exec(code, spaces)
    function = spaces["f"]
    if place == "function":
        function.__code__ = function.__code__.replace(co_name=name, co_qualname=name)
        function.__qualname__ = function.__name__ = name
    with profile() as p, record_function(name if place == "annotation" else "f"):
        weft.jit(function)(weft.ones(9))
        function(weft.ones(9))
    p.save(tmp_path / "trace.json")
    p.flame_graph(tmp_path / "picture.svg")
    p.flame_graph(tmp_path / "stacks.folded")
    events = json.loads((tmp_path / "trace.json").read_bytes())["traceEvents"]
    assert json.dumps(events, ensure_ascii=False).encode()
    ElementTree.parse(tmp_path / "picture.svg")
    for line in (tmp_path / "stacks.folded").read_bytes().decode().split("\n")[:-1]:
        assert int(line.rsplit(" ", 1)[1]) > 0
    assert all(p.table(by=by).encode() for by in ("kernel", "line", "call"))
