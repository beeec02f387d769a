"""The elements of a constant, read from how MLIR prints them where its bindings can't give them."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from ._graph import TensorType

_DENSE = re.compile(r"dense(_resource)?<(.*)> : tensor<((?:\d+x)*)([\w<>]+)>$", re.DOTALL)
_WORD = re.compile(r"0x[0-9A-Fa-f]+|[-+]?[0-9][-+.0-9eE]*|true|false")


def elements_of(text: str, resource: Callable[[str], bytes]) -> np.ndarray:
    """``dense<...> : tensor<...>`` as an array, a splat without dimensions. Raises ValueError."""
    found = _DENSE.match(text)
    if found is None:
        raise ValueError(f"elements that can't be read: {text[:80]}")
    is_resource, body, sizes, element = found.groups()
    shape = tuple(int(size) for size in sizes.split("x")[:-1])
    store = _storage(TensorType(shape, element))
    if is_resource or body.startswith('"0x'):
        code = resource(body.strip('"')) if is_resource else bytes.fromhex(body[3:-1])
        count = int(np.prod(shape, dtype=np.int64))
        values = np.frombuffer(code, store)
        if len(values) != count and len(values) != 1:
            raise ValueError(f"{len(values)} elements where the type has {count}")
        return values.reshape(shape if len(values) == count else ())
    words = _WORD.findall(body)
    is_complex = element.startswith("complex")
    part = element[8:-1] if is_complex else element
    numbers = np.array([_number(word, part) for word in words], _part(store))
    values = numbers.view(store) if is_complex else numbers
    is_splat = not body.startswith("[") and body != ""
    return values.reshape(() if is_splat else shape)


def _part(store: np.dtype) -> np.dtype:
    return np.dtype(f"f{store.itemsize // 2}") if store.kind == "c" else store


def _storage(kind: TensorType) -> np.dtype:
    return kind.dtype.to_numpy()


def _number(word: str, element: str) -> int | float | bool:
    if word in ("true", "false"):
        return word == "true"
    if not element.startswith(("f", "bf")):
        return int(word, 0)
    if not word.startswith("0x"):
        return float(word)
    store = _storage(TensorType((), element))
    code = int(word, 16).to_bytes(store.itemsize, "little")
    return float(np.frombuffer(code, store).astype(np.float64)[0])
