"""weft.from_torch: PyTorch's modules as modules of weft, and .pt2 files as programs of weft."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import weft  # noqa: E402


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.LayerNorm(16), torch.nn.GELU(), torch.nn.Linear(16, 4)
    ).eval()


def batch(count: int) -> torch.Tensor:
    return torch.randn(count, 8)


def moved(tensor: torch.Tensor) -> weft.Tensor:
    return weft.asarray(tensor.detach().numpy())


def close(ours: weft.Tensor, theirs: torch.Tensor) -> None:
    np.testing.assert_allclose(np.asarray(ours), theirs.detach().numpy(), rtol=1e-5, atol=1e-5)


def test_results_names_and_shared_memory():
    theirs = network()
    ours = weft.from_torch(theirs, (batch(2),))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = batch(2)
    close(ours(moved(x)), theirs(x))
    with torch.no_grad():
        theirs[3].bias += 1  # one memory
    close(ours(moved(x)), theirs(x))
    close(weft.jit(ours)(moved(x)), theirs(x))


def test_sizes_that_stay_open_in_a_program(tmp_path: Path):
    theirs = network()
    dimensions = ({0: torch.export.Dim("batch")},)
    ours = weft.from_torch(theirs, (batch(2),), dynamic_shapes=dimensions)
    program = weft.export(ours, *ours.specs)
    program.save(tmp_path / "network.weft")
    again = weft.load(tmp_path / "network.weft")
    for count in (1, 5, 30):
        x = batch(count)
        close(again(moved(x)), theirs(x))


def test_gradients_and_training():
    theirs = network().train()
    ours = weft.from_torch(theirs, (batch(6),))
    x = batch(6)
    theirs(x).square().sum().backward()
    ours(moved(x)).square().sum().backward()
    for name, parameter in ours.named_parameters():
        close(parameter.grad, theirs.get_parameter(name).grad)
    before = theirs[0].weight.clone()
    optimizer = weft.optim.SGD(ours.parameters(), lr=0.1)
    optimizer.step()
    torch.testing.assert_close(theirs[0].weight, before, rtol=0, atol=0)  # weft writes its own


def test_structures_of_arguments_and_results():
    class Pair(torch.nn.Module):
        def forward(self, pair: dict, scale: torch.Tensor) -> dict:
            return {"sum": pair["a"] + pair["b"], "parts": [pair["a"] * scale, pair["b"]]}

    a, b, scale = torch.randn(3), torch.randn(3), torch.tensor(2.0)
    ours = weft.from_torch(Pair(), ({"a": a, "b": b}, scale))
    found = ours({"a": moved(a), "b": moved(b)}, moved(scale))
    close(found["sum"], a + b)
    close(found["parts"][0], a * 2)
    with pytest.raises(weft.DTypeError, match="the program takes"):
        ours(moved(a), moved(scale))


def test_ops_without_a_rule_are_named_with_their_line():
    class Reflections(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.geqrf(x @ x.t())[0]

    with pytest.raises(weft.UnsupportedError, match=r"aten.geqrf.default: once") as no:
        weft.from_torch(Reflections(), (torch.eye(3),))
    assert "test_from_torch.py" in str(no.value)
    with pytest.raises(weft.UnsupportedError, match="running_mean"):
        weft.from_torch(torch.nn.BatchNorm1d(3), (torch.randn(4, 3),))
    with pytest.raises(weft.DTypeError, match="not a list"):
        weft.from_torch([])


def test_files_of_exported_programs(tmp_path: Path):
    theirs, source, target = network(), tmp_path / "network.pt2", tmp_path / "network.weft"
    torch.export.save(torch.export.export(theirs, (batch(3),)), source)
    command = [sys.executable, "-m", "weft.torch", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    x = batch(3)
    close(weft.load(target)(moved(x)), theirs(x))
    source.write_bytes(source.read_bytes()[:1000])
    damaged = subprocess.run(command, capture_output=True, text=True)
    assert damaged.returncode == 1
    assert "no program of torch.export" in damaged.stderr
    assert "Traceback" not in damaged.stderr


def test_other_shapes_than_the_program_is_for_are_refused() -> None:
    example = (torch.ones(3, 4),)
    fixed = weft.from_torch(torch.nn.Linear(4, 2), example)
    batch = ({0: torch.export.Dim("batch")},)
    open_ = weft.from_torch(torch.nn.Linear(4, 2), example, dynamic_shapes=batch)
    assert open_(weft.ones((7, 4))).shape == (7, 2)
    for module, shape in ((fixed, (3, 5)), (fixed, (2, 4)), (open_, (3, 5)), (open_, (4,))):
        with pytest.raises(weft.ShapeError, match="the argument input has to be float32"):
            module(weft.ones(shape))
    with pytest.raises(weft.DTypeError, match="but is int64"):
        fixed(weft.ones((3, 4), dtype="int64"))


def test_checks_of_exported_programs_need_no_rule() -> None:
    """A conversion to a dtype and a device leaves a check in the program."""

    class Moved(torch.nn.Module):
        def forward(self, x):
            return x.to(device=x.device, dtype=torch.float64) * 2

    x = torch.randn(3)
    program = torch.export.export(Moved(), (x,))
    assert "_assert_tensor_metadata" in str(program.graph)
    found = weft.from_torch(program)(weft.asarray(x))
    assert found.tolist() == (x.double() * 2).tolist()


def test_arrays_are_taken_too() -> None:
    theirs, x = network(), batch(2)
    close(weft.from_torch(theirs, (x,))(x.numpy()), theirs(x))


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    theirs, x = network(), batch(3)
    torch.export.save(torch.export.export(theirs, (x,)), tmp_path / "network.pt2")
    close(weft.from_torch(tmp_path / "network.pt2")(moved(x)), theirs(x))
    with pytest.raises(weft.FileError, match="No such file"):
        weft.from_torch(str(tmp_path / "other.pt2"))


def test_errors_of_calls_have_one_line_and_a_kind() -> None:
    """That of the module, or of the call: never one of PyTorch's, nor two."""

    class Halves(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(2, -1)

    sizes = ({0: 2 * torch.export.Dim("half")},)
    halves = weft.from_torch(Halves(), (torch.ones(4),), dynamic_shapes=sizes)
    assert halves(weft.ones(6)).shape == (2, 3)
    with pytest.raises(weft.ShapeError, match=r"^[^ ]*test_from_torch.py:\d+: aten[^/]*$"):
        halves(weft.ones(5))
    ours = weft.from_torch(network(), (batch(2),))
    for given in (3, torch.ones(2, 8)):
        with pytest.raises(weft.DTypeError, match=r"but is a \w+.\w+: weft.asarray makes a tensor"):
            ours(given)
