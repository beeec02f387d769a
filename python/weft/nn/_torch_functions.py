"""What PyTorch has outside of its `nn.functional` with other arguments than there.

Reductions are numbers (0: none, 1: mean, 2: sum), weights come before statistics, and recurrent
layers take their parameters in one list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _convolutions, _normalization, _padding
from .._core import Tensor
from .._creation import _fail
from .._errors import OptionError, ShapeError, UnsupportedError
from .._functional import linear
from .._resampling import affine_grid, grid_sample
from .._windows import Sizes
from . import _ctc_loss, _distribution_losses, _loss_functions, _margin_losses, _recurrent

_REDUCTIONS = ("none", "mean", "sum")
_SAMPLINGS, _BORDERS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def _word(name: str, number: Any, words: Sequence[str]) -> str:
    """What PyTorch counts, by its name, which is taken too."""
    if isinstance(number, str):
        return number
    if not isinstance(number, int) or not 0 <= number < len(words):
        raise _fail(OptionError, f"{name}: {number!r} is none of " + ", ".join(words))
    return words[number]


# Losses --------------------------------------------------------------------------------------

#: Losses, and the names of their arguments in the order that they have there.
_LOSSES: dict[Callable[..., Tensor], str] = {
    _loss_functions.binary_cross_entropy_with_logits: "input target weight pos_weight reduction",
    _margin_losses.cosine_embedding_loss: "input1 input2 target margin reduction",
    _ctc_loss.ctc_loss: (
        "log_probs targets input_lengths target_lengths blank reduction zero_infinity"
    ),
    _margin_losses.hinge_embedding_loss: "input target margin reduction",
    _distribution_losses.kl_div: "input target reduction log_target",
    _margin_losses.margin_ranking_loss: "input1 input2 target margin reduction",
    _distribution_losses.poisson_nll_loss: "input target log_input full eps reduction",
    _margin_losses.triplet_margin_loss: ("anchor positive negative margin p eps swap reduction"),
}


def _loss(function: Callable[..., Tensor], names: list[str]) -> Callable[..., Tensor]:
    name = function.__name__

    def loss(*arguments: Any, **options: Any) -> Tensor:
        if len(arguments) > len(names):
            raise _fail(OptionError, f"{name}: {len(arguments)} arguments are given for {names}")
        given = dict(zip(names, arguments, strict=False))
        given["reduction"] = _word(name, given.get("reduction", 0), _REDUCTIONS)
        if "reduction" in options:
            options["reduction"] = _word(name, options["reduction"], _REDUCTIONS)
        return function(**{**given, **options})

    loss.__name__ = loss.__qualname__ = name
    loss.__doc__ = (
        f"`nn.functional.{name}` of {', '.join(names)}; the reduction is 0 (none, as there by "
        "default), 1 (mean), 2 (sum), or its name."
    )
    return loss


# Layers --------------------------------------------------------------------------------------


def batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.batch_norm`, whose statistics come before weight and bias."""
    tensors = (running_mean, running_var, weight, bias)
    return _normalization.batch_norm(input, *tensors, training, momentum, eps)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """`nn.functional.instance_norm`, whose statistics come before weight and bias."""
    tensors = (running_mean, running_var, weight, bias)
    return _normalization.instance_norm(input, *tensors, use_input_stats, momentum, eps)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """The input with a number around it; see `nn.functional.pad`."""
    return _padding.pad(input, pad, "constant", value)


def convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> Tensor:
    """A convolution over the one to three dimensions behind the channels, or its transpose; see
    `nn.functional.conv2d` and `nn.functional.conv_transpose2d`.

    Raises:
        ShapeError: the shapes do not fit.
    """
    count = weight.ndim - 2
    if not 1 <= count <= 3:
        raise _fail(ShapeError, f"convolution: the weight has shape {weight.shape}")
    if transposed:
        own = getattr(_convolutions, f"conv_transpose{count}d")
        return own(input, weight, bias, stride, padding, output_padding, groups, dilation)
    own = getattr(_convolutions, f"conv{count}d")
    return own(input, weight, bias, stride, padding, dilation, groups)


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """`nn.functional.affine_grid`."""
    return affine_grid(theta, size, align_corners)


def grid_sampler(
    input: Tensor,
    grid: Tensor,
    interpolation_mode: int,
    padding_mode: int,
    align_corners: bool,
) -> Tensor:
    """`nn.functional.grid_sample`; the modes are numbers (0: bilinear, 1: nearest, 2: bicubic; 0:
    zeros, 1: border, 2: reflection), or their names.

    Raises:
        OptionError: there is no such mode. ShapeError: the shapes do not fit.
    """
    mode = _word("grid_sampler", interpolation_mode, _SAMPLINGS)
    border = _word("grid_sampler", padding_mode, _BORDERS)
    return grid_sample(input, grid, mode, border, align_corners)


# Recurrent layers ----------------------------------------------------------------------------


def _layers(mode: str, name: str, states: int) -> Callable[..., Any]:
    def run(
        input: Tensor,
        hx: Any,
        params: Sequence[Tensor],
        has_biases: Any,  # Of packed sequences all arguments come one place later.
        num_layers: int,
        dropout: float,
        train: Any,
        bidirectional: bool,
        batch_first: bool = False,
    ) -> Any:
        given = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if not isinstance(has_biases, bool) or input.ndim != 3 or len(given) != states:
            raise _fail(
                UnsupportedError,
                f"{name}: takes a tensor of three dimensions and {states} of states; for packed "
                f"sequences use weft.nn.{mode.partition('_')[0]}",
            )
        each = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if has_biases else [])]
        rows = num_layers * (1 + bidirectional)
        if len(params) == rows * (len(each) + 1) and mode == "LSTM":
            each.append("weight_hr")
        if len(params) != rows * len(each):
            raise _fail(
                ShapeError, f"{name}: {len(params)} parameters are not those of {rows} layers"
            )
        weights = [
            dict(zip(each, params[i * len(each) : (i + 1) * len(each)], strict=True))
            for i in range(rows)
        ]
        layout = _recurrent.layout_of(input, batch_first)
        form = _recurrent.Form(
            mode, layout, input.shape[1 - layout.axis], 1 + bidirectional, dropout if train else 0.0
        )
        steps, last = _recurrent.run_layers(form, weights, input, given)
        return (steps, *last)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = (
        f"The layers of `nn.{mode.partition('_')[0]}`, of their parameters in one list: the states "
        "of all steps, and the last ones of all layers."
    )
    return run


def _cell(mode: str, name: str, states: int) -> Callable[..., Any]:
    def step(
        input: Tensor,
        hx: Any,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Any:
        given = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if len(given) != states:
            raise _fail(ShapeError, f"{name}: {len(given)} states are given, but {states} needed")
        of_input, of_state = linear(input, w_ih, b_ih), linear(given[0], w_hh, b_hh)
        following = _recurrent.KINDS[mode].step(of_input, of_state, given)
        return following if states > 1 else following[0]

    step.__name__ = step.__qualname__ = name
    step.__doc__ = f"One step of `nn.{mode.partition('_')[0]}`, of its parameters: the next state."
    return step


_MODES = {"LSTM": "lstm", "GRU": "gru", "RNN_TANH": "rnn_tanh", "RNN_RELU": "rnn_relu"}

_functions: tuple[Callable[..., Any], ...] = (
    batch_norm,
    instance_norm,
    constant_pad_nd,
    convolution,
    affine_grid_generator,
    grid_sampler,
    *(_loss(function, names.split()) for function, names in _LOSSES.items()),
    *(_layers(mode, name, 1 + (mode == "LSTM")) for mode, name in _MODES.items()),
    *(_cell(mode, f"{name}_cell", 1 + (mode == "LSTM")) for mode, name in _MODES.items()),
)
#: By name.
torch_functions = {function.__name__: function for function in _functions}
torch_functions["grid_sampler_2d"] = torch_functions["grid_sampler_3d"] = grid_sampler
