"""Requests and answers of the protocol as bodies of HTTP: JSON, and binary data behind it."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import numpy as np

from ._refusals import Kind, RefusedError, invalid
from ._requests import InferRequest, timeout_of
from ._settings import ServerSettings
from ._tensors import (
    checked_dtype,
    checked_shape,
    datatype_of,
    from_bytes,
    from_numbers,
    shown,
    to_bytes,
    to_numbers,
)


def read_json_object(body: Any, most: int) -> dict[str, Any]:
    """The JSON object in a body. Raises RefusedError if it is none."""
    if len(body) > most:
        raise RefusedError(
            Kind.TOO_LARGE,
            f"the JSON of the request has {len(body)} bytes, of {most} at most: send tensors as "
            "binary data",
        )
    try:
        # The text is decoded here, as json would take UTF-16 and UTF-32 as well.
        found = json.loads(str(body, "utf-8"), parse_constant=_no_constant)
    except RecursionError:
        raise invalid("the JSON of the request is nested too deeply") from None
    except ValueError as error:
        raise invalid(f"the request is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise invalid(f"the request has to be a JSON object, not a {type(found).__name__}")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"there is no {name} in JSON")


def read_infer(body: Any, header_length: str | None, settings: ServerSettings) -> InferRequest:
    """The request in a body.

    Args:
        body: the bytes.
        header_length: the header ``Inference-Header-Content-Length``, the bytes of the JSON, behind
            which the binary data of tensors lies; None: all is JSON.
        settings: the limits.
    """
    end = len(body) if header_length is None else _header_length(header_length, len(body))
    view = memoryview(body)
    values = read_json_object(view[:end], settings.max_json_bytes)
    only(values, "the request", ("id", "inputs", "outputs", "parameters"))
    parameters = parameters_of(values, "the request", ("binary_data_output", "timeout"))
    request = InferRequest(id=text_of(values.get("id", ""), "id"))
    if "timeout" in parameters:
        request.seconds = timeout_of(parameters["timeout"])
    reader = _Inputs(view[end:], settings.max_body_bytes)
    for row in _objects(values, "inputs"):
        name, array = reader.read(row)
        if name in request.arrays:
            raise invalid(f"the input {shown(name)} is there twice")
        request.arrays[name] = array
    reader.finish()
    binary = _flag(parameters, "binary_data_output")
    request.outputs = _outputs(values, binary)
    # What is asked of outputs that are not named.
    request.all_binary = binary
    return request


def _header_length(text: str, size: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20) or int(text) > size:
        raise invalid(
            f"the header Inference-Header-Content-Length is {shown(text)}, but the body has {size} "
            "bytes"
        )
    return int(text)


class _Inputs:
    """Reads inputs one after the other, and the binary data that belongs to them."""

    def __init__(self, data: memoryview, most: int) -> None:
        self.data, self.most, self.used = data, most, 0

    def read(self, row: dict[str, Any]) -> tuple[str, np.ndarray]:
        """The name and the elements of an input."""
        only(row, "an input", ("name", "datatype", "shape", "data", "parameters"))
        for key in ("name", "datatype", "shape"):
            if key not in row:
                raise invalid(f"an input has no {key}")
        name = text_of(row["name"], "the name of an input")
        place = f"the input {shown(name)}"
        dtype = checked_dtype(place, row["datatype"])
        shape = checked_shape(place, row["shape"], self.most)
        parameters = parameters_of(row, place, ("binary_data_size",))
        if "binary_data_size" not in parameters:
            if "data" not in row:
                raise invalid(f"{place} has neither data nor binary_data_size")
            return name, from_numbers(place, row["data"], dtype, shape)
        if "data" in row:
            raise invalid(f"{place} has data and binary_data_size")
        size = parameters["binary_data_size"]
        left = len(self.data) - self.used
        if type(size) is not int or not 0 <= size <= left:
            raise invalid(
                f"{place} has the binary_data_size {shown(size)}, but {left} bytes are left"
            )
        part = self.data[self.used : self.used + size]
        self.used += size
        return name, from_bytes(place, part, dtype, shape)

    def finish(self) -> None:
        """Raises RefusedError for bytes that belong to no input."""
        if self.used != len(self.data):
            raise invalid(f"{len(self.data) - self.used} bytes of the body belong to no input")


def _outputs(values: dict[str, Any], binary: bool) -> dict[str, Any] | None:
    """Whether each output that is asked for is to be binary data; None: none is named."""
    if "outputs" not in values:
        return None
    found: dict[str, Any] = {}
    for row in _objects(values, "outputs"):
        only(row, "an output", ("name", "parameters"))
        name = text_of(row.get("name"), "the name of an output")
        if name in found:
            raise invalid(f"the output {shown(name)} is asked for twice")
        parameters = parameters_of(row, f"the output {shown(name)}", ("binary_data",))
        found[name] = _flag(parameters, "binary_data", binary)
    return found or None


def write_infer(
    model: str, version: str, request: InferRequest, results: dict[str, np.ndarray]
) -> tuple[bytes, int | None]:
    """The answer's body, and how long its JSON is, where binary data lies behind."""
    rows, data = [], []
    for name, array in results.items():
        binary = request.all_binary if request.outputs is None else request.outputs[name]
        row: dict[str, Any] = {
            "name": name,
            "datatype": datatype_of(array),
            "shape": list(array.shape),
        }
        if binary:
            data.append(to_bytes(array))
            row["parameters"] = {"binary_data_size": len(data[-1])}
        else:
            row["data"] = to_numbers(name, array)
        rows.append(row)
    answer: dict[str, Any] = {"model_name": model, "model_version": version}
    if request.id:
        answer["id"] = request.id
    answer["outputs"] = rows
    head = json.dumps(answer, separators=(",", ":")).encode()
    return (b"".join([head, *data]), len(head)) if data else (head, None)


def only(values: dict[str, Any], place: str, known: tuple[str, ...]) -> None:
    """Raises RefusedError for what is not known."""
    for key in values:
        if key not in known:
            raise invalid(f"{place} has {shown(key)}, but there are {', '.join(known)}")


def parameters_of(values: dict[str, Any], place: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The object ``parameters`` of a part of the request, of which these are known."""
    found = values.get("parameters", {})
    if not isinstance(found, dict):
        raise invalid(f"the parameters of {place} are {shown(found)}, not an object")
    only(found, f"{place}'s parameters", known)
    return found


def _objects(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = values.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise invalid(f"{name} is {shown(rows)}, not a list of objects")
    return rows


def _flag(values: dict[str, Any], name: str, default: bool = False) -> bool:
    value = values.get(name, default)
    if not isinstance(value, bool):
        raise invalid(f"{name} is {shown(value)}, not true or false")
    return value


def text_of(value: Any, what: str) -> str:
    """A string that can be sent back. Raises RefusedError."""
    if not isinstance(value, str):
        raise invalid(f"{what} is {shown(value)}, not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(f"{what} is no text of Unicode") from None
    return value
