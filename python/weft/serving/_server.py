"""The server: both protocols in one event loop, from the first model to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import uvicorn

from ._grpc import GrpcService
from ._http import HttpApplication
from ._metrics import Metrics
from ._protocol import Service
from ._refusals import refused_setting
from ._repository import Repository
from ._settings import ServerSettings

_log = logging.getLogger("weft.serving")

#: Seconds after which gRPC itself cancels a request that the event loop has not taken up: on a busy
#: machine its 30 pass. Requests have deadlines of their own, which are told apart from being
#: cancelled.
_LONGEST_WAIT = 24 * 3600


class _HttpServer(uvicorn.Server):
    """uvicorn's, without its handling of signals: those are for both protocols."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


def _leave_out_what_stays() -> None:
    """Has the collector look at what connections leave, and not at all that was imported.

    A connection with TLS that has ended is a cycle with some 256 KiB of buffers. The collector
    counts objects, not bytes: beside hundreds of thousands of others it would wait for gigabytes.
    Without these to go through a whole collection costs little, and can be made often.
    """
    gc.collect()
    gc.freeze()
    gc.collect()
    gc.set_threshold(700, 10, 1)


class Server:
    """A folder of models behind HTTP and gRPC.

    Args:
        folder: the models, ``name/version/``.
        settings: how to listen, and what to take.

    Attributes:
        port, grpc_port: where it listens, once `started` is set.
    """

    def __init__(self, folder: str | Path, settings: ServerSettings) -> None:
        self.settings, self.port, self.grpc_port = settings, 0, 0
        metrics = Metrics()
        repository = Repository(Path(folder), metrics)
        self.service = Service(repository, settings, metrics)
        self.started = threading.Event()
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def run(self) -> None:
        """Serves until `stop` or a signal, SIGTERM or SIGINT, and then finishes what is queued."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """Ends `run`; any thread may call it."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stop.set)
        listener = self._listen()
        http = self._http_server()
        calls = await self._grpc_server()
        serving = asyncio.create_task(http.serve([listener]))
        self.started.set()
        loading = asyncio.create_task(self._load())
        await self._stop.wait()
        self.service.stopping = True
        await asyncio.wait([loading], timeout=self.settings.stop_seconds)
        seconds = self.settings.stop_seconds
        if not await asyncio.to_thread(self.service.repository.close, seconds):
            _log.error("requests were left after %g s", seconds)
        # What was computed is still to be sent.
        await calls.stop(1.0)
        http.should_exit = True
        await serving

    async def _load(self) -> None:
        await asyncio.to_thread(self.service.repository.load_all)
        if threading.current_thread() is threading.main_thread():
            _leave_out_what_stays()
        self.service.loaded = True
        scheme = "http" if self.settings.certificate is None else "https"
        ready = sorted({line.name for line in self.service.repository.index(ready_only=True)})
        print(
            f"weft serve: {scheme}://{self.settings.host}:{self.port}, "
            f"grpc {self.settings.host}:{self.grpc_port}, models: {', '.join(ready) or 'none'}",
            file=sys.stderr,
            flush=True,
        )

    def _listen(self) -> socket.socket:
        host = self.settings.host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, self.settings.port), family=family, backlog=512)
        except OSError as error:
            raise refused_setting(f"can't listen at {host}:{self.settings.port}: {error}") from None
        # Connections inherit it; else an answer's second packet waits for the first's receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = listener.getsockname()[1]
        return listener

    def _http_server(self) -> uvicorn.Server:
        settings = self.settings
        options: dict[str, Any] = {}
        if settings.certificate is not None:
            options = {"ssl_certfile": settings.certificate, "ssl_keyfile": settings.key}
        config = uvicorn.Config(
            HttpApplication(self.service).app,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            limit_concurrency=settings.max_connections,
            timeout_graceful_shutdown=1,
            **options,
        )
        try:
            config.load()
        except (OSError, ValueError) as error:
            raise refused_setting(
                f"certificate {settings.certificate!r} and key {settings.key!r} can't be used: "
                f"{error}"
            ) from None
        return _HttpServer(config)

    async def _grpc_server(self) -> Any:
        settings = self.settings
        calls = grpc.aio.server(
            options=[
                # Names and numbers of a request come on top of its tensors.
                ("grpc.max_receive_message_length", settings.max_body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                ("grpc.server_max_unrequested_time_in_server", _LONGEST_WAIT),
            ],
            maximum_concurrent_rpcs=settings.max_requests,
        )
        calls.add_generic_rpc_handlers((GrpcService(self.service).handler(),))
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        place = f"{host}:{settings.grpc_port}"
        try:
            if settings.certificate is None or settings.key is None:
                self.grpc_port = calls.add_insecure_port(place)
            else:
                key, chain = (
                    Path(settings.key).read_bytes(),
                    Path(settings.certificate).read_bytes(),
                )
                credentials = grpc.ssl_server_credentials([(key, chain)])
                self.grpc_port = calls.add_secure_port(place, credentials)
        except RuntimeError as error:
            raise refused_setting(f"can't listen at {place}: {error}") from None
        await calls.start()
        return calls
