"""A small network in a browser: Weft's WebAssembly beside TensorFlow.js and ONNX Runtime Web.

Says how much a page downloads, how long it waits for the first result, and what an image costs
then, on one thread, in Chromium without a window; needs chromium, and node to pack by Brotli. The
network is that of examples/train_fashion_mnist.py. ``--packages`` is a ``node_modules`` with what
is to be measured beside Weft: ``@tensorflow/tfjs`` and ``@tensorflow/tfjs-backend-wasm``,
``onnxruntime-web``.
"""

from __future__ import annotations

import argparse
import gzip
import http.server
import json
import queue
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import numpy as np
from artifact import onnx_model

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PACKAGES = {
    "tensorflow": ("TensorFlow.js", ["@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"]),
    "onnxruntime": ("ONNX Runtime Web", ["onnxruntime-web"]),
}
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
PAGE = b'<!doctype html><script type="module" src="/browser.js"></script>'
CHROMIUM = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu"]
CHROMIUM += ["--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]
PATIENCE = 120.0
"""Seconds that an answer may take."""
TOLERANCE = 1e-4
"""Of scores of about 0.1: sums of 9,216 products in other orders differ by some 1e-6."""
BROTLI = """
const { brotliCompressSync } = require("node:zlib");
console.log(brotliCompressSync(require("node:fs").readFileSync(process.argv[1])).length);
"""


class Server(http.server.ThreadingHTTPServer):
    """Serves folders by their names, remembers what was asked for, and takes answers."""

    def __init__(self, folders: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folders = folders
        self.asked: dict[str, Path] = {}
        self.answers: queue.Queue[Any] = queue.Queue()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/page"


class Handler(http.server.BaseHTTPRequestHandler):
    """A page, files of the server's folders, and the way back."""

    server: Server

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def _reply(self, status: int, kind: str = "", body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/page":
            return self._reply(200, "text/html", PAGE)
        folder, _, name = path[1:].partition("/")
        root = self.server.folders.get(folder)
        file = Path(__file__).with_name("browser.js") if path == "/browser.js" else None
        if root is not None:
            file = root / name
            self.server.asked[path] = file
        if file is None or not file.is_file():
            return self._reply(404)
        return self._reply(
            200, TYPES.get(file.suffix, "application/octet-stream"), file.read_bytes()
        )

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.answers.put(json.loads(self.rfile.read(size)))
        self._reply(204)


@contextmanager
def serving(folders: dict[str, Path]) -> Iterator[Server]:
    with Server(folders) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def ask(server: Server, **words: object) -> Any:
    """What a fresh browser answers."""
    address = f"{server.address}?{urlencode(words)}"
    server.asked.clear()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        errors = Path(folder) / "errors"
        with errors.open("wb") as file:
            command = [*CHROMIUM, f"--user-data-dir={folder}/profile", address]
            process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            answer = server.answers.get(timeout=PATIENCE)
        except queue.Empty:
            raise RuntimeError(f"Chromium did not answer:\n{errors.read_text()}") from None
        finally:
            process.terminate()
            process.wait()
    if isinstance(answer, dict) and "error" in answer:
        raise RuntimeError(f"{words['names']}: {answer['error']}")
    return answer


def write_layers(network: Any, folder: Path) -> None:
    """The network as a layers model of TensorFlow.js, whose images have their channels last."""
    weights = [np.asarray(weight) for weight in network.parameters()]
    for number in (0, 2):
        weights[number] = weights[number].transpose(2, 3, 1, 0)
    hidden = weights[4].reshape(128, 64, 12, 12).transpose(2, 3, 1, 0)
    weights[4], weights[6] = hidden.reshape(-1, 128), weights[6].T
    layer = {"dtype": "float32", "use_bias": True, "activation": "relu"}
    window = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "valid"}
    halves = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"}
    layers = [
        (
            "Conv2D",
            "first",
            layer | window | {"filters": 32, "batch_input_shape": [None, 28, 28, 1]},
        ),
        ("Conv2D", "second", layer | window | {"filters": 64}),
        ("MaxPooling2D", "pool", halves),
        ("Flatten", "flat", {}),
        ("Dense", "hidden", layer | {"units": 128}),
        ("Dense", "scores", layer | {"units": 10, "activation": "linear"}),
    ]
    described = [
        {"class_name": kind, "config": config | {"name": name}} for kind, name, config in layers
    ]
    topology = {"class_name": "Sequential", "config": {"name": "network", "layers": described}}
    names = [
        f"{layer}/{kind}"
        for layer in ("first", "second", "hidden", "scores")
        for kind in ("kernel", "bias")
    ]
    manifest = [
        {"name": name, "shape": list(weight.shape), "dtype": "float32"}
        for name, weight in zip(names, weights, strict=True)
    ]
    model = {
        "format": "layers-model",
        "modelTopology": {
            "keras_version": "2.15.0",
            "backend": "tensorflow",
            "model_config": topology,
        },
        "weightsManifest": [{"paths": ["network.bin"], "weights": manifest}],
    }
    (folder / "network.json").write_text(json.dumps(model, separators=(",", ":")))
    (folder / "network.bin").write_bytes(b"".join(weight.tobytes() for weight in weights))


def write_network(folder: Path, names: list[str]) -> None:
    """The network in the form of each contender, with the same weights."""
    import weft

    from examples.train_fashion_mnist import classifier, make_network

    weft.manual_seed(0)
    network = make_network()
    program = weft.export(classifier(network), weft.spec((1, 1, 28, 28)))
    program.compile_object(folder / "network.wasm", "wasm32", javascript=folder / "network.mjs")
    if "onnxruntime" in names:
        weights = [np.asarray(weight) for weight in network.parameters()]
        (folder / "network.onnx").write_bytes(onnx_model(weights))
    if "tensorflow" in names:
        write_layers(network, folder)


def sizes(files: list[Path]) -> tuple[int, int, int]:
    """Bytes as they are, by gzip, by Brotli."""
    packed = sum(len(gzip.compress(file.read_bytes(), 9)) for file in files)
    brotli = sum(
        int(subprocess.run(["node", "-e", BROTLI, file], check=True, capture_output=True).stdout)
        for file in files
    )
    return sum(file.stat().st_size for file in files), packed, brotli


def measure_first(server: Server, names: list[str], rounds: int) -> None:
    """Prints what each contender downloads, and how long its first result takes."""
    waits: dict[str, list[float]] = {name: [] for name in names}
    files: dict[str, list[Path]] = {}
    expected = None
    for _ in range(rounds):
        for name in names:
            answer = ask(server, measure="first", names=name)
            expected = expected or answer["scores"]
            np.testing.assert_allclose(answer["scores"], expected, rtol=0, atol=TOLERANCE)
            waits[name].append(answer["milliseconds"])
            files[name] = [file for file in server.asked.values() if file.is_file()]
    for name in names:
        print(f"{name}: downloads", ", ".join(file.name for file in files[name]))
        print("  {:,} bytes; gzip {:,}; Brotli {:,}".format(*sizes(files[name])))
        least, middle = min(waits[name]), statistics.median(waits[name])
        print(f"  first result: {least:.0f} ms, median {middle:.0f} of {rounds}")


def measure_calls(server: Server, names: list[str], seconds: float) -> None:
    """Prints what an image costs each contender."""
    answer = ask(server, measure="calls", names=",".join(names), seconds=seconds)
    for name, values in answer.items():
        least, middle = min(values), statistics.median(values)
        print(f"{name}: {least:.3f} ms an image, median {middle:.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--packages", type=Path, default=ROOT / "node_modules", help="(node_modules)")
    add("--rounds", type=int, default=5, help="of first results (5)")
    add("--seconds", type=float, default=10.0, help="of calls (10)")
    options = parser.parse_args()
    if tools := [tool for tool in ("chromium", "node") if not shutil.which(tool)]:
        print(f"there is no {' and no '.join(tools)} here")
        return 1
    names = ["weft"]
    for name, (title, packages) in PACKAGES.items():
        missing = [package for package in packages if not (options.packages / package).is_dir()]
        if missing:
            print(f"without {title}: {options.packages} has no {' and no '.join(missing)}")
        else:
            names.append(name)
    with tempfile.TemporaryDirectory() as folder:
        write_network(Path(folder), names)
        with serving({"network": Path(folder), "packages": options.packages}) as server:
            measure_first(server, names, options.rounds)
            measure_calls(server, names, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
