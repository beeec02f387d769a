"""Each answer is that of its own request, whatever happens beside it."""

from __future__ import annotations

import collections
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from serving_cases import Process, add_model, ask

client = pytest.importorskip("tritonclient.grpc")

SECONDS = 4.0
"""For so long all ask."""
FACTORS = {"1": 2.0, "2": 3.0}
"""By which each version multiplies."""


class _Asking:
    """Requests whose rows say whose they are; what came of them is counted."""

    def __init__(self, root: Path, served: Process, others: Any) -> None:
        self.root, self.served, self.others = root, served, others
        self.end = time.monotonic() + SECONDS
        self.outcomes: collections.Counter[str] = collections.Counter()

    def asks(self, seed: int) -> None:
        """One client: rows beside those of others, short deadlines, calls that are left."""
        random = np.random.default_rng(seed)
        with client.InferenceServerClient(f"127.0.0.1:{self.served.grpc_port}") as server:
            number = 0
            while time.monotonic() < self.end:
                number += 1
                self._ask(server, random, f"{seed}-{number}", 100_000 * seed + number)

    def _ask(self, server: Any, random: np.random.Generator, label: str, value: int) -> None:
        x = np.full((int(random.integers(1, 5)), 4), value, np.float32)
        x[:, 1] = np.arange(len(x))
        given = client.InferInput("x", x.shape, "FP32")
        given.set_data_from_numpy(x)
        if random.integers(4) == 0:
            call = server.async_infer("m", [given], lambda result, error: None, request_id=label)
            time.sleep(float(random.random()) * 0.004)
            call.cancel()
            return
        seconds = float(random.random()) * 0.02 + 0.0005 if random.integers(3) == 0 else None
        try:
            answer = server.infer("m", [given], request_id=label, client_timeout=seconds)
        except self.others.InferenceServerException as error:
            assert any(text in str(error) for text in ("DEADLINE", "no model 'm'")), error  # noqa: PT017
            self.outcomes["refused"] += 1
            return
        found = answer.get_response()
        assert found.id == label
        np.testing.assert_array_equal(
            answer.as_numpy("result"), x * np.float32(FACTORS[found.model_version]) + 1
        )
        self.outcomes[found.model_version] += 1

    def reloads(self, program: Any) -> None:
        """The second version comes and goes; now and then there is no model for a moment."""
        random = np.random.default_rng(0)
        folder, coming = self.root / "m" / "2", self.root / "m" / "coming"
        while time.monotonic() < self.end:
            if folder.exists():
                shutil.rmtree(folder)
            else:
                coming.mkdir()
                program.save(coming / "model.weft")
                coming.rename(folder)
            self._changes("load")
            if random.integers(5) == 0:
                self._changes("unload")
                self._changes("load")
            time.sleep(float(random.random()) * 0.1)

    def _changes(self, what: str) -> None:
        status, answer = ask(self.served.port, f"/v2/repository/models/m/{what}", {})
        assert status == 200, answer


def test_answers_are_those_of_their_requests(tmp_path: Path) -> None:
    others = pytest.importorskip("tritonclient.utils")
    root, spec = tmp_path / "models", weft.spec(("batch", 4))
    add_model(root, "m", lambda x: x * FACTORS["1"] + 1, spec, max_batch_size=16, max_delay_ms=2)
    second = weft.export(lambda x: x * FACTORS["2"] + 1, spec)
    served = Process(root)
    asking = _Asking(root, served, others)
    with ThreadPoolExecutor(7) as pool:
        done = [pool.submit(asking.asks, seed) for seed in range(1, 7)]
        done.append(pool.submit(asking.reloads, second))
        for each in done:
            each.result()
    assert min(asking.outcomes[version] for version in FACTORS) > 5, asking.outcomes
    text = ask(served.port, "/metrics")[1].decode()
    assert 'outcome="INTERNAL"' not in text
    assert all(line.endswith(" 0.0") for line in text.splitlines() if line[:12] == "weft_waiting")
    served.process.terminate()
    assert served.process.wait(40) == 0
