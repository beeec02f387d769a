"""A call for each op of the dialect, in whose program the op is.

Ops with a generated function are called by it, with operands that their records say; the others by
what users write. test_op_rows.py takes these calls through all modes, and fails for an op without.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import weft
from op_row import OpRow
from op_table import OPS
from program import make_array

functional = weft.nn.functional


@dataclass(frozen=True)
class OpCall:
    """A function of tensors; arguments for some calls, one for each place along their first axis.

    A gradient is taken by the first `differentiated` arguments.
    """

    function: Callable[..., Any]
    examples: tuple[np.ndarray, ...]
    differentiated: int = 1
    #: The first dimension of the arguments is a symbol where the program is exported.
    symbolic: bool = False

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arguments of the first call."""
        return [x[0] for x in self.examples]


def _floats(*shape: int, dtype: str = "float32", seed: int = 1) -> np.ndarray:
    return make_array(dtype, shape, "dense", seed)


def _positive(*shape: int, dtype: str = "float32", seed: int = 1) -> np.ndarray:
    return (np.abs(_floats(*shape, dtype=dtype, seed=seed)) + 0.25).astype(dtype)


def _matrices(*shape: int, dtype: str = "float32") -> np.ndarray:
    """Symmetric, positive definite."""
    x = _floats(*shape, dtype=dtype)
    return (x @ np.swapaxes(x, -1, -2) + 4 * np.eye(shape[-1])).astype(dtype)


_DOMAINS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "positive": lambda x: np.abs(x) + 0.25,
    "nonzero": lambda x: np.where(np.abs(x) < 0.25, 0.5, x),
    "unit": lambda x: np.tanh(x) * 0.9,
    "above_one": lambda x: 1.25 + np.abs(x),
    "shift": lambda x: np.abs(x) % 8,
}


def _of_row(row: OpRow) -> OpCall:
    arrays = []
    for number, operand in enumerate(row.operands):
        names = operand.dtypes()
        dtype = "float32" if "float32" in names else "int32" if "int32" in names else names[0]
        x = make_array(dtype, (3, 5), "dense", 5 + number)
        arrays.append(_DOMAINS.get(row.domain, lambda x: x)(x).astype(dtype))
    kinds = [x.dtype.kind for x in arrays]
    function = getattr(weft, row.python)
    if kinds[0] == "b" and "f" in kinds:  # the condition of a selection
        return OpCall(lambda x, c: function(c, x, -x), (arrays[1], arrays[0]))
    return OpCall(function, tuple(arrays))


def _assigned(key: Any) -> Callable[[weft.Tensor, weft.Tensor], weft.Tensor]:
    def function(x: weft.Tensor, value: weft.Tensor) -> weft.Tensor:
        x = x * 1.0
        x[key] = value
        return x

    return function


_X = _floats(3, 4, 5)
_INDEX = np.array([0, 2, -1, 2])
_IMAGES = _floats(2, 2, 3, 6, 6)
_COMPLEX = (_floats(3, 4) + 1j * _floats(3, 4, seed=2)).astype(np.complex64)
_SQUARE, _TALL = _matrices(3, 4, 4), _floats(3, 5, 4)

_OTHERS: dict[str, OpCall] = {
    "weft.fixed_pow": OpCall(lambda x: x**2, (_X,)),
    "weft.cast": OpCall(lambda x: x.astype("float64"), (_X,)),
    "weft.bitcast": OpCall(lambda x: weft.bitcast(x, "int32"), (_X,)),
    "weft.real": OpCall(lambda z: weft.real(z), (_COMPLEX,)),
    "weft.imag": OpCall(lambda z: weft.imag(z), (_COMPLEX,)),
    "weft.complex": OpCall(lambda x: weft.abs(weft.complex(x, x * 2.0)), (_X,)),
    "weft.conj": OpCall(lambda z: weft.conj(z), (_COMPLEX,)),
    "weft.magnitude": OpCall(lambda z: weft.abs(z), (_COMPLEX,)),
    "weft.constant": OpCall(lambda x: x * weft.asarray(np.arange(5, dtype=np.float32)), (_X,)),
    "weft.size": OpCall(lambda x: x * x.shape[0], (_X,), symbolic=True),
    "weft.iota": OpCall(lambda x: x * weft.arange(5, dtype="float32"), (_X,)),
    "weft.random_bits": OpCall(
        lambda x: x + weft.random.uniform((5,), key=weft.random.key(3)), (_X,)
    ),
    "weft.reshape": OpCall(lambda x: x.reshape(-1), (_X,)),
    "weft.barrier": OpCall(
        lambda x: weft.grad(lambda y: weft.sum(weft.checkpoint(weft.sin)(y)))(x), (_X,)
    ),
    "weft.sum_examples": OpCall(
        weft.vmap(weft.grad(lambda x: weft.sum(weft.psum(x, "i") * x)), axis_name="i"), (_X,)
    ),
    "weft.gather_examples": OpCall(
        weft.vmap(weft.checkpoint(lambda x: weft.all_gather(x, "i")), axis_name="i"), (_X,)
    ),
    "weft.scatter_examples": OpCall(
        weft.vmap(weft.grad(lambda x: weft.sum(weft.all_gather(x, "i") ** 2)), axis_name="i"),
        (_X,),
    ),
    "weft.transpose": OpCall(lambda x: weft.matrix_transpose(x.reshape(-1, 5)), (_X,)),
    "weft.broadcast": OpCall(lambda x: weft.broadcast_to(x, (2, *x.shape)), (_X,)),
    "weft.slice": OpCall(lambda x: x[..., ::-2], (_X,)),
    "weft.pad": OpCall(lambda x: weft.pad(x, [(1, 2)] * x.ndim), (_X,)),
    "weft.update": OpCall(_assigned(np.s_[..., 1:4]), (_X, _floats(3, 4, 3, seed=2)), 2),
    "weft.concatenate": OpCall(lambda x: weft.concat([x, x * 2.0], axis=-1), (_X,)),
    "weft.gather": OpCall(lambda x: weft.take(x, weft.asarray(_INDEX), axis=-1), (_X,)),
    "weft.scatter_add": OpCall(
        lambda x, y: weft.scatter_add(x, weft.asarray(_INDEX), y, axis=-1),
        (_X, _floats(3, 4, 4, seed=2)), 2,
    ),
    "weft.scatter": OpCall(
        lambda x, y: _assigned(np.s_[..., weft.asarray(_INDEX)])(x, y), (_X, _floats(3, 4, 4)), 2
    ),
    "weft.sum": OpCall(lambda x: weft.sum(x, axis=-1), (_X,)),
    "weft.prod": OpCall(lambda x: weft.prod(x, axis=-1), (_X,)),
    "weft.max": OpCall(lambda x: weft.max(x, axis=-1), (_X,)),
    "weft.min": OpCall(lambda x: weft.min(x, axis=-1), (_X,)),
    "weft.argmax": OpCall(lambda x: weft.argmax(x, axis=-1), (_X,)),
    "weft.argmin": OpCall(lambda x: weft.argmin(x, axis=-1), (_X,)),
    "weft.sort": OpCall(lambda x: weft.sort(x, axis=-1), (_X,)),
    "weft.cumulative_sum": OpCall(lambda x: weft.cumulative_sum(x, axis=-1), (_X,)),
    "weft.cumulative_prod": OpCall(lambda x: weft.cumulative_prod(x, axis=-1), (_X,)),
    "weft.cholesky": OpCall(lambda x: weft.linalg.cholesky((x + x.mT) * 0.5), (_SQUARE,)),
    "weft.solve": OpCall(weft.linalg.solve, (_SQUARE, _floats(3, 4, 2)), 2),
    "weft.solve_triangular": OpCall(
        lambda x, y: weft.linalg.solve_triangular(x, y, upper=False), (_SQUARE, _floats(3, 4, 2)), 2
    ),
    "weft.lu": OpCall(weft.linalg.det, (_SQUARE,)),
    "weft.qr": OpCall(lambda x: weft.linalg.qr(x)[1], (_TALL,)),
    "weft.svd": OpCall(lambda x: weft.linalg.svd(x).S, (_TALL,)),
    "weft.svdvals": OpCall(weft.linalg.svdvals, (_TALL,)),
    "weft.eigh": OpCall(lambda x: weft.linalg.eigh((x + x.mT) * 0.5)[0], (_SQUARE,)),
    "weft.eigvalsh": OpCall(lambda x: weft.linalg.eigvalsh((x + x.mT) * 0.5), (_SQUARE,)),
    "weft.eig": OpCall(lambda x: weft.abs(weft.linalg.eig(x)[0]), (_TALL[:, :4],)),
    "weft.eigvals": OpCall(lambda x: weft.abs(weft.linalg.eigvals(x)), (_TALL[:, :4],)),
    "weft.fourier": OpCall(lambda x: weft.abs(weft.fft.fft(x)), (_X,)),
    "weft.real_fourier": OpCall(lambda x: weft.abs(weft.fft.rfft(x)), (_X,)),
    "weft.inverse_real_fourier": OpCall(weft.fft.irfft, (_X,)),
    "weft.matmul": OpCall(lambda x, y: x @ y, (_X, _floats(3, 5, 6, seed=2)), 2),
    "weft.softmax": OpCall(lambda x: weft.softmax(x, -1), (_X,)),
    "weft.log_softmax": OpCall(lambda x: weft.log_softmax(x, -1), (_X,)),
    "weft.mean": OpCall(lambda x: weft.mean(x, axis=-1), (_X,)),
    "weft.variance": OpCall(lambda x: weft.var(x, axis=-1), (_X,)),
    "weft.layer_norm": OpCall(lambda x: functional.layer_norm(x, (5,)), (_X,)),
    "weft.batch_norm": OpCall(
        lambda x: functional.batch_norm(x, weft.zeros(3), weft.ones(3), training=True), (_IMAGES,)
    ),
    "weft.cross_entropy": OpCall(
        lambda x: functional.cross_entropy(x, weft.asarray(np.array([0, 2, 1, 4]))), (_X,)
    ),
    "weft.dropout": OpCall(
        # As functional.dropout, which takes the next key of the generator, from outside.
        lambda x: weft._core.apply("weft.dropout", (x, weft.random.key(3)), {"probability": 0.5}),
        (_X,),
    ),
    "weft.scaled_dot_product_attention": OpCall(
        lambda x: functional.scaled_dot_product_attention(x, x, x), (_floats(3, 2, 4, 8),)
    ),
    "weft.conv2d": OpCall(functional.conv2d, (_IMAGES, _floats(2, 4, 3, 2, 2)), 2),
    "weft.convolution": OpCall(functional.conv2d, (_IMAGES, _floats(2, 4, 3, 2, 2)), 2),
    "weft.convolution_weight_gradient": OpCall(
        lambda x, w: weft.grad(lambda w: weft.sum(functional.conv2d(x, w) ** 2.0))(w),
        (_IMAGES, _floats(2, 4, 3, 2, 2)), 2,
    ),
    "weft.depthwise_convolution": OpCall(
        lambda x: functional.conv2d(x, weft.ones((3, 1, 3, 3)), groups=3, padding=1), (_IMAGES,)
    ),
    "weft.max_pool2d": OpCall(lambda x: functional.max_pool2d(x, 2), (_IMAGES,)),
    "weft.avg_pool2d": OpCall(lambda x: functional.avg_pool2d(x, 2), (_IMAGES,)),
    "weft.window_max_index": OpCall(lambda x: functional.max_pool2d(x, 2), (_IMAGES,)),
    "weft.window_gather": OpCall(lambda x: functional.max_pool2d(x, 2), (_IMAGES,)),
    "weft.window_scatter": OpCall(
        weft.grad(lambda x: weft.sum(functional.max_pool2d(x, 2) ** 2.0)), (_IMAGES,)
    ),
    "weft.window_sum": OpCall(lambda x: functional.avg_pool2d(x, 2), (_IMAGES,)),
    "weft.window_spread": OpCall(
        weft.grad(lambda x: weft.sum(functional.avg_pool2d(x, 2) ** 2.0)), (_IMAGES,)
    ),
}  # fmt: skip


def _together(name: str, **options: Any) -> Callable[[weft.Tensor], weft.Tensor]:
    """An operation of processes, of one alone; test_distributed.py has more of them."""

    weft.distributed.init("alone")
    return functools.partial(getattr(weft.distributed, name), **options)


def _beside(name: str) -> Callable[[weft.Tensor], weft.Tensor]:
    """The same, with something to compute meanwhile."""
    function = _together(name)
    return lambda x: weft.sum(weft.sin(x)) + function(x)


#: So large that it is sent beside other work.
_LARGE = _floats(3, 17000)

_TOGETHER: dict[str, OpCall] = {
    "weft.all_reduce": OpCall(_together("all_reduce"), (_X,)),
    "weft.reduce": OpCall(_together("reduce"), (_X,)),
    "weft.reduce_scatter": OpCall(_together("reduce_scatter", tiled=True), (_X,)),
    "weft.all_gather": OpCall(_together("all_gather"), (_X,)),
    "weft.all_to_all": OpCall(_together("all_to_all", concat_axis=1), (_X,)),
    "weft.collective_broadcast": OpCall(_together("broadcast"), (_X,)),
    "weft.permute_members": OpCall(_together("shift"), (_X,)),
    "weft.replicate": OpCall(_together("replicate"), (_X,)),
    "weft.start_collective": OpCall(_beside("all_reduce"), (_LARGE,)),
    "weft.finish_collective": OpCall(_beside("all_gather"), (_LARGE,)),
}

#: A weight [5, 24] of 4 bits, in groups of 8.
_PACKED = weft.nn.QuantizedLinear.of(weft.nn.Linear(24, 5), 4, 8, symmetric=False).packed

_OF_FEW_BITS: dict[str, OpCall] = {
    "weft.quantized_matmul": OpCall(_PACKED.product, (_floats(3, 4, 24),)),
    # Of x as it is: test_quantize_activations.py has those of floats.
    "weft.quantized_dot": OpCall(
        lambda x: x[..., :5] * _PACKED.product_of_steps(weft.ones((4, 24))), (_floats(3, 4, 24),)
    ),
    "weft.quantized_steps": OpCall(
        _PACKED.product_of_steps, (_floats(3, 4, 24), np.array([0.1, 0.2, 0.1], np.float32))
    ),
    # test_quantize.py has the gradient of its scales, which are float32 alone.
    "weft.quantized_values": OpCall(lambda x: x @ _PACKED.values().T, (_floats(3, 4, 24),)),
}

CALLS: dict[str, OpCall] = (
    {row.name: _of_row(row) for row in OPS} | _OTHERS | _TOGETHER | _OF_FEW_BITS
)
