"""Folders of models: versions, settings, forms, broken files, loads and unloads at run time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
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
from tritonclient.utils import InferenceServerException

PROTOCOLS = {"http": (over_http, "port"), "grpc": (over_grpc, "grpc_port")}
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def times(root: Path, version: int, factor: float | None = None, **settings: Any) -> None:
    """A version that multiplies by its number."""
    by = version if factor is None else factor
    add_model(root, "m", lambda x: x * by, weft.spec(("n", 3)), version=version, **settings)


def infer(server: Any, version: str = "", model: str = "m") -> Any:
    """The elements of X that come back, or the error."""
    place = f"/versions/{version}" if version else ""
    row = {"name": "x", "datatype": "FP32", "shape": [2, 3], "data": X.ravel().tolist()}
    status, text = ask(server.port, f"/v2/models/{model}{place}/infer", {"inputs": [row]})
    answer = json.loads(text)
    if status != 200:
        return status, answer["error"]
    return np.array(answer["outputs"][0]["data"]).reshape(2, 3)


@pytest.fixture(params=PROTOCOLS)
def clients(request: pytest.FixtureRequest) -> Iterator[Any]:
    module, port = PROTOCOLS[request.param]
    made = []

    def connect(server: Any) -> Any:
        made.append(module.InferenceServerClient(f"127.0.0.1:{getattr(server, port)}"))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def index(client: Any) -> list[dict[str, Any]]:
    """The repository's index, as JSON over HTTP has it."""
    if isinstance(client, over_http.InferenceServerClient):
        return client.get_model_repository_index()
    found = client.get_model_repository_index(as_json=True).get("models", [])
    return [{"version": "", "reason": "", **row} for row in found]


def test_load_and_unload(tmp_path: Path, clients: Any) -> None:
    times(tmp_path, 1)
    with running(tmp_path) as server:
        client = clients(server)
        assert index(client) == [{"name": "m", "version": "1", "state": "READY", "reason": ""}]
        times(tmp_path, 7)
        np.testing.assert_array_equal(infer(server), X)
        client.load_model("m")
        np.testing.assert_array_equal(infer(server), X * 7)
        np.testing.assert_array_equal(infer(server, "1"), X)
        client.unload_model("m")
        assert not client.is_model_ready("m")
        assert infer(server) == (404, "no model 'm' is loaded: unloaded")
        state = {"name": "m", "version": "", "state": "UNAVAILABLE", "reason": "unloaded"}
        assert index(client) == [state]
        with pytest.raises(InferenceServerException, match="no model 'm' is loaded"):
            client.unload_model("m")
        client.load_model("m")
        np.testing.assert_array_equal(infer(server), X * 7)
        for name in ("nothing", "..", ".", "m/1", "x" * 5000):
            with pytest.raises(InferenceServerException):
                client.load_model(name)
        with pytest.raises(InferenceServerException, match="config"):
            client.load_model("m", config="{}")


def test_a_broken_version_takes_no_place(tmp_path: Path, clients: Any) -> None:
    times(tmp_path, 1)
    with running(tmp_path) as server:
        client = clients(server)
        times(tmp_path, 2)
        file = tmp_path / "m" / "2" / "model.weft"
        whole = file.read_bytes()
        for content in (whole[: len(whole) // 2], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
            os.unlink(file)
            file.write_bytes(content)
            with pytest.raises(InferenceServerException, match="what was loaded stays") as error:
                client.load_model("m")
            assert "version 2" in error.value.message()
            np.testing.assert_array_equal(infer(server), X)
            (row,) = index(client)
            assert (row["version"], row["state"]) == ("1", "READY")
            assert "version 2" in row["reason"]
        os.unlink(file)
        file.write_bytes(whole)
        client.load_model("m")
        np.testing.assert_array_equal(infer(server), X * 2)


def test_others_are_served_beside_a_broken_model(tmp_path: Path) -> None:
    times(tmp_path, 1)
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "model.weft").write_bytes(b"no program")
    (tmp_path / "empty").mkdir()
    (tmp_path / "two" / "1").mkdir(parents=True)
    for name in ("model.weft", "model.onnx"):
        (tmp_path / "two" / "1" / name).write_bytes(b"")
    (tmp_path / ".hidden").mkdir()
    with running(tmp_path) as server:
        np.testing.assert_array_equal(infer(server), X)
        status, text = ask(server.port, "/v2/repository/index", {})
        rows = {row["name"]: row for row in json.loads(text)}
        assert status == 200
        assert list(rows) == ["broken", "empty", "m", "two"]
        assert "model.weft" in rows["broken"]["reason"]
        assert "has no version" in rows["empty"]["reason"]
        assert "has model.weft and model.onnx" in rows["two"]["reason"]
        status, error = infer(server, model="broken")
        assert status == 404
        assert "model.weft" in error
        assert ask(server.port, "/v2/health/ready")[0] == 200
        assert ask(server.port, "/v2/models/broken/ready")[0] == 404
        ready = json.loads(ask(server.port, "/v2/repository/index", {"ready": True})[1])
        assert [row["name"] for row in ready] == ["m"]


@pytest.mark.parametrize(
    ("chosen", "there"), [("all", [1, 2, 3]), ("latest", [3]), ([2, 1], [1, 2])]
)
def test_chosen_versions(tmp_path: Path, chosen: Any, there: list[int]) -> None:
    for version in (1, 2, 3):
        times(tmp_path, version, versions=chosen)
    with running(tmp_path) as server:
        np.testing.assert_array_equal(infer(server), X * max(there))
        for version in (1, 2, 3):
            found = infer(server, str(version))
            if version in there:
                np.testing.assert_array_equal(found, X * version)
            else:
                names = ", ".join(map(str, there))
                assert found == (404, f"the model m has no version '{version}', but {names}")


WRONG_SETTINGS = {
    '{"max_batch": 2}': "there is no setting 'max_batch', but versions,",
    '{"versions": "newest"}': 'versions has to be "all", "latest" or a list of numbers',
    '{"versions": [5]}': "has no version 5",
    '{"max_queue": 0}': "max_queue has to be an integer from 1",
    '{"max_seconds": -1}': "max_seconds has to be a number from 0 on",
    '{"max_batch_size": true}': "max_batch_size has to be an integer",
    '{"max_sizes": {"k": 3}}': "there is no size 'k', but n",
    "[]": "has to be a JSON object",
    "{": "is no JSON",
}


@pytest.mark.parametrize("settings", WRONG_SETTINGS)
def test_wrong_settings(tmp_path: Path, settings: str) -> None:
    times(tmp_path, 1)
    (tmp_path / "m" / "config.json").write_text(settings)
    with running(tmp_path) as server:
        status, error = infer(server)
        assert status == 404
        assert WRONG_SETTINGS[settings] in error
        assert str(tmp_path / "m") in error or "m" in error


def test_limits_of_sizes(tmp_path: Path) -> None:
    times(tmp_path, 1, max_sizes={"n": 1})
    with running(tmp_path) as server:
        assert infer(server) == (400, "the input x has n = 2, of 1 at most")


NOT_BATCHED = {
    "a fixed size": (lambda x: x * 2, [weft.spec((2, 3))]),
    "a sum of all rows": (lambda x: weft.sum(x), [weft.spec(("n", 3))]),
    "two numbers": (lambda x, y: (x, y), [weft.spec(("n", 3)), weft.spec(("m", 3))]),
    "rows in another place": (lambda x: x @ x.T, [weft.spec(("n", 3))]),
    "a formula": (lambda x: weft.concat([x, x]), [weft.spec(("n", 3))]),
}


@pytest.mark.parametrize("case", NOT_BATCHED)
def test_what_has_no_rows_is_not_batched(tmp_path: Path, case: str) -> None:
    function, specs = NOT_BATCHED[case]
    add_model(tmp_path, "m", function, *specs, max_batch_size=4)
    with running(tmp_path) as server:
        status, error = infer(server)
        assert status == 404
        assert "max_batch_size is above 1, but" in error


def test_complex_numbers_are_refused_by_name(tmp_path: Path) -> None:
    add_model(tmp_path, "m", lambda x: x * 2, weft.spec(3, "complex64"))
    with running(tmp_path) as server:
        assert "x is complex64, which the protocol has no datatype for" in infer(server)[1]


def test_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    nodes = [onnx.helper.make_node("Add", ["x", "x"], ["y"])]
    info = onnx.helper.make_tensor_value_info
    x, y = (info(name, onnx.TensorProto.FLOAT, ["rows", 3]) for name in "xy")
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "double", [x], [y]))
    (tmp_path / "m" / "1").mkdir(parents=True)
    onnx.save(model, tmp_path / "m" / "1" / "model.onnx")
    with running(tmp_path) as server:
        np.testing.assert_array_equal(infer(server), X * 2)
        about = json.loads(ask(server.port, "/v2/models/m")[1])
        assert about["platform"] == "onnx"
        (tmp_path / "m" / "1" / "model.onnx").write_bytes(b"\0\1\2")
        assert ask(server.port, "/v2/repository/models/m/load", b"")[0] == 400
        np.testing.assert_array_equal(infer(server), X * 2)


def test_other_checkpoints(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    hf = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    config = hf.BertConfig(**sizes, num_attention_heads=2)
    model = hf.BertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path / "m" / "1")
    tokens = np.array([[1, 2, 3], [4, 5, 6]])
    given = {"input_ids": tokens, "attention_mask": np.ones_like(tokens)}
    given["token_type_ids"] = np.zeros_like(tokens)
    inputs = [
        {"name": name, "datatype": "INT64", "shape": [2, 3], "data": array.tolist()}
        for name, array in given.items()
    ]
    with running(tmp_path) as server:
        status, text = ask(server.port, "/v2/models/m/infer", {"inputs": inputs})
        assert status == 200, text
        (output,) = json.loads(text)["outputs"]
        with torch.no_grad():
            wanted = model(**{name: torch.tensor(x) for name, x in given.items()}).logits.numpy()
        found = np.array(output["data"], np.float32).reshape(output["shape"])
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_files_in_use_may_be_replaced(tmp_path: Path) -> None:
    times(tmp_path, 1)
    with running(tmp_path) as server:
        shutil.rmtree(tmp_path / "m")
        np.testing.assert_array_equal(infer(server), X)


BLOCKED = """
import sys
import weft
packages = {"uvicorn", "starlette", "grpc", "google.protobuf", "prometheus_client"}
assert not packages & set(sys.modules)
sys.modules[sys.argv[1]] = None
from weft.__main__ import main
sys.exit(main(["serve", sys.argv[2]]))
"""


@pytest.mark.parametrize("package", ["uvicorn", "starlette", "grpc", "prometheus_client"])
def test_missing_packages(tmp_path: Path, package: str) -> None:
    words = [sys.executable, "-c", BLOCKED, package, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install uvicorn starlette grpcio protobuf prometheus_client" in done.stderr


def test_no_folder(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "weft", "serve", str(tmp_path / "nothing")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "is no folder of models" in done.stderr
    assert done.stderr.count("\n") == 1
