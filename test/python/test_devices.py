"""Devices in the front end: where tensors are, what moves them, and what refuses to."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import weft
from devices import DEVICES
from numerics import assert_same_bits
from weft import nn, optim


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> weft.device:
    return weft.device(request.param)


def _copies(function: Callable[[], object]) -> int:
    """How many copies between the host and devices a call makes."""
    before = weft.stats()["device_copies"]
    function()
    return weft.stats()["device_copies"] - before


# Devices ---------------------------------------------------------------------------------------


def test_a_device_is_its_name(device: weft.device) -> None:
    assert device == str(device)
    assert device == weft.device(str(device))
    assert hash(device) == hash(weft.device(device))
    assert device != "cpu"
    assert device != 3
    assert {device: 1}[weft.device(str(device))] == 1
    assert repr(device) == f'weft.device("{device}")'
    assert pickle.loads(pickle.dumps(device)) == device
    cpu = weft.device("cpu")
    assert (cpu.type, cpu.index, str(cpu)) == ("cpu", None, "cpu")
    assert weft.ones(2).device == "cpu"


def test_a_device_is_waited_for(device: weft.device) -> None:
    x = weft.arange(1000, device=device)
    y = x + 1
    assert device.synchronize() is None
    weft.device("cpu").synchronize()
    assert y.cpu().tolist() == list(range(1, 1001))


def test_the_emulator_is_one_device_for_each_gpu() -> None:
    assert weft.device("emulator") == "emulator:sm_80"
    assert weft.device("emulator:sm_90a") != weft.device("emulator")
    assert weft.device("emulator").type == "emulator"


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("tpu", weft.UnsupportedError, 'no device "tpu": devices are cpu, cuda'),
        ("cuda:x", weft.UnsupportedError, 'no device "cuda:x"'),
        ("emulator:sm_20", weft.UnsupportedError, "no device emulator:sm_20: emulated are"),
        (7, weft.DTypeError, "a weft.device or its name"),
    ],
)
def test_a_device_that_is_none_is_an_error(name: object, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        weft.device(name)
    with pytest.raises(kind):
        weft.ones(2, device=name)


# Moving and reading ----------------------------------------------------------------------------


def test_tensors_move_when_told_to(device: weft.device) -> None:
    x = weft.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))
    y = x.to(device)
    assert y.device == device
    assert x.device == "cpu"
    assert y.to(device) is y
    assert x.cpu() is x
    assert_same_bits(y.cpu(), x)
    assert y.to(weft.float64).device == device
    both = x.to(device, weft.int32)
    assert (both.device, both.dtype) == (device, weft.int32)
    assert (x.to(both).device, x.to(both).dtype) == (device, weft.int32)
    assert weft.asarray(x, device=device).device == device
    assert weft.asarray(y).device == device
    empty = weft.ones((0, 4)).to(device)
    assert empty.cpu().shape == (0, 4)
    with pytest.raises(weft.DTypeError, match="neither a dtype nor a device"):
        x.to(3.5)


def test_creation_functions_make_tensors_on_a_device(device: weft.device) -> None:
    made = {
        "zeros": lambda **place: weft.zeros(2, 3, **place),
        "ones": lambda **place: weft.ones((2, 3), dtype=weft.int64, **place),
        "full": lambda **place: weft.full((3,), 7.5, **place),
        "empty": lambda **place: weft.empty(2, **place),
        "arange": lambda **place: weft.arange(2, 11, 3, **place),
        "linspace": lambda **place: weft.linspace(0, 1, 5, **place),
        "eye": lambda **place: weft.eye(3, k=1, **place),
        "asarray": lambda **place: weft.asarray([[1, 2], [3, 4]], **place),
        "tensor": lambda **place: weft.tensor([1.5], dtype=weft.float16, **place),
        "array": lambda **place: weft.array(np.ones(3), **place),
    }
    for name, make in made.items():
        there = make(device=device)
        assert there.device == device, name
        assert_same_bits(there.cpu(), make(), name)
    x = weft.ones(2, 2, device=device)
    alike = [weft.zeros_like(x), weft.ones_like(x), weft.full_like(x, 2), weft.empty_like(x)]
    assert all(tensor.device == device for tensor in alike)
    assert weft.zeros_like(x, device="cpu").device == "cpu"


def test_values_are_read_wherever_they_are(device: weft.device) -> None:
    x = weft.asarray([[1.5, -2.0]], device=device)
    one = weft.asarray(3, device=device)
    assert x.tolist() == [[1.5, -2.0]]
    assert repr(x) == f"Tensor([[ 1.5, -2. ]], dtype=float32, device={device})"
    assert (one.item(), float(one), int(one), bool(one), f"{one:d}") == (3, 3.0, 3, True, "3")
    assert [0, 1, 2, 3][one] == 3
    assert 1.5 in x
    assert _copies(one.item) == 1
    half = weft.asarray([1.0], dtype=weft.bfloat16, device=device)
    assert "1." in repr(half)
    again = pickle.loads(pickle.dumps(x))
    assert again.device == device
    assert_same_bits(again.cpu(), x.cpu())
    assert copy.deepcopy(x).device == device
    parameter = pickle.loads(pickle.dumps(nn.Parameter(x)))
    assert (type(parameter), parameter.device) == (nn.Parameter, device)
    assert parameter.requires_grad


def test_memory_of_a_device_is_not_shared_with_the_host() -> None:
    x = weft.ones(3, device="emulator")
    for read in (np.asarray, memoryview, lambda t: t.numpy(), np.from_dlpack):
        with pytest.raises(weft.DeviceError, match=r"on emulator:sm_80.*\.cpu\(\)"):
            read(x)
    torch = pytest.importorskip("torch")
    with pytest.raises(weft.DeviceError, match=r"on emulator:sm_80.*\.cpu\(\)"):
        torch.from_dlpack(x)
    assert x.__dlpack__(dl_device=(1, 0)) is not None


# Eager operations ------------------------------------------------------------------------------


def test_operands_have_to_be_on_one_device(device: weft.device) -> None:
    x, y = weft.ones(3), weft.ones(3, device=device)
    message = rf"add: the operands are on several devices \(operand 1 on cpu, operand 2 on {device}"
    with pytest.raises(weft.DeviceError, match=message + r'\); move them to one, as by \.to\("cpu'):
        x + y
    with pytest.raises(weft.DeviceError, match="where: "):
        weft.where(x > 0, x, y)
    with pytest.raises(weft.DeviceError, match="concat"):
        weft.concat([x, y])
    with pytest.raises(weft.DeviceError, match=r"assign\(\): the tensor is on cpu, but the"):
        x.assign(y)
    with pytest.raises(weft.DeviceError, match="grad: "):
        x.grad = y


def test_numbers_go_along_and_are_copied_once(device: weft.device) -> None:
    x = weft.ones(4, device=device)
    result = 2.625 * x + 1
    assert result.device == device
    assert result.tolist() == [3.625] * 4
    assert _copies(lambda: 2.625 * x + 1) == 0


def test_indexing_and_assignment(device: weft.device) -> None:
    values = np.arange(20, dtype=np.float32).reshape(4, 5)
    x = weft.asarray(values, device=device)
    assert_same_bits(x[1:, ::2].cpu(), values[1:, ::2].copy())
    assert_same_bits(x[[2, 0]].cpu(), values[[2, 0]])
    assert_same_bits(x[x > 7.0].cpu(), values[values > 7])
    assert_same_bits(x[np.array([1, 3])].cpu(), values[[1, 3]])
    with pytest.raises(weft.OutOfBoundsError):
        x[[9]]
    x[0] = 5.0
    x[1, 2:4] = np.array([8.0, 9.0], np.float32)
    x[[3]] = weft.zeros(5, device=device)
    values[0], values[1, 2:4], values[3] = 5, [8, 9], 0
    assert_same_bits(x.cpu(), values)
    x += 1
    x.fill_(2.0)
    assert x.device == device
    with pytest.raises(weft.DeviceError):
        x[0] = weft.zeros(5)


def test_random_numbers_are_those_of_the_host(device: weft.device) -> None:
    def draw(place: object) -> list[weft.Tensor]:
        weft.random.seed(11)
        drawn = [
            weft.rand(3, 2, device=place),
            weft.random.randint(5, 90, (4,), device=place),
            weft.random.bernoulli(0.5, (6,), device=place),
            weft.random.permutation(5, device=place),
            weft.random.uniform((2,), key=weft.random.key(3, device=place)),
        ]
        assert all(tensor.device == place for tensor in drawn)
        return [tensor.cpu() for tensor in drawn]

    assert_same_bits(draw(device), draw("cpu"))
    assert_same_bits(draw(device), draw(device))


# Gradients -------------------------------------------------------------------------------------


def test_gradients_flow_through_copies(device: weft.device) -> None:
    x = weft.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = weft.tensor([4.0, 5.0, 6.0], requires_grad=True, device=device)
    there = x.to(device)
    product = there * w + there * there
    back = product.cpu()
    # x is reached directly, by a copy, and by a copy of what was computed from it.
    loss = (back * x).sum() + (x * x).to(device).cpu().sum()
    loss.backward(retain_graph=True)
    values, factors = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    wanted = 2 * values * factors + 3 * values * values + 2 * values
    assert x.grad.device == "cpu"
    assert w.grad.device == device
    np.testing.assert_allclose(x.grad.numpy(), wanted)
    np.testing.assert_allclose(w.grad.cpu().numpy(), values * values)
    loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * wanted)
    with pytest.raises(weft.WeftError, match="released"):
        loss.backward()


def test_a_copy_alone_passes_its_gradient_back(device: weft.device) -> None:
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    x.to(device).backward(weft.asarray([3.0, 4.0], device=device))
    assert x.grad.tolist() == [3.0, 4.0]
    assert x.grad.device == "cpu"
    with weft.no_grad():
        assert not x.to(device).requires_grad
    with pytest.raises(weft.DeviceError, match="backward: "):
        x.to(device).backward(weft.ones(2))


def test_gradients_flow_through_compiled_functions(device: weft.device) -> None:
    w = weft.tensor([[1.0, -2.0], [3.0, 0.5]], requires_grad=True, device=device)
    f = weft.jit(lambda x: x @ w)
    x = weft.tensor([[2.0, 1.0]], requires_grad=True)
    (f(x.to(device)) * 2).sum().cpu().backward()
    assert w.grad.tolist() == [[4.0, 4.0], [2.0, 2.0]]
    assert x.grad.tolist() == [[-2.0, 7.0]]
    assert (w.grad.device, x.grad.device) == (device, "cpu")


# Compiled functions ----------------------------------------------------------------------------


def test_a_compiled_function_runs_where_its_arguments_are(device: weft.device) -> None:
    f = weft.jit(lambda x, k: weft.softmax(x * k) + weft.arange(3) + np.float32([1, 2, 3]))
    x = weft.asarray(np.float32([[1, 2, 3], [0, 1, 0]]))
    expected = f(x, 2.0)
    actual = f(x.to(device), 2.0)
    assert actual.device == device
    np.testing.assert_allclose(actual.cpu().numpy(), expected.numpy(), rtol=1e-6)
    assert f.stats()["traces"] == 2
    f(x, 3.0)
    f(x.to(device), 4.0)
    assert f.stats()["traces"] == 2
    assert_same_bits(f(x.to(device), 2.0).cpu(), actual.cpu())
    makes = weft.jit(lambda x, place: x + weft.zeros(3, device=place))
    assert makes(x.to(device), device).device == device
    assert makes(x, x.device).device == "cpu"


def test_mixed_tensors_are_named(device: weft.device) -> None:
    weights = {"first": weft.ones(3, device=device)}
    x, there = weft.ones(3), weft.ones(3, device=device)

    @weft.jit
    def reads_state(batch: weft.Tensor) -> weft.Tensor:
        return batch * weights["first"]

    with pytest.raises(weft.DeviceError) as error:
        reads_state(x)
    assert "argument `batch` is on cpu" in str(error.value)
    assert f"closure variable `weights`['first'] on {device}" in str(error.value)
    assert '.to("cpu")' in str(error.value)
    assert reads_state(there).tolist() == [1.0] * 3

    @weft.jit
    def takes_two(first: dict, *, second: weft.Tensor) -> weft.Tensor:
        return first["x"] + second

    with pytest.raises(weft.DeviceError, match=rf"`first` is on {device}, and argument `second`"):
        takes_two({"x": there}, second=x)


def test_state_that_moves_is_traced_anew(device: weft.device) -> None:
    scale = weft.asarray([2.0])
    f = weft.jit(lambda: scale * 2)
    assert f().device == "cpu"
    scale._replace(scale.to(device))
    assert f().device == device
    assert f"a tensor from outside moved from cpu to {device}" in f.stats()["retraces"][0]
    scale._replace(scale.cpu())
    assert f().device == "cpu"
    assert f.stats()["traces"] == 2


def test_nothing_moves_inside_of_a_compiled_function(device: weft.device) -> None:
    x = weft.ones(2)
    stays = weft.jit(lambda t: t.to(t.device) + weft.zeros(2, device=t.device))
    assert stays(x.to(device)).device == device
    with pytest.raises(weft.DeviceError, match=f"can't move a tensor to {device}; move it before"):
        weft.jit(lambda t: t.to(device))(x)
    with pytest.raises(weft.DeviceError, match="works on one device"):
        weft.jit(lambda: x.to(device))()


def test_compiled_functions_draw_on_their_device(device: weft.device) -> None:
    draws = weft.jit(lambda x: weft.rand(4) + nn.functional.dropout(x, 0.5))
    x = weft.ones(4)

    def three(place: object) -> list[weft.Tensor]:
        weft.random.seed(5)
        return [draws(x.to(place)).cpu() for _ in range(3)]

    assert_same_bits(three(device), three("cpu"))
    assert draws.stats()["traces"] == 2


def test_what_is_compiled_can_be_looked_at(device: weft.device) -> None:
    f = weft.jit(lambda x: weft.exp(x).sum())
    x = weft.ones(64, device=device)
    assert ".visible .entry" in f.lower(x).ir("ptx")
    assert f.lower(x).ir("kernels") != f.lower(x.cpu()).ir("kernels")
    assert "kernel" in f.explain(x)
    assert f.profile(x).microseconds > 0
    assert f.lower(x, target="cuda:sm_80").ir("ptx")


def test_functional_gradients_on_a_device(device: weft.device) -> None:
    def loss(w: weft.Tensor, x: weft.Tensor) -> weft.Tensor:
        return (weft.tanh(x @ w) ** 2).sum()

    w = weft.asarray(np.float32([[1, -1], [0.5, 2]]))
    x = weft.asarray(np.float32([[0.25, -1]]))
    value, gradient = weft.value_and_grad(loss)(w.to(device), x.to(device))
    expected_value, expected = weft.value_and_grad(loss)(w, x)
    assert gradient.device == device
    np.testing.assert_allclose(value.item(), expected_value.item(), rtol=1e-6)
    np.testing.assert_allclose(gradient.cpu().numpy(), expected.numpy(), rtol=1e-5, atol=1e-7)


# Modules and optimizers ------------------------------------------------------------------------


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.LayerNorm(9), nn.Linear(9, 4))


def _cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(36, 3),
    )


def test_modules_move_with_all_they_hold(device: weft.device) -> None:
    net = _cnn()
    first = next(net.parameters())
    net(weft.ones(2, 1, 6, 6)).sum().backward()
    assert net.to(device) is net
    assert next(net.parameters()) is first
    assert first.requires_grad
    assert first.grad.device == device
    tensors = [*net.parameters(), *net.buffers()]
    assert len(tensors) > len([*net.parameters()])
    assert all(tensor.device == device for tensor in tensors)
    net.to(weft.float64, device="cpu")
    assert (first.device, first.dtype) == ("cpu", weft.float64)
    state = net.to(device).state_dict()
    other = _cnn()
    other.load_state_dict(state)
    assert next(other.parameters()).device == "cpu"
    assert_same_bits(next(other.parameters()).detach(), state["0.weight"].to("cpu", weft.float32))
    assert next(net.cpu().parameters()).device == "cpu"


def _train(
    make: Callable[[], nn.Module],
    make_optimizer: Callable,
    inputs: np.ndarray,
    device: object,
    compiled: bool,
) -> tuple[list[float], list[np.ndarray]]:
    """The losses of some training steps, and the state after them."""
    weft.random.seed(3)
    net = make().to(device)
    # The host's generator has drawn the weights; dropout is to draw the same numbers everywhere.
    weft.random.seed(4)
    optimizer = make_optimizer(net.parameters())
    criterion = nn.CrossEntropyLoss()

    def step(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    x = weft.asarray(inputs, device=device)
    y = weft.asarray(np.arange(len(inputs)) % 3, device=device)
    run = weft.jit(step) if compiled else step
    losses = [run(x, y).item() for _ in range(3)]
    assert all(
        tensor.device == device for kept in optimizer.state.values() for tensor in kept.values()
    )
    return losses, [tensor.cpu().numpy() for tensor in net.state_dict().values()]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("network", ["mlp", "cnn"])
def test_training_steps_are_those_of_the_processor(
    network: str, compiled: bool, device: weft.device
) -> None:
    """Sums have another order, so gradients differ by some units of 2**-24 of their sizes; steps of
    a rate below 1 make no more of that. Adam divides by sqrt(v) + eps: an eps far above rounding
    errors keeps it from making steps of them."""
    generator = np.random.default_rng(2)
    shape = (8, 6) if network == "mlp" else (5, 1, 6, 6)
    inputs = generator.normal(size=shape).astype(np.float32)
    make = _mlp if network == "mlp" else _cnn
    optimizers = {
        "mlp": lambda params: optim.Adam(params, lr=0.05, eps=1e-2, weight_decay=0.01),
        "cnn": lambda params: optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
    }
    make_optimizer = optimizers[network]
    losses, state = _train(make, make_optimizer, inputs, device, compiled)
    expected_losses, expected = _train(make, make_optimizer, inputs, "cpu", compiled)
    assert expected_losses[0] != expected_losses[2]
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for actual, wanted in zip(state, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4, atol=1e-5)


def test_a_learning_rate_is_where_the_parameters_are(device: weft.device) -> None:
    net = nn.Linear(3, 2).to(device)
    optimizer = optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.1)
    x = weft.ones(4, 3, device=device)

    @weft.jit
    def step() -> weft.Tensor:
        optimizer.zero_grad()
        loss = net(x).sum()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss

    rates = []
    for _ in range(4):
        step()
        rates.append(optimizer.param_groups[0]["lr"])
    np.testing.assert_allclose(rates, [0.5, 0.05, 0.05, 0.005])
    assert step.stats()["traces"] == 1
    optimizer.param_groups[0]["lr"] = 0.25
    assert optimizer.param_groups[0].tensor("lr").device == device


def test_an_optimizer_moves_after_its_parameters(device: weft.device) -> None:
    net = nn.Linear(3, 2)
    optimizer = optim.Adam(net.parameters())
    net.to(device)
    net(weft.ones(1, 3, device=device)).sum().backward()
    with pytest.raises(weft.DeviceError):
        optimizer.step()
    optimizer.to(device).step()
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert all(
        tensor.device == device for kept in optimizer.state.values() for tensor in kept.values()
    )


# Files and programs ----------------------------------------------------------------------------


def test_weights_are_saved_from_a_device(device: weft.device, tmp_path) -> None:
    net = nn.Linear(3, 2).to(device)
    path = tmp_path / "weights.safetensors"
    weft.save_safetensors(net.state_dict(), path)
    loaded = weft.load_safetensors(path)
    assert_same_bits(loaded["weight"], net.weight.detach().cpu())
    program = weft.export(lambda x: net(x), weft.spec((4, 3)))
    x = weft.ones(4, 3)
    np.testing.assert_allclose(
        program(x).numpy(), net(x.to(device)).detach().cpu().numpy(), rtol=1e-6
    )
    with pytest.raises(weft.DeviceError, match="an exported program: "):
        program(x.to(device))
