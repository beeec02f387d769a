"""Recurrent layers, and single steps of them.

The products of all inputs with their weights are one matrix product; what depends on the step
before is a scan, so that compiled functions do not grow with the number of steps.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

from .. import _ops
from .._control_flow import scan
from .._core import Tensor, is_tracing
from .._creation import _fail, _size, arange, asarray, empty, zeros
from .._dtypes import result_type
from .._errors import OptionError, ShapeError
from .._functional import _floating
from .._jit import jit
from .._manipulation import concat, expand_dims, moveaxis, reshape, stack, take
from .._searching import where
from . import functional, init
from ._module import Module
from ._parameter import Parameter
from .utils.rnn import PackedSequence

#: Of each layer and direction the state [N, H]; of an LSTM also the cell.
State = tuple[Tensor, ...]


class _Kind(NamedTuple):
    """What one step computes, from the parts [N, gates * H] of its input and of the state."""

    gates: int
    step: Callable[[Tensor, Tensor, State], State]
    states: int = 1


def _step_lstm(of_input: Tensor, of_state: Tensor, state: State) -> State:
    """Hochreiter and Schmidhuber (1997), with the forget gates of Gers et al. (2000)."""
    enter, keep, candidate, leave = (of_input + of_state).chunk(4, -1)
    cell = _ops.sigmoid(keep) * state[1] + _ops.sigmoid(enter) * _ops.tanh(candidate)
    return _ops.sigmoid(leave) * _ops.tanh(cell), cell


def _step_gru(of_input: Tensor, of_state: Tensor, state: State) -> State:
    """Cho et al. (2014), with the reset gate behind the product, as in PyTorch."""
    reset_input, update_input, candidate_input = of_input.chunk(3, -1)
    reset_state, update_state, candidate_state = of_state.chunk(3, -1)
    reset = _ops.sigmoid(reset_input + reset_state)
    update = _ops.sigmoid(update_input + update_state)
    candidate = _ops.tanh(candidate_input + reset * candidate_state)
    return ((state[0] - candidate) * update + candidate,)


KINDS = {
    "RNN_TANH": _Kind(1, lambda of_input, of_state, _: (_ops.tanh(of_input + of_state),)),
    "RNN_RELU": _Kind(1, lambda of_input, of_state, _: (_ops.relu(of_input + of_state),)),
    "LSTM": _Kind(4, _step_lstm, 2),
    "GRU": _Kind(3, _step_gru),
}


def _kind_of_rnn(nonlinearity: str, name: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise _fail(
            OptionError, f'{name}: nonlinearity has to be "tanh" or "relu", not {nonlinearity!r}'
        )
    return f"RNN_{nonlinearity.upper()}"


def _draw_uniform(module: Module, width: int) -> None:
    """Draws the parameters uniformly in ±1 / sqrt(width)."""
    bound = 1.0 / math.sqrt(width) if width > 0 else 0.0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


def _check_features(x: Tensor, features: int, name: str) -> None:
    if x.shape[-1] != features:
        raise _fail(
            ShapeError,
            f"{name}: the input has shape {x.shape}, but its last dimension has to be {features}",
        )


def _check_state(state: Tensor, shape: tuple[int, ...], name: str, what: str) -> None:
    if state.shape != shape:
        raise _fail(ShapeError, f"{name}: {what} has shape {state.shape}, but has to be {shape}")


# One step ------------------------------------------------------------------------------------


class RNNCellBase(Module):
    """What the cells share.

    Attributes:
        weight_ih: [gates * hidden_size, input_size]; weight_hh: [gates * hidden_size, hidden_size].
        bias_ih, bias_hh: [gates * hidden_size]; None without. All uniform in
            ±1 / sqrt(hidden_size) at first.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        shapes: dict[str, tuple[int, ...]]
        shapes = {"weight_ih": (rows, input_size), "weight_hh": (rows, hidden_size)}
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        for name, shape in shapes.items():
            made = bias or len(shape) == 2
            value = Parameter(empty(shape, dtype=dtype, device=device)) if made else None
            self.register_parameter(name, value)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        _draw_uniform(self, self.hidden_size)

    def _step(self, kind: _Kind, x: Tensor, given: State | None) -> State:
        """The next state, of x [N, input_size] and states [N, H], or without N for all."""
        name = type(self).__name__
        x = _floating(x, name)
        if x.ndim not in (1, 2):
            raise _fail(
                ShapeError,
                f"{name}: the input has shape {x.shape}, but has to be [N, {self.input_size}] or "
                f"[{self.input_size}]",
            )
        _check_features(x, self.input_size, name)
        shape = (*x.shape[:-1], self.hidden_size)
        if given is None:
            start = zeros(shape, dtype=x.dtype, device=x.device)
            given = (start,) * kind.states
        for state, what in zip(given, ("the state", "the cell's state"), strict=False):
            _check_state(state, shape, name, what)
        of_input = functional.linear(x, self.weight_ih, self.bias_ih)
        of_state = functional.linear(given[0], self.weight_hh, self.bias_hh)
        return kind.step(of_input, of_state, given)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.bias is not True:
            parts.append(f"bias={self.bias}")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            parts.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join(parts)


class RNNCell(RNNCellBase):
    """One step of an `RNN`: tanh (or relu) of weight_ih x + bias_ih + weight_hh h + bias_hh.

    Raises:
        OptionError: ``nonlinearity`` is neither "tanh" nor "relu".
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity
        _kind_of_rnn(nonlinearity, "RNNCell")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state [N, H], of input [N, input_size] and a state (None: zeros); or without N.

        Raises:
            ShapeError: the shapes do not fit.
        """
        kind = KINDS[_kind_of_rnn(self.nonlinearity, "RNNCell")]
        return self._step(kind, input, None if hx is None else (hx,))[0]


class GRUCell(RNNCellBase):
    """One step of a `GRU`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """The next state [N, H], of input [N, input_size] and a state (None: zeros); or without N.

        Raises:
            ShapeError: the shapes do not fit.
        """
        return self._step(KINDS["GRU"], input, None if hx is None else (hx,))[0]


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """The next state and cell [N, H], of input [N, input_size] and both (None: zeros); or
        without N.

        Raises:
            ShapeError: the shapes do not fit.
        """
        state, cell = self._step(KINDS["LSTM"], input, None if hx is None else tuple(hx))
        return state, cell


# Sequences -----------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """How a batch of sequences lies in a tensor: its steps along ``axis``, or packed."""

    axis: int
    steps: int
    #: Of packed sequences how many have each step; the first ones do.
    sizes: tuple[int, ...] | None = None

    def cut(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The steps [T, N, features], and which sequences have them [T, N, 1]; None: all.

        Where a packed sequence has no step is one of others.
        """
        if self.sizes is None:
            return moveaxis(x, self.axis, 0), None
        sizes = asarray(self.sizes, device=x.device)
        starts = asarray([0, *accumulate(self.sizes)][:-1], device=x.device)
        numbers = arange(max(self.sizes), device=x.device)
        has_step = expand_dims(sizes, axis=1) > numbers
        rows = where(has_step, expand_dims(starts, axis=1) + numbers, 0)
        steps = take(x, reshape(rows, (-1,)), axis=0)
        return reshape(steps, (*has_step.shape, x.shape[-1])), expand_dims(has_step, axis=2)

    def join(self, steps: Tensor) -> Tensor:
        """The opposite of `cut`."""
        if self.sizes is None:
            return moveaxis(steps, 0, self.axis)
        count = max(self.sizes)
        rows = [step * count + n for step, size in enumerate(self.sizes) for n in range(size)]
        flat = reshape(steps, (len(self.sizes) * count, steps.shape[-1]))
        return take(flat, asarray(rows, device=steps.device), axis=0)


class Form(NamedTuple):
    """What layers compute beside their weights [layer * directions] and their input."""

    mode: str
    layout: _Layout
    sequences: int
    directions: int
    #: Between layers.
    dropout: float


class RNNBase(Module):
    """What the recurrent layers share: see `LSTM`. ``mode`` names one of them."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        _check_options(name, mode, hidden_size, num_layers, dropout, proj_size)
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = float(dropout), bidirectional, proj_size
        gates, width = KINDS[mode].gates * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            features = width * (1 + bidirectional) if layer else input_size
            for suffix in self._suffixes(layer):
                shapes: dict[str, tuple[int, ...]]
                shapes = {"weight_ih": (gates, features), "weight_hh": (gates, width)}
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for kind, shape in shapes.items():
                    value = Parameter(empty(shape, dtype=dtype, device=device))
                    self.register_parameter(kind + suffix, value)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        """What the names of a layer's parameters end with, for each direction."""
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def _of_direction(self, suffix: str) -> dict[str, Parameter]:
        """A layer's parameters for one direction, by what their names begin with."""
        kinds = ["weight_ih", "weight_hh"]
        kinds += ["bias_ih", "bias_hh"] if self.bias else []
        kinds += ["weight_hr"] if self.proj_size else []
        return {kind: getattr(self, kind + suffix) for kind in kinds}

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        _draw_uniform(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Does nothing: parameters lie where they are."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        return [list(self._of_direction(suffix).values()) for suffix in suffixes]

    def _run(self, input: Tensor | PackedSequence, given: State | None) -> tuple[Any, State]:
        """The states of all steps in the last layer, and the last ones of all layers."""
        name = type(self).__name__
        packed = input if isinstance(input, PackedSequence) else None
        x = _floating(input.data if isinstance(input, PackedSequence) else input, name)
        is_single = packed is None and x.ndim == 2
        batch_axis = 0 if self.batch_first else 1
        if is_single:
            x = expand_dims(x, axis=batch_axis)
        layout, count = self._layout(x, packed, batch_axis)
        if given is not None:
            given = self._checked_states(given, count, is_single)
            if packed is not None and packed.sorted_indices is not None:
                given = tuple(take(part, packed.sorted_indices, axis=1) for part in given)
        dropout = self.dropout if self.training else 0.0
        form = Form(self.mode, layout, count, 1 + self.bidirectional, dropout)
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        weights: list[dict[str, Tensor]] = [dict(self._of_direction(suffix)) for suffix in suffixes]
        x, last = run_layers(form, weights, x, given)
        if packed is None:
            result: Any = reshape(x, (layout.steps, x.shape[-1])) if is_single else x
            return result, tuple(
                reshape(part, part.shape[::2]) for part in last
            ) if is_single else last
        if packed.unsorted_indices is not None:
            last = tuple(take(part, packed.unsorted_indices, axis=1) for part in last)
        return PackedSequence(x, *packed[1:]), last

    def _layout(
        self, x: Tensor, packed: PackedSequence | None, batch_axis: int
    ) -> tuple[_Layout, int]:
        """How x lies, and the number of sequences. Raises ShapeError."""
        name, features = type(self).__name__, self.input_size
        if packed is not None:
            sizes = tuple(map(int, packed.batch_sizes))
            layout, count = _Layout(0, len(sizes), sizes), max(sizes, default=0)
            wanted = f"[{sum(sizes)}, {features}]"
            fits = x.ndim == 2 and x.shape[0] == sum(sizes)
        else:
            layout = _Layout(1 - batch_axis, x.shape[1 - batch_axis] if x.ndim == 3 else 0)
            count = x.shape[batch_axis] if x.ndim == 3 else 0
            places = f"N, T, {features}" if self.batch_first else f"T, N, {features}"
            wanted, fits = f"[{places}] or [T, {features}]", x.ndim == 3
        if not fits:
            raise _fail(
                ShapeError, f"{name}: the input has shape {x.shape}, but has to be {wanted}"
            )
        _check_features(x, features, name)
        if isinstance(layout.steps, int) and layout.steps == 0:
            raise _fail(ShapeError, f"{name}: the input of shape {x.shape} has no steps")
        return layout, count

    def _checked_states(self, given: State, count: int, is_single: bool) -> State:
        """The states that were given, as [layers * directions, N, width]. Raises ShapeError."""
        rows = self.num_layers * (1 + self.bidirectional)
        widths = (self.proj_size or self.hidden_size, self.hidden_size)
        for part, width, what in zip(given, widths, ("h_0", "c_0"), strict=False):
            shape = (rows, width) if is_single else (rows, count, width)
            _check_state(part, shape, type(self).__name__, what)
        return tuple(expand_dims(part, axis=1) for part in given) if is_single else given

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        defaults: dict[str, float] = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
        }
        defaults |= {"dropout": 0.0, "bidirectional": False}
        settings = {name: getattr(self, name) for name in defaults}
        changed = [f"{name}={value}" for name, value in settings.items() if value != defaults[name]]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


def _run_layers(
    form: Form, weights: list[dict[str, Tensor]], x: Tensor, given: State | None
) -> tuple[Tensor, State]:
    """The states of all steps in the last layer, and the last ones of all layers."""
    kind, of_state = KINDS[form.mode], weights[0]["weight_hh"]
    widths = (of_state.shape[1], of_state.shape[0] // kind.gates)
    start = tuple(
        zeros((form.sequences, width), dtype=x.dtype, device=x.device)
        for width in (widths[: kind.states] if given is None else ())
    )
    last: list[State] = []
    while len(last) < len(weights):
        results = []
        for number in range(form.directions):
            if given is not None:
                start = tuple(part[len(last)] for part in given)
            own = weights[len(last)]
            steps, state = _run_steps(kind, own, x, form.layout, start, is_backward=number == 1)
            results.append(steps)
            last.append(state)
        x = concat(results, axis=-1) if len(results) > 1 else results[0]
        if form.dropout > 0 and len(last) < len(weights):
            x = functional.dropout(x, form.dropout)
    return x, tuple(stack(list(parts)) for parts in zip(*last, strict=True))


def _run_steps(
    kind: _Kind,
    weights: dict[str, Tensor],
    x: Tensor,
    layout: _Layout,
    start: State,
    is_backward: bool,
) -> tuple[Tensor, State]:
    """One layer in one direction: the states of all steps, and the last one."""
    of_inputs = functional.linear(x, weights["weight_ih"], weights.get("bias_ih"))
    dtype = result_type(of_inputs, *start, weights["weight_hh"])
    steps = layout.cut(of_inputs)

    def step(state: State, now: tuple[Tensor, Tensor | None]) -> tuple[State, Tensor]:
        of_state = functional.linear(state[0], weights["weight_hh"], weights.get("bias_hh"))
        following = kind.step(now[0], of_state, state)
        if "weight_hr" in weights:
            projected = functional.linear(following[0], weights["weight_hr"])
            following = (projected, *following[1:])
        # Under autocast products are of a narrower dtype than the state.
        following = tuple(part.astype(dtype, copy=False) for part in following)
        # Sequences that ended keep their state, as do those that begin later, backwards.
        if now[1] is not None:
            pairs = zip(following, state, strict=True)
            following = tuple(where(now[1], new, old) for new, old in pairs)
        return following, following[0]

    first = tuple(part.astype(dtype) for part in start)
    last, results = scan(step, first, steps, reverse=is_backward)
    return layout.join(results), last


_compiled_layers = jit(_run_layers, static_argnums=0)


def layout_of(x: Tensor, batch_first: bool) -> _Layout:
    """How sequences of one length lie in x of three dimensions."""
    axis = 1 if batch_first else 0
    return _Layout(axis, x.shape[axis])


def run_layers(
    form: Form, weights: list[dict[str, Tensor]], x: Tensor, given: State | None
) -> tuple[Tensor, State]:
    """The states of all steps in the last layer, and the last ones of all layers.

    A layer is one op: all steps, and their derivative, as one scan. What is compiled outlives the
    weights, which it would keep, but not what shares their memory.
    """
    if is_tracing():
        return _run_layers(form, weights, x, given)
    shared = [{name: part.clone() for name, part in own.items()} for own in weights]
    return _compiled_layers(form, shared, x, given)


def _check_options(
    name: str, mode: str, hidden_size: int, num_layers: int, dropout: float, proj_size: int
) -> None:
    if mode not in KINDS:
        raise _fail(OptionError, f"{name}: mode has to be one of {', '.join(KINDS)}, not {mode!r}")
    if _size(hidden_size, f"{name}: hidden_size") < 1 or _size(num_layers, "num_layers") < 1:
        raise _fail(
            OptionError,
            f"{name}: hidden_size and num_layers have to be positive, not {hidden_size} and "
            f"{num_layers}",
        )
    if not 0 <= dropout <= 1:
        raise _fail(OptionError, f"{name}: dropout has to be in [0, 1], not {dropout}")
    if proj_size and mode != "LSTM":
        raise _fail(OptionError, f"{name}: only an LSTM has a proj_size")
    if not 0 <= _size(proj_size, f"{name}: proj_size") < hidden_size:
        raise _fail(
            OptionError,
            f"{name}: proj_size has to be less than hidden_size, {hidden_size}, and not negative: "
            f"{proj_size}",
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            f"{name}: dropout={dropout} does nothing with one layer, as it is between layers",
            stacklevel=4,
        )


class RNN(RNNBase):
    """Layers of states h = tanh(weight_ih x + bias_ih + weight_hh h' + bias_hh), h' that of the
    step before.

    Arguments and parameters are those of `LSTM`, with one gate instead of four.

    Args:
        nonlinearity: "tanh", or "relu" in its place.

    Raises:
        OptionError: an option is out of its range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: object = None,
        dtype: object = None,
    ) -> None:
        options = (num_layers, bias, batch_first, dropout, bidirectional)
        mode = _kind_of_rnn(nonlinearity, "RNN")
        super().__init__(mode, input_size, hidden_size, *options, 0, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """The states of all steps in the last layer, and the last ones of all; see `LSTM`."""
        result, (state,) = self._run(input, None if hx is None else (hx,))
        return result, state


class GRU(RNNBase):
    """Layers of gated recurrent units (Cho et al., 2014).

    With r and z the sigmoids of the first two gates, n = tanh(weight_in x + bias_in +
    r (weight_hn h' + bias_hn)) and h = (1 - z) n + z h', h' the state of the step before.

    Arguments and parameters are those of `LSTM`, with three gates instead of four: r, z, n.

    Raises:
        OptionError: an option is out of its range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: object = None,
        dtype: object = None,
    ) -> None:
        options = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__("GRU", input_size, hidden_size, *options, 0, device, dtype)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """The states of all steps in the last layer, and the last ones of all; see `LSTM`."""
        result, (state,) = self._run(input, None if hx is None else (hx,))
        return result, state


class LSTM(RNNBase):
    """Layers of long short-term memory (Hochreiter and Schmidhuber, 1997).

    With i, f and o the sigmoids and g the tanh of the gates weight_ih x + bias_ih + weight_hh h' +
    bias_hh, the cell is c = f c' + i g and the state h = o tanh(c), h' and c' those of the step
    before.

    Args:
        input_size: the features of the input.
        hidden_size: H, those of the state.
        num_layers: how many layers there are, each reading the states of the one before.
        bias: with bias_ih and bias_hh.
        batch_first: inputs and results are [N, T, features] instead of [T, N, features]; the
            states of layers are not.
        dropout: the probability of dropping a state between layers, in training.
        bidirectional: each layer also reads backwards, with parameters of its own; its result is
            both states, one after the other.
        proj_size: if not 0 the size P of the state, which weight_hr projects from H.

    Attributes:
        weight_ih_l0: [4 H, input_size], of the gates i, f, g, o; of later layers [4 H, D P], with
            D the number of directions. weight_hh_l0: [4 H, P]. bias_ih_l0, bias_hh_l0: [4 H].
            weight_hr_l0: [P, H]. With "_reverse" those of the other direction. All are uniform in
            ±1 / sqrt(H) at first.

    Raises:
        OptionError: an option is out of its range.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: object = None,
        dtype: object = None,
    ) -> None:
        options = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__("LSTM", input_size, hidden_size, *options, proj_size, device, dtype)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """The states of all steps in the last layer, and the last states and cells of all.

        Args:
            input: [T, N, input_size], without N for one sequence, or a `PackedSequence`.
            hx: the states and the cells to begin with, [layers * directions, N, H]; None: zeros.

        Returns:
            The states [T, N, directions * H], packed if the input is, and both of the last step,
            [layers * directions, N, H].

        Raises:
            ShapeError: the shapes do not fit, or there are no steps.
        """
        result, (state, cell) = self._run(input, None if hx is None else tuple(hx))
        return result, (state, cell)
