"""Recurrent layers: one product for all inputs, and a scan over the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ..nn import functional
from ._rules import rule, weft

Activation = Callable[[Tensor], Tensor]

_PLAIN: dict[str, Activation] = {
    "relu": weft.relu,
    "sigmoid": weft.sigmoid,
    "tanh": weft.tanh,
    "softsign": functional.softsign,
    "softplus": functional.softplus,
}
#: Activations of numbers alpha and beta, with what these are by custom.
_OF_NUMBERS: dict[str, tuple[Callable[..., Tensor], float, float]] = {
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "elu": (lambda x, a, b: functional.elu(x, a), 1.0, 0.0),
    "hardsigmoid": (lambda x, a, b: weft.clip(a * x + b, 0.0, 1.0), 0.2, 0.5),
    "leakyrelu": (lambda x, a, b: functional.leaky_relu(x, a), 0.01, 0.0),
    "scaledtanh": (lambda x, a, b: a * weft.tanh(b * x), 1.0, 1.0),
    "thresholdedrelu": (lambda x, a, b: weft.where(x >= a, x, 0.0), 1.0, 0.0),
}


class _Options(NamedTuple):
    """The attributes of one direction."""

    hidden: int
    activations: list[Activation]
    clip: float | None
    flag: bool

    def limited(self, x: Tensor) -> Tensor:
        """The input of an activation."""
        return x if self.clip is None else weft.clip(x, -self.clip, self.clip)


def _activations(names: list[str], alphas: Any, betas: Any) -> list[Activation]:
    first, second = iter(alphas or ()), iter(betas or ())
    result: list[Activation] = []
    for name in names:
        key = name.lower()
        if key in _PLAIN:
            result.append(_PLAIN[key])
        elif key in _OF_NUMBERS:
            function, alpha, beta = _OF_NUMBERS[key]
            a, b = next(first, alpha), next(second, beta)
            result.append(_with(function, a, b))
        else:
            raise _fail(UnsupportedError, f"the activation {name!r} is not known")
    return result


def _with(function: Callable[..., Tensor], a: float, b: float) -> Activation:
    return lambda x: function(x, a, b)


def _step_rnn(o: _Options, of_input: Tensor, state: tuple, w: Any) -> tuple:
    return (o.activations[0](o.limited(of_input + weft.matmul(state[0], w.recurrent))),)


def _step_lstm(o: _Options, of_input: Tensor, state: tuple, w: Any) -> tuple:
    h, c = state
    enter, leave, keep, fresh = (of_input + weft.matmul(h, w.recurrent)).chunk(4, -1)
    peep = w.peepholes
    if peep is not None:
        enter, keep = enter + peep[0] * c, keep + peep[2] * c
    gate, to_cell, to_output = o.activations
    entering = gate(o.limited(enter))
    keeping = 1 - entering if o.flag else gate(o.limited(keep))
    cell = keeping * c + entering * to_cell(o.limited(fresh))
    leave = leave if peep is None else leave + peep[1] * cell
    return gate(o.limited(leave)) * to_output(o.limited(cell)), cell


def _step_gru(o: _Options, of_input: Tensor, state: tuple, w: Any) -> tuple:
    (h,) = state
    size = o.hidden
    update_input, reset_input, fresh_input = of_input.chunk(3, -1)
    gates = weft.matmul(h, w.recurrent[:, : 2 * size])
    gate, to_state = o.activations
    update = gate(o.limited(update_input + gates[:, :size]))
    reset = gate(o.limited(reset_input + gates[:, size:]))
    last = w.recurrent[:, 2 * size :]
    if o.flag:
        of_state = weft.matmul(h, last)
        of_state = of_state if w.bias is None else of_state + w.bias
        fresh = to_state(o.limited(fresh_input + reset * of_state))
    else:
        fresh = to_state(o.limited(fresh_input + weft.matmul(reset * h, last)))
    return ((1 - update) * fresh + update * h,)


class _Weights(NamedTuple):
    """What one direction multiplies with."""

    recurrent: Tensor
    bias: Tensor | None
    peepholes: Any


def _direction(
    step: Any,
    o: _Options,
    x: Tensor,
    lengths: Tensor | None,
    number: int,
    reverse: bool,
    w: Tensor,
    r: Tensor,
    b: Tensor | None,
    start: tuple,
    p: Tensor | None,
) -> tuple[Tensor, tuple]:
    """The states of all steps [T, N, H], and the last ones, of one direction."""
    size = o.hidden
    of_input = weft.matmul(x, w[number].mT)
    bias = None
    if b is not None:
        half = b.shape[1] // 2
        first, second = b[number, :half], b[number, half:]
        if o.flag and step is _step_gru:
            bias = second[2 * size :]
            second = functional.pad(second[: 2 * size], [0, size])
        of_input = of_input + (first + second)
    peepholes = None if p is None else p[number].chunk(3, -1)
    weights = _Weights(r[number].mT, bias, peepholes)
    times = weft.arange(x.shape[0])

    def body(state: tuple, row: tuple) -> tuple:
        part, time = row
        made = step(o, part, state, weights)
        made = tuple(new.astype(old.dtype) for new, old in zip(made, state, strict=True))
        if lengths is None:
            return made, made[0]
        # Behind the end of a sequence the state stays, and the output is 0.
        live = weft.reshape(time < lengths, (-1, 1))
        kept = tuple(weft.where(live, new, old) for new, old in zip(made, state, strict=True))
        return kept, weft.where(live, made[0], 0.0).astype(made[0].dtype)

    last, all_states = weft.scan(body, start, (of_input, times), reverse=reverse)
    return all_states, last


def _layer(
    step: Any,
    states: int,
    defaults: list[str],
    inputs: tuple,
    *,
    hidden_size: int,
    flag: int = 0,
    activation_alpha: Any = None,
    activation_beta: Any = None,
    activations: Any = None,
    clip: float | None = None,
    direction: str = "forward",
    layout: int = 0,
) -> tuple:
    given: tuple[Any, ...] = (*inputs, *[None] * (8 - len(inputs)))
    x, w, r, b, lengths, *starts = given
    p = starts.pop() if len(starts) > 2 else None
    x = weft.permute_dims(x, (1, 0, 2)) if layout else x
    reversals = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    names = activations or defaults * len(reversals)
    chosen = _activations(names, activation_alpha, activation_beta)
    outputs, lasts = [], []
    for number, reverse in enumerate(reversals):
        own = chosen[number * len(defaults) : (number + 1) * len(defaults)]
        o = _Options(hidden_size, own, clip, bool(flag))
        zero = weft.zeros(x.shape[1], hidden_size, dtype=x.dtype)
        start = tuple(
            zero if first is None else (first[:, number] if layout else first[number])
            for first in starts[:states]
        )
        ends = None if lengths is None else lengths.astype("int64")
        made, last = _direction(step, o, x, ends, number, reverse, w, r, b, start, p)
        outputs.append(made)
        lasts.append(last)
    axis = 2 if layout else 1
    all_states = weft.stack(outputs, axis=1)
    all_states = weft.permute_dims(all_states, (2, 0, 1, 3)) if layout else all_states
    ends_of = [weft.stack(list(column), axis=axis - 1) for column in zip(*lasts, strict=True)]
    return (all_states, *ends_of)


@rule("RNN")
def _rnn(*inputs: Any, **options: Any) -> tuple:
    return _layer(_step_rnn, 1, ["Tanh"], inputs[:6], **options)


@rule("GRU")
def _gru(*inputs: Any, linear_before_reset: int = 0, **options: Any) -> tuple:
    defaults = ["Sigmoid", "Tanh"]
    return _layer(_step_gru, 1, defaults, inputs[:6], flag=linear_before_reset, **options)


@rule("LSTM")
def _lstm(*inputs: Any, input_forget: int = 0, **options: Any) -> tuple:
    defaults = ["Sigmoid", "Tanh", "Tanh"]
    return _layer(_step_lstm, 2, defaults, inputs, flag=input_forget, **options)
