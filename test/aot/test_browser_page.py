"""Models in a browser without a window: a page of the tests' own, and that of examples/web."""

from __future__ import annotations

import functools
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import numpy as np
import weft
from aot_cases import integers, normal
from aot_models import Case, assert_same_bits, run, tool
from web_models import arrays_of, compile_module, given

from examples.train_fashion_mnist import classifier, make_network
from examples.web.serve import Handler, make

PAGE = """<!doctype html>
<script type="module">
import { load, outputs } from "./net.mjs";
const text = await (await fetch("arguments.json")).text();
const kinds = { f4: Float32Array, i8: BigInt64Array };
const values = JSON.parse(text).map(({ base64, kind, shape }) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return { data: new kinds[kind](bytes.buffer), shape };
});
const model = await load();
const result = model.net(...values);
const answers = outputs.map(({ name }) => {
  const { data, shape } = result[name];
  return { base64: btoa(String.fromCharCode(...new Uint8Array(data.buffer))), shape };
});
document.body.textContent = JSON.stringify({ outputs: answers });
</script>
<body></body>
"""


class QuietHandler(Handler):
    """Prints nothing."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address under which the files of a folder can be had."""
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def page_after_scripts(address: str, folder: Path, sign: str) -> str:
    """The page's HTML when its scripts have run, which a pattern shows. The browser's virtual time
    does not wait for modules that other threads compile, and may be up before: then once more."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    options += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=30000"]
    for _ in range(5):
        html = run([tool("chromium"), *options, "--dump-dom", address], timeout=120)
        if re.search(sign, html):
            break
    return html


def test_bits_are_those_of_jit(tmp_path: Path) -> None:
    case = Case(
        lambda a, n: (weft.exp(-a * a) * weft.sin(a), weft.softmax(a, -1), n * n),
        [normal(37, 19), integers(6, dtype=np.int64)],
    )
    tool("chromium")
    files = tmp_path / "files"
    files.mkdir()
    (files / "net.mlir").write_text(case.text())
    compile_module(files / "net.mlir", files)
    (files / "arguments.json").write_text(json.dumps([given(x) for x in case.inputs]))
    (files / "index.html").write_text(PAGE)
    with served(files) as address:
        html = page_after_scripts(address, tmp_path, r"<body>\{")
    body = re.search(r"<body>(\{.*\})\s*</body>", html, re.DOTALL)
    assert body, html
    answer = json.loads(unescape(body[1]))
    assert_same_bits(arrays_of(answer, case.expected()), case.expected())


def test_the_example_answers(tmp_path: Path) -> None:
    tool("chromium")
    weft.manual_seed(0)
    program = weft.export(classifier(make_network()), weft.spec(("n", 1, 28, 28)))
    make(program, tmp_path / "files")
    with served(tmp_path / "files") as address:
        html = page_after_scripts(f"{address}/index.html?example", tmp_path, "ms on this device")
    assert "ms on this device" in html, html
    shares = [float(share) for share in re.findall(r"<span>([\d.]+) %</span>", html)]
    assert len(shares) == 10
    assert abs(sum(shares) - 100) < 1
    assert html.count('class="best"') == 1
