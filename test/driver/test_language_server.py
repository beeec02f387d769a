"""weft-lsp-server answers an editor: errors with their places, and what is under the cursor."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

URI = "file:///model.mlir"
GOOD = """func.func @f(%x: tensor<3xf32>) -> tensor<3xf32> {
  %0 = weft.exp %x : tensor<3xf32>
  return %0 : tensor<3xf32>
}
"""


class Server:
    """A running weft-lsp-server, spoken to as an editor does."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.requests = 0
        self.version = 0

    def send(self, method: str, parameters: dict, **more: object) -> None:
        """Sends a notification."""
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": parameters, **more})
        assert self.process.stdin is not None
        self.process.stdin.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        """The next message of the server."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, value = line.split(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return json.loads(self.process.stdout.read(length))

    def request(self, method: str, parameters: dict) -> Any:
        """The answer to a request."""
        self.requests += 1
        self.send(method, parameters, id=self.requests)
        while (message := self.receive()).get("id") != self.requests:
            pass
        return message["result"]

    def open(self, text: str) -> list[dict]:
        """Opens a document, and returns what the server finds wrong with it."""
        self.version += 1
        document = {"uri": URI, "languageId": "mlir", "version": self.version, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})
        # What is told of an older version may still be on its way.
        while (message := self.receive()).get("params", {}).get("version") != self.version:
            pass
        return message["params"]["diagnostics"]


def place(line: int, character: int) -> dict:
    """A position in the document, counted from 0."""
    return {
        "textDocument": {"uri": URI},
        "position": {"line": line, "character": character},
    }


@pytest.fixture
def server(build_folder: Path) -> Iterator[Server]:
    server = Server(build_folder / "bin" / "weft-lsp-server")
    answer = server.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    assert answer["capabilities"]["hoverProvider"]
    server.send("initialized", {})
    yield server
    server.request("shutdown", {})
    server.send("exit", {})
    assert server.process.wait(timeout=10) == 0


def test_syntax_error_has_its_place(server: Server) -> None:
    (problem,) = server.open(GOOD.replace("%x : tensor", "%x tensor"))
    assert problem["message"] == "expected ':'"
    assert problem["range"]["start"] == {"line": 1, "character": 18}


def test_verifier_error_is_told_once(server: Server) -> None:
    text = """func.func @f(%x: tensor<2x3xf32>) {
  %0 = weft.matmul %x, %x : tensor<2x3xf32>, tensor<2x3xf32> -> tensor<2x3xf32>
  return
}
"""
    (problem,) = server.open(text)
    assert "the contracted dimensions differ" in problem["message"]
    assert problem["range"]["start"]["line"] == 1


def test_good_module_has_no_problems(server: Server) -> None:
    assert server.open(GOOD) == []


def test_hover_shows_the_operation(server: Server) -> None:
    server.open(GOOD)
    hover = server.request("textDocument/hover", place(1, 10))
    assert "weft.exp" in hover["contents"]["value"]


def test_definition_of_a_value_is_found(server: Server) -> None:
    server.open(GOOD)
    (target,) = server.request("textDocument/definition", place(2, 10))
    assert target["range"]["start"] == {"line": 1, "character": 2}


def test_completion_knows_the_dialects(server: Server) -> None:
    server.open("weft.")
    items = server.request("textDocument/completion", place(0, 5))["items"]
    assert "kernel" in {item["label"] for item in items}


DEEP = {
    "brackets": "func.func private @f() attributes {a = " + "[" * 100_000,
    "types": "func.func private @f(" + "tuple<" * 100_000,
    "regions": "module {" * 100_000,
    "closed regions": "module {" * 10_000 + "}" * 10_000,  # MLIR ends it in quadratic time
    "signs": f"func.func private @f() attributes {{a = affine_map<(d0) -> ({'-' * 100_000}d0)>}}",
    "terms": f"func.func private @f() attributes {{a = affine_map<(d0) -> (d0{' + d0' * 9999})>}}",
    "names": "#a0 = 1\n"
    + "".join(f"#a{i + 1} = [#a{i}]\n" for i in range(20_000))
    + "func.func private @f() attributes {a = #a20000}",
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_documents_do_not_end_the_server(server: Server, name: str) -> None:
    server.open(DEEP[name])
    server.send("textDocument/didClose", {"textDocument": {"uri": URI}})
    (problem,) = server.open(GOOD.replace("%x : tensor", "%x tensor"))
    assert problem["message"] == "expected ':'"
