"""Many requests at once: batches, full queues, deadlines, health, stopping, TLS, tokens."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched
pytest.importorskip("tritonclient")

import grpc
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from serving_cases import (
    SLOW_INPUT,
    SLOW_SIZE,
    Process,
    add_model,
    ask,
    make_certificate,
    running,
    slow,
)
from tritonclient.utils import InferenceServerException
from weft.serving import _server
from weft.serving._messages import message

PROTOCOLS = {"http": (over_http, "port"), "grpc": (over_grpc, "grpc_port")}


def infer(server: Any, protocol: str, array: np.ndarray, model: str = "m", **options: Any) -> Any:
    """The elements that come back for one input, or the status of the error."""
    module, port = PROTOCOLS[protocol]
    more = {"network_timeout": 600.0} if protocol == "http" else {}
    with module.InferenceServerClient(f"127.0.0.1:{getattr(server, port)}", **more) as client:
        given = module.InferInput("x", array.shape, "FP32")
        given.set_data_from_numpy(array)
        try:
            return client.infer(model, [given], **options).as_numpy("result")
        except InferenceServerException as error:
            return error.status().removeprefix("StatusCode.")


def metrics(server: Any) -> dict[str, float]:
    """The metrics of the model m, version 1, by name and other labels."""
    text = ask(server.port, "/metrics")[1].decode()
    found = re.findall(r"^(\w+)\{model=\"m\",(.*?)version=\"1\"\} (\S+)$", text, re.MULTILINE)
    return {name + labels.rstrip(","): float(value) for name, labels, value in found}


def rows_function(weights: np.ndarray) -> Callable:
    """A function of rows whose results depend on the order of sums."""
    return lambda x: weft.softmax(weft.tanh(x @ weft.asarray(weights)), -1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_batches(tmp_path: Path, protocol: str) -> None:
    random = np.random.default_rng(3)
    weights = random.standard_normal((50, 70)).astype(np.float32)
    spec = weft.spec(("n", 50))
    settings = {"max_batch_size": 16, "max_delay_ms": 300}
    program = add_model(tmp_path, "m", rows_function(weights), spec, **settings)
    requests = [
        random.standard_normal((rows, 50)).astype(np.float32)
        for rows in (1, 2, 0, 3, 1, 5, 20, 4, 1, 7, 1, 1)
    ]
    with running(tmp_path) as server, ThreadPoolExecutor(len(requests)) as pool:
        results = list(pool.map(lambda x: infer(server, protocol, x), requests))
        for x, found in zip(requests, results, strict=True):
            np.testing.assert_array_equal(found, program(x).numpy())  # to the bit
        counted = metrics(server)
    assert counted["weft_batch_rows_sum"] == sum(len(x) for x in requests)
    assert counted["weft_batch_rows_count"] < len(requests)
    assert counted[f'weft_requests_totaloutcome="ok",protocol="{protocol}"'] == len(requests)
    assert counted["weft_queue_seconds_count"] == len(requests)


def test_rows_of_other_sizes_have_their_own_turn(tmp_path: Path) -> None:
    spec = weft.spec(("n", "m"))
    settings = {"max_batch_size": 8, "max_delay_ms": 200}
    add_model(tmp_path, "m", lambda x: weft.cumulative_sum(x, axis=1), spec, **settings)
    requests = [np.ones((1, size), np.float32) for size in (3, 4, 3, 4, 5, 3)]
    with running(tmp_path) as server, ThreadPoolExecutor(len(requests)) as pool:
        results = list(pool.map(lambda x: infer(server, "http", x), requests))
        counted = metrics(server)
    for x, found in zip(requests, results, strict=True):
        np.testing.assert_array_equal(found, np.cumsum(x, axis=1))
    assert 3 <= counted["weft_batch_rows_count"] < len(requests)


def test_the_delay_is_kept(tmp_path: Path) -> None:
    settings = {"max_batch_size": 8, "max_delay_ms": 1500}
    add_model(tmp_path, "m", lambda x: x * 2, weft.spec(("n", 2)), **settings)
    with running(tmp_path) as server:
        infer(server, "http", np.ones((1, 2), np.float32))
        begin = time.monotonic()
        infer(server, "http", np.ones((1, 2), np.float32))
        assert time.monotonic() - begin >= 1.5
        begin = time.monotonic()
        infer(server, "http", np.ones((8, 2), np.float32))  # full: waits for nobody
        assert time.monotonic() - begin < 1.5


def test_one_of_a_batch_at_fault(tmp_path: Path) -> None:
    """A call that fails is repeated for each request alone."""
    settings = {"max_batch_size": 8, "max_delay_ms": 200}
    add_model(tmp_path, "m", lambda x: x / x, weft.spec(("n", 2)), **settings)
    with running(tmp_path) as server, ThreadPoolExecutor(4) as pool:
        program = server.service.repository.find("m").computes.program
        run = program.run

        def failing(arrays: Any) -> Any:
            if (arrays["x"] == 5).any():
                raise weft.ShapeError("no five")
            return run(arrays)

        program.run = failing
        requests = [np.full((1, 2), value, np.float32) for value in (1, 5, 2, 3)]
        results = list(pool.map(lambda x: infer(server, "grpc", x), requests))
    assert results[1] == "INVALID_ARGUMENT"
    for found in results[:1] + results[2:]:
        np.testing.assert_array_equal(found, [[1, 1]])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_full_queue(tmp_path: Path, protocol: str) -> None:
    program = add_model(tmp_path, "m", slow(40), weft.spec(SLOW_SIZE), max_queue=1, max_seconds=600)
    wanted = program(SLOW_INPUT).numpy()
    full = {"http": "429", "grpc": "RESOURCE_EXHAUSTED"}[protocol]
    with running(tmp_path) as server, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: infer(server, protocol, SLOW_INPUT), range(8)))
        refused = [found for found in results if isinstance(found, str)]
        assert set(refused) == {full}
        assert 0 < len(refused) <= 6  # one computes and one waits
        for found in results:
            if not isinstance(found, str):
                np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(infer(server, protocol, SLOW_INPUT), wanted)
        counted = metrics(server)
    name = f'weft_requests_totaloutcome="{{}}",protocol="{protocol}"'
    assert counted[name.format("RESOURCE_EXHAUSTED")] == len(refused)
    assert counted[name.format("ok")] == 9 - len(refused)


@pytest.mark.parametrize(("patience", "outcome"), [(1, "CANCELLED"), (None, "ok")])
def test_a_busy_event_loop_cancels_nothing(
    tmp_path: Path, patience: int | None, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for the loop longer than gRPC has patience by itself is cancelled by it."""
    add_model(tmp_path, "m", weft.sin, weft.spec(("n",)))
    if patience is None:
        assert _server._LONGEST_WAIT >= 24 * 3600
    else:
        monkeypatch.setattr(_server, "_LONGEST_WAIT", patience)
    with running(tmp_path) as server, ThreadPoolExecutor(8) as pool:
        server._loop.call_soon_threadsafe(time.sleep, 4)
        x = np.ones(3, np.float32)
        found = list(pool.map(lambda _: infer(server, "grpc", x), range(8)))
    outcomes = {each if isinstance(each, str) else "ok" for each in found}
    assert outcome in outcomes
    assert outcomes <= {"ok", outcome}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_deadlines(tmp_path: Path, protocol: str) -> None:
    program = add_model(tmp_path, "m", slow(60), weft.spec(SLOW_SIZE), max_seconds=600)
    late = {"http": "504", "grpc": "DEADLINE_EXCEEDED"}[protocol]
    with running(tmp_path) as server:
        infer(server, protocol, SLOW_INPUT)
        assert infer(server, protocol, SLOW_INPUT, timeout=20_000) == late
        if protocol == "grpc":
            assert infer(server, protocol, SLOW_INPUT, client_timeout=0.02) == late
        found = infer(server, protocol, SLOW_INPUT, timeout=60_000_000)
        np.testing.assert_array_equal(found, program(SLOW_INPUT).numpy())


def test_the_models_own_deadline(tmp_path: Path) -> None:
    add_model(tmp_path, "m", slow(60), weft.spec(SLOW_SIZE), max_seconds=0.02)
    with running(tmp_path) as server:
        assert infer(server, "http", SLOW_INPUT) == "504"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_health_while_a_model_computes(tmp_path: Path, protocol: str) -> None:
    """Kernels run without Python's lock: who asks for health does not wait for them."""
    add_model(tmp_path, "m", slow(120), weft.spec(SLOW_SIZE), max_seconds=600)
    module, port = PROTOCOLS[protocol]
    with running(tmp_path) as server, ThreadPoolExecutor(1) as pool:
        infer(server, protocol, SLOW_INPUT)
        computed = pool.submit(infer, server, protocol, SLOW_INPUT)
        place = f"127.0.0.1:{getattr(server, port)}"
        answers = []
        with module.InferenceServerClient(place) as client:
            while not computed.done():
                begin = time.monotonic()
                assert client.is_server_live()
                assert client.is_server_ready()
                answers.append((time.monotonic() - begin, computed.done()))
    during = [seconds for seconds, done in answers if not done]
    assert len(during) > 5  # of about a second
    assert np.quantile(during, 0.8) < 0.5  # a busy machine may be late once


def test_large_bodies(tmp_path: Path) -> None:
    add_model(tmp_path, "m", lambda x: x[:1], weft.spec("n"))
    with running(tmp_path, max_body_bytes=10_000, max_json_bytes=2_000) as server:
        fits, large = np.ones(2_300, np.float32), np.ones(3_000, np.float32)
        for protocol, status in (("http", "413"), ("grpc", "RESOURCE_EXHAUSTED")):
            assert infer(server, protocol, fits) == [1]
            assert infer(server, protocol, large) == status
        row = {"name": "x", "datatype": "FP32", "shape": [600], "data": [1.5] * 600}
        status, text = ask(server.port, "/v2/models/m/infer", {"inputs": [row]})
        assert status == 413
        assert b"as binary data" in text
        for count, wanted in ((300, None), (600, grpc.StatusCode.RESOURCE_EXHAUSTED)):
            row = {"name": "x", "datatype": "FP32", "shape": [count]}
            row["contents"] = {"fp32_contents": [1.5] * count}
            request = message("ModelInferRequest")(model_name="m", inputs=[row])
            with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
                call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
                done = call.future(request.SerializeToString())
                assert (done.exception() and done.code()) == wanted
        # Without a length beforehand, and without an end.
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            head = (
                b"POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            connection.sendall(head + b"1000\r\n" + b"x" * 4096 + b"\r\n")
            connection.sendall((b"1000\r\n" + b"x" * 4096 + b"\r\n") * 2)
            connection.settimeout(20)
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")


def test_slow_bodies(tmp_path: Path) -> None:
    add_model(tmp_path, "m", lambda x: x, weft.spec("n"))
    with (
        running(tmp_path, body_seconds=0.3) as server,
        socket.create_connection(("127.0.0.1", server.port)) as connection,
    ):
        head = b"POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"
        connection.sendall(head)
        connection.settimeout(20)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 408 ")


def test_too_many_requests(tmp_path: Path) -> None:
    add_model(tmp_path, "m", slow(60), weft.spec(SLOW_SIZE), max_seconds=600)
    with running(tmp_path, max_requests=2) as server, ThreadPoolExecutor(6) as pool:
        for protocol, status in (("http", "429"), ("grpc", "RESOURCE_EXHAUSTED")):
            results = list(pool.map(lambda _, p=protocol: infer(server, p, SLOW_INPUT), range(6)))
            refused = [found for found in results if isinstance(found, str)]
            assert set(refused) == {status}
            assert len(refused) <= 4
            assert ask(server.port, "/v2/health/live")[0] == 200


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_has_gone_gives_the_place_back(tmp_path: Path, protocol: str) -> None:
    program = add_model(tmp_path, "m", slow(80), weft.spec(SLOW_SIZE), max_queue=1, max_seconds=600)
    with running(tmp_path) as server, ThreadPoolExecutor(2) as pool:
        infer(server, protocol, SLOW_INPUT)
        queue = server.service.repository.find("m").computes.queue
        computed = pool.submit(infer, server, protocol, SLOW_INPUT)
        _wait_for(lambda: not queue.waiting() and queue._thread.is_alive())
        time.sleep(0.2)
        leave = _gone(server, protocol)
        _wait_for(lambda: queue.waiting() == 1)
        leave()
        _wait_for(lambda: all(job.future.cancelled() for job in queue._jobs))
        assert not computed.done()
        wanted = program(SLOW_INPUT).numpy()
        np.testing.assert_array_equal(infer(server, protocol, SLOW_INPUT), wanted)
        np.testing.assert_array_equal(computed.result(), wanted)


def _wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def _gone(server: Any, protocol: str) -> Callable[[], Any]:
    """Asks, and what leaves without the answer."""
    if protocol == "grpc":
        client = over_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        given = over_grpc.InferInput("x", SLOW_SIZE, "FP32")
        given.set_data_from_numpy(SLOW_INPUT)
        return client.async_infer("m", [given], lambda result, error: None).cancel
    head = {"name": "x", "datatype": "FP32", "shape": SLOW_SIZE}
    head["parameters"] = {"binary_data_size": SLOW_INPUT.nbytes}
    body = json.dumps({"inputs": [head]}).encode()
    lines = (
        "POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\n"
        f"content-length: {len(body) + SLOW_INPUT.nbytes}\r\n"
        f"inference-header-content-length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(lines.encode() + body + SLOW_INPUT.tobytes())
    return connection.close


def test_unloading_finishes_what_waits(tmp_path: Path) -> None:
    program = add_model(tmp_path, "m", slow(80), weft.spec(SLOW_SIZE), max_seconds=600)
    with running(tmp_path) as server, ThreadPoolExecutor(4) as pool:
        queue = server.service.repository.find("m").computes.queue
        computed = [pool.submit(infer, server, "http", SLOW_INPUT) for _ in range(4)]
        _wait_for(lambda: queue.waiting() == 3)
        assert ask(server.port, "/v2/repository/models/m/unload", {})[0] == 200
        wanted = program(SLOW_INPUT).numpy()
        for each in computed:
            np.testing.assert_array_equal(each.result(), wanted)
        assert infer(server, "http", SLOW_INPUT) == "404"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping(tmp_path: Path, protocol: str, number: signal.Signals) -> None:
    # Long enough for a busy machine to ask meanwhile.
    program = add_model(tmp_path, "m", slow(200), weft.spec(SLOW_SIZE), max_seconds=600)
    wanted = program(SLOW_INPUT).numpy()
    served = Process(tmp_path)
    infer(served, protocol, SLOW_INPUT)
    with ThreadPoolExecutor(3) as pool:
        computed = [pool.submit(infer, served, protocol, SLOW_INPUT) for _ in range(3)]
        time.sleep(1)
        served.process.send_signal(number)
        time.sleep(0.1)
        refused = {"http": "503", "grpc": "UNAVAILABLE"}[protocol]
        assert infer(served, protocol, SLOW_INPUT) == refused
        assert ask(served.port, "/v2/health/live")[0] == 200
        assert ask(served.port, "/v2/health/ready")[0] == 503
        for each in computed:
            np.testing.assert_array_equal(each.result(), wanted)
    assert served.process.wait(60) == 0
    assert served.process.stderr is not None
    assert served.process.stderr.read() == ""


def test_stopping_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    add_model(tmp_path, "m", slow(60), weft.spec(SLOW_SIZE), max_seconds=600)
    served = Process(tmp_path, "--stop-seconds=0.5")
    infer(served, "http", SLOW_INPUT)
    with ThreadPoolExecutor(20) as pool:
        computed = [pool.submit(infer, served, "http", SLOW_INPUT) for _ in range(20)]
        time.sleep(0.5)
        begin = time.monotonic()
        served.process.terminate()
        assert served.process.wait(20) == 0
        assert time.monotonic() - begin < 10
        results = [each.exception() or each.result() for each in computed]
    assert sum(isinstance(found, str) and found == "503" for found in results) >= 10
    assert served.process.stderr is not None
    assert "requests were left after 0.5 s" in served.process.stderr.read()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def test_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    chain, private = certificate
    add_model(tmp_path, "m", lambda x: x * 2, weft.spec(3))
    settings = {"certificate": str(chain), "key": str(private)}
    with running(tmp_path, **settings) as server:
        trusting = ssl.create_default_context(cafile=str(chain))
        about = ask(server.port, "/v2/models/m", scheme="https", context=trusting)
        assert json.loads(about[1])["name"] == "m"
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(server.port, "/v2", scheme="https", context=ssl.create_default_context())
        with over_grpc.InferenceServerClient(
            f"127.0.0.1:{server.grpc_port}", ssl=True, root_certificates=str(chain)
        ) as client:
            assert client.is_model_ready("m")


def test_wrong_certificates(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    chain, _ = certificate
    for options, text in (
        ([f"--certificate={chain}"], "certificate and key are given together"),
        ([f"--certificate={chain}", f"--key={chain}"], "can't be used"),
        ([f"--certificate={chain}", "--key=nothing"], "can't be used"),
        (["--token-file=nothing"], "token_file 'nothing' can't be read"),
        (["--max-requests=0"], "max_requests has to be an integer from 1"),
    ):
        words = [sys.executable, "-m", "weft", "serve", str(tmp_path), "--port=0", *options]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert text in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_that_is_taken(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        words = [sys.executable, "-m", "weft", "serve", str(tmp_path), "--port=0", "--grpc-port=0"]
        words.append(f"{option}={port}")
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"can't listen at 127.0.0.1:{port}" in done.stderr.splitlines()[-1]


def test_tokens(tmp_path: Path) -> None:
    add_model(tmp_path / "models", "m", lambda x: x * 2, weft.spec(3))
    (tmp_path / "token").write_text("secret words\n")
    x = np.ones(3, np.float32)
    right = {"authorization": "Bearer secret words"}
    with running(tmp_path / "models", token_file=str(tmp_path / "token")) as server:
        for path in ("/v2", "/v2/models/m", "/v2/models/m/ready", "/metrics"):
            assert ask(server.port, path)[0] == 401
            assert ask(server.port, path, headers=right)[0] == 200
            for wrong in ("Bearer secret", "secret words", "Bearer \xe9", "Bearer secret words "):
                status = ask(server.port, path, headers={"authorization": wrong})[0]
                assert status == (200 if wrong.endswith(" ") else 401)  # HTTP takes the space off
        for path in ("/v2/health/live", "/v2/health/ready"):
            assert ask(server.port, path)[0] == 200
        for protocol, status in (("http", "401"), ("grpc", "UNAUTHENTICATED")):
            assert infer(server, protocol, x) == status
            # The client writes into the headers that it is given.
            assert infer(server, protocol, x, headers=dict(right)).tolist() == [2, 2, 2]
        with over_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
            assert client.is_server_ready()
            assert client.get_model_metadata("m", headers=right).name == "m"
            for wrong in ("Bearer x", "Bearer", ""):
                with pytest.raises(InferenceServerException, match="no valid token"):
                    client.get_model_metadata("m", headers={"authorization": wrong})
            with pytest.raises(InferenceServerException, match="no valid token"):
                client.unload_model("m")


def test_two_threads_of_loads(tmp_path: Path) -> None:
    """Loads beside requests: each request gets the one or the other version, none is lost."""
    for version in (1, 2):
        add_model(
            tmp_path,
            "m",
            lambda x, v=version: x * v,
            weft.spec(3),
            version=version,
            versions="latest",
        )
    x = np.ones(3, np.float32)
    stop = threading.Event()
    with running(tmp_path) as server:

        def load() -> None:
            while not stop.is_set():
                assert ask(server.port, "/v2/repository/models/m/load", {})[0] == 200

        thread = threading.Thread(target=load)
        thread.start()
        try:
            for _ in range(60):
                for protocol in PROTOCOLS:
                    assert infer(server, protocol, x).tolist() == [2, 2, 2]
        finally:
            stop.set()
            thread.join()
