"""Worker processes: order, errors, seeds, and that none is left behind."""

import collections
import gc
import itertools
import multiprocessing
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
import torch
import weft
from weft import data
from weft.data import DataLoader, get_worker_info

#: Workers that hang would make a test hang; this ends it.
LIMIT_SECONDS = 60


@pytest.fixture(autouse=True)
def in_time():
    def fail(*_):
        raise AssertionError(f"the test takes longer than {LIMIT_SECONDS} seconds")

    former = signal.signal(signal.SIGALRM, fail)
    signal.alarm(LIMIT_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)
    assert_nothing_left()


def assert_nothing_left():
    """Neither processes nor threads of loaders that are done."""
    # Errors that tests have caught keep their frames, and those the loaders.
    gc.collect()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        threads = [t for t in threading.enumerate() if t.name.startswith("weft-data")]
        if not multiprocessing.active_children() and not threads:
            return
        time.sleep(0.02)
    raise AssertionError(f"left: {multiprocessing.active_children()}, {threads}")


class Numbers(data.Dataset):
    """Dicts of a number, an array of it, its text, and the process that read it."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        row = np.full(3, index, np.float32)
        return {"number": index, "row": row, "text": str(index), "process": os.getpid()}


class Doing(Numbers):
    """Calls a function for each sample."""

    def __init__(self, count, function):
        super().__init__(count)
        self.function = function

    def __getitem__(self, index):
        return self.function(index)


def numbers_of(loader):
    return [batch["number"].tolist() for batch in loader]


@pytest.mark.parametrize("ahead", [1, 3])
@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_order(workers, ahead):
    loader = DataLoader(Numbers(11), 2, num_workers=workers, prefetch_factor=ahead)
    batches = list(loader)
    assert [b["number"].tolist() for b in batches] == numbers_of(DataLoader(Numbers(11), 2))
    assert [b["text"] for b in batches][-1] == ["10"]
    assert batches[0]["row"].dtype is weft.float32
    assert np.array_equal(batches[0]["row"], [[0, 0, 0], [1, 1, 1]])
    processes = {number for batch in batches for number in batch["process"].tolist()}
    assert len(processes) == workers
    assert os.getpid() not in processes


def test_all_options_of_the_order():
    options = {"shuffle": True, "seed": 3, "drop_last": True}
    plain, working = (DataLoader(Numbers(11), 3, num_workers=n, **options) for n in (0, 2))
    for _ in range(2):
        assert numbers_of(plain) == numbers_of(working)
    batches = [[4, 4], [0], [9, 1, 2]]
    assert numbers_of(DataLoader(Numbers(11), batch_sampler=batches, num_workers=2)) == batches
    single = list(DataLoader(Numbers(5), None, sampler=[3, 1], num_workers=2))
    assert [sample["number"] for sample in single] == [3, 1]
    assert isinstance(single[0]["row"], weft.Tensor)
    assert list(DataLoader(Numbers(0), 2, num_workers=2)) == []
    arrays = data.TensorDataset(np.arange(6), weft.arange(6) * 2)
    found = [[part.tolist() for part in b] for b in DataLoader(arrays, 4, num_workers=1)]
    assert found == [[[0, 1, 2, 3], [0, 2, 4, 6]], [[4, 5], [8, 10]]]


def test_datasets_and_tensors_of_torch():
    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return torch.full((2,), float(index)), index

    batches = list(DataLoader(Rows(), 2, num_workers=2))
    assert [part.tolist() for part in batches[1]] == [[[2, 2], [3, 3]], [2, 3]]
    assert isinstance(batches[0][0], weft.Tensor)


def test_batches_of_ones_own_come_as_they_are():
    def collate(samples):
        numbers = [sample["number"] for sample in samples]
        return weft.asarray(numbers) * 2, collections.Counter(numbers), np.array(numbers)

    first, second = DataLoader(Numbers(3), 2, collate_fn=collate, num_workers=2)
    assert isinstance(first, tuple)
    assert isinstance(first[0], weft.Tensor)
    assert first[0].tolist() == [0, 2]
    assert second[1] == collections.Counter([2])
    assert isinstance(second[2], np.ndarray)


class Shards(data.IterableDataset):
    """The numbers below ``count``, each read by one worker; some workers have fewer."""

    def __init__(self, count, shares=None):
        self.count, self.shares = count, shares

    def __iter__(self):
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        numbers = range(first, self.count, step)
        if self.shares is not None and info is not None:
            numbers = list(numbers)[: self.shares[info.id]]
        return iter(numbers)


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("size", [None, 2])
def test_streams_are_shared_out(size, persistent):
    loader = DataLoader(Shards(11), size, num_workers=3, persistent_workers=persistent)
    for _ in range(2):
        batches = [np.atleast_1d(batch).tolist() for batch in loader]
        assert sorted(itertools.chain(*batches)) == list(range(11))
        assert batches[:3] == ([[0], [1], [2]] if size is None else [[0, 3], [1, 4], [2, 5]])
    uneven = DataLoader(Shards(30, [0, 7, 1]), 2, num_workers=3, persistent_workers=persistent)
    expected = [[1, 4], [2], [7, 10], [13, 16], [19]]
    assert [batch.tolist() for batch in uneven] == expected
    short = DataLoader(Shards(11), 3, num_workers=3, drop_last=True)
    found = itertools.chain.from_iterable(batch.tolist() for batch in short)
    assert sorted(found) == [0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_batches_may_come_as_they_are_ready():
    def slow(index):
        time.sleep(0.8 if index == 0 else 0.01)
        return index

    loader = DataLoader(Doing(8, slow), 1, num_workers=2, in_order=False)
    found = [batch.item() for batch in loader]
    assert sorted(found) == list(range(8))
    assert found[0] != 0


# Errors ------------------------------------------------------------------------------------------


class UnusualError(Exception):
    """An error with other arguments than a text."""

    def __init__(self, first, second):
        super().__init__(first, second)


def fail_with(error):
    def fail(index):
        if index == 2:
            raise error
        return index

    return fail


ERRORS = {
    "value": (ValueError("sample 2 is broken"), ValueError),
    "key": (KeyError("missing"), KeyError),
    "own": (weft.ShapeError("a shape"), weft.ShapeError),
    "arguments": (UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"), RuntimeError),
    "unusual": (UnusualError(1, 2), RuntimeError),
}


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("name", ERRORS)
def test_an_error_comes_with_its_traceback(name, persistent):
    error, kind = ERRORS[name]
    dataset, seen = Doing(6, fail_with(error)), []
    loader = DataLoader(dataset, 1, num_workers=2, persistent_workers=persistent)
    with pytest.raises(kind) as caught:
        seen.extend(batch.item() for batch in loader)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert f"Caught {type(error).__name__} in DataLoader worker process 0." in text
    assert "Traceback (most recent call last):" in text
    assert "raise error" in text
    assert "\n" in repr(caught.value) or kind is not KeyError
    assert seen == [0, 1]


def test_what_happens_when_workers_begin():
    begun = multiprocessing.get_context().SimpleQueue()
    loader = DataLoader(
        Numbers(4), 2, num_workers=2, worker_init_fn=begun.put, persistent_workers=True
    )
    for _ in range(2):
        list(loader)
    found = sorted(begun.get() for _ in range(2))
    assert found == [0, 1]
    assert begun.empty()

    def fail(number):
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        list(DataLoader(Numbers(4), 2, num_workers=2, worker_init_fn=fail))

    class Broken(data.IterableDataset):
        def __iter__(self):
            raise ValueError("no stream")

    with pytest.raises(ValueError, match="no stream"):
        list(DataLoader(Broken(), 2, num_workers=2))


class Unreadable:
    """What can be pickled but not be read again."""

    def __reduce__(self):
        return eval, ("1 // 0",)


def test_what_can_not_be_sent():
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError), match=r"lambda|local"):
        list(DataLoader(Numbers(4), 2, num_workers=1, collate_fn=lambda samples: lambda: samples))
    with pytest.raises(ZeroDivisionError, match="division"):
        list(DataLoader(Numbers(4), 2, num_workers=1, collate_fn=lambda samples: Unreadable()))


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_a_worker_that_dies_is_told(how):
    def die(index):
        if index == 3:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            os._exit(7)
        return index

    code = -signal.SIGKILL if how == "kill" else 7
    seen = []
    with pytest.raises(RuntimeError, match=f"worker 1 .* is gone, with exit code {code}"):
        seen.extend(batch.item() for batch in DataLoader(Doing(9, die), 1, num_workers=2))
    assert seen == [0, 1, 2]


def test_a_batch_that_does_not_come_in_time():
    def slow(index):
        time.sleep(0.0 if index < 2 else 30.0)
        return index

    start = time.monotonic()
    loader = DataLoader(Doing(4, slow), 2, num_workers=1, timeout=0.5)
    with pytest.raises(RuntimeError, match=r"no batch came within 0\.5 seconds"):
        list(loader)
    # The worker gets its time to end, and is ended then.
    assert time.monotonic() - start < 20


# Seeds -------------------------------------------------------------------------------------------


def drawn_numbers(index):
    info = get_worker_info()
    numbers = (
        random.getrandbits(30),
        int(np.random.randint(1 << 30)),
        int(weft.random.randint(1 << 30)),
        info.seed,
    )
    assert info.num_workers == 2
    assert isinstance(info.dataset, Doing)
    assert info.id == index % 2
    return numbers


def draws(epochs=2, **options):
    loader = DataLoader(Doing(2, drawn_numbers), 1, num_workers=2, **options)
    return [tuple(part.item() for part in b) for _ in range(epochs) for b in loader]


@pytest.mark.parametrize("persistent", [False, True])
def test_each_worker_and_epoch_has_numbers_of_its_own(persistent):
    assert get_worker_info() is None
    options = {"persistent_workers": persistent}
    for source in ({"seed": 5}, {"generator": 5}, {"generator": weft.random.key(5)}):
        found = draws(**source, **options)
        for column in zip(*found, strict=True):
            assert len(set(column)) == 4
        assert draws(**source, **options) == found
    weft.random.seed(9)
    found = draws(**options)
    weft.random.seed(9)
    assert draws(**options) == found
    assert len(set(found)) == 4
    assert get_worker_info() is None


# Beginning and ending ----------------------------------------------------------------------------


def processes_of(loader):
    return {number for batch in loader for number in batch["process"].tolist()}


def test_persistent_workers_stay():
    loader = DataLoader(Numbers(8), 2, num_workers=2, persistent_workers=True)
    first = processes_of(loader)
    assert processes_of(loader) == first
    # An epoch that is not read to its end leaves nothing to the next.
    for batch in loader:
        assert batch["number"].tolist() == [0, 1]
        break
    assert numbers_of(loader) == [[0, 1], [2, 3], [4, 5], [6, 7]]
    one, two = iter(loader), iter(loader)
    next(one)
    next(two)
    with pytest.raises(RuntimeError, match="another iteration with the same workers"):
        next(one)
    assert len(multiprocessing.active_children()) == 2
    del loader, one, two
    assert_nothing_left()


def test_workers_end_with_the_iteration():
    loader = DataLoader(Numbers(40), 1, num_workers=2)
    for batch in loader:
        assert batch["number"].item() == 0
        assert len(multiprocessing.active_children()) == 2
        break
    assert_nothing_left()
    iterator = iter(loader)
    next(iterator)
    iterator.close()
    assert not multiprocessing.active_children()
    one, two = iter(loader), iter(loader)
    assert [next(one)["number"].item(), next(two)["number"].item()] == [0, 0]
    assert next(one)["number"].item() == 1
    assert len(multiprocessing.active_children()) == 4


def test_much_in_both_directions():
    """More than pipes hold: indices one way, batches the other, and nobody takes them at first."""
    rows = data.TensorDataset(np.arange(400_000).reshape(200_000, 2))
    loader = DataLoader(rows, 50_000, shuffle=True, seed=1, num_workers=2, prefetch_factor=4)
    iterator = iter(loader)
    total = next(iterator)[0].sum().item()
    time.sleep(0.3)
    total += sum(batch[0].sum().item() for batch in iterator)
    assert total == sum(range(400_000))


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_make_processes(method):
    context = method if method == "spawn" else multiprocessing.get_context(method)
    dataset = data.TensorDataset(np.arange(6))
    loader = DataLoader(dataset, 2, num_workers=2, multiprocessing_context=context)
    assert [batch[0].tolist() for batch in loader] == [[0, 1], [2, 3], [4, 5]]


def test_a_child_of_the_program_leaves_the_workers_alone():
    loader = DataLoader(Numbers(8), 2, num_workers=2, persistent_workers=True)
    first = processes_of(loader)
    child = os.fork()
    if child == 0:
        loader._pool.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert processes_of(loader) == first


SCRIPT = """
    import os, signal, sys, time
    import numpy as np
    from weft.data import DataLoader, Dataset

    class Slow(Dataset):
        def __len__(self):
            return 1000
        def __getitem__(self, index):
            time.sleep(0.02)
            return os.getpid()

    if __name__ == "__main__":
        persistent = "persistent" in sys.argv
        loader = DataLoader(Slow(), 2, num_workers=2, persistent_workers=persistent)
        iterator = iter(loader)
        workers = {next(iterator)[0].item() for _ in range(4)}
        print(os.getpid(), *workers, flush=True)
        if "wait" in sys.argv:
            for batch in iterator:
                pass
"""


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def assert_all_end(processes):
    deadline = time.monotonic() + 15
    while any(map(is_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, processes))


def started(tmp_path, *arguments):
    """A program that reads batches, and the numbers of its processes."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(SCRIPT))
    program = subprocess.Popen(
        [sys.executable, str(path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    return program, [int(number) for number in program.stdout.readline().split()]


@pytest.mark.parametrize("option", ["once", "persistent"])
def test_a_program_may_end_amid_an_iteration(tmp_path, option):
    program, processes = started(tmp_path, option)
    output, errors = program.communicate(timeout=30)
    assert (program.returncode, output, errors) == (0, "", "")
    assert len(processes) == 3
    assert_all_end(processes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_do_not_outlive_their_program(tmp_path, number):
    program, processes = started(tmp_path, "wait")
    if number is signal.SIGINT:
        # Ctrl-C goes to all processes of the terminal.
        os.killpg(program.pid, number)
    else:
        program.send_signal(number)
    _, errors = program.communicate(timeout=30)
    assert program.returncode == -number
    assert errors.count("Traceback") == (number is signal.SIGINT)
    assert_all_end(processes)
