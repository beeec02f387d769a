"""Models in folders, and servers of them, for the tests of serving."""

from __future__ import annotations

import contextlib
import datetime
import functools
import ipaddress
import json
import math
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from weft.serving import ServerSettings, make_server

LOCAL = ServerSettings(port=0, grpc_port=0, stop_seconds=20.0)


def add_model(
    root: Path, name: str, function: Callable, *specs: Any, version: int = 1, **settings: Any
) -> Any:
    """Writes a version of a model, and its settings; the program."""
    folder = root / name / str(version)
    folder.mkdir(parents=True)
    program = weft.export(function, *specs)
    program.save(folder / "model.weft")
    if settings:
        (root / name / "config.json").write_text(json.dumps(settings))
    return program


@functools.cache
def _repeats() -> int:
    """How many products of the size below take 5 ms on this machine, at its fastest."""
    product = weft.jit(lambda x: weft.sin(x @ x))
    x = product(weft.asarray(SLOW_INPUT))
    least = math.inf
    for _ in range(20):
        begin = time.perf_counter()
        product(x)
        least = min(least, time.perf_counter() - begin)
    return max(1, round(0.005 / least))


def slow(steps: int) -> Callable:
    """A function that takes about 5 ms for each step, in kernels."""
    count = steps * _repeats()

    def function(x: weft.Tensor) -> weft.Tensor:
        for _ in range(count):
            x = weft.sin(x @ x)
        return x

    return function


SLOW_SIZE = (600, 600)
SLOW_INPUT = np.random.default_rng(0).random(SLOW_SIZE, np.float32)


class Process:
    """`weft serve` in a process of its own."""

    def __init__(self, root: Path, *options: str) -> None:
        words = [sys.executable, "-m", "weft", "serve", str(root), "--port=0", "--grpc-port=0"]
        self.process = subprocess.Popen(
            [*words, *options], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        # A test that fails leaves no process behind.
        weakref.finalize(self, self.process.kill)
        assert self.process.stderr is not None
        self.line = self.process.stderr.readline()
        ports = re.search(r"://[\d.]+:(\d+), grpc [\d.]+:(\d+), models: ", self.line)
        assert ports, self.line
        self.port, self.grpc_port = map(int, ports.groups())


@contextlib.contextmanager
def running(root: Path, **settings: Any) -> Iterator[Any]:
    """A server in a thread of this process, whose models are loaded."""
    server = make_server(root, replace(LOCAL, **settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.started.wait(30)
        while not server.service.loaded:
            thread.join(0.01)
        yield server
    finally:
        server.stop()
        thread.join(40)
        assert not thread.is_alive()


def ask(
    port: int,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    scheme: str = "http",
    context: Any = None,
) -> tuple[int, bytes]:
    """Status and body of an answer; a body that is not bytes is sent as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(
        f"{scheme}://127.0.0.1:{port}{path}", data=body, headers=headers or {}
    )
    try:
        with urllib.request.urlopen(request, timeout=60, context=context) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Files of a certificate that has signed itself, and of its key."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "certificate.pem", folder / "key.pem"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, private
