"""Layers that learn the sizes of their input from the first one."""

from __future__ import annotations

import inspect
import math
from typing import Any, ClassVar

from .._autodiff import no_grad
from .._core import Tensor, is_tracing
from .._creation import _fail, _shape, empty
from .._errors import DTypeError, ShapeError, UnsupportedError
from .._windows import Sizes
from ._convolutions import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
from ._layers import Linear
from ._module import Module
from ._module_hooks import Hook
from ._normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from ._parameter import Buffer, Parameter


class _Uninitialized:
    """What parameters and buffers share that have no shape yet."""

    #: What it becomes when it gets one.
    _becomes: ClassVar[type]

    def materialize(self, shape: Any, device: object = None, dtype: object = None) -> None:
        """Gives it a shape, with values that mean nothing yet: it becomes a usual one.

        Args:
            shape: sizes.
            device, dtype: None: those that it was made with.

        Raises:
            UnsupportedError: a function is being compiled, which would keep the shape of its own.
        """
        assert isinstance(self, Tensor)
        if is_tracing():
            raise _fail(
                UnsupportedError,
                "a layer without sizes can't get them while a function is compiled: call the "
                "module once before",
            )
        value = empty(
            _shape(shape),
            dtype=self.dtype if dtype is None else dtype,
            device=self.device if device is None else device,
        )
        self._replace(value)
        self.__class__ = self._becomes

    @property
    def shape(self) -> Any:
        """Raises UnsupportedError: there is none yet."""
        raise _fail(
            UnsupportedError,
            f"this {type(self).__name__} has no shape yet; call its module once, which gives one",
        )

    def numel(self) -> Any:
        """Raises UnsupportedError: there are no elements yet."""
        return math.prod(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """Raises UnsupportedError: there is none yet."""
        return self.shape

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class UninitializedParameter(_Uninitialized, Parameter):
    """A parameter that gets its shape later, by `materialize`, and is a usual one from then on.

    Args:
        requires_grad: whether gradients are accumulated.
        device, dtype: where it will be, and of which dtype (None: float32).
    """

    _becomes = Parameter

    def __new__(
        cls, requires_grad: bool = True, device: object = None, dtype: object = None
    ) -> UninitializedParameter:
        value = empty(0, dtype="float32" if dtype is None else dtype, device=device)
        return super().__new__(cls, value, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        """Another one like it."""
        result = type(self)(self.requires_grad, self.device, self.dtype)
        memo[id(self)] = result
        return result


class UninitializedBuffer(_Uninitialized, Buffer):
    """A buffer that gets its shape later, by `materialize`, and is a usual one from then on.

    Args:
        requires_grad: only False.
        device, dtype: where it will be, and of which dtype (None: float32).
        persistent: whether it is part of the module's ``state_dict``.
    """

    _becomes = Buffer

    def __new__(
        cls,
        requires_grad: bool = False,
        device: object = None,
        dtype: object = None,
        persistent: bool = True,
    ) -> UninitializedBuffer:
        if requires_grad:
            raise _fail(DTypeError, "UninitializedBuffer: buffers have no gradients")
        value = empty(0, dtype="float32" if dtype is None else dtype, device=device)
        return super().__new__(cls, value, persistent=persistent)

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedBuffer:
        """Another one like it."""
        result = type(self)(False, self.device, self.dtype, self.persistent)
        memo[id(self)] = result
        return result


def _own(module: Module) -> list[tuple[str, Any]]:
    """The parameters and buffers of a module itself that have no shape yet."""
    members = {**module._registry("_parameters"), **module._registry("_buffers")}
    return [(name, each) for name, each in members.items() if isinstance(each, _Uninitialized)]


def _shapes_from_state(module: Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Gives what has no shape yet those of a state that is about to be loaded."""
    for name, member in _own(module):
        if prefix + name in state:
            member.materialize(tuple(state[prefix + name].shape))


def _no_state(module: Module, prefix: str, *_: Any) -> None:
    names = ", ".join(prefix + name for name, _ in _own(module))
    if names:
        raise _fail(
            UnsupportedError,
            f"state_dict of {type(module).__name__}: {names} have no shapes yet; call the module "
            "once before",
        )


class LazyModuleMixin(Module):
    """What layers share that get sizes from their first input, and their parameters with them.

    The first call has to be made before the module is compiled, its state saved, and optimizers
    made, whose state has the shapes of the parameters; loading a state gives the shapes as well.
    """

    #: The class that the layer is of after its first call.
    cls_to_become: ClassVar[type[Module]]

    def _start(
        self,
        sizes: dict[str, int],
        arguments: tuple,
        options: dict[str, Any],
        defaults: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The arguments of the constructor of ``cls_to_become`` with its sizes, by name."""
        signature = inspect.signature(self.cls_to_become.__init__)
        free = [name for name in signature.parameters if name != "self" and name not in sizes]
        named = dict(zip(free, arguments, strict=False))
        if len(arguments) > len(free) or not named.keys().isdisjoint(options):
            raise TypeError(f"{type(self).__name__} takes other arguments: {', '.join(free)}")
        bound = signature.bind(self, **{**(defaults or {}), **sizes, **named, **options})
        bound.apply_defaults()
        given = dict(bound.arguments)
        del given["self"]
        return given

    def _watch_state(self) -> None:
        self._add_hook("_state_hooks", Hook(_shapes_from_state, "before load_state_dict"))
        self._add_hook("_state_hooks", Hook(_no_state, "before state_dict"))

    def has_uninitialized_params(self) -> bool:
        """Whether parameters or buffers of the layer have no shape yet."""
        return bool(_own(self))

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Gives parameters and buffers the shapes that an input needs, and values."""
        raise NotImplementedError(f"{type(self).__name__} has no initialize_parameters()")

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self, LazyModuleMixin):
            with no_grad():
                self.initialize_parameters(*args, **kwargs)
            mine = (_shapes_from_state, _no_state)
            self._remove_hooks("_state_hooks", lambda hook: hook.function in mine)
            object.__setattr__(self, "__class__", self.cls_to_become)
        return self._call(*args, **kwargs)

    def _fill(self, had_none: bool) -> None:
        """Draws the values of what got its shape now, not of what a state was loaded into."""
        if had_none:
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the values anew, if there are shapes."""
        if not self.has_uninitialized_params() and self._has_sizes():
            self.cls_to_become.reset_parameters(self)  # type: ignore[attr-defined]

    def _has_sizes(self) -> bool:
        raise NotImplementedError


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` whose in_features are those of its first input; it is a `Linear` from then on.

    Args:
        out_features, bias, device, dtype: those of `Linear`.
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: object = None, dtype: object = None
    ) -> None:
        super().__init__(0, 0, False, device, dtype)
        self.out_features = out_features
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
        self._watch_state()

    def _has_sizes(self) -> bool:
        return self.in_features != 0

    def initialize_parameters(self, input: Tensor) -> None:
        """Takes the in_features of an input [..., in_features]."""
        fresh = self.has_uninitialized_params()
        self.in_features = input.shape[-1]
        if isinstance(self.weight, UninitializedParameter):
            self.weight.materialize((self.out_features, self.in_features))
        if isinstance(self.bias, UninitializedParameter):
            self.bias.materialize((self.out_features,))
        self._fill(fresh)


class _LazyConvolution(LazyModuleMixin):
    """What the layers for each number of dimensions share: see `LazyConv2d`."""

    dimensions: int
    transposed: bool

    def __init__(
        self, out_channels: int, kernel_size: Sizes, *arguments: Any, **options: Any
    ) -> None:
        sizes = {"in_channels": 0, "out_channels": 0}
        given = self._start(sizes, (kernel_size, *arguments), options)
        place = {"device": given["device"], "dtype": given["dtype"]}
        super().__init__(**{**given, "bias": False})
        self.out_channels = out_channels
        self.weight = UninitializedParameter(**place)
        if given["bias"]:
            self.bias = UninitializedParameter(**place)
        self._watch_state()

    def _has_sizes(self) -> bool:
        return self.in_channels != 0

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Takes the channels of an input [N, C, ...] or [C, ...].

        Raises:
            ShapeError: it has other dimensions, or channels that the groups do not divide.
        """
        name, groups = self.cls_to_become.__name__, self.groups
        if input.ndim not in (self.dimensions + 1, self.dimensions + 2):
            raise _fail(
                ShapeError,
                f"{name}: the input has shape {input.shape}, but needs {self.dimensions + 1} or "
                f"{self.dimensions + 2} dimensions",
            )
        channels = input.shape[-self.dimensions - 1]
        if channels % groups or self.out_channels % groups:
            raise _fail(
                ShapeError,
                f"{name}: {groups} groups do not divide {channels} input and {self.out_channels} "
                "output channels",
            )
        fresh = self.has_uninitialized_params()
        self.in_channels = channels
        first, second = channels, self.out_channels
        if not self.transposed:
            first, second = second, first
        if isinstance(self.weight, UninitializedParameter):
            self.weight.materialize((first, second // groups, *self.kernel_size))
        if isinstance(self.bias, UninitializedParameter):
            self.bias.materialize((self.out_channels,))
        self._fill(fresh)


class LazyConv1d(_LazyConvolution, Conv1d):
    """A `Conv1d` whose in_channels are those of its first input; as `LazyConv2d`."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConvolution, Conv2d):
    """A `Conv2d` whose in_channels are those of its first input; it is a `Conv2d` from then on.

    The arguments are those of `Conv2d` without the first one.
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConvolution, Conv3d):
    """A `Conv3d` whose in_channels are those of its first input; as `LazyConv2d`."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvolution, ConvTranspose1d):
    """A `ConvTranspose1d` whose in_channels are those of its first input; as `LazyConv2d`."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvolution, ConvTranspose2d):
    """A `ConvTranspose2d` whose in_channels are those of its first input; as `LazyConv2d`."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvolution, ConvTranspose3d):
    """A `ConvTranspose3d` whose in_channels are those of its first input; as `LazyConv2d`."""

    cls_to_become = ConvTranspose3d


class _LazyNorm(LazyModuleMixin):
    """What the layers for each number of dimensions share: see `LazyBatchNorm2d`."""

    #: Of a batch norm, and of an instance norm without a batch first.
    dimensions: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        # Of instances too, whose own layers have neither if they are not asked to.
        own = {"affine": True, "track_running_stats": True}
        given = self._start({"num_features": 0}, arguments, options, own)
        place = {"device": given["device"], "dtype": given["dtype"]}
        affine, bias = given["affine"], given["bias"]
        super().__init__(**{**given, "affine": False})
        self.affine = affine
        if affine:
            self.weight = UninitializedParameter(**place)
            if bias:
                self.bias = UninitializedParameter(**place)
        if self.track_running_stats:
            self.running_mean = UninitializedBuffer(**place)
            self.running_var = UninitializedBuffer(**place)
        self._watch_state()

    def _has_sizes(self) -> bool:
        return self.num_features != 0

    def initialize_parameters(self, input: Tensor) -> None:
        """Takes the channels of an input. Raises ShapeError for other dimensions."""
        self._check_dimensions(input)
        fresh = self.has_uninitialized_params()
        # Instances may come without a batch.
        is_single = isinstance(self, _LazyInstanceNorm) and input.ndim == self.dimensions[0]
        self.num_features = input.shape[0 if is_single else 1]
        for _, member in _own(self):
            member.materialize((self.num_features,))
        self._fill(fresh)


class _LazyInstanceNorm(_LazyNorm):
    """What the layers of instances share: see `LazyInstanceNorm2d`."""


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` whose num_features are the channels of its first input; as
    `LazyBatchNorm2d`."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` whose num_features are the channels of its first input; it is a `BatchNorm2d`
    from then on.

    The arguments are those of `BatchNorm2d` without the first one.
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` whose num_features are the channels of its first input; as
    `LazyBatchNorm2d`."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyInstanceNorm, InstanceNorm1d):
    """An `InstanceNorm1d` whose num_features are the channels of its first input; as
    `LazyInstanceNorm2d`."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyInstanceNorm, InstanceNorm2d):
    """An `InstanceNorm2d` whose num_features are the channels of its first input; it is an
    `InstanceNorm2d` from then on.

    The arguments are those of `InstanceNorm2d` without the first one; ``affine`` and
    ``track_running_stats`` are true by default.
    """

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyInstanceNorm, InstanceNorm3d):
    """An `InstanceNorm3d` whose num_features are the channels of its first input; as
    `LazyInstanceNorm2d`."""

    cls_to_become = InstanceNorm3d
