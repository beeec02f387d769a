"""Models that are served, as a client sees them that others wrote: tritonclient, HTTP and gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched
pytest.importorskip("tritonclient")

import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from serving_cases import add_model, ask, running
from tritonclient.utils import InferenceServerException, triton_to_np_dtype
from weft.serving._messages import CALLS, STREAM, message
from weft.serving._tensors import DATATYPES

PROTOCOLS = {"http": (over_http, "port"), "grpc": (over_grpc, "grpc_port")}


class Client:
    """A client of tritonclient, of either protocol, with the same methods."""

    def __init__(self, protocol: str, server: Any) -> None:
        self.module, port = PROTOCOLS[protocol]
        self.http = protocol == "http"
        self.client = self.module.InferenceServerClient(f"127.0.0.1:{getattr(server, port)}")

    def infer(self, model: str, arrays: dict, **options: Any) -> Any:
        """The answer to a request."""
        inputs = []
        for name, (datatype, array) in arrays.items():
            each = self.module.InferInput(name, array.shape, datatype)
            each.set_data_from_numpy(array)
            inputs.append(each)
        return self.client.infer(model, inputs, **options)

    def as_dict(self, name: str, *arguments: Any) -> Any:
        """What a call gives, as JSON has it."""
        more = {} if self.http else {"as_json": True}
        return getattr(self.client, name)(*arguments, **more)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for version in (1, 2, 10):
        add_model(
            folder,
            "scaled",
            lambda x, version=version: {"y": x * version, "z": weft.sum(x, axis=1)},
            weft.spec(("n", 3)),
            version=version,
        )
    specs = {f"x_{name}": weft.spec(("n", "m"), dtype) for name, dtype in DATATYPES.items()}
    turned = weft.export(lambda **x: {f"{k}_y": v.T for k, v in x.items()}, **specs)
    (folder / "turned" / "1").mkdir(parents=True)
    turned.save(folder / "turned" / "1" / "model.weft")
    return folder


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Any]:
    with running(root) as found:
        yield found


@pytest.fixture(params=PROTOCOLS)
def client(request: pytest.FixtureRequest, server: Any) -> Iterator[Client]:
    found = Client(request.param, server)
    yield found
    found.client.close()


def test_health_and_metadata(client: Client) -> None:
    assert client.client.is_server_live()
    assert client.client.is_server_ready()
    assert client.client.is_model_ready("scaled")
    assert client.client.is_model_ready("scaled", "2")
    assert not client.client.is_model_ready("scaled", "3")
    assert not client.client.is_model_ready("nothing")
    about = client.as_dict("get_server_metadata")
    assert about["name"] == "weft"
    assert about["version"] == weft.__version__
    model = client.as_dict("get_model_metadata", "scaled")
    assert model["versions"] == ["1", "2", "10"]
    (x,) = model["inputs"]
    assert (x["name"], x["datatype"], list(map(int, x["shape"]))) == ("x", "FP32", [-1, 3])
    assert [row["name"] for row in model["outputs"]] == ["y", "z"]
    assert list(map(int, model["outputs"][1]["shape"])) == [-1]


@pytest.mark.parametrize("version", ["", "1", "2", "10"])
def test_versions(client: Client, version: str) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    answer = client.infer("scaled", {"x": ("FP32", x)}, model_version=version, request_id="abc")
    np.testing.assert_array_equal(answer.as_numpy("y"), x * int(version or 10))
    np.testing.assert_array_equal(answer.as_numpy("z"), x.sum(1))
    response = answer.get_response()
    found = (
        response if client.http else {"id": response.id, "model_version": response.model_version}
    )
    assert (found["id"], found["model_version"]) == ("abc", version or "10")


def _drawn(random: np.random.Generator, datatype: str, shape: tuple[int, ...]) -> np.ndarray:
    # tritonclient takes bfloat16 as ml_dtypes has it.
    dtype = DATATYPES[datatype].to_numpy()
    if dtype == np.bool_:
        return random.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return random.standard_normal(shape).astype(dtype)


SHAPES = [(2, 3), (1, 1), (0, 3), (3, 0), (5, 17)]


def _all_drawn(shape: tuple[int, ...]) -> dict[str, tuple[str, np.ndarray]]:
    random = np.random.default_rng(sum(shape))
    return {f"x_{name}": (name, _drawn(random, name, shape)) for name in DATATYPES}


@pytest.mark.parametrize("shape", SHAPES)
def test_all_datatypes(client: Client, shape: tuple[int, ...]) -> None:
    arrays = _all_drawn(shape)
    answer = client.infer("turned", arrays)
    for name, (datatype, array) in arrays.items():
        found, wanted = answer.as_numpy(f"{name}_y"), array.T
        np.testing.assert_array_equal(found, wanted.astype(triton_to_np_dtype(datatype)))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("flat", [True, False])
def test_all_datatypes_as_json(server: Any, shape: tuple[int, ...], flat: bool) -> None:
    arrays = _all_drawn(shape)
    inputs = []
    for name, (datatype, array) in arrays.items():
        wide = array.astype(np.float64) if datatype in ("FP16", "BF16") else array
        data = (wide.ravel() if flat else wide).tolist()
        inputs.append({"name": name, "datatype": datatype, "shape": list(shape), "data": data})
    status, text = ask(server.port, "/v2/models/turned/infer", {"inputs": inputs})
    assert status == 200, text
    rows = {row["name"]: row for row in json.loads(text)["outputs"]}
    for name, (datatype, array) in arrays.items():
        row = rows[f"{name}_y"]
        assert (row["datatype"], row["shape"]) == (datatype, list(shape[::-1]))
        found = np.array(row["data"], array.dtype).reshape(shape[::-1])
        np.testing.assert_array_equal(found, array.T)


def test_chosen_outputs(client: Client) -> None:
    x = np.ones((1, 3), np.float32)
    asked = [client.module.InferRequestedOutput("z")]
    answer = client.infer("scaled", {"x": ("FP32", x)}, outputs=asked)
    np.testing.assert_array_equal(answer.as_numpy("z"), [3])
    assert answer.as_numpy("y") is None


WRONG = {
    "another name": ("scaled", {"w": ("FP32", (1, 3))}, "there is no input 'w', but x"),
    "none": ("scaled", {}, "the input x is missing"),
    "another dtype": ("scaled", {"x": ("FP64", (1, 3))}, "the input x is FP32, not FP64"),
    "another rank": ("scaled", {"x": ("FP32", (3,))}, "the input x has to be [n, 3], but is [3]"),
    "another size": ("scaled", {"x": ("FP32", (1, 4))}, "has to be [n, 3], but is [1, 4]"),
    "another model": ("nothing", {"x": ("FP32", (1, 3))}, "no model 'nothing' is loaded"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests(client: Client, case: str) -> None:
    model, rows, message = WRONG[case]
    arrays = {
        name: (datatype, np.ones(shape, triton_to_np_dtype(datatype)))
        for name, (datatype, shape) in rows.items()
    }
    with pytest.raises(InferenceServerException) as error:
        client.infer(model, arrays)
    assert message in error.value.message()
    kind = "NOT_FOUND" if case == "another model" else "INVALID_ARGUMENT"
    status = {"NOT_FOUND": "404", "INVALID_ARGUMENT": "400"}[kind]
    assert error.value.status() == (status if client.http else f"StatusCode.{kind}")


def test_texts_are_refused_by_name(client: Client) -> None:
    texts = np.array([[b"a", b"b", b"c"]], object)
    with pytest.raises(InferenceServerException, match="is FP32, not BYTES"):
        client.infer("scaled", {"x": ("BYTES", texts)})


def test_what_is_not_there_is_named(client: Client) -> None:
    x = {"x": ("FP32", np.ones((1, 3), np.float32))}
    with pytest.raises(InferenceServerException, match="sequence_"):
        client.infer("scaled", x, sequence_id=5, sequence_start=True)
    with pytest.raises(InferenceServerException, match="priority"):
        client.infer("scaled", x, priority=1)
    asked = [client.module.InferRequestedOutput("y", class_count=2)]
    with pytest.raises(InferenceServerException, match="classification"):
        client.infer("scaled", x, outputs=asked)
    if client.http:
        with pytest.raises(InferenceServerException, match="gzip"):
            client.infer("scaled", x, request_compression_algorithm="gzip")


def test_messages_are_those_of_others() -> None:
    from tritonclient.grpc import service_pb2

    def described(descriptor: Any) -> dict[str, Any]:
        rows = {}
        for field in descriptor.fields:
            choice = field.containing_oneof and field.containing_oneof.name
            inner = field.message_type and (field.message_type.full_name, described_once(field))
            rows[field.name] = (field.number, field.type, field.is_repeated, choice, inner)
        return rows

    def described_once(field: Any) -> Any:
        kind = field.message_type
        return kind.GetOptions().map_entry, described(kind)

    for call in CALLS:
        for name in (f"{call}Request", f"{call}Response"):
            theirs = service_pb2.DESCRIPTOR.message_types_by_name[name]
            assert described(message(name).DESCRIPTOR) == described(theirs), name
    theirs = service_pb2.DESCRIPTOR.message_types_by_name[f"{STREAM}Response"]
    assert described(message(f"{STREAM}Response").DESCRIPTOR) == described(theirs)
    methods = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
    assert {*CALLS, STREAM} <= {method.name for method in methods}


def test_numbers_in_messages(server: Any) -> None:
    """The typed lists of the messages, which tritonclient leaves out."""
    import grpc

    call = "/inference.GRPCInferenceService/ModelInfer"
    request = message("ModelInferRequest")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        infer = channel.unary_unary(
            call,
            request_serializer=request.SerializeToString,
            response_deserializer=message("ModelInferResponse").FromString,
        )
        row: dict[str, Any] = {"name": "x", "datatype": "FP32", "shape": [1, 3]}
        row["contents"] = {"fp32_contents": [1, 2, 3]}
        answer = infer(request(model_name="scaled", model_version="2", inputs=[row]))
        y = np.frombuffer(answer.raw_output_contents[0], np.float32)
        np.testing.assert_array_equal(y, [2, 4, 6])
        for contents, text in (
            ({"fp32_contents": [1]}, "3 elements, but 1"),
            ({"int_contents": [1, 2, 3]}, "has int_contents: its elements are fp32_contents"),
            ({}, "3 elements, but 0"),
        ):
            with pytest.raises(grpc.RpcError) as error:
                infer(request(model_name="scaled", inputs=[{**row, "contents": contents}]))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert text in error.value.details()
        row = {"name": "x", "datatype": "INT8", "shape": [1], "contents": {"int_contents": [200]}}
        with pytest.raises(grpc.RpcError, match="INT8 does not have"):
            infer(request(model_name="scaled", inputs=[row]))
        damaged = channel.unary_unary(call)
        with pytest.raises(grpc.RpcError) as error:
            damaged(b"\xff\xff\xff\xff")
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
