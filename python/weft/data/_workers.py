"""Processes that read the batches of a loader.

Each worker has a pipe of its own: tasks go one way, batches the other. A thread of the loader's
process takes the batches out, so that no worker waits for the program to want them.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random as python_random
import select
import signal
import struct
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import connection as connections
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from .. import _core, random
from ._fetching import End, Fetcher
from ._worker_info import SupersededError, WorkerInfo, set_worker_info

#: How often a worker looks whether its loader's process still runs.
_CHECK_SECONDS = 2.0
#: How long a worker that is told to end may take.
_PATIENCE_SECONDS = 5.0


# Messages ----------------------------------------------------------------------------------------


class _Start(NamedTuple):
    epoch: int
    seed: int


class _Task(NamedTuple):
    epoch: int
    number: int
    task: Any


#: Before a batch: its epoch, and the number of its task.
_HEAD = struct.Struct("<qq")


class _Failure(NamedTuple):
    """An error in a worker: its type, and its text with the traceback."""

    kind: type[BaseException]
    text: str


class _Text(str):
    """A text that is shown as it is where errors show a repr, as KeyError does."""

    def __repr__(self) -> str:
        return str(self)


def _raise(failure: _Failure, worker: int) -> None:
    """Raises an error of the type that the worker's had, with its traceback as text."""
    text = _Text(
        f"Caught {failure.kind.__name__} in DataLoader worker process {worker}.\n"
        f"Original {failure.text}"
    )
    try:
        error = failure.kind(text)
    except Exception:
        # Types with other arguments.
        error = RuntimeError(text)
    raise error


# In a worker -------------------------------------------------------------------------------------


class _Worker:
    """The life of a worker: it reads tasks until there is a None, or nobody at the other end."""

    def __init__(
        self,
        pipe: Connection,
        fetcher: Fetcher,
        number: int,
        count: int,
        init: Callable[[int], Any] | None,
    ) -> None:
        self.pipe, self.fetcher, self.number, self.count = pipe, fetcher, number, count
        self.init, self.begun = init, False
        self.waiting: deque[Any] = deque()
        #: Why the epoch could not begin.
        self.failure: _Failure | None = None

    def run(self) -> None:
        """Works, until there is nothing more to do."""
        while (message := self._next_message()) is not None:
            if isinstance(message, _Start):
                begun = _guarded(self._begin, message.seed)
                self.failure = begun if isinstance(begun, _Failure) else None
            else:
                batch = self.failure or _guarded(self.fetcher.fetch, message.task)
                self._send(message.epoch, message.number, batch)

    def _next_message(self) -> Any:
        while not self.waiting:
            if self.pipe.poll(_CHECK_SECONDS):
                self.waiting.append(self._received())
            elif not _loader_runs():
                return None
        # An end, or a new epoch, makes what came before it useless.
        while self.pipe.poll():
            message = self._received()
            if message is None or isinstance(message, _Start):
                self.waiting.clear()
            self.waiting.append(message)
            if message is None:
                break
        return self.waiting.popleft()

    def _received(self) -> Any:
        try:
            return pickle.loads(self.pipe.recv_bytes())
        except (EOFError, OSError):
            return None

    def _begin(self, seed: int) -> None:
        own = seed + self.number
        set_worker_info(WorkerInfo(self.number, self.count, own, self.fetcher.dataset))
        _seed_all(own)
        if not self.begun and self.init is not None:
            self.init(self.number)
        self.begun = True
        self.fetcher.restart()

    def _send(self, epoch: int, number: int, batch: Any) -> None:
        data = _guarded(_packed, batch)
        if isinstance(data, _Failure):
            data = _packed(data)
        try:
            self.pipe.send_bytes(_HEAD.pack(epoch, number) + data)
        except OSError:
            # Nobody is there any more; the next read ends the worker.
            return


def _packed(value: Any) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def _guarded(function: Callable[[Any], Any], argument: Any) -> Any:
    """What a function returns, or the error that it raises."""
    try:
        return function(argument)
    except Exception as error:
        return _Failure(_sendable(type(error)), traceback.format_exc())


def _loader_runs() -> bool:
    process = multiprocessing.parent_process()
    return process is not None and process.is_alive()


def _sendable(kind: type[BaseException]) -> type[BaseException]:
    """The type of an error, if another process can find it."""
    try:
        pickle.dumps(kind)
    except Exception:
        return RuntimeError
    return kind


def _seed_all(seed: int) -> None:
    """Begins the generators of Python, NumPy and Weft anew."""
    python_random.seed(seed)
    np.random.seed(np.random.SeedSequence(seed).generate_state(4))
    # A worker can't use the devices of the process that it was made by.
    generator = random._keys._generator
    generator.states = {generator.state.device: generator.state}
    random.seed(seed)


def _work(*arguments: Any) -> None:
    # Ctrl-C is for the loader's process, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _core.set_thread_count(1)
    _Worker(*arguments).run()


# In the loader's process -------------------------------------------------------------------------


class _Inbox:
    """The batches that came, by the number of their task, and the workers that are gone."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.epoch = 0
        self.batches: dict[int, Any] = {}
        self.gone: set[int] = set()

    def begin(self) -> int:
        """Begins an epoch: batches of former ones are not kept."""
        with self.changed:
            self.epoch += 1
            self.batches.clear()
            return self.epoch

    def put(self, data: bytes) -> None:
        """Takes a batch as a worker sends it."""
        epoch, number = _HEAD.unpack_from(data)
        # What can't be read fails where the batch is wanted.
        batch = _guarded(pickle.loads, memoryview(data)[_HEAD.size :])
        with self.changed:
            if epoch == self.epoch:
                self.batches[number] = batch
                self.changed.notify_all()

    def lose(self, worker: int) -> None:
        """Notes that a worker is gone."""
        with self.changed:
            self.gone.add(worker)
            self.changed.notify_all()

    def take(self, pending: dict[int, int], in_order: bool, timeout: float) -> tuple[int, Any]:
        """The next batch, and its number: of the oldest task, or of any.

        Raises:
            TimeoutError: none came in time. ChildProcessError: the worker that was to make it is
                gone; the error's argument is its number.
        """
        end = time.monotonic() + timeout if timeout > 0 else None
        with self.changed:
            while True:
                wanted = [next(iter(pending))] if in_order else list(pending)
                for number in wanted:
                    if number in self.batches:
                        return number, self.batches.pop(number)
                for number in wanted:
                    if pending[number] in self.gone:
                        raise ChildProcessError(pending[number])
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self.changed.wait(left)


def _receive(pipes: list[Connection], inbox: _Inbox) -> None:
    """Takes batches out of the pipes until all workers are gone."""
    workers = dict(zip(pipes, range(len(pipes)), strict=True))
    while workers:
        for pipe in connections.wait(list(workers)):
            try:
                inbox.put(pipe.recv_bytes())  # type: ignore[union-attr]
            except (EOFError, OSError):
                inbox.lose(workers.pop(pipe))  # type: ignore[call-overload]


def _tell_end(pipe: Connection) -> None:
    """Sends a None, unless the pipe is so full that it would have to wait."""
    poll = select.poll()
    try:
        poll.register(pipe.fileno(), select.POLLOUT)
        if poll.poll(0):
            pipe.send_bytes(_packed(None))
    except OSError:
        # The worker is gone.
        return


def _end(owner: int, processes: list, pipes: list[Connection], threads: list) -> None:
    """Ends the workers: by a message, and those that do not heed it by signals."""
    # A child of the loader's process has copies of all this.
    if os.getpid() != owner:
        return
    for pipe in pipes:
        _tell_end(pipe)
    end = time.monotonic() + _PATIENCE_SECONDS
    for process in processes:
        process.join(max(end - time.monotonic(), 0.0))
    for stop in ("terminate", "kill"):
        for process in processes:
            if process.is_alive():
                getattr(process, stop)()
                process.join(1.0)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(1.0)
    for pipe in pipes:
        pipe.close()


class WorkerPool:
    """The workers of a loader. `close` ends them; so does the end of the object or the program.

    Args:
        fetcher: reads the batches; each worker has a copy.
        count: how many workers there are.
        context: makes processes, as those of ``multiprocessing.get_context``.
        init: called in each worker with its number.
        timeout: how many seconds to wait for a batch; 0: for ever.
        ahead: for how many batches each worker has tasks.
        in_order: gives batches in the order of tasks, else as they come.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        count: int,
        context: Any,
        init: Callable[[int], Any] | None,
        timeout: float,
        ahead: int,
        in_order: bool,
    ) -> None:
        self.timeout, self.ahead, self.in_order = timeout, ahead, in_order
        self._fetcher, self._inbox = fetcher, _Inbox()
        self._processes: list[Any] = []
        self._pipes: list[Connection] = []
        threads: list[threading.Thread] = []
        self._close = weakref.finalize(
            self, _end, os.getpid(), self._processes, self._pipes, threads
        )
        try:
            for number in range(count):
                self._start(context, number, count, init)
        except BaseException:
            self.close()
            raise
        # After all forks: a child must not be made amid what another thread does.
        receiver = threading.Thread(
            target=_receive,
            args=(self._pipes, self._inbox),
            daemon=True,
            name="weft-data-receiver",
        )
        threads.append(receiver)
        receiver.start()

    def _start(self, context: Any, number: int, count: int, init: Any) -> None:
        own, other = context.Pipe()
        self._pipes.append(own)
        process = context.Process(
            target=_work,
            args=(other, self._fetcher, number, count, init),
            daemon=True,
            name=f"weft-data-worker-{number}",
        )
        try:
            process.start()
            self._processes.append(process)
        finally:
            # So that the pipe ends with the worker.
            other.close()

    def close(self) -> None:
        """Ends the workers."""
        self._close()

    def _send(self, worker: int, message: Any) -> None:
        try:
            self._pipes[worker].send_bytes(_packed(message))
        except OSError:
            # Whoever waits for its batch learns that it is gone.
            return

    def batches(self, tasks: Iterator[Any], seed: int) -> Iterator[Any]:
        """The batches of one epoch.

        Raises:
            SupersededError: another epoch has begun. RuntimeError: a worker is gone, or no batch
                came in time. And what happens in workers.
        """
        epoch = self._inbox.begin()
        for worker in range(len(self._pipes)):
            self._send(worker, _Start(epoch, seed))
        pending: dict[int, int] = {}
        ready = deque(range(len(self._pipes)))
        numbered = enumerate(tasks)

        def give() -> None:
            """Gives the next task to the next worker, or where any may be late to the freest."""
            task = next(numbered, None) if ready else None
            if task is None:
                return
            if not self.in_order:
                loads = list(pending.values())
                ready.rotate(-min(range(len(ready)), key=lambda place: loads.count(ready[place])))
            worker = ready[0]
            ready.rotate(-1)
            pending[task[0]] = worker
            self._send(worker, _Task(epoch, *task))

        for _ in range(self.ahead * len(self._pipes)):
            give()
        while pending:
            number, batch = self._taken(pending, epoch)
            worker = pending.pop(number)
            if batch is End.END and worker in ready:
                ready.remove(worker)
            give()
            if isinstance(batch, _Failure):
                _raise(batch, worker)
            if batch is not End.END:
                yield self._fetcher.finish(batch)

    def _taken(self, pending: dict[int, int], epoch: int) -> tuple[int, Any]:
        if self._inbox.epoch != epoch:
            raise SupersededError("DataLoader: another iteration with the same workers has begun")
        try:
            return self._inbox.take(pending, self.in_order, self.timeout)
        except TimeoutError:
            raise RuntimeError(f"DataLoader: no batch came within {self.timeout} seconds") from None
        except ChildProcessError as error:
            process = self._processes[error.args[0]]
            process.join(_PATIENCE_SECONDS)
            raise RuntimeError(
                f"DataLoader: worker {error.args[0]} (process {process.pid}) is gone, with exit "
                f"code {process.exitcode}"
            ) from None
