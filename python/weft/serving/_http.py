"""The Open Inference Protocol over HTTP, as an ASGI application."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ._generate import Generation
from ._http_body import read_infer, read_json_object, write_infer
from ._protocol import Service
from ._refusals import Kind, RefusedError, invalid, refusal_of
from ._repository import Version
from ._tensors import shown

_log = logging.getLogger("weft.serving")

_T = TypeVar("_T")
Handler = Callable[[Request], Awaitable[Response]]

#: Bodies above it are read and written by a thread, so that the others' answers do not wait.
_LARGE = 1 << 16


def error_response(error: RefusedError) -> Response:
    """The answer to a request that is refused, as the protocol has it."""
    return JSONResponse({"error": str(error)}, error.kind.http)


class HttpApplication:
    """The routes of the protocol; `app` is what an ASGI server runs."""

    def __init__(self, service: Service) -> None:
        self._service, self._requests = service, 0
        model = "/v2/models/{model}"
        routes = [
            Route("/v2/health/live", self._guarded(self._live, open_to_all=True)),
            Route("/v2/health/ready", self._guarded(self._ready, open_to_all=True)),
            Route("/v2", self._guarded(self._server)),
            Route("/metrics", self._guarded(self._metrics)),
            self._post("/v2/repository/index", self._index),
            self._post("/v2/repository/models/{model}/load", self._load),
            self._post("/v2/repository/models/{model}/unload", self._unload),
        ]
        for place in (model, model + "/versions/{version}"):
            routes += [
                Route(place, self._guarded(self._metadata)),
                Route(place + "/ready", self._guarded(self._model_ready)),
                self._post(place + "/infer", self._infer),
                self._post(place + "/generate", self._generate),
                self._post(place + "/generate_stream", self._generate_stream),
            ]
        handlers = {HTTPException: _http_error, Exception: _fault}
        self.app = Starlette(routes=routes, exception_handlers=handlers)

    def _post(self, path: str, handler: Handler) -> Route:
        return Route(path, self._guarded(handler), methods=["POST"])

    def _guarded(self, handler: Handler, open_to_all: bool = False) -> Handler:
        """A handler behind the token and the limit of requests, whose refusals are answers."""

        async def guarded(request: Request) -> Response:
            try:
                if not open_to_all:
                    self._check_token(request)
                if request.method != "POST":
                    return await handler(request)
                if self._requests >= self._service.settings.max_requests:
                    raise RefusedError(
                        Kind.FULL, f"{self._requests} requests are being answered: try again later"
                    )
                self._requests += 1
                try:
                    return await handler(request)
                finally:
                    self._requests -= 1
            except RefusedError as error:
                return error_response(error)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it

        return guarded

    def _check_token(self, request: Request) -> None:
        if not token_holds(self._service.token, request.headers.get("authorization")):
            raise RefusedError(Kind.UNKNOWN_CALLER, "the request has no valid token")

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _: Request) -> Response:
        ready = self._service.ready
        return JSONResponse({"ready": ready}, 200 if ready else Kind.UNAVAILABLE.http)

    async def _server(self, _: Request) -> Response:
        return JSONResponse(self._service.server_metadata())

    async def _metrics(self, _: Request) -> Response:
        return Response(self._service.metrics_text(), media_type="text/plain; version=0.0.4")

    async def _metadata(self, request: Request) -> Response:
        return JSONResponse(self._service.metadata(self._version(request)))

    async def _model_ready(self, request: Request) -> Response:
        version = self._version(request)
        return JSONResponse({"name": version.model, "ready": True})

    def _version(self, request: Request) -> Version:
        path = request.path_params
        return self._service.find(path["model"], path.get("version", ""))

    async def _index(self, request: Request) -> Response:
        values = await self._object(request)
        ready = values.get("ready", False)
        if not isinstance(ready, bool) or set(values) - {"ready"}:
            raise invalid("the index takes ready, true or false, and nothing else")
        lines = await asyncio.to_thread(self._service.repository.index, ready)
        return JSONResponse([vars(line) for line in lines])

    async def _load(self, request: Request) -> Response:
        _no_parameters(await self._object(request), "load", ())
        await self._service.load(request.path_params["model"])
        return JSONResponse({})

    async def _unload(self, request: Request) -> Response:
        _no_parameters(await self._object(request), "unload", ("unload_dependents",))
        await self._service.unload(request.path_params["model"])
        return JSONResponse({})

    async def _object(self, request: Request) -> dict[str, Any]:
        body = await self._body(request)
        return read_json_object(body, self._service.settings.max_json_bytes) if body else {}

    async def _infer(self, request: Request) -> Response:
        return await self._counted(request, self._infer_with)

    async def _generate(self, request: Request) -> Response:
        return await self._counted(request, self._whole_text)

    async def _generate_stream(self, request: Request) -> Response:
        # Counted at the end of the text, unless it is refused before.
        return await self._counted(request, self._streamed_text, at_the_end=True)

    async def _counted(
        self,
        request: Request,
        handler: Callable[[Request, Version], Awaitable[Response]],
        at_the_end: bool = False,
    ) -> Response:
        version = self._version(request)
        error: BaseException | None = None
        try:
            return await handler(request, version)
        except ClientDisconnect:
            error = ConnectionError("who asked has gone")
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            if error is not None or not at_the_end:
                self._service.count(version, "http", error)

    async def _whole_text(self, request: Request, version: Version) -> Response:
        text = await self._text(request, version)
        try:
            return JSONResponse(await _while_connected(request, text.whole()))
        finally:
            text.cancel()

    async def _streamed_text(self, request: Request, version: Version) -> Response:
        text = await self._text(request, version)
        events = text.events(partial(self._service.count, version, "http"))
        return StreamingResponse(events, media_type="text/event-stream")

    async def _text(self, request: Request, version: Version) -> Generation:
        body = await self._body(request)
        text = await _aside(len(body), self._read_text, version, body)
        text.begin(self._service, request.path_params.get("version", ""))
        return text

    def _read_text(self, version: Version, body: bytearray) -> Generation:
        return Generation(version, read_json_object(body, self._service.settings.max_json_bytes))

    async def _infer_with(self, request: Request, version: Version) -> Response:
        body = await self._body(request)
        length = request.headers.get("inference-header-content-length")
        asked = await _aside(len(body), read_infer, body, length, self._service.settings)
        wanted = request.path_params.get("version", "")
        work = self._service.infer(version, wanted, asked)
        version, results = await _while_connected(request, work)
        size = sum(array.nbytes for array in results.values())
        written, end = await _aside(
            size, write_infer, version.model, str(version.number), asked, results
        )
        if end is None:
            return Response(written, media_type="application/json")
        headers = {"Inference-Header-Content-Length": str(end)}
        return Response(written, media_type="application/octet-stream", headers=headers)

    async def _body(self, request: Request) -> bytearray:
        """The whole body, within the limits of size and time. Raises RefusedError."""
        settings = self._service.settings
        most = settings.max_body_bytes
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise invalid(f"the body has the encoding {shown(encoding)}: send it as it is")
        too_large = RefusedError(Kind.TOO_LARGE, f"the body has more than {most} bytes")
        length = request.headers.get("content-length", "0")
        if length.isdigit() and int(length[:20]) > most:
            raise too_large

        async def read() -> bytearray:
            body = bytearray()
            async for chunk in request.stream():
                if len(body) + len(chunk) > most:
                    raise too_large
                body += chunk
            return body

        try:
            return await asyncio.wait_for(read(), settings.body_seconds)
        except asyncio.TimeoutError:
            raise RefusedError(
                Kind.SLOW, f"the body did not come within {settings.body_seconds:g} s"
            ) from None


async def _while_connected(request: Request, work: Coroutine[Any, Any, _T]) -> _T:
    """What work gives; it is cancelled, and ClientDisconnect raised, if nobody waits any more.

    The body has to be read before.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _aside(size: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function, by a thread if there is much to do."""
    if size < _LARGE:
        return function(*arguments)
    return await asyncio.to_thread(function, *arguments)


def token_holds(token: str | None, header: str | None) -> bool:
    """Whether a caller may ask: its header is "Bearer" and the token, where there is one."""
    if token is None:
        return True
    given = (header or "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, f"Bearer {token}".encode())


def _no_parameters(values: dict[str, Any], what: str, known: tuple[str, ...]) -> None:
    parameters = values.get("parameters", {})
    names = set(values) - {"parameters"}
    names |= set(parameters) - set(known) if isinstance(parameters, dict) else {"parameters"}
    if names:
        raise invalid(f"{what} does not take {shown(sorted(names)[0])}")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _fault(_: Request, error: Exception) -> Response:
    _log.error("a request failed", exc_info=error)
    return error_response(refusal_of(error))
