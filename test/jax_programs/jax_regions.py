"""The rules by which JAX's transformations and control flow are drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax_drawing import Bound, Drawer, NotDrawnError, rule
from jax_elements import finite

#: A dozen calls one after the other, of numbers of about one.
SOME = Bound(512, "largest")
_FLOATS = ("float32", "float64")

Function = Callable[[Any], Any]


def body_of(d: Drawer) -> tuple[str, Function]:
    """A smooth function from tensors to tensors of the same shape, of some steps."""
    steps = [d.pick(*_STEPS) for _ in range(d.pick(1, 2, 3))]

    def body(x: Any) -> Any:
        for name in steps:
            x = _STEPS[name](x)
        return x

    return " ".join(steps), body


@jax.custom_vjp
def _clipped(x: Any) -> Any:
    return jnp.clip(x, -1, 1)


_clipped.defvjp(lambda x: (_clipped(x), x), lambda x, g: (g * jnp.cos(x),))


@jax.custom_jvp
def _doubled(x: Any) -> Any:
    return 2 * x


_doubled.defjvp(lambda primals, tangents: (2 * primals[0], 3 * tangents[0]))


def _scanned(x: Any) -> Any:
    """Two turns."""
    factors = jnp.arange(2.0).astype(x.dtype)
    return lax.scan(lambda state, i: (jnp.tanh(state) * i, None), x, factors)[0]


_STEPS: dict[str, Function] = {
    "tanh": jnp.tanh,
    "sin": lambda x: jnp.sin(2 * x),
    "affine": lambda x: 0.5 * x + 0.25,
    "square": lambda x: 0.1 * x * x,
    "softplus": jax.nn.softplus,
    "clipped": _clipped,
    "doubled": lambda x: 0.4 * _doubled(x),
    "sum": lambda x: x + 0.1 * jnp.sum(x),
    "branch": lambda x: lax.cond(jnp.sum(x) > 0, jnp.tanh, lambda y: 0.5 * y, x),
    "loop": lambda x: lax.fori_loop(0, 3, lambda i, y: jnp.sin(y) + 0.1 * i, x),
    "scan": _scanned,
    "jit": lambda x: jax.jit(lambda y: y * jax.nn.sigmoid(y))(x),
    "remat": lambda x: jax.checkpoint(lambda y: jnp.sin(jnp.cos(y)))(x),
    "where": lambda x: jnp.where(x > 0, jnp.sqrt(jnp.abs(x) + 1), x),
}  # fmt: skip


def operand(d: Drawer, rank: int = 0) -> int:
    """A value of small floats."""
    small = lambda x: finite(x) and np.abs(x).max(initial=0) < 50  # noqa: E731
    return d.of(_FLOATS, rank, small)


@rule(5)
def derivative(d: Drawer) -> None:
    """grad, jvp, vjp, hessians and jacobians."""
    name, body = body_of(d)
    x = operand(d)
    if d.values[x].size > 60:
        raise NotDrawnError
    total = lambda x: jnp.sum(body(x))  # noqa: E731
    functions: dict[str, Function] = {
        "grad": jax.grad(total),
        "value_and_grad": jax.value_and_grad(total),
        "jvp": lambda x: jax.jvp(body, (x,), (jnp.ones_like(x),)),
        "jacrev": jax.jacrev(body),
        "linearize": lambda x: jax.linearize(body, x)[1](jnp.ones_like(x)),
    }
    forward = {"jacfwd": jax.jacfwd(body), "hessian": jax.hessian(total)}
    if "clipped" not in name:
        functions |= forward
    kind = d.pick(*functions)
    if "clipped" in name and kind in ("jvp", "linearize"):
        raise NotDrawnError
    d.call(f"{kind} of {name}", functions[kind], x, bound=SOME)


@rule(4)
def mapped(d: Drawer) -> None:
    """vmap, alone and around derivatives."""
    name, body = body_of(d)
    x = operand(d, 1)
    into, out = d.axis(d.values[x]), d.pick(0, -1)
    if d.chance(0.4):
        inner: Function = jax.grad(lambda x: jnp.sum(body(x)))
    else:
        inner = body
    function = jax.vmap(inner, in_axes=into, out_axes=out)
    d.call(f"vmap {into} {out} of {name}", function, x, bound=SOME)


@rule(4)
def scanned(d: Drawer) -> None:
    """scan, forwards and backwards, with and without its gradient; associative_scan; map."""
    name, body = body_of(d)
    x = operand(d, 1)
    reverse, unroll = d.chance(0.5), d.pick(1, 2)
    row = d.values[x].shape[1:]

    def scan(x: Any) -> Any:
        start = jnp.zeros(row, x.dtype)
        step = lambda c, r: (body(0.5 * c + r), c)  # noqa: E731
        return lax.scan(step, start, x, reverse=reverse, unroll=unroll)

    functions: dict[str, Function] = {
        "scan": scan,
        "grad of scan": jax.grad(lambda x: jnp.sum(scan(x)[0]) + jnp.sum(scan(x)[1])),
        "map": lambda x: lax.map(body, x),
        "associative_scan": lambda x: lax.associative_scan(jnp.add, x, reverse=reverse),
        "associative maximum": lambda x: lax.associative_scan(jnp.maximum, x, reverse=reverse),
    }
    kind = d.pick(*functions)
    d.call(f"{kind} {reverse} {unroll} of {name}", functions[kind], x, bound=SOME)


@rule(4)
def loops(d: Drawer) -> None:
    """while_loop, fori_loop with bounds that values decide, cond and switch."""
    name, body = body_of(d)
    x = operand(d)
    number = d.give(np.asarray(int(d.random.integers(-2, 6)), np.int32))

    def until(x: Any, n: Any) -> Any:
        go = lambda s: (s[0] < n) & jnp.all(jnp.abs(s[1]) < 40)  # noqa: E731
        return lax.while_loop(go, lambda s: (s[0] + 1, body(s[1])), (jnp.int32(0), x))

    branches = [body, lambda x: x, lambda x: -x, lambda x: body(body(x))]
    functions: dict[str, Callable[[Any, Any], Any]] = {
        "while": until,
        "fori": lambda x, n: lax.fori_loop(0, n, lambda i, y: body(y) + 0.1 * i, x),
        "cond": lambda x, n: lax.cond(n > 1, body, lambda x: 2 * x, x),
        "switch": lambda x, n: lax.switch(n, branches, x),
        "grad of cond": lambda x, n: jax.grad(
            lambda x: jnp.sum(lax.cond(n > 1, body, lambda x: 2 * x, x))
        )(x),
        "vmap of cond": lambda x, n: jax.vmap(lambda m: lax.cond(m > n, body, lambda x: 2 * x, x))(
            jnp.arange(3, dtype=np.int32)
        ),
        "vmap of while": lambda x, n: jax.vmap(lambda m: until(x, m)[1])(jnp.arange(3)),
    }
    kind = d.pick(*functions)
    d.call(f"{kind} of {name}", functions[kind], x, number, bound=SOME)
