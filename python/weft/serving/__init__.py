"""Models behind the Open Inference Protocol: `python -m weft serve folder`.

It needs packages that nothing else of weft needs, and that `import weft` does not import.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .._errors import UnsupportedError
from ._settings import ModelSettings, ServerSettings

if TYPE_CHECKING:
    from ._server import Server

# A model's file is first read in a child process, which has no business with gRPC. It is read when
# gRPC is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# Else each connection that speaks no TLS is a line on standard error, which anyone can fill.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

#: What serving needs, and how it is installed.
_PACKAGES = ("uvicorn", "starlette", "grpc", "google.protobuf", "prometheus_client")
_INSTALL = "pip install uvicorn starlette grpcio protobuf prometheus_client"


def make_server(folder: str | os.PathLike, settings: ServerSettings) -> Server:
    """The models in a folder as a server, which `run` starts.

    Args:
        folder: the models, as ``name/version/model.weft``.
        settings: how to listen, and what to take.

    Raises:
        UnsupportedError: a package is not installed. OptionError: a setting can't be. FileError:
        there is no such folder.
    """
    try:
        from ._server import Server
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in {name.partition(".")[0] for name in _PACKAGES}:
            raise
        raise UnsupportedError(
            f"serving needs the package {error.name}, which is not installed: {_INSTALL}"
        ) from None
    return Server(os.fspath(folder), settings)


__all__ = ["ModelSettings", "ServerSettings", "make_server"]
