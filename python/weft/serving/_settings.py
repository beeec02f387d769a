"""Settings of the server and of its models, each with a default; unknown ones are refused."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..models._folder import read_json
from ._refusals import refused_setting

_MEBIBYTE = 1 << 20


def _option(default: Any, help: str) -> Any:
    """A field with the text that ``weft serve --help`` has of it."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class ServerSettings:
    """How the server listens, and what it takes: the options of ``weft serve``, whose ``--help``
    says what each is.
    """

    host: str = _option("127.0.0.1", "the address to listen at")
    port: int = _option(8000, "the port of HTTP; 0: any that is free")
    grpc_port: int = _option(8001, "the port of gRPC; 0: any that is free")
    max_body_bytes: int = _option(64 * _MEBIBYTE, "bytes of a request at most")
    max_json_bytes: int = _option(
        8 * _MEBIBYTE,
        "bytes of JSON or lists of numbers in it at most; more is sent as binary data",
    )
    max_requests: int = _option(256, "requests at the same time, of HTTP and of gRPC each")
    max_connections: int = _option(1000, "connections of HTTP at the same time")
    body_seconds: float = _option(30.0, "how long a request's body may take to arrive")
    stop_seconds: float = _option(30.0, "how long queued requests are waited for at the end")
    certificate: str | None = _option(None, "the file of the TLS certificate and its chain (PEM)")
    key: str | None = _option(None, "the file of the certificate's key (PEM)")
    token_file: str | None = _option(
        None, 'the file whose text callers have to send, "authorization: Bearer ..."'
    )

    def __post_init__(self) -> None:
        for name in ("port", "grpc_port"):
            _integer(self, name, 0, 65535)
        for name in ("max_body_bytes", "max_json_bytes", "max_requests", "max_connections"):
            _integer(self, name, 1, 1 << 40)
        for name in ("body_seconds", "stop_seconds"):
            _number(self, name, 0.0)
        if (self.certificate is None) != (self.key is None):
            raise refused_setting("certificate and key are given together, or neither")

    def token(self) -> str | None:
        """The token that callers have to send; None: none."""
        if self.token_file is None:
            return None
        try:
            token = Path(self.token_file).read_text().strip()
        except (OSError, ValueError) as error:
            raise refused_setting(
                f"token_file {self.token_file!r} can't be read: {error}"
            ) from None
        if not token or not token.isascii():
            raise refused_setting(
                f"token_file {self.token_file!r} has no token of ASCII characters"
            )
        return token


@dataclass(frozen=True)
class ModelSettings:
    """The file config.json of a model.

    Attributes:
        versions: which are loaded: "all", "latest", or a list of numbers.
        max_batch_size: up to so many rows of several requests are computed together. That rows do
            not depend on each other is for who writes it to know; 1: each request alone.
        max_delay_ms: how long a request waits for others, in milliseconds.
        max_queue: requests that wait; more are refused.
        max_seconds: how long a request may take, from its arrival on.
        max_sizes: the largest number for some of the model's symbolic sizes.
        max_sequences: texts that a language model writes at the same time.
        max_length: of a text in tokens, its prompt included; None: the model's, up to 4096.
    """

    versions: Any = "all"
    max_batch_size: int = 1
    max_delay_ms: float = 0.0
    max_queue: int = 128
    max_seconds: float = 60.0
    max_sizes: dict[str, int] = field(default_factory=dict)
    max_sequences: int = 4
    max_length: int | None = None

    def __post_init__(self) -> None:
        chosen = self.versions
        is_list = isinstance(chosen, list) and chosen and all(_is_count(x) for x in chosen)
        if not is_list and chosen not in ("all", "latest"):
            _refuse("versions", chosen, '"all", "latest" or a list of numbers')
        _integer(self, "max_batch_size", 1, 1 << 20)
        _integer(self, "max_queue", 1, 1 << 20)
        _integer(self, "max_sequences", 1, 256)
        if self.max_length is not None:
            _integer(self, "max_length", 2, 1 << 20)
        _number(self, "max_delay_ms", 0.0)
        _number(self, "max_seconds", 0.0)
        sizes = self.max_sizes
        if not isinstance(sizes, dict) or not all(_is_count(x) for x in sizes.values()):
            _refuse("max_sizes", sizes, "an object of numbers")


def read_model_settings(path: Path) -> ModelSettings:
    """The settings in a file; the defaults where there is none.

    Raises:
        OptionError: a setting that there is not, or with a value that it can't have. FileError: the
        file is no JSON object.
    """
    if not path.exists():
        return ModelSettings()
    values = read_json(path)
    known = [each.name for each in dataclasses.fields(ModelSettings)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise refused_setting(f"{path}: there is no setting {unknown[0]!r}, but {', '.join(known)}")
    try:
        return ModelSettings(**values)
    except ValueError as error:
        raise refused_setting(f"{path}: {error}") from None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 63


def _integer(settings: Any, name: str, least: int, most: int) -> None:
    value = getattr(settings, name)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        _refuse(name, value, f"an integer from {least} to {most}")


def _number(settings: Any, name: str, least: float) -> None:
    value = getattr(settings, name)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value < math.inf:
        _refuse(name, value, f"a number from {least:g} on")


def _refuse(name: str, value: Any, wanted: str) -> None:
    shown = repr(value)
    shown = shown if len(shown) < 60 else shown[:57] + "..."
    raise refused_setting(f"{name} has to be {wanted}, but is {shown}")
