"""Language models that are served: texts whole and as events, several at once, limits, the end."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_checkpoint
import weft

pytest.importorskip("weft.serving._server")  # before grpc: it sets whether forks are watched

from serving_cases import Process, add_model, ask, running
from weft.serving._rows import Rows

POSITIONS = 1024
GENERATE, STREAM = "/v2/models/m/generate", "/v2/models/m/generate_stream"


def add_llama(
    root: Path, version: int = 1, ends: bool = True, positions: int = POSITIONS, **settings: Any
) -> Any:
    """A language model of a few weights in a folder of models."""
    folder = root / "m" / str(version)
    folder.mkdir(parents=True)
    config = {**small_checkpoint.CONFIG, "max_position_embeddings": positions}
    if not ends:
        config["eos_token_id"] = None
    (folder / "config.json").write_text(json.dumps(config))
    weft.save_safetensors(small_checkpoint.weights(), folder / "model.safetensors")
    (root / "m" / "config.json").write_text(json.dumps(settings))
    return weft.models.load(folder)


def events(port: int, body: dict[str, Any], path: str = STREAM) -> Iterator[dict[str, Any]]:
    """The events of an answer, as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        while line := answer.readline():
            assert line.startswith(b"data: ")
            yield json.loads(line[6:])
            assert answer.readline() == b"\n"


def alone(model: Any, prompt: list[int], count: int, **drawing: Any) -> list[int]:
    """The new tokens that `generate` gives."""
    return model.generate(prompt, count, **drawing).tolist()[len(prompt) :]


def generated(port: int, prompt: list[int], count: int, **drawing: Any) -> Any:
    """The new tokens that the server gives, or the status and the error."""
    if "min_new_tokens" in drawing:
        drawing = {**drawing, "min_tokens": drawing["min_new_tokens"]}
        del drawing["min_new_tokens"]
    body = {"tokens": prompt, "parameters": {"max_tokens": count, **drawing}}
    status, text = ask(port, GENERATE, body)
    answer = json.loads(text)
    return answer["tokens"] if status == 200 else (status, answer["error"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    root = tmp_path_factory.mktemp("models")
    model = add_llama(root, max_sequences=3)
    add_model(root, "numbers", lambda x: x, weft.spec(3))
    with running(root) as server:
        yield server, model


def requests(count: int) -> list[tuple[list[int], int, dict[str, Any]]]:
    """Prompts of many lengths, greedy and drawn."""
    random = np.random.default_rng(7)
    drawings: list[dict[str, Any]] = [
        {},
        {"temperature": 0.9, "seed": 3},
        {"temperature": 1.5, "top_k": 4, "seed": 4},
        {"temperature": 1.1, "top_p": 0.7, "seed": 5},
        {"temperature": 1.2, "top_k": 6, "top_p": 0.8, "seed": 6},
        {"temperature": 1.2, "min_p": 0.3, "seed": 7},
        {"repetition_penalty": 1.8},
        {"no_repeat_ngram_size": 3, "min_new_tokens": 9},
        {"temperature": 1.3, "repetition_penalty": 0.7, "min_new_tokens": 20, "seed": 8},
    ]
    lengths = [1, 2, 5, 16, 17, 63, 64, 65, 256, 257, 300, 600]
    return [
        (
            random.integers(3, 11, int(random.choice(lengths))).tolist(),
            int(random.integers(1, 60)),
            drawings[number % len(drawings)],
        )
        for number in range(count)
    ]


def test_texts_at_once_are_those_of_generate(served: tuple[Any, Any]) -> None:
    """More texts than rows, which come and end at any token: each is as if it were alone."""
    server, model = served
    drawn = requests(25)
    wanted = [alone(model, prompt, count, **how) for prompt, count, how in drawn]
    assert len({len(tokens) for tokens in wanted}) > 5  # some end before their count
    delays = np.random.default_rng(1).random(len(drawn)) * 0.5

    def ask_later(number: int) -> Any:
        time.sleep(delays[number])
        prompt, count, how = drawn[number]
        return generated(server.port, prompt, count, **how)

    with ThreadPoolExecutor(len(drawn)) as pool:
        assert list(pool.map(ask_later, range(len(drawn)))) == wanted
    # A turn is counted when it is over, the texts that end with it are answered before.
    for _ in range(200):
        text = ask(server.port, "/metrics")[1].decode()
        written = float(text.split('weft_tokens_total{model="m",version="1"} ')[1].split()[0])
        is_over = 'weft_texts{model="m",version="1"} 0.0' in text
        if is_over and written >= sum(map(len, wanted)):
            break
        time.sleep(0.05)
    else:
        pytest.fail(text)


class Length:
    """A text that needs so many places, and what its keys are."""

    def __init__(self, model: Any, length: int, value: float) -> None:
        self.length, self.value = length, value
        self.own = model.cache(1, max(64, 1 << (length - 1).bit_length()))
        for tensor in (*self.own.keys, *self.own.values):
            tensor += value


def test_rows_are_as_large_as_their_texts(served: tuple[Any, Any]) -> None:
    _, model = served
    rows, random = Rows(model), np.random.default_rng(5)
    present: list[Length] = []
    for number in range(60):
        if present and random.random() < 0.45:
            rows.leave(present.pop(int(random.integers(len(present)))))
            rows.fit()
        else:
            present.append(Length(model, int(random.choice([3, 64, 65, 300, 1000])), number + 1))
            rows.join(present[-1], present[-1].own)
        assert {text for text in rows.texts if text is not None} == set(present)
        if not present:
            continue
        tensors = (*rows.cache.keys, *rows.cache.values)
        count = 1 << (len(present) - 1).bit_length()
        length = max(text.own.keys[0].shape[2] for text in present)
        assert {tensor.shape[0] for tensor in tensors} == {len(rows.texts)} == {count}
        assert {tensor.shape[2] for tensor in tensors} == {length}
        for row, text in enumerate(rows.texts):
            if text is not None:
                for tensor in tensors:
                    found = tensor[row].numpy()
                    assert (found[:, : text.length] == text.value).all()


def test_events(served: tuple[Any, Any]) -> None:
    server, model = served
    for prompt, count, how in requests(5):
        body = {"id": "7", "tokens": prompt, "parameters": {"max_tokens": count, **how}}
        found = list(events(server.port, body))
        wanted = alone(model, prompt, count, **how)
        assert [each["tokens"] for each in found] == [*([token] for token in wanted), []]
        ended = wanted[-1] == 2
        last = {"model_name": "m", "model_version": "1", "id": "7", "tokens": []}
        assert found[-1] == {**last, "finish_reason": "end" if ended else "length"}
        assert all("finish_reason" not in each for each in found[:-1])


def test_no_tokens(served: tuple[Any, Any]) -> None:
    server, _ = served
    assert generated(server.port, [1], 0) == []
    assert [each["finish_reason"] for each in events(server.port, _asked(0))] == ["length"]


def _asked(count: int) -> dict[str, Any]:
    return {"tokens": [3, 4], "parameters": {"max_tokens": count}}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "needs text_input or tokens"),
    "both": ({"tokens": [1], "text_input": "a"}, "needs text_input or tokens"),
    "a talk without a tokenizer": (
        {"messages": [{"role": "user", "content": "b"}]},
        "has no tokenizer.json: give tokens instead of messages",
    ),
    "a talk and tokens": ({"messages": [], "tokens": [1]}, "one of them"),
    "a text without a tokenizer": ({"text_input": "a"}, "has no tokenizer.json"),
    "no list": ({"tokens": "a"}, "tokens is 'a', not a list of integers"),
    "no integers": ({"tokens": [1.0]}, "not a list of integers"),
    "no tokens": ({"tokens": []}, "at least one token"),
    "an unknown token": ({"tokens": [11]}, "but the vocabulary has 11"),
    "a negative token": ({"tokens": [-1]}, "tokens of the prompt go from -1"),
    "a token beyond 64 bits": ({"tokens": [1 << 80]}, "beyond 64 bits"),
    "a long prompt": ({"tokens": [1] * (POSITIONS + 1)}, "more than the 1024 of a text"),
    "no room": ({"tokens": [1], "parameters": {"max_tokens": POSITIONS}}, "more than the 1024"),
    "a count of 10^18": ({"tokens": [1], "parameters": {"max_tokens": 10**18}}, "more than"),
    "no count": ({"tokens": [1], "parameters": {"max_tokens": -1}}, "max_tokens is -1"),
    "no number": ({"tokens": [1], "parameters": {"temperature": "hot"}}, "temperature has to be"),
    "a seed for nothing": ({"tokens": [1], "parameters": {"seed": 1}}, "temperature 0 takes"),
    "no top_k": ({"tokens": [1], "parameters": {"temperature": 1, "top_k": 0}}, "top_k has to be"),
    "no seed": ({"tokens": [1], "parameters": {"temperature": 1, "seed": 0.5}}, "seed has to be"),
    "an unknown parameter": ({"tokens": [1], "parameters": {"end": "."}}, "has 'end', but"),
    "stops without a tokenizer": (
        {"tokens": [1], "parameters": {"stop": "."}},
        "m has no tokenizer.json, so that it can't stop at strings",
    ),
    "stops that are none": ({"tokens": [1], "parameters": {"stop": [""]}}, "has to have 1 to"),
    "no stop": ({"tokens": [1], "parameters": {"stop": 5}}, "stop has to be a string"),
    "no penalty": (
        {"tokens": [1], "parameters": {"repetition_penalty": 0}},
        "repetition_penalty has to be",
    ),
    "no size of a row": (
        {"tokens": [1], "parameters": {"no_repeat_ngram_size": "x"}},
        "no_repeat_ngram_size has to be",
    ),
    "no least": ({"tokens": [1], "parameters": {"min_tokens": -1}}, "min_new_tokens has to be"),
    "no share": ({"tokens": [1], "parameters": {"temperature": 1, "min_p": 2}}, "min_p has to be"),
    "an unknown key": ({"tokens": [1], "stream": True}, "has 'stream', but there are"),
}


@pytest.mark.parametrize("path", [GENERATE, STREAM])
@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests(served: tuple[Any, Any], case: str, path: str) -> None:
    body, message = WRONG[case]
    status, text = ask(served[0].port, path, body)
    assert status == 400, text
    assert message in json.loads(text)["error"]


def test_who_does_not_write(served: tuple[Any, Any]) -> None:
    port = served[0].port
    status, text = ask(port, "/v2/models/numbers/generate", {"tokens": [1]})
    assert (status, json.loads(text)["error"]) == (400, "numbers writes no texts: ask it to infer")
    status, text = ask(port, "/v2/models/m/infer", {"inputs": []})
    assert status == 400
    assert "needs text_input or tokens" in json.loads(text)["error"]
    about = json.loads(ask(port, "/v2/models/m")[1])
    assert about["platform"] == "transformers_checkpoint"
    names = ["tokens", "max_tokens", "temperature", "top_k", "top_p", "min_p", "seed"]
    names += ["repetition_penalty", "no_repeat_ngram_size", "min_tokens"]
    assert [row["name"] for row in about["inputs"]] == names
    assert [row["name"] for row in about["outputs"]] == ["tokens", "finish_reason"]


def test_versions_and_loads(tmp_path: Path) -> None:
    model = add_llama(tmp_path)
    with running(tmp_path) as server, ThreadPoolExecutor(1) as pool:
        wanted = alone(model, [3, 4], 900)
        body = {"tokens": [3, 4], "parameters": {"max_tokens": 900}}
        path = "/v2/models/m/versions/1/generate_stream"
        found = events(server.port, body, path)
        first = next(found)["tokens"]
        loaded = pool.submit(ask, server.port, "/v2/repository/models/m/load", {})
        # The text goes on while the new one is loaded, and to its end.
        assert first + [token for each in found for token in each["tokens"]] == wanted
        assert loaded.result()[0] == 200
        assert generated(server.port, [3, 4], 5) == wanted[:5]


def test_wrong_settings(tmp_path: Path) -> None:
    add_llama(tmp_path, max_batch_size=4)
    with running(tmp_path) as server:
        status, error = generated(server.port, [1], 1)
        assert status == 404
        assert "max_sequences says how many texts" in error


def test_the_longest_text(tmp_path: Path) -> None:
    model = add_llama(tmp_path, max_length=20)
    with running(tmp_path) as server:
        assert generated(server.port, [3] * 5, 15) == alone(model, [3] * 5, 15)
        assert generated(server.port, [3] * 5, 16)[0] == 400
        status, text = ask(server.port, GENERATE, {"tokens": [3] * 5})  # as many as have room
        assert status == 200
        assert json.loads(text)["tokens"] == alone(model, [3] * 5, 15)


def test_full_and_late(tmp_path: Path) -> None:
    model = add_llama(tmp_path, ends=False, max_sequences=1, max_queue=1, max_seconds=30)
    wanted = alone(model, [3], 1000)
    with running(tmp_path) as server, ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: generated(server.port, [3], 1000), range(6)))
        refused = [each for each in found if isinstance(each, tuple)]
        assert 1 <= len(refused) <= 4
        assert {status for status, _ in refused} == {429}
        assert all(each == wanted for each in found if isinstance(each, list))


def in_time(port: int, prompt: list[int], count: int) -> list[int]:
    """The tokens of a text that ends in time, as soon as the machine has the time."""
    while True:
        found = generated(port, prompt, count)
        if isinstance(found, list):
            return found


def test_late_texts(tmp_path: Path) -> None:
    model = add_llama(tmp_path, ends=False, max_seconds=0.02)
    with running(tmp_path) as server:
        in_time(server.port, [3], 3)  # everything is compiled
        assert generated(server.port, [3], 1000)[0] == 504
        found = list(events(server.port, _asked(1000)))
        assert found[-1] == {"error": "the text took longer than it may"}
        written = [token for each in found[:-1] for token in each["tokens"]]
        assert len(written) < 1000
        assert written == alone(model, [3, 4], 1000)[: len(written)]
        assert in_time(server.port, [3], 3) == alone(model, [3], 3)  # its row is free again
        text = ask(server.port, "/metrics")[1].decode()
    late = 'outcome="DEADLINE_EXCEEDED",protocol="http",version="1"} '
    assert float(text.split(late)[1].split()[0]) >= 2


def test_who_has_gone_gives_the_row_back(tmp_path: Path) -> None:
    # So long that the fastest machine does not come to the end of one before it is told.
    length, count = 1 << 16, 60_000
    options = {"max_sequences": 1, "max_seconds": 100, "max_length": length}
    model = add_llama(tmp_path, ends=False, positions=length, **options)
    with running(tmp_path) as server:
        found = events(server.port, _asked(count))
        next(found)
        found.close()
        whole = socket.create_connection(("127.0.0.1", server.port))
        body = json.dumps(_asked(count)).encode()
        head = f"POST {GENERATE} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        whole.sendall(head.encode() + body)
        whole.close()
        begin = time.monotonic()
        assert generated(server.port, [3], 3) == alone(model, [3], 3)
        assert time.monotonic() - begin < 5
        text = ask(server.port, "/metrics")[1].decode()
    assert 'outcome="CANCELLED"' in text
    assert 'outcome="INTERNAL"' not in text
    written = text.split('weft_tokens_total{model="m",version="1"} ')[1].split()[0]
    assert float(written) < count / 10


def test_stopping_finishes_texts(tmp_path: Path) -> None:
    model = add_llama(tmp_path, ends=False)
    wanted = alone(model, [3, 4], 1000)
    served = Process(tmp_path)
    found = events(served.port, _asked(1000))
    first = next(found)["tokens"]
    served.process.terminate()
    assert first + [token for each in found for token in each["tokens"]] == wanted
    assert served.process.wait(20) == 0
    assert served.process.stderr is not None
    assert served.process.stderr.read() == ""


def test_a_failing_model_fails_its_texts_alone(tmp_path: Path) -> None:
    model = add_llama(tmp_path, ends=False)
    with running(tmp_path) as server, ThreadPoolExecutor(3) as pool:
        writer = server.service.repository.find("m").computes.queue
        right = writer._write_tokens
        turns = threading.Semaphore(100)

        def failing() -> int:
            if turns.acquire(blocking=False):
                return right()
            raise RuntimeError("a fault")

        writer._write_tokens = failing
        results = list(pool.map(lambda _: generated(server.port, [3], 1000), range(3)))
        assert results == [(500, "the model failed: RuntimeError: a fault")] * 3
        writer._write_tokens = right
        assert generated(server.port, [3], 5) == alone(model, [3], 5)


def test_texts_of_a_tokenizer(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    model = add_llama(tmp_path)
    # Eleven tokens, some of which are a part of a character.
    words = {"<unk>": 0, "<s>": 1, "</s>": 2}
    words |= {piece: 3 + n for n, piece in enumerate(["Ġa", "b", "Ã", "©", "c", "â", "Ĥ", "¬"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(words, [], unk_token="<unk>"))
    tokenizer.add_special_tokens(["<s>", "</s>"])
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "m" / "1" / "tokenizer.json"))
    # Who answers a talk goes on with a b.
    template = "{% for each in messages %}{{ each.content }}{% endfor %}"
    template += "{% if messages | length > 1 %}{{ raise_exception('one is enough') }}{% endif %}"
    template += "{% if add_generation_prompt %}b{% endif %}"
    (tmp_path / "m" / "1" / "chat_template.jinja").write_text(template)
    ours = weft.models.load_tokenizer(tmp_path / "m" / "1")
    with running(tmp_path) as server:
        for messages, message in (
            ([{"role": "user", "content": "b"}] * 2, "refuses the messages: one is enough"),
            ([], "messages has to be a list of"),
            ([{"role": 5}], "messages has to be a list of"),
            ("x", "messages has to be a list of"),
        ):
            status, text = ask(server.port, GENERATE, {"messages": messages})
            assert status == 400
            assert message in json.loads(text)["error"]
        for prompt in ("cb", "béb", "cé€b"):
            for how in ({}, {"temperature": 2.0, "seed": 1}, {"temperature": 2.0, "seed": 2}):
                tokens = alone(model, ours.encode(prompt), 40, **how)
                wanted = "".join(ours.stream(tokens))
                body = {"text_input": prompt, "parameters": {"max_tokens": 40, **how}}
                status, text = ask(server.port, GENERATE, body)
                assert status == 200, text
                answer = json.loads(text)
                assert (answer["tokens"], answer["text_output"]) == (tokens, wanted)
                found = list(events(server.port, body))
                assert "".join(each["text_output"] for each in found) == wanted
                talk = {**body, "messages": [{"role": "user", "content": prompt[:-1]}]}
                del talk["text_input"]
                assert json.loads(ask(server.port, GENERATE, talk)[1])["tokens"] == tokens
                _stopped(server.port, body, tokens, ours)


def _stopped(port: int, body: dict[str, Any], tokens: list[int], tokenizer: Any) -> None:
    """A text ends before a string that it has, and its tokens with the one that has its end."""
    whole = tokenizer.decode(tokens)
    stops = [whole[3:5], whole[2:3], whole[1:4]]
    for stop in (*([stops] if all(stops) else []), stops[0] or "not there", "not there"):
        asked = {**body, "parameters": {**body["parameters"], "stop": stop}}
        wanted = "".join(tokenizer.stream(tokens, stop=stop))
        status, text = ask(port, GENERATE, asked)
        assert status == 200, text
        answer = json.loads(text)
        assert answer["text_output"] == wanted
        assert answer["tokens"] == tokens[: len(answer["tokens"])]
        assert (answer["finish_reason"] == "stop") == (stop != "not there")
        found = list(events(port, asked))
        assert "".join(each["text_output"] for each in found) == wanted
        assert [token for each in found for token in each["tokens"]] == answer["tokens"]
        assert found[-1]["finish_reason"] == answer["finish_reason"]


RULES = {
    "repetition_penalty": 1.7,
    "no_repeat_ngram_size": 3,
    "min_new_tokens": 12,
    "bad_words_ids": [[4], [5, 6]],
    "suppress_tokens": [7],
    "begin_suppress_tokens": [8, 9],
}


@pytest.mark.parametrize("family", ["Gemma2", "BLOOM", "Mixtral", "Phi3, LongRoPE"])
def test_other_families(family: str, tmp_path: Path) -> None:
    """Windows, biases of distances and experts: texts at places of their own, in one cache."""
    pytest.importorskip("transformers")
    from model_folders import decoder, saved

    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    model = weft.models.load(saved(decoder(family), folder))
    (tmp_path / "m" / "config.json").write_text(json.dumps({"max_sequences": 2}))
    random = np.random.default_rng(0)
    drawn = [(random.integers(3, 99, length).tolist(), 12) for length in (1, 9, 14)]
    wanted = [alone(model, prompt, count, eos=2) for prompt, count in drawn]
    with running(tmp_path) as server, ThreadPoolExecutor(len(drawn)) as pool:
        found = pool.map(lambda each: generated(server.port, *each), drawn)
        assert list(found) == wanted
        if model.longest is not None:
            status, error = generated(server.port, [3] * 60, model.longest - 59)
            assert (status, f"more than the {model.longest}" in error) == (400, True)


def test_rules_of_a_checkpoint(tmp_path: Path) -> None:
    """Texts that are written at once keep them, each its own, as `generate` does."""
    folder = tmp_path / "m" / "1"
    add_llama(tmp_path, max_sequences=3)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, **RULES}))
    model = weft.models.load(folder)
    drawn = requests(14)
    wanted = [alone(model, prompt, count, **how) for prompt, count, how in drawn]
    with running(tmp_path) as server, ThreadPoolExecutor(len(drawn)) as pool:

        def asked(each: tuple[list[int], int, dict[str, Any]]) -> Any:
            return generated(server.port, each[0], each[1], **each[2])

        assert list(pool.map(asked, drawn)) == wanted


@pytest.mark.parametrize(
    ("wants", "message"),
    [
        ({"stop_strings": ["."]}, "generation_config.json has stop_strings: add tokenizer.json"),
        ({"guidance_scale": 2.0}, "guidance_scale"),
        ({"bad_words_ids": [[]]}, "bad_words_ids has to be"),
    ],
)
def test_checkpoints_that_are_not_served(
    wants: dict[str, Any], message: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add_llama(tmp_path)
    (tmp_path / "m" / "1" / "generation_config.json").write_text(json.dumps(wants))
    with running(tmp_path):
        assert message in caplog.text
