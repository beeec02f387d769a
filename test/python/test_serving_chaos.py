"""A server under all of it at once: clients, noise, who leaves, and folders that change.

Nothing of it may be lost or left: answers are those of the programs, or clear refusals; memory,
open files and places in queues are as before; the log is empty, and the end is a good one.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import small_checkpoint
import weft

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched

from serving_cases import Process, add_model, make_certificate, slow
from serving_chaos import Chaos

TOKEN = "secret words"
#: What may be said of noise, and of clients that speak no TLS, or leave in the midst of it.
LOG = ("WARNING:  Invalid HTTP request received.",)


def _state(served: Process) -> tuple[int, int, int]:
    """Bytes in memory, open files, and threads of a process."""
    folder = Path(f"/proc/{served.process.pid}")
    status = (folder / "status").read_text()
    memory, threads = (int(status.split(f"{name}:")[1].split()[0]) for name in ("VmRSS", "Threads"))
    return memory * 1024, len(list((folder / "fd").iterdir())), threads


def _quiet(chaos: Chaos) -> None:
    """Waits until nobody is answered any more."""
    end = time.monotonic() + 60
    while True:
        text = chaos.asked("/metrics")[1].decode()
        left = re.findall(r"^weft_(?:waiting_requests|texts)\{.*\} ([\d.]+)$", text, re.MULTILINE)
        if left and not any(map(float, left)):
            return
        assert time.monotonic() < end, text
        time.sleep(0.05)


def _checkpoint(folder: Path) -> None:
    folder.mkdir(parents=True)
    # Without an end: texts are as long as they are asked to be.
    config = {**small_checkpoint.CONFIG, "max_position_embeddings": 1024, "eos_token_id": None}
    (folder / "config.json").write_text(json.dumps(config))
    weft.save_safetensors(small_checkpoint.weights(), folder / "model.safetensors")


def _served(folder: Path, is_secure: bool, *options: str) -> Chaos:
    """A server of all kinds of models, and those who ask it."""
    root = folder / "models"
    add_model(root, "steady", lambda x: x * 2, weft.spec(("n", "k")))
    add_model(root, "changing", lambda x: x * 3, weft.spec(("n", "k")))
    batches = {"max_batch_size": 16, "max_delay_ms": 1}
    add_model(root, "batched", lambda x: x * 2, weft.spec(("n", "k")), **batches)
    add_model(root, "narrow", slow(8), weft.spec((200, 200)), max_queue=2)
    wide = weft.ones((1, 500))
    add_model(root, "large", lambda x: x[:, None] * wide, weft.spec(("n",)))
    _checkpoint(root / "writer" / "1")
    if not is_secure:
        return Chaos(root, Process(root, *options))
    chain, private = make_certificate(folder)
    (folder / "token").write_text(TOKEN)
    secured = (f"--certificate={chain}", f"--key={private}", f"--token-file={folder / 'token'}")
    return Chaos(root, Process(root, *options, *secured), chain, TOKEN)


def _ended(served: Process) -> None:
    """Waits for the end of a server that was told to, and looks at what it has said."""
    assert served.process.wait(40) == 0
    assert served.process.stderr is not None
    assert set(served.process.stderr.read().splitlines()) <= set(LOG)


@pytest.mark.parametrize("is_secure", [False, True])
def test_nothing_is_lost_or_left(is_secure: bool, tmp_path: Path) -> None:
    chaos = _served(tmp_path, is_secure)
    served, ways = chaos.served, chaos.ways()

    def act(seed: int) -> None:
        generator = np.random.default_rng(seed)
        ways[seed % len(ways)](generator)

    states = []
    count = 10 * len(ways)
    with ThreadPoolExecutor(12) as pool:
        for part in range(3):
            list(pool.map(act, range(part * count, (part + 1) * count)))
            _quiet(chaos)
            states.append(_state(served))
    memory, files, threads = zip(*states, strict=True)
    # Connections with TLS stay for seconds after their end, with what was not sent to them.
    assert memory[2] - memory[1] < (count << 21 if is_secure else 24 << 20), states
    assert files[2] <= files[0] + 20, states
    assert threads[2] <= threads[0] + 8, states
    assert chaos.answered > 30
    assert chaos.asked("/v2/models/steady/ready")[0] == 200
    assert 'outcome="INTERNAL"' not in chaos.asked("/metrics")[1].decode()
    served.process.terminate()
    _ended(served)


@pytest.mark.parametrize("is_secure", [False, True])
def test_the_end_comes_in_the_midst_of_all(is_secure: bool, tmp_path: Path) -> None:
    """Who is being answered gets a whole answer, and who asks later a refusal, or no connection."""
    chaos = _served(tmp_path, is_secure, "--stop-seconds=20")
    stopped = threading.Event()

    def infers(seed: int) -> None:
        generator = np.random.default_rng(seed)
        while not stopped.is_set():
            chaos.infers(generator)

    def reads_little(seed: int) -> None:
        with contextlib.suppress(OSError):
            chaos.takes_little_of_much(np.random.default_rng(seed))

    expected = chaos.whole_text(300)
    assert len(expected[1]) == 300
    with ThreadPoolExecutor(12) as pool:
        busy = [pool.submit(infers, seed) for seed in range(3)]
        busy += [pool.submit(reads_little, seed) for seed in range(3)]
        texts = [pool.submit(chaos.whole_text, 300) for _ in range(4)]
        time.sleep(0.2)
        chaos.is_ending = True
        chaos.served.process.terminate()
        _ended(chaos.served)
        stopped.set()
        for each in texts:
            assert each.result() == expected
        for each in busy:
            each.result()
