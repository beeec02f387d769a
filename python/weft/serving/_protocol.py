"""What HTTP and gRPC have in common: a request as arrays, its way through a model, its outputs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import weft

from ._metrics import Metrics
from ._program import Arrays
from ._refusals import ClosedError, Kind, RefusedError, invalid, refusal_of
from ._repository import Author, Computer, Repository, Version
from ._settings import ServerSettings
from ._tensors import DATATYPE_NAMES, shown

#: The extensions of the protocol that there are, by the names that its users know.
EXTENSIONS = ("binary_tensor_data", "model_repository", "generate")


@dataclass
class InferRequest:
    """A request to compute.

    Attributes:
        id: what the answer has to repeat.
        arrays: the inputs.
        outputs: the outputs that are asked for, and what is asked of each; None: all of them.
        seconds: how long the caller waits; None: as long as the model may take.
        all_binary: whether outputs that are not named are to be binary data (HTTP alone).
    """

    id: str = ""
    arrays: Arrays = field(default_factory=dict)
    outputs: dict[str, Any] | None = None
    seconds: float | None = None
    all_binary: bool = False


class Service:
    """What the server does, whoever asks by whichever protocol."""

    def __init__(self, repository: Repository, settings: ServerSettings, metrics: Metrics) -> None:
        self.repository, self.settings, self.metrics = repository, settings, metrics
        self.loaded, self.stopping = False, False
        self.token = settings.token()
        # Of their own, as they may take long: bodies are read by the event loop's threads.
        self._changes = ThreadPoolExecutor(4, "weft-serving-loads")

    @property
    def ready(self) -> bool:
        """Whether the models were loaded, and requests are taken."""
        return self.loaded and not self.stopping

    def find(self, name: str, version: str) -> Version:
        """A version that takes requests. Raises RefusedError."""
        if self.stopping:
            raise RefusedError(Kind.UNAVAILABLE, "the server stops")
        return self.repository.find(name, version)

    async def infer(
        self, version: Version, wanted: str, request: InferRequest
    ) -> tuple[Version, Arrays]:
        """The outputs that a request asks for, in the order of the model or of the request.

        Args:
            version: what was found.
            wanted: by which version it was asked for; if the model is loaded anew meanwhile, what
                is found by it then computes, and is returned.
            request: the inputs, and what is asked of them.
        """
        while True:
            try:
                return version, await self._infer_by(version, request)
            except ClosedError:
                version = self.find(version.model, wanted)

    async def _infer_by(self, version: Version, request: InferRequest) -> Arrays:
        if isinstance(version.computes, Author):
            raise invalid(f"{version.model} writes texts: ask it to generate, over HTTP")
        program = version.computes.program
        program.check(request.arrays)
        known = [row.name for row in program.outputs]
        for name in request.outputs or ():
            if name not in known:
                raise invalid(f"there is no output {shown(name)}, but {', '.join(known)}")
        seconds = version.settings.max_seconds
        if request.seconds is not None:
            seconds = min(seconds, request.seconds)
        future = version.computes.queue.submit(request.arrays, time.monotonic() + seconds)
        results = await _in_time(future, seconds)
        return {name: results[name] for name in (request.outputs or known)}

    async def load(self, name: str) -> None:
        """Loads a model anew. Raises RefusedError."""
        if self.stopping:
            raise RefusedError(Kind.UNAVAILABLE, "the server stops")
        await self._changed(self.repository.load, name)

    async def unload(self, name: str) -> None:
        """Unloads a model. Raises RefusedError."""
        await self._changed(self.repository.unload, name)

    async def _changed(self, function: Callable[[str], None], name: str) -> None:
        await asyncio.get_running_loop().run_in_executor(self._changes, function, name)

    def server_metadata(self) -> dict[str, Any]:
        """The protocol's description of the server."""
        return {"name": "weft", "version": weft.__version__, "extensions": list(EXTENSIONS)}

    def metrics_text(self) -> bytes:
        """All metrics, as they are now."""
        self.repository.update_gauges()
        return self.metrics.text()

    def metadata(self, version: Version) -> dict[str, Any]:
        """The protocol's description of a model; sizes that calls choose are -1."""
        computes = version.computes
        program = computes.program if isinstance(computes, Computer) else None

        def tensors(rows: Any) -> list[dict[str, Any]]:
            return [
                {
                    "name": row.name,
                    "datatype": DATATYPE_NAMES[row.dtype],
                    "shape": [size if isinstance(size, int) else -1 for size in row.shape],
                }
                for row in rows
            ]

        return {
            "name": version.model,
            "versions": self.repository.versions(version.model),
            "platform": version.platform,
            "inputs": tensors(program.inputs if program else ()),
            "outputs": tensors(program.outputs if program else ()),
        }

    def count(self, version: Version, protocol: str, error: BaseException | None) -> None:
        """Counts a request by its outcome."""
        if error is None:
            outcome = "ok"
        elif isinstance(error, (asyncio.CancelledError, ConnectionError)):
            outcome = "CANCELLED"
        else:
            outcome = refusal_of(error).kind.grpc
        self.metrics.requests.labels(version.model, str(version.number), protocol, outcome).inc()


async def _in_time(future: Future, seconds: float) -> Arrays:
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
    except asyncio.TimeoutError:
        raise RefusedError(Kind.LATE, f"the request took longer than {seconds:g} s") from None


def timeout_of(value: Any) -> float:
    """The seconds of the parameter ``timeout``, microseconds."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid(f"the parameter timeout is {shown(value)}, not a number of microseconds")
    return min(value, 1 << 60) / 1e6
