"""What HTTP and gRPC have in common: a request as arrays, its way through a model, its outputs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import weft

from ._generate import OUTPUTS, PARAMETERS, Generation, arrays_of, values_of
from ._metrics import Metrics
from ._program import Arrays
from ._refusals import ClosedError, Kind, RefusedError, invalid, refusal_of
from ._repository import Author, Computer, Repository, Version
from ._requests import InferRequest
from ._settings import ServerSettings
from ._tensors import DATATYPE_NAMES, shown

#: The extensions of the protocol that there are, by the names that its users know.
EXTENSIONS = ("binary_tensor_data", "model_repository", "generate")


#: A line of a model's description.
_Row = tuple[str, str, list[int]]


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
        if isinstance(version.computes, Author):
            text = await self._begun(version, wanted, request)
            try:
                return text.version, _chosen(arrays_of(await text.whole()), request)
            finally:
                text.cancel()
        while True:
            try:
                return version, await self._infer_by(version, request)
            except ClosedError:
                version = self.find(version.model, wanted)

    async def stream(
        self, version: Version, wanted: str, request: InferRequest
    ) -> AsyncIterator[tuple[Version, Arrays, bool]]:
        """What `infer` gives, of a text in as many parts as it comes: one for each token, and one
        that says how it ended; and whether a part is the last one."""
        if not isinstance(version.computes, Author):
            yield *(await self.infer(version, wanted, request)), True
            return
        text = await self._begun(version, wanted, request)
        try:
            async for answer in text.answers():
                is_last = "finish_reason" in answer
                yield text.version, _chosen(arrays_of(answer), request), is_last
        finally:
            text.cancel()

    async def _begun(self, version: Version, wanted: str, request: InferRequest) -> Generation:
        """A text that is being written for a request of tensors."""
        known = self._rows(version)[1]
        _check_outputs(request, [name for name, _, _ in known])
        # A long prompt takes a while.
        text = await asyncio.to_thread(Generation, version, values_of(request.arrays))
        if request.seconds is not None:
            text.limit(request.seconds)
        text.begin(self, wanted)
        return text

    async def _infer_by(self, version: Version, request: InferRequest) -> Arrays:
        if isinstance(version.computes, Author):
            raise invalid(f"{version.model} writes texts now: ask again")
        program = version.computes.program
        program.check(request.arrays)
        known = [row.name for row in program.outputs]
        _check_outputs(request, known)
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
        inputs, outputs = (
            [{"name": name, "datatype": datatype, "shape": shape} for name, datatype, shape in rows]
            for rows in self._rows(version)
        )
        return {
            "name": version.model,
            "versions": self.repository.versions(version.model),
            "platform": version.platform,
            "inputs": inputs,
            "outputs": outputs,
        }

    def _rows(self, version: Version) -> tuple[list[_Row], list[_Row]]:
        """Names, datatypes and shapes of inputs and outputs."""
        computes = version.computes
        if isinstance(computes, Computer):
            inputs, outputs = (
                [
                    (
                        row.name,
                        DATATYPE_NAMES[row.dtype],
                        [size if isinstance(size, int) else -1 for size in row.shape],
                    )
                    for row in rows
                ]
                for rows in (computes.program.inputs, computes.program.outputs)
            )
            return inputs, outputs
        has_texts = computes.tokenizer is not None
        inputs = [("text_input", "BYTES", [1])] if has_texts else []
        inputs += [("tokens", "INT64", [-1])]
        inputs += [
            (name, datatype, [-1 if name == "stop" else 1])
            for name, datatype in PARAMETERS.items()
            if has_texts or name != "stop"
        ]
        outputs = [
            (name, datatype, [-1 if name == "tokens" else 1])
            for name, datatype in OUTPUTS.items()
            if has_texts or name != "text_output"
        ]
        return inputs, outputs

    def count(self, version: Version, protocol: str, error: BaseException | None) -> None:
        """Counts a request by its outcome."""
        if error is None:
            outcome = "ok"
        elif isinstance(error, (asyncio.CancelledError, ConnectionError)):
            outcome = "CANCELLED"
        else:
            outcome = refusal_of(error).kind.grpc
        self.metrics.requests.labels(version.model, str(version.number), protocol, outcome).inc()


def _check_outputs(request: InferRequest, known: list[str]) -> None:
    for name in request.outputs or ():
        if name not in known:
            raise invalid(f"there is no output {shown(name)}, but {', '.join(known)}")


def _chosen(arrays: Arrays, request: InferRequest) -> Arrays:
    """The outputs that are asked for, of those that there are in a part of a text."""
    return {
        name: array
        for name, array in arrays.items()
        if request.outputs is None or name in request.outputs
    }


async def _in_time(future: Future, seconds: float) -> Arrays:
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
    except asyncio.TimeoutError:
        raise RefusedError(Kind.LATE, f"the request took longer than {seconds:g} s") from None
