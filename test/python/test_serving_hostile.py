"""Requests that are meant to break a server: each is refused by one error, and costs little."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_checkpoint
import weft
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched

import grpc
from serving_cases import Process, add_model, running
from weft.serving._messages import message
from weft.serving._tensors import DATATYPES

INFER = "/v2/models/m/infer"
LENGTH = "Inference-Header-Content-Length"


def function(x: Any, count: Any) -> Any:
    """What is served: two inputs of other dtypes, sizes that belong together."""
    return {"y": x * 2, "total": weft.sum(x) + weft.sum(count), "rows": weft.sum(x, axis=1)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("models")
    add_model(root, "m", function, weft.spec(("n", "k")), weft.spec(("n",), "int32"))
    folder = root / "llama" / "1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(small_checkpoint.CONFIG))
    weft.save_safetensors(small_checkpoint.weights(), folder / "model.safetensors")
    with running(root, max_body_bytes=1 << 20, max_json_bytes=1 << 18) as found:
        yield found
        status, _, _ = post(found, INFER, request())
        assert status == 200  # nothing was lost


def request(**changes: Any) -> bytes:
    """A request that is right, but for what is changed: ``x_shape`` is the shape of x."""
    x = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [1, 2, 3, 4, 5, 6.5]}
    count = {"name": "count", "datatype": "INT32", "shape": [2], "data": [7, 8]}
    whole: dict[str, Any] = {"inputs": [x, count]}
    for name, value in changes.items():
        part, _, key = name.partition("_")
        row = {"x": x, "count": count, "request": whole}[part]
        if value is ...:
            del row[key]
        else:
            row[key] = value
    return json.dumps(whole).encode()


def post(
    server: Any, path: str, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, Any, bytes]:
    """Status, JSON and bytes of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", path, body, headers or {})
        answer = connection.getresponse()
        content = answer.read()
        end = answer.headers.get(LENGTH)
        return answer.status, json.loads(content[: int(end) if end else None]), content


def refused(server: Any, body: bytes, headers: dict[str, str] | None = None) -> str:
    """The error of a request that can't be meant."""
    status, answer, content = post(server, INFER, body, headers)
    assert status in (400, 413), (status, content[:300])
    assert list(answer) == ["error"]
    assert len(content) < 2000
    return answer["error"]


def nested(levels: int) -> Any:
    """A list in a list in a list..."""
    return "[" * levels + "1" + "]" * levels


CASES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is no JSON"),
    "no JSON": (b"{", "is no JSON"),
    "no UTF-8": (b'{"id": "\xff"}', "is no JSON"),
    "UTF-16": (request().decode().encode("utf-16"), "is no JSON"),
    "a list": (b"[]", "has to be a JSON object, not a list"),
    "lists in lists": (nested(100_000).encode(), "nested too deeply"),
    "objects in objects": (b'{"inputs":' * 20_000, "nested too deeply"),
    "a number of many digits": (b'{"id": 1' + b"0" * 10_000 + b"}", "is no JSON"),
    "NaN": (request(x_data=[float("nan")] * 6), "no NaN in JSON"),
    "infinite": (request(x_data=[float("inf")] * 6), "no Infinity in JSON"),
    "infinite by its exponent": (request().replace(b"6.5", b"1e999"), "float32 does not have"),
    "beyond float32": (request(x_data=[1e39] * 6), "float32 does not have"),
    "beyond every float": (request(x_data=[10**400] * 6), "float32 does not have"),
    "beyond int32": (request(count_data=[1, 1 << 31]), "int32 does not have"),
    "no integer": (request(count_data=[1, 1.0]), "has the element 1.0"),
    "a text": (request(count_data=[1, "1"]), "has the element '1'"),
    "true": (request(count_data=[1, True]), "has the element True"),
    "null": (request(x_data=None), "has the data None"),
    "no list": (request(x_data={"a": 1}), "has the data {'a': 1}"),
    "deep data": (request().replace(b"6.5", nested(900).encode()), "has the element [[["),
    "nested otherwise": (request(x_data=[[1, 2], [3, 4], [5, 6]]), "is not nested as its shape"),
    "nested unevenly": (request(x_data=[[1, 2, 3, 4], [5, 6]]), "is not nested as its shape"),
    "too few": (request(x_data=[1]), "6 elements, but 1"),
    "a huge shape": (request(x_shape=[10**18, 10**18]), "more than a request can have"),
    "a huge empty shape": (request(x_shape=[10**18, 0], x_data=[]), "more than a request"),
    "a size beyond 64 bits": (request(x_shape=[10**30]), "more than a request"),
    "a negative size": (request(x_shape=[-2, -3]), "has the size -2"),
    "no size": (request(x_shape=[2.0, 3]), "has the size 2.0"),
    "true as size": (request(x_shape=[True, 6]), "has the size True"),
    "many sizes": (request(x_shape=[1] * 70), "a shape is a list of sizes"),
    "no shape": (request(x_shape="23"), "a shape is a list of sizes"),
    "shape missing": (request(x_shape=...), "an input has no shape"),
    "another number of rows": (
        request(x_shape=[3, 2]),
        "but is int32[2]: dimension 0 does not fit",
    ),
    "another datatype": (request(x_datatype="FP33"), "has the datatype 'FP33'"),
    "a list as datatype": (request(x_datatype=["FP32"]), "has the datatype ['FP32']"),
    "texts": (request(x_datatype="BYTES"), "is BYTES, but has the element"),
    "a list as name": (request(x_name=["x"]), "the name of an input is ['x'], not a string"),
    "half a character": (request(x_name="\ud800"), "is no text of Unicode"),
    "a long name": (request(x_name="x" * 100_000), "there is no input"),
    "one twice": (request(count_name="x"), "the input 'x' is there twice"),
    "an unknown key": (request(request_input=[]), "has 'input', but there are"),
    "an unknown parameter": (request(request_parameters={"a": 1}), "has 'a', but there are"),
    "parameters that are none": (request(request_parameters=[]), "not an object"),
    "shared memory": (
        request(x_parameters={"shared_memory_region": "x"}, x_data=...),
        "has 'shared_memory_region'",
    ),
    "a timeout that is none": (request(request_parameters={"timeout": -1}), "timeout is -1"),
    "outputs that are none": (request(request_outputs={"name": "y"}), "not a list of objects"),
    "an unknown output": (request(request_outputs=[{"name": "w"}]), "there is no output 'w'"),
    "an output twice": (request(request_outputs=[{"name": "y"}] * 2), "asked for twice"),
    "an output without a name": (request(request_outputs=[{}]), "is None, not a string"),
    "a class of outputs": (
        request(request_outputs=[{"name": "y", "parameters": {"classification": 1}}]),
        "has 'classification'",
    ),
    "inputs that are none": (request(request_inputs=[[]]), "not a list of objects"),
    "no inputs": (request(request_inputs=...), "the input x is missing"),
    "a list as id": (request(request_id=[1]), "id is [1], not a string"),
    "binary data that is not there": (
        request(x_data=..., x_parameters={"binary_data_size": 24}),
        "but 0 bytes are left",
    ),
    "data and binary data": (request(x_parameters={"binary_data_size": 0}), "has data and"),
    "no data": (request(x_data=...), "has neither data nor"),
}


@pytest.mark.parametrize("case", CASES)
def test_cases(server: Any, case: str) -> None:
    body, text = CASES[case]
    assert text in refused(server, body)


BINARY = {
    "sizes that are too small": ([20, 8], 28, "has 24 bytes, but 20 were given"),
    "sizes that are too large": ([24, 80], 32, "but 8 bytes are left"),
    "bytes that are left": ([24, 8], 40, "8 bytes of the body belong to no input"),
    "a negative size": ([-24, 8], 32, "binary_data_size -24"),
    "no size": ([24.0, 8], 32, "binary_data_size 24.0"),
    "a huge size": ([1 << 70, 8], 32, "binary_data_size a number beyond 64 bits"),
}


def binary(sizes: list[Any], size: int) -> tuple[bytes, dict[str, str]]:
    """A request with binary data of so many bytes."""
    x, count = ({"binary_data_size": size} for size in sizes)
    head = request(x_data=..., x_parameters=x, count_data=..., count_parameters=count)
    return head + bytes(size), {LENGTH: str(len(head))}


@pytest.mark.parametrize("case", BINARY)
def test_binary_data(server: Any, case: str) -> None:
    sizes, size, text = BINARY[case]
    assert text in refused(server, *binary(sizes, size))


@pytest.mark.parametrize("length", ["-1", "1e3", "", "99999999", "٣", "9" * 5000, "0x10", "+5"])
def test_lengths_of_the_json(server: Any, length: str) -> None:
    body, _ = binary([24, 8], 32)
    text = refused(server, body, {LENGTH: length.encode().decode("latin-1")})
    assert "Inference-Header-Content-Length" in text


def test_bytes_that_are_no_bool(tmp_path: Path) -> None:
    add_model(tmp_path, "m", lambda x: ~x, weft.spec("n", "bool"))
    head = {"name": "x", "datatype": "BOOL", "shape": [3], "parameters": {"binary_data_size": 3}}
    body = json.dumps({"inputs": [head]}).encode()
    with running(tmp_path) as server:
        headers = {LENGTH: str(len(body))}
        assert post(server, INFER, body + b"\0\1\1", headers)[1]["outputs"][0]["data"] == [
            True,
            False,
            False,
        ]
        assert "neither 0 nor 1" in refused(server, body + b"\0\1\2", headers)


def test_what_json_does_not_have(tmp_path: Path) -> None:
    """NaN goes in and out as binary data alone."""
    add_model(tmp_path, "m", lambda x: x * 2, weft.spec("n"))
    x = np.array([np.nan, 1, np.inf], np.float32)
    head = {"name": "x", "datatype": "FP32", "shape": [3], "parameters": {"binary_data_size": 12}}
    with running(tmp_path) as server:
        for asked in (True, False):
            body = json.dumps(
                {"inputs": [head], "parameters": {"binary_data_output": asked}}
            ).encode()
            whole, headers = body + x.tobytes(), {LENGTH: str(len(body))}
            if asked:
                status, _, content = post(server, INFER, whole, headers)
                assert status == 200
                np.testing.assert_array_equal(np.frombuffer(content[-12:], np.float32), x * 2)
            else:
                assert "ask for binary data" in refused(server, whole, headers)


@pytest.mark.parametrize(
    "path",
    ["/", "/v2/models", "/v2/models/..%2f..%2fm/infer", "/v2/models/m/versions/-1/infer"]
    + ["/v2/models/m/versions/1e0/infer", "/v2/models/%00/infer", "/v2/models/m/versions/٣/infer"]
    + ["/v2/models/" + "m" * 5000 + "/infer", "/v2/models/m%2F..%2Fm/infer", "/v2/models//infer"]
    + ["/v2/repository/models/..%2f/load", "/v2/repository/models/%2e%2e/load"]
    + ["/v2/models/m/versions/" + "9" * 5000 + "/infer"],
)
def test_paths(server: Any, path: str) -> None:
    status, answer, _ = post(server, path.replace("٣", "%D9%A3"), request())
    assert status in (400, 404, 405)
    assert list(answer) == ["error"]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 1, 2, 3, 6, 24, 1 << 31, 1 << 63, 10**18])
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["x", "count", "y", "total", "name", "shape", *DATATYPES, "BYTES"]),
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.sampled_from(["name", "datatype", "shape", "data", "parameters", "inputs", "a"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
places = st.sampled_from(
    [f"{part}_{key}" for part in ("x", "count") for key in ("name", "datatype", "shape", "data")]
    + ["x_parameters", "request_inputs", "request_outputs", "request_parameters", "request_id"]
)
quick = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def holds(status: int, answer: Any) -> bool:
    """Whether a request was answered, or refused by an error."""
    if status == 200:
        return list(answer) in (
            ["model_name", "model_version", "outputs"],
            ["model_name", "model_version", "id", "outputs"],
        )
    return status in (400, 404, 413) and list(answer) == ["error"] and bool(answer["error"])


@quick
@given(st.dictionaries(places, anything, max_size=2))
@example({"x_shape": [0, 0], "x_data": []})
@example({"x_shape": [2, 0], "x_data": []})
@example({"request_parameters": {"timeout": 0}})
def test_changed_requests(server: Any, changes: dict[str, Any]) -> None:
    status, answer, content = post(server, INFER, request(**changes))
    if "timeout" in str(changes) and status == 504:
        return
    assert holds(status, answer), (status, content[:300])


@quick
@given(
    st.dictionaries(st.sampled_from(["tokens", "text_input", "id"]), anything, max_size=2),
    st.dictionaries(
        st.sampled_from(["max_tokens", "temperature", "top_k", "top_p", "seed"]),
        anything,
        max_size=3,
    ),
)
@example({"tokens": [3]}, {"temperature": 1e-300, "seed": -(10**40)})
@example({"tokens": [3]}, {"temperature": 1e300, "top_k": 10**40, "top_p": 1e-300})
@example({"tokens": [3]}, {"temperature": 10**400})
def test_changed_texts(server: Any, values: dict[str, Any], parameters: dict[str, Any]) -> None:
    body = json.dumps({"tokens": [3, 4], **values, "parameters": parameters}).encode()
    status, answer, content = post(server, "/v2/models/llama/generate", body)
    if status == 200:
        assert answer["finish_reason"] in ("end", "length")
    else:
        assert holds(status, answer), (status, content[:300])


@quick
@given(
    sizes=st.lists(st.integers(-5, 40), min_size=2, max_size=2),
    size=st.integers(0, 80),
    shift=st.integers(-40, 40),
    noise=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
)
def test_changed_bytes(
    server: Any, sizes: list[int], size: int, shift: int, noise: list[tuple[int, int]]
) -> None:
    body, headers = binary(sizes, size)
    damaged = bytearray(body)
    for place, value in noise:
        damaged[place % len(damaged)] = value
    headers[LENGTH] = str(int(headers[LENGTH]) + shift)
    status, answer, content = post(server, INFER, bytes(damaged), headers)
    assert holds(status, answer), (status, content[:300])


@quick
@given(st.binary(max_size=300))
def test_any_bytes(server: Any, body: bytes) -> None:
    assert refused(server, body)


@quick
@given(
    cut=st.integers(0, 200),
    noise=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
)
def test_changed_messages(server: Any, cut: int, noise: list[tuple[int, int]]) -> None:
    x = {"name": "x", "datatype": "FP32", "shape": [2, 3]}
    count = {"name": "count", "datatype": "INT32", "shape": [2]}
    raw = [np.ones(6, np.float32).tobytes(), np.ones(2, np.int32).tobytes()]
    whole = message("ModelInferRequest")(
        model_name="m", inputs=[x, count], raw_input_contents=raw
    ).SerializeToString()
    damaged = bytearray(whole[: len(whole) - cut // 4])
    for place, value in noise:
        if damaged:
            damaged[place % len(damaged)] = value
    allowed = (
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        done = call.future(bytes(damaged), timeout=30)
        assert done.exception() is None or done.code() in allowed, done.details()


def _most_memory(process: int) -> int:
    """The most bytes that a process has had."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_memory_is_bounded_by_the_body(tmp_path: Path) -> None:
    """JSON takes some thirty bytes for each of its own at worst, and binary data itself."""
    add_model(tmp_path, "m", function, weft.spec(("n", "k")), weft.spec(("n",), "int32"))
    served = Process(tmp_path, f"--max-body-bytes={8 << 20}", f"--max-json-bytes={1 << 20}")
    try:
        post(served, INFER, request())
        before = _most_memory(served.process.pid)
        for _ in range(3):
            for body in (b'{"a":[' + b"[],[]," * 150_000, b"x" * (9 << 20), b"[" * (1 << 20)):
                with contextlib.suppress(OSError):  # refused before all was sent
                    refused(served, body)
            for shape in ([10**18, 10**18], [1 << 62, 0], [1 << 19, 1 << 19]):
                refused(served, request(x_shape=shape, x_data=[]))
            body, headers = binary([24, 8], 7 << 20)
            refused(served, body, headers)
        assert post(served, INFER, request())[0] == 200
        assert _most_memory(served.process.pid) - before < 100 << 20
    finally:
        served.process.terminate()
        assert served.process.wait(20) == 0
