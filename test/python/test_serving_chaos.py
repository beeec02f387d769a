"""A server under all of it at once: clients, noise, who leaves, and folders that change.

Nothing of it may be lost or left: answers are those of the programs, or clear refusals; memory,
open files and places in queues are as before; the log is empty, and the end is a good one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import small_checkpoint
import weft

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched

import grpc
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from serving_cases import Process, add_model, ask
from tritonclient.utils import InferenceServerException

LENGTH = "Inference-Header-Content-Length"
#: What a request may be told while its model is loaded and unloaded, or all ask at once.
EXPECTED = ("no model", "requests wait", "requests are being answered", "cancelled", "texts wait")


class Chaos:
    """Those who ask a server, each in one way; a number says how."""

    def __init__(self, root: Path, served: Process) -> None:
        self.root, self.served = root, served
        self.answered = 0
        self._lock = threading.Lock()

    def ways(self) -> list[Callable[[np.random.Generator], None]]:
        """All of them."""
        return [
            self.infers,
            self.infers,
            self.sends_noise,
            self.cuts_a_body,
            self.leaves_while_it_computes,
            self.leaves_a_stream,
            self.reads_slowly,
            self.calls_noise,
            self.leaves_a_call,
            self.streams_texts,
            self.changes_the_folder,
            self.loads_and_unloads,
        ]

    def infers(self, generator: np.random.Generator) -> None:
        """By a client that others wrote; the result is what NumPy gives."""
        shape = tuple(int(each) for each in generator.integers(0, 40, 2))
        x = generator.standard_normal(shape).astype(np.float32)
        is_http = bool(generator.integers(2))
        module = over_http if is_http else over_grpc
        port = self.served.port if is_http else self.served.grpc_port
        name = str(generator.choice(["steady", "changing", "batched"]))
        with contextlib.closing(module.InferenceServerClient(f"127.0.0.1:{port}")) as client:
            given = module.InferInput("x", shape, "FP32")
            given.set_data_from_numpy(x)
            try:
                found = client.infer(name, [given]).as_numpy("result")
            except InferenceServerException as error:
                assert name != "steady" or "no model" not in str(error)  # noqa: PT017
                assert any(text in str(error) for text in EXPECTED), error  # noqa: PT017
                return
        np.testing.assert_array_equal(found, x * 2 if name != "changing" else x * 3)
        with self._lock:
            self.answered += 1

    def _sent(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.served.port), timeout=30)
        with contextlib.suppress(OSError):  # It may be refused before all was sent.
            connection.sendall(data)
        return connection

    def sends_noise(self, generator: np.random.Generator) -> None:
        """What is no HTTP, or none that is right."""
        starts = (b"", b"POST /v2/models/steady/infer HTTP/1.1\r\n", b"GET \xff HTTP/9\r\n\r\n")
        data = starts[generator.integers(3)] + generator.bytes(int(generator.integers(1, 5000)))
        with self._sent(data + b"\r\n\r\n") as connection, contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1 << 16)
            assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]

    def _request(self, generator: np.random.Generator, rows: int) -> tuple[bytes, bytes]:
        """The head and the body of a request that is right."""
        x = generator.standard_normal((rows, 8)).astype(np.float32)
        row = {"name": "x", "datatype": "FP32", "shape": x.shape}
        text = json.dumps({"inputs": [{**row, "parameters": {"binary_data_size": x.nbytes}}]})
        head = (
            "POST /v2/models/steady/infer HTTP/1.1\r\nhost: x\r\n"
            f"content-length: {len(text) + x.nbytes}\r\n{LENGTH}: {len(text)}\r\n\r\n"
        )
        return head.encode(), text.encode() + x.tobytes()

    def cuts_a_body(self, generator: np.random.Generator) -> None:
        """A body that ends before its length, or goes on behind it."""
        head, body = self._request(generator, 20)
        end = int(generator.integers(0, 2 * len(body)))
        data = head + (body[:end] if end < len(body) else body + generator.bytes(end - len(body)))
        with self._sent(data) as connection, contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1 << 16)
            assert not answer or re.match(rb"HTTP/1.1 (200|4\d\d) ", answer), answer[:200]

    def leaves_while_it_computes(self, generator: np.random.Generator) -> None:
        """Asks for much, and does not wait."""
        head, body = self._request(generator, 5000)
        with self._sent(head + body):
            time.sleep(float(generator.random()) * 0.01)

    def _text(self, count: int) -> bytes:
        body = json.dumps({"tokens": [3, 4], "parameters": {"max_tokens": count}}).encode()
        head = f"host: x\r\ncontent-length: {len(body)}\r\n\r\n".encode()
        return b"POST /v2/models/writer/generate_stream HTTP/1.1\r\n" + head + body

    def leaves_a_stream(self, generator: np.random.Generator) -> None:
        """Reads a part of a text, or nothing of it."""
        with self._sent(self._text(1000)) as connection:
            if generator.integers(2):
                connection.recv(200)
            time.sleep(float(generator.random()) * 0.02)

    def reads_slowly(self, generator: np.random.Generator) -> None:
        """Takes a text byte by byte for a while."""
        with self._sent(self._text(1000)) as connection:
            for _ in range(40):
                connection.recv(1)
                time.sleep(float(generator.random()) * 0.005)

    def calls_noise(self, generator: np.random.Generator) -> None:
        """A message of gRPC that is none."""
        name = generator.choice(["ModelInfer", "ModelReady", "RepositoryIndex", "ModelMetadata"])
        with grpc.insecure_channel(f"127.0.0.1:{self.served.grpc_port}") as channel:
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
            done = call.future(generator.bytes(int(generator.integers(0, 300))), timeout=30)
            assert done.exception() is None or done.code() in (
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
            ), done.details()

    def leaves_a_call(self, generator: np.random.Generator) -> None:
        """Cancels what it has asked for by gRPC."""
        x = generator.standard_normal((3000, 8)).astype(np.float32)
        place = f"127.0.0.1:{self.served.grpc_port}"
        with contextlib.closing(over_grpc.InferenceServerClient(place)) as client:
            given = over_grpc.InferInput("x", x.shape, "FP32")
            given.set_data_from_numpy(x)
            call = client.async_infer("steady", [given], lambda result, error: None)
            time.sleep(float(generator.random()) * 0.01)
            call.cancel()

    def streams_texts(self, generator: np.random.Generator) -> None:
        """Texts by gRPC, of which the stream is left in the midst."""
        place = f"127.0.0.1:{self.served.grpc_port}"
        with contextlib.closing(over_grpc.InferenceServerClient(place)) as client:
            client.start_stream(callback=lambda result, error: None)
            given = []
            for name, values in (("tokens", [3, 4]), ("max_tokens", [1000])):
                array = np.array(values, np.int64)
                given.append(over_grpc.InferInput(name, array.shape, "INT64"))
                given[-1].set_data_from_numpy(array)
            client.async_stream_infer("writer", given)
            time.sleep(float(generator.random()) * 0.05)
            client.stop_stream(cancel_requests=True)

    def changes_the_folder(self, generator: np.random.Generator) -> None:
        """Takes files away, writes nonsense, and puts them back."""
        with self._lock:
            folder = self.root / "changing"
            away = self.root.parent / "away"
            if generator.integers(2):
                folder.rename(away)
                self._loads("changing", ("no model", "loaded"))
                away.rename(folder)
            else:
                extra = folder / "9"
                extra.mkdir()
                (extra / "model.weft").write_bytes(generator.bytes(500))
                self._loads("changing", ("can't be loaded", "stays"))
                shutil.rmtree(extra)

    def _loads(self, name: str, texts: tuple[str, ...]) -> None:
        status, answer = ask(self.served.port, f"/v2/repository/models/{name}/load", {})
        text = json.loads(answer).get("error", "")
        assert status == 200 or any(part in text for part in texts), (status, text)

    def loads_and_unloads(self, generator: np.random.Generator) -> None:
        """The model that changes, while others ask it."""
        what = "load" if generator.integers(4) else "unload"
        path = f"/v2/repository/models/changing/{what}"
        status, answer = ask(self.served.port, path, {})
        assert status in (200, 400, 404, 429), answer


def _state(served: Process) -> tuple[int, int, int]:
    """Bytes in memory, open files, and threads of a process."""
    folder = Path(f"/proc/{served.process.pid}")
    status = (folder / "status").read_text()
    memory, threads = (int(status.split(f"{name}:")[1].split()[0]) for name in ("VmRSS", "Threads"))
    return memory * 1024, len(list((folder / "fd").iterdir())), threads


def _quiet(served: Process) -> None:
    """Waits until nobody is answered any more."""
    end = time.monotonic() + 60
    while True:
        text = ask(served.port, "/metrics")[1].decode()
        left = re.findall(r"^weft_(?:waiting_requests|texts)\{.*\} ([\d.]+)$", text, re.MULTILINE)
        if left and not any(map(float, left)):
            return
        assert time.monotonic() < end, text
        time.sleep(0.05)


def _checkpoint(folder: Path) -> None:
    folder.mkdir(parents=True)
    config = {**small_checkpoint.CONFIG, "max_position_embeddings": 1024}
    del config["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(config))
    weft.save_safetensors(small_checkpoint.weights(), folder / "model.safetensors")


def test_nothing_is_lost_or_left(tmp_path: Path) -> None:
    root = tmp_path / "models"
    add_model(root, "steady", lambda x: x * 2, weft.spec(("n", "k")))
    add_model(root, "changing", lambda x: x * 3, weft.spec(("n", "k")))
    batches = {"max_batch_size": 16, "max_delay_ms": 1}
    add_model(root, "batched", lambda x: x * 2, weft.spec(("n", "k")), **batches)
    _checkpoint(root / "writer" / "1")
    served = Process(root)
    chaos = Chaos(root, served)
    ways = chaos.ways()

    def act(seed: int) -> None:
        generator = np.random.default_rng(seed)
        ways[seed % len(ways)](generator)

    states = []
    count = 20 * len(ways)
    with ThreadPoolExecutor(12) as pool:
        for part in range(3):
            list(pool.map(act, range(part * count, (part + 1) * count)))
            _quiet(served)
            states.append(_state(served))
    memory, files, threads = zip(*states, strict=True)
    assert memory[2] - memory[1] < 16 << 20, states
    assert files[2] <= files[0] + 20, states
    assert threads[2] <= threads[0] + 8, states
    assert chaos.answered > 60
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.request("GET", "/v2/models/steady/ready")
    assert connection.getresponse().status == 200
    connection.close()
    text = ask(served.port, "/metrics")[1].decode()
    assert 'outcome="INTERNAL"' not in text
    served.process.terminate()
    assert served.process.wait(40) == 0
    assert served.process.stderr is not None
    lines = set(served.process.stderr.read().splitlines())
    assert lines <= {"WARNING:  Invalid HTTP request received."}
