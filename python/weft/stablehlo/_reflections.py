"""LAPACK's QR factorizations, which JAX calls in two parts: reflections, and their product."""

from __future__ import annotations

from .._core import Tensor
from ._linear import lapack
from ._rules import Call, rule
from ._weft import weft


def _conj(x: Tensor) -> Tensor:
    return weft.conj(x) if x.dtype.kind == "complex" else x


def _column(x: Tensor, place: Tensor) -> Tensor:
    return weft.take(x, weft.reshape(place, (1,)), axis=-1)[..., 0]


def _reflected(x: Tensor, vector: Tensor, factor: Tensor) -> Tensor:
    """x - factor v v^H x, of each matrix."""
    along = weft.sum(_conj(vector)[..., :, None] * x, axis=-2)
    return x - factor[..., None, None] * vector[..., :, None] * along[..., None, :]


def _length(first: Tensor, below: Tensor) -> Tensor:
    """The length of vectors, which neither overflows nor underflows."""
    one, rest = weft.abs(first), weft.abs(below)
    scale = weft.maximum(weft.max(rest, axis=-1), one)
    scale = weft.where(scale == 0, 1, scale)
    squares = weft.sum(weft.square(rest / scale[..., None]), axis=-1)
    return scale * weft.sqrt(squares + weft.square(one / scale))


@rule(*lapack("geqrf"))
def geqrf(call: Call, x: Tensor) -> tuple:
    """R with the reflections' vectors below it, and their factors; signs are LAPACK's."""
    rows, columns = x.shape[-2:]
    count = min(rows, columns)
    kind = call.op.types[1]
    if count == 0 or 0 in x.shape:
        return x, weft.zeros(kind.shape, dtype=kind.dtype)
    lines, across = weft.arange(rows, dtype="int64"), weft.arange(columns, dtype="int64")

    def step(state: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        column = _column(state, place)
        below = weft.where(lines > place, column, 0)
        first = weft.sum(weft.where(lines == place, column, 0), axis=-1)
        length = _length(first, below)
        real = weft.real(first) if x.dtype.kind == "complex" else first
        end = weft.where(real >= 0, -length, length).astype(x.dtype)
        is_done = weft.all(below == 0, axis=-1) & (first == real)
        factor = weft.where(is_done, 0, (end - first) / weft.where(is_done, 1, end))
        vector = below / weft.where(is_done, 1, first - end)[..., None]
        unit = vector + (lines == place).astype(x.dtype)
        later = _reflected(state, unit, _conj(factor))
        end = weft.where(is_done, first, end)[..., None]
        own = weft.where(lines == place, end, weft.where(lines > place, vector, column))
        state = weft.where(across > place, later, state)
        return weft.where(across == place, own[..., :, None], state), factor

    made, factors = weft.scan(step, x, weft.arange(count, dtype="int64"))
    return made, weft.moveaxis(factors, 0, -1)


@rule(*lapack("orgqr"), *(name.replace("orgqr", "ungqr") for name in lapack("orgqr")))
def orgqr(call: Call, x: Tensor, factors: Tensor) -> Tensor:
    """The product of reflections: the first columns of Q."""
    rows, columns = x.shape[-2:]
    lines = weft.arange(rows, dtype="int64")
    start = weft.broadcast_to(weft.eye(rows, columns, dtype=x.dtype), x.shape)
    if factors.shape[-1] == 0 or 0 in x.shape:
        return start

    def step(state: Tensor, place: Tensor) -> tuple[Tensor, None]:
        vector = weft.where(lines > place, _column(x, place), 0) + (lines == place).astype(x.dtype)
        return _reflected(state, vector, _column(factors, place)), None

    places = weft.arange(factors.shape[-1], dtype="int64")
    return weft.scan(step, start, places, reverse=True)[0]
