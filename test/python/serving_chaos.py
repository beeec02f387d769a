"""Those who ask a server, well and badly, for the tests of serving."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from geventhttpclient.response import HTTPConnectionClosed
from serving_cases import SLOW_INPUT, Process, ask
from tritonclient.utils import InferenceServerException

LENGTH = "Inference-Header-Content-Length"
#: What a request may be told while its model is loaded and unloaded, or all ask at once.
EXPECTED = ("no model", "requests wait", "requests are being answered", "cancelled", "texts wait")


#: The same, where the server ends meanwhile.
ENDING = ("server stops", "is stopping", "StatusCode.UNAVAILABLE", "StatusCode.CANCELLED")


class Chaos:
    """Those who ask a server, each in one way; a number says how."""

    def __init__(
        self, root: Path, served: Process, certificate: Path | None = None, token: str = ""
    ) -> None:
        self.root, self.served = root, served
        self.answered = 0
        self.is_ending = False
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.certificate = certificate
        self.trusting = certificate and ssl.create_default_context(cafile=str(certificate))
        self._lock = threading.Lock()

    def ways(self) -> list[Callable[[np.random.Generator], None]]:
        """All of them."""
        ways = [
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
            self.fills_the_queue,
            self.takes_little_of_much,
        ]
        ways += [self.speaks_no_tls, self.leaves_a_handshake] if self.trusting else []
        return ways + ([self.has_no_token] if self.headers else [])

    # How they reach it ------------------------------------------------------------------------

    def asked(self, path: str, body: Any = None, **options: Any) -> tuple[int, bytes]:
        """Status and body of an answer over HTTP."""
        headers = options.pop("headers", self.headers)
        scheme = "https" if self.trusting else "http"
        return ask(self.served.port, path, body, dict(headers), scheme, self.trusting)

    def client(self, module: Any) -> Any:
        """A client that others wrote."""
        port = self.served.port if module is over_http else self.served.grpc_port
        options: dict[str, Any] = {}
        if self.certificate and module is over_grpc:
            options = {"ssl": True, "root_certificates": str(self.certificate)}
        elif self.certificate:
            options = {"ssl": True, "ssl_options": {"ca_certs": str(self.certificate)}}
        return contextlib.closing(module.InferenceServerClient(f"127.0.0.1:{port}", **options))

    def channel(self) -> Any:
        """One of gRPC."""
        place = f"127.0.0.1:{self.served.grpc_port}"
        if self.certificate is None:
            return grpc.insecure_channel(place)
        own = grpc.ssl_channel_credentials(self.certificate.read_bytes())
        return grpc.secure_channel(place, own)

    def _sent(self, data: bytes, window: int = 0) -> socket.socket:
        connection = socket.socket()
        if window:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", self.served.port))
        if self.trusting:
            connection = self.trusting.wrap_socket(connection, server_hostname="localhost")
        with contextlib.suppress(OSError):  # It may be refused before all was sent.
            connection.sendall(data)
        return connection

    def _end_of(self, connection: socket.socket) -> None:
        """Says that nothing more comes, which TLS does by leaving: then there may be no answer."""
        if self.trusting:
            connection.settimeout(0.2)
        else:
            connection.shutdown(socket.SHUT_WR)

    def _head(self, path: str, length: int, *lines: str) -> bytes:
        lines += tuple(f"{name}: {value}" for name, value in self.headers.items())
        text = "".join(f"{line}\r\n" for line in ("host: x", f"content-length: {length}", *lines))
        return f"POST /v2/models/{path} HTTP/1.1\r\n{text}\r\n".encode()

    # What they do -----------------------------------------------------------------------------

    def infers(self, generator: np.random.Generator) -> None:
        """By a client that others wrote; the result is what NumPy gives."""
        shape = tuple(int(each) for each in generator.integers(0, 40, 2))
        x = generator.standard_normal(shape).astype(np.float32)
        is_http = bool(generator.integers(2))
        module = over_http if is_http else over_grpc
        name = str(generator.choice(["steady", "changing", "batched"]))
        with self.client(module) as client:
            given = module.InferInput("x", shape, "FP32")
            given.set_data_from_numpy(x)
            try:
                found = client.infer(name, [given], headers=dict(self.headers)).as_numpy("result")
            except InferenceServerException as error:
                assert name != "steady" or "no model" not in str(error)  # noqa: PT017
                texts = EXPECTED + ENDING * self.is_ending
                assert any(text in str(error) for text in texts), error  # noqa: PT017
                return
            except (OSError, HTTPConnectionClosed):  # There is no connection any more.
                assert self.is_ending
                return
        np.testing.assert_array_equal(found, x * 2 if name != "changing" else x * 3)
        with self._lock:
            self.answered += 1

    def sends_noise(self, generator: np.random.Generator) -> None:
        """What is no HTTP, or none that is right."""
        starts = (b"", b"POST /v2/models/steady/infer HTTP/1.1\r\n", b"GET \xff HTTP/9\r\n\r\n")
        data = starts[generator.integers(3)] + generator.bytes(int(generator.integers(1, 5000)))
        with self._sent(data + b"\r\n\r\n") as connection, contextlib.suppress(OSError):
            self._end_of(connection)
            answer = connection.recv(1 << 16)
            assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:200]

    def _request(self, generator: np.random.Generator, rows: int) -> tuple[bytes, bytes]:
        """The head and the body of a request that is right."""
        x = generator.standard_normal((rows, 8)).astype(np.float32)
        row = {"name": "x", "datatype": "FP32", "shape": x.shape}
        text = json.dumps({"inputs": [{**row, "parameters": {"binary_data_size": x.nbytes}}]})
        body = text.encode() + x.tobytes()
        return self._head("steady/infer", len(body), f"{LENGTH}: {len(text)}"), body

    def cuts_a_body(self, generator: np.random.Generator) -> None:
        """A body that ends before its length, or goes on behind it."""
        head, body = self._request(generator, 20)
        end = int(generator.integers(0, 2 * len(body)))
        data = head + (body[:end] if end < len(body) else body + generator.bytes(end - len(body)))
        with self._sent(data) as connection, contextlib.suppress(OSError):
            self._end_of(connection)
            answer = connection.recv(1 << 16)
            assert not answer or re.match(rb"HTTP/1.1 (200|4\d\d) ", answer), answer[:200]

    def leaves_while_it_computes(self, generator: np.random.Generator) -> None:
        """Asks for much, and does not wait."""
        head, body = self._request(generator, 5000)
        with self._sent(head + body):
            time.sleep(float(generator.random()) * 0.01)

    def _text(self, count: int) -> bytes:
        body = json.dumps({"tokens": [3, 4], "parameters": {"max_tokens": count}}).encode()
        return self._head("writer/generate_stream", len(body)) + body

    def whole_text(self, count: int) -> tuple[int, list[int]]:
        """A text of so many tokens: the answer's status, and what came."""
        if self.trusting:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.served.port, timeout=60, context=self.trusting
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=60)
        body = json.dumps({"tokens": [3, 4], "parameters": {"max_tokens": count}})
        with contextlib.closing(connection):
            path = "/v2/models/writer/generate_stream"
            connection.request("POST", path, body, self.headers)
            answer = connection.getresponse()
            lines = answer.read().decode().splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        return answer.status, [token for event in events for token in event.get("tokens", [])]

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
        with self.channel() as channel:
            call = channel.unary_unary(f"/inference.GRPCInferenceService/{name}")
            data = generator.bytes(int(generator.integers(0, 300)))
            done = call.future(data, timeout=30, metadata=tuple(self.headers.items()))
            assert done.exception() is None or done.code() in (
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.RESOURCE_EXHAUSTED,
            ), done.details()

    def leaves_a_call(self, generator: np.random.Generator) -> None:
        """Cancels what it has asked for by gRPC."""
        x = generator.standard_normal((3000, 8)).astype(np.float32)
        with self.client(over_grpc) as client:
            given = over_grpc.InferInput("x", x.shape, "FP32")
            given.set_data_from_numpy(x)
            call = client.async_infer(
                "steady", [given], lambda result, error: None, headers=dict(self.headers)
            )
            time.sleep(float(generator.random()) * 0.01)
            call.cancel()

    def streams_texts(self, generator: np.random.Generator) -> None:
        """Texts by gRPC, of which the stream is left in the midst."""
        with self.client(over_grpc) as client:
            client.start_stream(lambda result, error: None, headers=dict(self.headers))
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
        status, answer = self.asked(f"/v2/repository/models/{name}/load", {})
        text = json.loads(answer).get("error", "")
        assert status == 200 or any(part in text for part in texts), (status, text)

    def loads_and_unloads(self, generator: np.random.Generator) -> None:
        """The model that changes, while others ask it."""
        what = "load" if generator.integers(4) else "unload"
        path = f"/v2/repository/models/changing/{what}"
        status, answer = self.asked(path, {})
        assert status in (200, 400, 404, 429), answer

    def fills_the_queue(self, generator: np.random.Generator) -> None:
        """More at once than wait in a queue: each is answered, or told that there are too many."""
        data = SLOW_INPUT[:200, :200].tobytes()
        row = {"name": "x", "datatype": "FP32", "shape": [200, 200]}
        text = json.dumps({"inputs": [{**row, "parameters": {"binary_data_size": len(data)}}]})
        body = text.encode() + data
        head = self._head("narrow/infer", len(body), f"{LENGTH}: {len(text)}")
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(self._sent(head + body)) for _ in range(6)]
            for connection in connections:
                answer = connection.recv(1 << 16)
                assert re.match(rb"HTTP/1.1 (200|429) ", answer), answer[:200]

    def takes_little_of_much(self, generator: np.random.Generator) -> None:
        """Has room for a small part of a large result, reads some of it late, and leaves."""
        row = {"name": "x", "datatype": "FP32", "shape": [2000], "data": [0.5] * 2000}
        outputs = [{"name": "result", "parameters": {"binary_data": True}}]
        text = json.dumps({"inputs": [row], "outputs": outputs}).encode()
        with self._sent(self._head("large/infer", len(text)) + text, window=4096) as connection:
            left = int(generator.choice([1000, 50_000, 1 << 30]))
            while left > 0 and (part := connection.recv(1 << 16)):
                left -= len(part)
                time.sleep(float(generator.random()) * 0.001)

    def speaks_no_tls(self, generator: np.random.Generator) -> None:
        """Bytes that are no handshake, to either port."""
        port = self.served.port if generator.integers(2) else self.served.grpc_port
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.settimeout(0.2)
            with contextlib.suppress(OSError):
                starts = (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"")
                connection.sendall(starts[generator.integers(3)] + generator.bytes(300))
                assert not connection.recv(1 << 16).startswith(b"HTTP/1.1 2")

    def leaves_a_handshake(self, generator: np.random.Generator) -> None:
        """Nothing comes for a while, and then the end."""
        with socket.create_connection(("127.0.0.1", self.served.port), timeout=30):
            time.sleep(float(generator.random()) * 0.05)

    def has_no_token(self, generator: np.random.Generator) -> None:
        """Is told so, whatever it asks, and nothing else."""
        wrong = [{}, {"authorization": "Bearer"}, {"authorization": "Bearer x"}]
        headers = wrong[generator.integers(3)]
        if generator.integers(2):
            paths = ("steady/infer", "writer/generate_stream", "nothing", "steady")
            path = f"/v2/models/{paths[generator.integers(4)]}"
            status, answer = self.asked(path, {} if "/" in path[11:] else None, headers=headers)
            assert (status, b"token" in answer) == (401, True), answer
            return
        with self.client(over_grpc) as client:
            try:
                client.get_model_metadata("steady", headers=headers)
                raise AssertionError("it was let in")
            except InferenceServerException as error:
                assert "no valid token" in str(error)  # noqa: PT017
