"""Texts that are asked for by tensors: BYTES in and out, whole and as streams, by tritonclient."""

from __future__ import annotations

import json
import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_checkpoint
import weft

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched
pytest.importorskip("tritonclient")
pytest.importorskip("tokenizers")

import tokenizers
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from serving_cases import add_model, ask, running
from tritonclient.utils import InferenceServerException

DRAWN = {"max_tokens": 12, "temperature": 0.9, "seed": 3}


def _add_writer(root: Path) -> None:
    """A language model of a few weights, whose tokens are bytes."""
    folder = root / "writer" / "1"
    folder.mkdir(parents=True)
    config = {**small_checkpoint.CONFIG, "max_position_embeddings": 256}
    del config["eos_token_id"]
    (folder / "config.json").write_text(json.dumps(config))
    weft.save_safetensors(small_checkpoint.weights(), folder / "model.safetensors")
    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    words = {letter: number for number, letter in enumerate(["<unk>", *letters])}
    words = {word: n for word, n in words.items() if n < config["vocab_size"]}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(words, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("models")
    _add_writer(root)
    add_model(root, "doubled", lambda x: {"y": x * 2}, weft.spec(3))
    with running(root) as server:
        yield server


def _tensor(module: Any, name: str, array: np.ndarray, datatype: str) -> Any:
    given = module.InferInput(name, array.shape, datatype)
    given.set_data_from_numpy(array)
    return given


def _asked(module: Any, text: str, **more: Any) -> list[Any]:
    parameters = {**DRAWN, **more}
    rows = [_tensor(module, "text_input", np.array([text.encode()], object), "BYTES")]
    for name, value in parameters.items():
        kind = (np.float64, "FP64") if isinstance(value, float) else (np.int64, "INT64")
        rows.append(_tensor(module, name, np.array([value], kind[0]), kind[1]))
    return rows


def _generated(served: Any, text: str) -> dict[str, Any]:
    body = {"text_input": text, "parameters": DRAWN}
    status, answer = ask(served.port, "/v2/models/writer/generate", body)
    assert status == 200, answer
    return json.loads(answer)


@pytest.mark.parametrize(("module", "port"), [(over_http, "port"), (over_grpc, "grpc_port")])
def test_a_text_is_that_of_generate(served: Any, module: Any, port: str) -> None:
    want = _generated(served, "ab")
    with module.InferenceServerClient(f"127.0.0.1:{getattr(served, port)}") as client:
        answer = client.infer("writer", _asked(module, "ab"))
        assert answer.as_numpy("tokens").tolist() == want["tokens"]
        assert answer.as_numpy("text_output")[0].decode() == want["text_output"]
        assert answer.as_numpy("finish_reason").tolist() == [want["finish_reason"].encode()]
        outputs = [module.InferRequestedOutput("text_output")]
        answer = client.infer("writer", _asked(module, "ab"), outputs=outputs)
        assert answer.as_numpy("text_output")[0].decode() == want["text_output"]
        assert answer.as_numpy("tokens") is None


def test_stops_are_tensors(served: Any) -> None:
    whole = _generated(served, "ab")["text_output"]
    with over_grpc.InferenceServerClient(f"127.0.0.1:{served.grpc_port}") as client:
        stops = np.array([b"not there", whole[2:4].encode()], object)
        given = [*_asked(over_grpc, "ab"), _tensor(over_grpc, "stop", stops, "BYTES")]
        answer = client.infer("writer", given)
        assert answer.as_numpy("text_output")[0].decode() == whole[: whole.index(whole[2:4])]
        assert answer.as_numpy("finish_reason").tolist() == [b"stop"]


def test_texts_are_json_too(served: Any) -> None:
    want = _generated(served, "ab")
    inputs = [{"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["ab"]}]
    for name, value in DRAWN.items():
        datatype = "FP64" if isinstance(value, float) else "INT64"
        inputs.append({"name": name, "datatype": datatype, "shape": [1], "data": [value]})
    status, text = ask(served.port, "/v2/models/writer/infer", {"inputs": inputs})
    assert status == 200, text
    found = {row["name"]: row["data"] for row in json.loads(text)["outputs"]}
    assert found["text_output"] == [want["text_output"]]
    assert found["tokens"] == want["tokens"]


def test_a_stream_has_a_part_for_each_token(served: Any) -> None:
    """Of several requests, one after the other; an error is a message, and others follow."""
    came: queue.Queue = queue.Queue()
    wanted = {"first": _generated(served, "ab"), "third": _generated(served, "b")}
    with over_grpc.InferenceServerClient(f"127.0.0.1:{served.grpc_port}") as client:
        client.start_stream(callback=lambda result, error: came.put((result, error)))
        client.async_stream_infer("writer", _asked(over_grpc, "ab"), request_id="first")
        client.async_stream_infer("writer", _asked(over_grpc, "ab", top_k=-1))
        client.async_stream_infer("writer", _asked(over_grpc, "b"), request_id="third")
        x = np.arange(3, dtype=np.float32)
        client.async_stream_infer("doubled", [_tensor(over_grpc, "x", x, "FP32")])
        for name in ("first", "", "third"):
            tokens, text, last = [], "", False
            while name and not last:
                result, error = came.get(timeout=100)
                assert error is None
                answer = result.get_response()
                assert answer.id == name
                assert len(result.as_numpy("tokens")) <= 1
                tokens += result.as_numpy("tokens").tolist()
                text += result.as_numpy("text_output")[0].decode()
                last = answer.parameters["triton_final_response"].bool_param
            if name:
                assert (tokens, text) == (wanted[name]["tokens"], wanted[name]["text_output"])
            else:
                _, error = came.get(timeout=100)
                assert isinstance(error, InferenceServerException)
                assert "top_k" in str(error)
        result, error = came.get(timeout=100)
        assert error is None
        np.testing.assert_array_equal(result.as_numpy("y"), 2 * x)
        client.stop_stream()


WRONG = {
    "nothing": ([], "needs text_input or tokens"),
    "another name": ([("prompt", "BYTES", [1], ["a"])], "there is no input 'prompt'"),
    "two texts": ([("text_input", "BYTES", [2], ["a", "b"])], "one element"),
    "numbers for a text": ([("text_input", "INT64", [1], [1])], "has to be BYTES"),
    "a text for a number": ([("top_k", "BYTES", [1], ["a"])], "has to be a number"),
    "floats for tokens": ([("tokens", "FP32", [1], [1.0])], "a list of integers"),
    "no text": ([("text_input", "BYTES", [1], [5])], "has the element 5"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_can_not_be_meant_is_told(served: Any, case: str) -> None:
    rows, message = WRONG[case]
    names = ("name", "datatype", "shape", "data")
    inputs = [dict(zip(names, row, strict=True)) for row in rows]
    status, text = ask(served.port, "/v2/models/writer/infer", {"inputs": inputs})
    assert (status, message in json.loads(text)["error"]) == (400, True), text


@pytest.mark.parametrize("data", [b"\1\0\0", b"\2\0\0\0a", b"\1\0\0\0ab"])
def test_damaged_bytes_are_told(served: Any, data: bytes) -> None:
    row = {"name": "text_input", "datatype": "BYTES", "shape": [1]}
    row["parameters"] = {"binary_data_size": len(data)}
    head = json.dumps({"inputs": [row]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    status, text = ask(served.port, "/v2/models/writer/infer", head + data, headers)
    assert status == 400
    assert "lengths" in json.loads(text)["error"]
