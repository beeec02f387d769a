"""L-BFGS (Liu and Nocedal, 1989): Newton's method with a Hessian of few vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import _ops
from .._autodiff import enable_grad, no_grad
from .._core import Tensor, is_tracing
from .._creation import _fail, asarray, zeros
from .._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from .._linear import vecdot
from .._manipulation import concat, reshape
from .._reductions import max as largest_of
from .._reductions import sum as sum_of
from ._groups import ParameterGroup, check_option
from ._line_search import Point, strong_wolfe
from ._optimizer import Optimizer


class LBFGS(Optimizer):
    """Minimizes a function by several evaluations in each `step`.

    Steps read losses and gradients to decide how to go on, and so can't be part of a compiled
    function; what they evaluate can be one. All parameters are of one group.

    Args:
        params: see `Optimizer`.
        lr: the size of steps, with a line search that of the first try.
        max_iter: the most iterations in a `step`.
        max_eval: the most evaluations in a `step`; None: max_iter * 5 // 4.
        tolerance_grad: ends where no element of the gradient is larger.
        tolerance_change: ends where no parameter, or not the loss, changes by more.
        history_size: how many former steps the Hessian is made of.
        line_search_fn: "strong_wolfe", or None to step without looking.

    Raises:
        OptionError: an option is out of range, or there are several groups.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Takes the parameters. Raises OptionError for a second group."""
        if self.param_groups:
            raise _fail(OptionError, "LBFGS: all parameters have to be of one group")
        super().add_param_group(param_group)

    def _check(self, group: ParameterGroup) -> None:
        check_option(self, "lr", group["lr"])
        if group["history_size"] < 1:
            raise _fail(
                OptionError,
                f"LBFGS: history_size has to be at least 1, not {group['history_size']!r}",
            )
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise _fail(
                OptionError,
                "LBFGS: line_search_fn has to be 'strong_wolfe' or None, not "
                f"{group['line_search_fn']!r}",
            )

    def _step(self, closure: Callable[[], Any] | None = None) -> Any:
        if is_tracing():
            raise _fail(
                UnsupportedError,
                "LBFGS: step() reads losses to decide how to go on, which a function being "
                "compiled can't; call it outside, and compile the closure",
            )
        if closure is None:
            raise _fail(DTypeError, "LBFGS: step() needs a closure that computes the loss")
        with no_grad():
            return self._minimize(closure)

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        group, state = self.param_groups[0], self._state()
        tolerance = group["tolerance_grad"]

        def evaluate() -> tuple[float, Tensor]:
            state["func_evals"] += 1
            with enable_grad():
                loss = float(closure())
            return loss, self._gradient()

        before = state["func_evals"]
        with enable_grad():
            first = closure()
        loss, gradient = float(first), self._gradient()
        state["func_evals"] += 1
        if _largest(gradient) <= tolerance:
            return first
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = _direction(state, gradient, group["history_size"])
            state.update(d=direction, prev_flat_grad=gradient, prev_loss=loss)
            step = group["lr"]
            if state["n_iter"] == 1:
                step *= min(1.0, 1.0 / sum_of(_ops.abs(gradient)).item())
            state["t"] = step
            slope = vecdot(gradient, direction).item()
            if slope > -group["tolerance_change"]:
                break
            if group["line_search_fn"] is not None:
                left = group["max_eval"] - (state["func_evals"] - before)
                start = Point(0.0, loss, gradient, slope)
                found = self._searched(evaluate, start, step, direction, left)
                loss, gradient, state["t"] = found.loss, found.gradient, found.step
                self._move(found.step, direction)
            else:
                self._move(step, direction)
                if iteration < group["max_iter"]:
                    loss, gradient = evaluate()
            if (
                state["func_evals"] - before >= group["max_eval"]
                or _largest(gradient) <= tolerance
                or _largest(direction * state["t"]) <= group["tolerance_change"]
                or abs(loss - state["prev_loss"]) < group["tolerance_change"]
            ):
                break
        return first

    def _state(self) -> dict[str, Any]:
        """What is kept: for all parameters together, with the first of them."""
        state = self.state[self.param_groups[0]["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        return state

    def _gradient(self) -> Tensor:
        """All gradients one after the other, 1-D."""
        return concat(
            [
                zeros(parameter._size, dtype=parameter.dtype, device=parameter.device)
                if parameter.grad is None
                else reshape(parameter.grad, -1)
                for parameter, _ in self._parameters()
            ]
        ).detach()

    def _move(self, step: float, direction: Tensor) -> None:
        offset = 0
        for parameter, _ in self._parameters():
            part = direction[offset : offset + parameter._size]
            parameter.assign(parameter + reshape(part, parameter.shape) * step)
            offset += parameter._size

    def _searched(
        self,
        evaluate: Callable[[], tuple[float, Tensor]],
        start: Point,
        step: float,
        direction: Tensor,
        limit: int,
    ) -> Point:
        """The point that the line search finds; the parameters stay as they are."""
        parameters = [parameter for parameter, _ in self._parameters()]
        values = [parameter.detach().clone() for parameter in parameters]

        def point_at(step: float) -> Point:
            self._move(step, direction)
            loss, gradient = evaluate()
            for parameter, value in zip(parameters, values, strict=True):
                parameter.assign(value)
            return Point(step, loss, gradient, vecdot(gradient, direction).item())

        tolerance = self.param_groups[0]["tolerance_change"]
        return strong_wolfe(point_at, start, step, _largest(direction), tolerance, limit)[0]

    def _loaded_values(
        self,
        state: Mapping[Any, Mapping[str, Any]],
        numbers: list[Any],
        groups: list[ParameterGroup],
        name: str,
    ) -> list[dict[str, Any]]:
        parameters = groups[0]["params"]
        size = sum(parameter._size for parameter in parameters)

        def loaded(key: str, value: Any) -> Any:
            if isinstance(value, list):
                return [loaded(key, item) for item in value]
            if not hasattr(value, "__array__") and not isinstance(value, Tensor):
                return value
            tensor = asarray(value, dtype=parameters[0].dtype, copy=True).detach()
            if tensor.shape not in ((), (size,)):
                raise _fail(
                    ShapeError,
                    f"{name}: {key} has shape {tensor.shape}, but {(size,)} is needed",
                )
            return tensor.to(parameters[0].device)

        return [
            {key: loaded(key, value) for key, value in state.get(number, {}).items()}
            for number in numbers
        ]

    def _store(self, parameter: Tensor, loaded: dict[str, Any]) -> None:
        self.state.pop(parameter, None)
        if loaded:
            self.state[parameter] = loaded


def _largest(values: Tensor) -> float:
    """The largest size of an element."""
    return largest_of(_ops.abs(values)).item()


def _direction(state: dict[str, Any], gradient: Tensor, history_size: int) -> Tensor:
    """The step of Newton's method, with the Hessian of the former steps (two loops)."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
        return -gradient
    turn, moved = gradient - state["prev_flat_grad"], state["d"] * state["t"]
    product = vecdot(turn, moved)
    turns, steps, weights = state["old_dirs"], state["old_stps"], state["ro"]
    if product.item() > 1e-10:
        for kept, new in ((turns, turn), (steps, moved), (weights, 1.0 / product)):
            del kept[: max(len(kept) - history_size + 1, 0)]
            kept.append(new)
        state["H_diag"] = product / vecdot(turn, turn)
    direction, shares = -gradient, [0.0] * len(turns)
    for number in reversed(range(len(turns))):
        shares[number] = vecdot(steps[number], direction) * weights[number]
        direction = direction - turns[number] * shares[number]
    direction = direction * state["H_diag"]
    for number in range(len(turns)):
        along = vecdot(turns[number], direction) * weights[number]
        direction = direction + steps[number] * (shares[number] - along)
    return direction
