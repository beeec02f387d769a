"""The Open Inference Protocol over gRPC."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from ._http import token_holds
from ._messages import CALLS, PACKAGE, SERVICE, STREAM, message
from ._protocol import Service
from ._refusals import Kind, RefusedError, invalid, refusal_of
from ._requests import InferRequest, timeout_of
from ._settings import ServerSettings
from ._tensors import checked_dtype, checked_shape, datatype_of, from_bytes, shown, texts, to_bytes

_log = logging.getLogger("weft.serving")

#: The list of numbers in a message that has the elements of a datatype.
_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class GrpcService:
    """The calls of the protocol."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server of grpc.aio takes."""
        calls: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server,
            "ModelMetadata": self._metadata,
            "ModelInfer": self._infer,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }
        handlers = {name: self._row(name, calls[name]) for name in CALLS}
        handlers[STREAM] = grpc.stream_stream_rpc_method_handler(
            self._stream,
            None,
            response_serializer=message(f"{STREAM}Response").SerializeToString,
        )
        return grpc.method_handlers_generic_handler(f"{PACKAGE}.{SERVICE}", handlers)

    def _row(self, name: str, call: Callable[[Any, Any], Awaitable[Any]]) -> Any:
        open_to_all = name in ("ServerLive", "ServerReady")
        request, response = message(f"{name}Request"), message(f"{name}Response")

        async def guarded(data: bytes, context: Any) -> Any:
            try:
                if not open_to_all:
                    self._check_token(context)
                return await call(_parsed(request, data), context)
            except RefusedError as error:
                refused = error
            except Exception as error:
                _log.error("a request failed", exc_info=error)
                refused = refusal_of(error)
            await context.abort(getattr(grpc.StatusCode, refused.kind.grpc), str(refused))

        # The message is read by the call itself, so that a damaged one is told from a fault.
        return grpc.unary_unary_rpc_method_handler(
            guarded, None, response_serializer=response.SerializeToString
        )

    def _check_token(self, context: Any) -> None:
        given = dict(context.invocation_metadata()).get("authorization")
        if not token_holds(self._service.token, given if isinstance(given, str) else None):
            raise RefusedError(Kind.UNKNOWN_CALLER, "the request has no valid token")

    async def _live(self, _: Any, context: Any) -> Any:
        return message("ServerLiveResponse")(live=True)

    async def _ready(self, _: Any, context: Any) -> Any:
        return message("ServerReadyResponse")(ready=self._service.ready)

    async def _model_ready(self, request: Any, context: Any) -> Any:
        try:
            self._service.find(request.name, request.version)
        except RefusedError:
            return message("ModelReadyResponse")(ready=False)
        return message("ModelReadyResponse")(ready=True)

    async def _server(self, _: Any, context: Any) -> Any:
        return message("ServerMetadataResponse")(**self._service.server_metadata())

    async def _metadata(self, request: Any, context: Any) -> Any:
        version = self._service.find(request.name, request.version)
        return message("ModelMetadataResponse")(**self._service.metadata(version))

    async def _infer(self, request: Any, context: Any) -> Any:
        version = self._service.find(request.model_name, request.model_version)
        error: BaseException | None = None
        try:
            asked = _read(request, self._service.settings)
            left = context.time_remaining()
            if left is not None and math.isfinite(left):
                asked.seconds = left if asked.seconds is None else min(left, asked.seconds)
            wanted = request.model_version
            version, results = await self._service.infer(version, wanted, asked)
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._service.count(version, "grpc", error)
        return _written(version, asked, results)

    async def _stream(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
        """Answers requests one after the other; an error is a message of its own, and others
        follow."""
        response = message(f"{STREAM}Response")
        try:
            self._check_token(context)
        except RefusedError as error:
            await context.abort(getattr(grpc.StatusCode, error.kind.grpc), str(error))
        async for data in requests:
            try:
                request = _parsed(message("ModelInferRequest"), data)
                async for part in self._parts(request, context):
                    yield response(infer_response=part)
            except RefusedError as error:
                yield response(error_message=str(error))
            except Exception as error:
                _log.error("a request failed", exc_info=error)
                yield response(error_message=str(refusal_of(error)))

    async def _parts(self, request: Any, context: Any) -> AsyncIterator[Any]:
        """The answers to one request of a stream; the last one says that it is."""
        version = self._service.find(request.model_name, request.model_version)
        error: BaseException | None = None
        try:
            request.parameters.pop("triton_enable_empty_final_response", None)
            asked = _read(request, self._service.settings)
            wanted = request.model_version
            async for found, results, is_last in self._service.stream(version, wanted, asked):
                part = _written(found, asked, results)
                if is_last:
                    part.parameters["triton_final_response"].bool_param = True
                yield part
        except GeneratorExit:
            error = ConnectionError("who asked has gone")
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._service.count(version, "grpc", error)

    async def _index(self, request: Any, context: Any) -> Any:
        _no_repository(request)
        lines = await asyncio.to_thread(self._service.repository.index, request.ready)
        return message("RepositoryIndexResponse")(models=[vars(line) for line in lines])

    async def _load(self, request: Any, context: Any) -> Any:
        _no_repository(request)
        if request.parameters:
            raise invalid(f"load does not take {shown(sorted(request.parameters)[0])}")
        await self._service.load(request.model_name)
        return message("RepositoryModelLoadResponse")()

    async def _unload(self, request: Any, context: Any) -> Any:
        _no_repository(request)
        others = sorted(set(request.parameters) - {"unload_dependents"})
        if others:
            raise invalid(f"unload does not take {shown(others[0])}")
        await self._service.unload(request.model_name)
        return message("RepositoryModelUnloadResponse")()


def _parsed(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise invalid(f"the message can't be read: {error}") from None


def _no_repository(request: Any) -> None:
    if request.repository_name:
        raise invalid(f"there is no repository {shown(request.repository_name)}: there is one")


def _read(request: Any, settings: ServerSettings) -> InferRequest:
    asked = InferRequest(id=request.id)
    for key, value in request.parameters.items():
        if key != "timeout":
            raise invalid(f"the request's parameters have {shown(key)}, but there are timeout")
        asked.seconds = timeout_of(getattr(value, value.WhichOneof("parameter_choice") or "", None))
    raw = request.raw_input_contents
    if not raw and request.ByteSize() > settings.max_json_bytes:
        raise RefusedError(
            Kind.TOO_LARGE,
            f"the lists of numbers have {request.ByteSize()} bytes, of {settings.max_json_bytes} "
            "at most: send tensors as raw contents",
        )
    if raw and len(raw) != len(request.inputs):
        raise invalid(f"there are {len(request.inputs)} inputs, but {len(raw)} raw contents")
    for number, row in enumerate(request.inputs):
        if row.name in asked.arrays:
            raise invalid(f"the input {shown(row.name)} is there twice")
        asked.arrays[row.name] = _tensor(row, raw[number] if raw else None, settings.max_body_bytes)
    if request.outputs:
        asked.outputs = {}
    for row in request.outputs:
        if row.name in (asked.outputs or {}):
            raise invalid(f"the output {shown(row.name)} is asked for twice")
        for key in row.parameters:
            raise invalid(f"the output {shown(row.name)} has the unknown parameter {shown(key)}")
        asked.outputs = {**(asked.outputs or {}), row.name: True}
    return asked


def _tensor(row: Any, raw: bytes | None, most: int) -> np.ndarray:
    place = f"the input {shown(row.name)}"
    dtype = checked_dtype(place, row.datatype)
    shape = checked_shape(place, list(row.shape), most)
    for key in row.parameters:
        raise invalid(f"{place} has the unknown parameter {shown(key)}")
    given = [field.name for field, _ in row.contents.ListFields()]
    if raw is not None:
        if given:
            raise invalid(f"{place} has contents and raw contents")
        return from_bytes(place, raw, dtype, shape)
    name = _CONTENTS.get(row.datatype)
    if name is None:
        raise invalid(f"{place} is {row.datatype}, which is sent as raw contents alone")
    if set(given) - {name}:
        raise invalid(f"{place} is {row.datatype}, but has {given[0]}: its elements are {name}")
    numbers = getattr(row.contents, name)
    if len(numbers) != math.prod(shape):
        raise invalid(
            f"{place} of shape {list(shape)} has {math.prod(shape)} elements, but {len(numbers)} "
            "were given"
        )
    if row.datatype == "BYTES":
        return texts(place, list(numbers), shape)
    try:
        return np.array(list(numbers), dtype).reshape(shape)
    except OverflowError:
        raise invalid(f"{place} has an element that {row.datatype} does not have") from None


def _written(version: Any, asked: InferRequest, results: dict[str, np.ndarray]) -> Any:
    rows = [
        {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
        for name, array in results.items()
    ]
    return message("ModelInferResponse")(
        model_name=version.model,
        model_version=str(version.number),
        id=asked.id,
        outputs=rows,
        raw_output_contents=[to_bytes(array) for array in results.values()],
    )
