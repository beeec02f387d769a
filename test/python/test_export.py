"""Exported programs give the bits of jit, also where there is no source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from export_programs import PROGRAMS
from weft import nn
from weft.nn import functional as F

#: Loads a program, runs it on each set of inputs, and saves the results.
_ELSEWHERE = """
import sys
import numpy as np
import weft

program = weft.load(sys.argv[1])
inputs = np.load(sys.argv[2])
results = {}
for name in inputs.files:
    results[name] = np.asarray(program(inputs[name]))
np.savez(sys.argv[3], **results)
assert not any("export_programs" in module for module in sys.modules)
"""


def _same_bits(left: object, right: object) -> bool:
    left, right = np.asarray(left), np.asarray(right)
    same = left.dtype == right.dtype and left.shape == right.shape
    return same and left.tobytes() == right.tobytes()


@pytest.mark.parametrize("name", PROGRAMS)
def test_saved_program_runs_in_another_process(name: str, tmp_path: Path) -> None:
    program = PROGRAMS[name]()
    exported = weft.export(program.function, *program.specs)
    exported.save(tmp_path / "program.weft")
    compiled = weft.jit(program.function)
    inputs = {"_".join(map(str, sizes)): program.inputs(*sizes) for sizes in program.sizes}
    assert all(len(arguments) == 1 for arguments in inputs.values())
    np.savez(tmp_path / "inputs.npz", **{key: value[0] for key, value in inputs.items()})
    subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, "program.weft", "inputs.npz", "results.npz"],
        cwd=tmp_path,
        check=True,
    )
    results = np.load(tmp_path / "results.npz")
    for key, arguments in inputs.items():
        expected = compiled(*arguments)
        assert _same_bits(exported(*arguments), expected), key
        assert _same_bits(results[key], expected), key


def test_fixed_sizes_come_from_example_arrays() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    exported = weft.export(lambda x: weft.exp(x) + 1, x)
    assert exported.symbols == ()
    assert repr(exported) == "Exported(x: float32[2, 3] -> result: float32[2, 3])"
    assert _same_bits(exported(x), weft.jit(lambda x: weft.exp(x) + 1)(x))


def test_new_sizes_compile_no_kernels() -> None:
    program = PROGRAMS["perceptron"]()
    exported = weft.export(program.function, *program.specs)
    # Some of each bucket of rows.
    for size in (1, 2, 3, 10, 40):
        exported(*program.inputs(size))
    before = weft.stats()
    for size in (4, 6, 16, 33, 120):
        exported(*program.inputs(size))
    after = weft.stats()
    for counter in ("kernels_compiled", "disk_cache_hits"):
        assert after[counter] == before[counter]


def test_weights_are_those_of_the_export() -> None:
    layer = nn.Linear(3, 2)
    exported = weft.export(layer, weft.spec(("n", 3)))
    x = np.ones((2, 3), np.float32)
    before = np.array(exported(x))
    with weft.no_grad():
        layer.weight.fill_(7.0)
    assert _same_bits(exported(x), before)


def test_training_goes_on_beside_an_export() -> None:
    # Compiled steps write weights in place where nothing else reads them.
    layer = nn.Linear(3, 2)
    optimizer = weft.optim.SGD(layer.parameters(), lr=0.5)

    @weft.jit
    def step(x: weft.Tensor) -> None:
        optimizer.zero_grad()
        (layer(x) ** 2).sum().backward()
        optimizer.step()

    x = weft.ones(4, 3)
    step(x)
    exported = weft.export(layer, weft.spec(("n", 3)))
    expected = np.array(exported(x))
    for _ in range(3):
        step(x)
    assert _same_bits(exported(x), expected)
    assert not _same_bits(layer(x), expected)


def test_weights_are_named_as_the_module_names_them() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 2, bias=False)))

    def closed_over(x: weft.Tensor) -> weft.Tensor:
        return network(x) * scale

    scale = weft.asarray([1.0, 2.0])
    text = weft.export(network, weft.spec(("n", 2))).mlir()
    for name in network.state_dict():
        assert f'weft.name = "{name}"' in text
    text = weft.export(closed_over, weft.spec(("n", 2))).mlir()
    for name in ("network.0.weight", "network.1.0.weight", "scale"):
        assert f'weft.name = "{name}"' in text


def test_text_shows_sizes_by_name_and_elides_elements() -> None:
    exported = weft.export(nn.Linear(40, 30), weft.spec(("n", 40)))
    text = exported.mlir()
    assert 'tensor<?x40xf32, #weft.shape<["n", 40]>> {weft.name = "input"}' in text
    assert len(text) < 4000
    assert len(exported.mlir(elide_constants=False)) > 40 * 30 * 8


def test_an_already_compiled_function_is_inlined() -> None:
    inner = weft.jit(lambda x: weft.sin(x) * 2)
    inner(np.ones(3, np.float32))

    def outer(x: weft.Tensor) -> weft.Tensor:
        return inner(x) + inner(x + 1)

    x = np.linspace(0, 1, 5, dtype=np.float32)
    expected = weft.jit(outer)(x)
    assert _same_bits(weft.export(outer, weft.spec("n"))(x), expected)
    assert _same_bits(weft.export(weft.jit(outer), weft.spec("n"))(x), expected)


def test_gradients_of_a_symbolic_batch() -> None:
    def loss(weights: dict, x: weft.Tensor, labels: weft.Tensor) -> weft.Tensor:
        hidden = weft.tanh(x @ weights["first"] + weights["bias"])
        return F.cross_entropy(hidden @ weights["second"], labels)

    step = weft.value_and_grad(loss)
    specs = {
        "first": weft.spec((6, 8)),
        "bias": weft.spec(8),
        "second": weft.spec((8, 4)),
    }
    exported = weft.export(step, specs, weft.spec(("n", 6)), weft.spec("n", "int64"))
    generator = np.random.default_rng(5)
    weights = {
        name: generator.standard_normal(spec.shape).astype(np.float32)
        for name, spec in specs.items()
    }
    for size in (1, 5, 9):
        x = generator.standard_normal((size, 6)).astype(np.float32)
        labels = generator.integers(0, 4, size)
        value, gradients = exported(weights, x, labels)
        expected_value, expected = weft.jit(step)(weights, x, labels)
        assert _same_bits(value, expected_value)
        assert gradients.keys() == expected.keys()
        assert all(_same_bits(gradients[name], expected[name]) for name in expected)


def test_training_mode_is_refused_and_evaluation_works() -> None:
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    x = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    network(x)
    with pytest.raises(
        weft.UnsupportedError, match=r"changes 1\.num_batches_tracked\. Call \.eval\(\)"
    ):
        weft.export(network, weft.spec(("n", 3)))
    network.eval()
    exported = weft.export(network, weft.spec(("n", 3)))
    network.train()
    for size in (1, 6):
        network.eval()
        assert _same_bits(exported(x[:size]), weft.jit(network)(x[:size]))


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda x: weft.random.normal(x.shape) + x, "the state of weft.random"),
        (lambda x: F.dropout(x), "the state of weft.random"),
    ],
)
def test_random_state_is_refused(function: object, named: str) -> None:
    with pytest.raises(weft.UnsupportedError, match=named):
        weft.export(function, weft.spec("n"))


def test_changed_arguments_and_gradients_are_refused() -> None:
    layer = nn.Linear(2, 2)

    def in_place(x: weft.Tensor) -> weft.Tensor:
        x += 1
        return x

    def backward(x: weft.Tensor) -> weft.Tensor:
        loss = layer(x).sum()
        loss.backward()
        return loss

    with pytest.raises(weft.UnsupportedError, match=r"one of its arguments\. Return"):
        weft.export(in_place, weft.spec("n"))
    with pytest.raises(weft.UnsupportedError, match=r"gradient of layer\.weight\. Compute"):
        weft.export(backward, weft.spec(("n", 2)))
    assert layer.weight.grad is None


def test_a_weight_may_be_a_result() -> None:
    table = weft.asarray(np.arange(4, dtype=np.float32))

    def function(x: weft.Tensor) -> tuple:
        return x, table, table + x

    exported = weft.export(function, weft.spec(()))
    results = exported(1.0)
    del exported
    assert [np.asarray(result).tolist() for result in results] == [
        1.0,
        [0.0, 1.0, 2.0, 3.0],
        [1.0, 2.0, 3.0, 4.0],
    ]


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16", "int8", "uint8", "bool"])
def test_weights_of_all_dtypes(dtype: str, tmp_path: Path) -> None:
    table = (weft.arange(6) % 2).astype(dtype)

    def function(x: weft.Tensor) -> weft.Tensor:
        return weft.where(x > 0, table, table[::-1])

    exported = weft.export(function, weft.spec(6))
    x = np.asarray([1, -1, 1, 1, -1, -1], np.float32)
    expected = weft.jit(function)(x)
    assert _same_bits(exported(x), expected)
    exported.save(tmp_path / "program.weft")
    assert _same_bits(weft.load(tmp_path / "program.weft")(x), expected)
    exported.save(tmp_path / "apart.weft", weights=tmp_path / "apart.safetensors")
    assert _same_bits(weft.load(tmp_path / "apart.weft")(x), expected)
