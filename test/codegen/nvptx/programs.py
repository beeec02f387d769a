"""Small programs that use the ops without a row of their own in the op table, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import weft
from weft import blocks
from weft.nn import functional

Program = tuple[Callable, tuple[Any, ...]]


def array(*shape: int, dtype: str = "float32") -> weft.Tensor:
    """Numbers from 0 on."""
    count = int(np.prod(shape))
    return weft.asarray(np.arange(count, dtype=np.float64).reshape(shape)).astype(dtype)


def _updated(x: weft.Tensor, rows: weft.Tensor) -> weft.Tensor:
    x = x * 2.0
    x[1:5:3] = rows
    return x


def _movement() -> dict[str, Program]:
    x, y = array(6, 40), array(6, 40)
    index = weft.asarray(np.array([0, 2, -1], np.int32))
    return {
        "broadcast": (lambda a, b: a + b, (x, array(40))),
        "broadcast_column": (lambda a, b: a * b, (x, array(6, 1))),
        "slice_rows": (lambda a: a[1:5] * 2.0, (x,)),
        "slice_columns": (lambda a: a[:, 3:20] * 2.0, (x,)),
        "slice_backwards": (lambda a: a[::-1, ::2] * 2.0, (x,)),
        "pad": (lambda a: functional.pad(a, (1, 2, 3, 4)) * 2.0, (x,)),
        "concatenate_rows": (lambda a, b: weft.concat([a, b], axis=0) * 2.0, (x, y)),
        "concatenate_columns": (lambda a, b: weft.concat([a, b], axis=1) * 2.0, (x, y)),
        "gather_rows": (lambda a, i: weft.take(a, i, axis=0) * 2.0, (x, index)),
        "gather_columns": (lambda a, i: weft.take(a, i, axis=1) * 2.0, (x, index)),
        "transpose": (lambda a: a.T * 2.0, (x,)),
        "transpose_bool": (lambda a: a.T, (x > 3.0,)),
        "transpose_add": (lambda a, b: a.T + b, (x, array(40, 6))),
        "transpose_inner": (lambda a: weft.permute_dims(a, (0, 2, 1)) * 2.0, (array(3, 5, 40),)),
        "transpose_outer": (lambda a: weft.permute_dims(a, (1, 0, 2)) * 2.0, (array(3, 5, 40),)),
        "transpose_all": (lambda a: weft.permute_dims(a, (2, 1, 0)) * 2.0, (array(3, 5, 40),)),
        "iota": (lambda a: a + weft.arange(40), (x,)),
        "eye": (lambda a: a @ weft.eye(40), (x,)),
        "repeat": (lambda a: weft.repeat(a, 3) * 2.0, (x,)),
        "flip": (lambda a: weft.flip(a) * 2.0, (x,)),
        "roll": (lambda a: weft.roll(a, 3, axis=1) * 2.0, (x,)),
        "one_hot": (lambda i: weft.one_hot(i, 5), (index,)),
        "embedding": (lambda w, i: weft.embedding(i, w) * 2.0, (x, index)),
        "scalar": (lambda a: weft.exp(a), (weft.asarray(1.0),)),
        "empty": (lambda a: weft.exp(a), (array(0, 4),)),
        "random": (lambda a: weft.random.uniform(a.shape) + a, (x,)),
        "dropout": (lambda a: functional.dropout(a, 0.5), (x,)),
        "scatter_add": (
            lambda a, i, u: weft.scatter_add(a, i, u, axis=0),
            (x, index, array(3, 40)),
        ),
        "scatter_add_columns": (
            lambda a, i, u: weft.scatter_add(a, i, u, axis=1),
            (x, index, array(6, 3)),
        ),
        "slice_steps": (lambda a: a[1::3, 5::-2] * 2.0, (x,)),
        "update": (_updated, (x, array(2, 40))),
        "fixed_powers": (lambda a: a**3 + a**0.5 + a**-2, (x,)),
        "cast": (lambda a: a.astype("int8"), (x,)),
        "where": (lambda a, b: weft.where(a > b, a, b), (x, y)),
    }


def _reductions() -> dict[str, Program]:
    programs: dict[str, Program] = {}
    for name in ("sum", "prod", "max", "min", "argmax", "argmin"):
        function = getattr(weft, name)
        for dtype in ("float32", "float64", "float16", "bfloat16", "int8", "int64", "uint8"):
            if name.startswith("arg") and dtype == "int8":
                continue
            x = array(6, 40, dtype=dtype)
            programs[f"{name}_rows_{dtype}"] = (lambda a, f=function: f(a, axis=1), (x,))
            programs[f"{name}_columns_{dtype}"] = (lambda a, f=function: f(a, axis=0), (x,))
    x, long = array(6, 40), array(2, 5000)
    return programs | {
        "any": (lambda a: weft.any(a > 3.0, axis=1), (x,)),
        "all": (lambda a: weft.all(a > 3.0, axis=0), (x,)),
        "mean": (lambda a: weft.mean(a), (x,)),
        "var": (lambda a: weft.var(a, axis=1), (long,)),
        "sum_rows_long": (lambda a: weft.sum(a, axis=1), (array(2, 20000),)),
        "sum_outer": (lambda a: weft.sum(a, axis=(0, 2)), (array(3, 5, 40),)),
        "sum_two_inner": (lambda a, b: weft.sum(a + b, axis=(1, 2)), (array(3, 5, 6), array(5, 1))),
        "softmax": (lambda a: weft.softmax(a, 1), (x,)),
        "softmax_long": (lambda a: weft.softmax(a, 1), (long,)),
        "softmax_half": (lambda a: weft.softmax(a, 1), (array(6, 40, dtype="float16"),)),
        "softmax_columns": (lambda a: weft.softmax(a, 0), (x,)),
        "log_softmax": (lambda a: weft.log_softmax(a, 1), (long,)),
        "logsumexp": (lambda a: weft.logsumexp(a, axis=1), (x,)),
        "layer_norm": (
            lambda a, w, b: functional.layer_norm(a, (5000,), w, b),
            (long, array(5000), array(5000)),
        ),
        "layer_norm_gradient": (
            lambda a, w, b: weft.grad(
                lambda *t: weft.sum(functional.layer_norm(t[0], (40,), t[1], t[2]) ** 2),
                argnums=(0, 1, 2),
            )(a, w, b),
            (x, array(40), array(40)),
        ),
        "cross_entropy": (
            lambda a, i: functional.cross_entropy(a, i),
            (x, weft.asarray(np.arange(6, dtype=np.int64))),
        ),
    }


def _contractions() -> dict[str, Program]:
    programs: dict[str, Program] = {}
    for dtype in ("float32", "float64", "float16", "bfloat16", "int32", "int8"):
        x, w = array(96, 48, dtype=dtype), array(48, 80, dtype=dtype)
        v = array(80, 48, dtype=dtype)
        programs |= {
            f"matmul_{dtype}": (lambda a, b: a @ b, (x, w)),
            f"matmul_right_transposed_{dtype}": (lambda a, b: a @ b.T, (x, v)),
            f"matmul_left_transposed_{dtype}": (
                lambda a, b: a.T @ b,
                (array(48, 96, dtype=dtype), w),
            ),
        }
    wide = array(96, 48)
    for dtype in ("int8", "bfloat16"):
        programs[f"matmul_of_{dtype}"] = (lambda a, b: a @ b, (wide, array(48, 80, dtype=dtype)))
    for dtype in ("float32", "bfloat16"):
        big = array(1100, 64, dtype=dtype)
        image = array(2, 8, 12, 12, dtype=dtype)
        kernel, bias = array(16, 8, 3, 3, dtype=dtype), array(16, dtype=dtype)
        programs |= {
            f"matmul_large_{dtype}": (lambda a, b: a @ b, (big, array(64, 1100, dtype=dtype))),
            f"matmul_odd_{dtype}": (
                lambda a, b: a @ b,
                (array(33, 7, dtype=dtype), array(7, 5, dtype=dtype)),
            ),
            f"matmul_batch_{dtype}": (
                lambda a, b: a @ b,
                (array(3, 20, 8, dtype=dtype), array(3, 8, 24, dtype=dtype)),
            ),
            f"matmul_vector_{dtype}": (lambda a, b: a @ b, (big, array(64, dtype=dtype))),
            f"linear_gelu_{dtype}": (
                lambda a, w, b: weft.gelu(functional.linear(a, w, b)),
                (array(32, 48, dtype=dtype), array(80, 48, dtype=dtype), array(80, dtype=dtype)),
            ),
            f"conv2d_{dtype}": (
                lambda a, w, b: weft.relu(functional.conv2d(a, w, b, stride=2, padding=1)),
                (image, kernel, bias),
            ),
            f"conv2d_groups_{dtype}": (
                lambda a, w: functional.conv2d(a, w, groups=2),
                (image, array(16, 4, 3, 3, dtype=dtype)),
            ),
            f"conv2d_gradient_{dtype}": (
                lambda a, w: weft.grad(
                    lambda *t: weft.sum(functional.conv2d(t[0], t[1]) ** 2), argnums=(0, 1)
                )(a, w),
                (image, kernel),
            ),
        }
    return programs


def _warpgroups() -> dict[str, Program]:
    """Large products of matrices: TMA and wgmma where the chip has them."""
    programs: dict[str, Program] = {}
    for dtype in ("float16", "bfloat16"):
        x, w = array(1024, 64, dtype=dtype), array(64, 1024, dtype=dtype)
        bias = array(1024, dtype=dtype)
        programs |= {
            f"warpgroups_{dtype}": (lambda a, b: a @ b, (x, w)),
            f"warpgroups_transposed_{dtype}": (lambda a, b: a.T @ b.T, (w, x)),
            f"warpgroups_batch_{dtype}": (
                lambda a, b: a @ b,
                (array(9, 256, 64, dtype=dtype), array(9, 64, 256, dtype=dtype)),
            ),
            f"warpgroups_gelu_{dtype}": (lambda a, b, c: weft.gelu(a @ b + c), (x, w, bias)),
            f"warpgroups_wide_{dtype}": (
                lambda a, b: weft.tanh(a @ b),
                (array(2048, 64, dtype=dtype), array(64, 4096, dtype=dtype)),
            ),
        }
    return programs


def _windows() -> dict[str, Program]:
    image = array(2, 8, 12, 12)
    query = array(2, 3, 16, 32)
    return {
        "max_pool2d": (lambda a: functional.max_pool2d(a, 2), (image,)),
        "avg_pool2d": (lambda a: functional.avg_pool2d(a, 3, 2), (image,)),
        "max_pool2d_gradient": (
            weft.grad(lambda a: weft.sum(functional.max_pool2d(a, 3, 2) ** 2)),
            (image,),
        ),
        "avg_pool2d_gradient": (
            weft.grad(lambda a: weft.sum(functional.avg_pool2d(a, 3, 2) ** 2)),
            (image,),
        ),
        "batch_norm": (
            lambda a, m, v, w, b: functional.batch_norm(a, m, v, w, b, training=True),
            (image, array(8), array(8), array(8), array(8)),
        ),
        "attention": (functional.scaled_dot_product_attention, (query, query, query)),
        "attention_masked": (
            lambda q, m: functional.scaled_dot_product_attention(q, q, q, m > 0),
            (query, array(2, 1, 16, 16)),
        ),
        "attention_shared": (
            lambda q, k: functional.scaled_dot_product_attention(
                q, k, k, is_causal=True, enable_gqa=True
            ),
            (query, array(2, 1, 16, 32)),
        ),
    }


@weft.kernel
def _attention(q, k, v, out, m: weft.constexpr, n: weft.constexpr, d: weft.constexpr):
    rows = (blocks.program_id(0) * m + blocks.arange(m))[:, None]
    width = blocks.arange(d)[None, :]
    queries = blocks.load(q, (rows, width), rows < q.shape[0])
    largest = blocks.full((m,), -weft.inf, dtype="float32")
    made = blocks.zeros((m, d), dtype="float32")
    for start in range(0, k.shape[0], n):
        place = start + blocks.arange(n)
        there = (place < k.shape[0])[:, None]
        scores = blocks.dot(queries, blocks.load(k, (place[:, None], width), there).T)
        grown = weft.maximum(largest, weft.max(scores, axis=1))
        powers = weft.exp(scores - grown[:, None])
        values = blocks.load(v, (place[:, None], width), there)
        made = made * weft.exp(largest - grown)[:, None] + blocks.dot(powers, values)
        largest = grown
    blocks.store(out, (rows, width), made, rows < q.shape[0])


@weft.kernel
def _counted(x, out, sums, block: weft.constexpr):
    place = blocks.program_id(0) * block + blocks.arange(block)
    there = place < x.shape[0]
    values = blocks.load(x, place, there)
    blocks.atomic_add(out, values.astype("int64") % 8, 1, there)
    if weft.any(values > 0):
        blocks.store(sums, place, weft.cumulative_sum(values) / weft.sum(values), there)


def _kernels() -> dict[str, Program]:
    heads = array(40, 32)
    return {
        "kernel_attention": (
            lambda q: _attention[3](q, q, q, weft.spec((40, 32)), m=16, n=16, d=32),
            (heads,),
        ),
        "kernel_counts": (
            lambda x: _counted[4](x, weft.spec(8, "uint8"), weft.spec(100), block=32),
            (array(100),),
        ),
    }


def programs() -> dict[str, Program]:
    """All programs."""
    return _movement() | _reductions() | _contractions() | _warpgroups() | _windows() | _kernels()
