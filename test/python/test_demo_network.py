"""The network of examples/train_fashion_mnist.py: eager, compiled and PyTorch's training agree."""

import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest
import weft
from idx_files import write_fashion
from weft import optim

EPSILON = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def example(request):
    path = request.config.rootpath / "examples" / "train_fashion_mnist.py"
    specification = importlib.util.spec_from_file_location("train_fashion_mnist", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def threads():
    former = weft.get_num_threads()
    yield weft.set_num_threads
    weft.set_num_threads(former)


def batch(count, seed=0):
    rng = np.random.default_rng(seed)
    return (
        weft.asarray(rng.random((count, 1, 28, 28), np.float32)),
        weft.asarray(rng.integers(0, 10, count)),
    )


def start(example, seed=1):
    weft.random.seed(seed)
    network = example.make_network()
    return network, optim.Adam(network.parameters(), lr=1e-3)


def trained(example, compiled, steps=3):
    """Losses and final state after some steps."""
    network, optimizer = start(example)
    step = example.training_step(network, optimizer)
    step = step if compiled else step.__wrapped__
    losses = [step(*batch(8, seed)).item() for seed in range(steps)]
    state = {
        **network.state_dict(),
        **{
            f"{number}.{name}": value
            for number, kept in optimizer.state_dict()["state"].items()
            for name, value in kept.items()
        },
    }
    return losses, {name: np.array(value) for name, value in state.items()}


def test_eager_and_compiled_training_are_equal_to_the_bit(example, threads):
    runs = []
    for count in (1, 2):
        threads(count)
        runs += [trained(example, compiled) for compiled in (False, True)]
    losses, state = runs[0]
    assert losses[0] == pytest.approx(np.log(10), rel=0.05)
    for other_losses, other_state in runs[1:]:
        assert other_losses == losses
        for name, value in state.items():
            assert np.array_equal(other_state[name], value), name


def test_training_follows_torch(example):
    network, optimizer = start(example)
    twin = example.TorchTwin(network, 1e-3)
    step = example.training_step(network, optimizer)
    for seed in range(4):
        images, labels = batch(16, seed)
        ours, theirs = step(images, labels).item(), twin.step(images, labels).item()
        # Adam's quotients turn rounding of tiny gradients into steps of up to lr: the runs drift
        # apart by far more than rounding, but stay on one path.
        assert ours == pytest.approx(theirs, rel=16 * EPSILON if seed == 0 else 1e-3)
    for p, q in zip(network.parameters(), twin.network.parameters(), strict=True):
        difference = np.abs(np.asarray(p.detach()) - q.detach().numpy())
        assert difference.max() <= 2 * 4 * 1e-3
        assert np.median(difference) < 1e-5


def test_a_result_does_not_depend_on_its_batch(example):
    network, _ = start(example)
    classify = example.classifier(network)
    images, _ = batch(33)
    together = np.asarray(classify(images))
    for begin, end in ((0, 1), (5, 12), (32, 33), (1, 33)):
        assert np.array_equal(classify(images[begin:end]), together[begin:end])


def test_whole_step_is_one_trace_per_shape(example):
    network, optimizer = start(example)
    step = example.training_step(network, optimizer)
    for count in (4, 4, 7, 4, 7):
        step(*batch(count))
    assert step.stats()["traces"] == 2
    assert step.stats()["calls"] == 5
    optimizer.param_groups[0]["lr"] = 0.0
    before = network.state_dict()
    step(*batch(4))
    assert step.stats()["traces"] == 2
    for name, value in network.state_dict().items():
        assert np.array_equal(value, before[name])


def test_an_error_in_a_step_changes_nothing(example):
    network, optimizer = start(example)
    step = example.training_step(network, optimizer)
    step(*batch(4))
    before, images = network.state_dict(), batch(4)[0]
    with pytest.raises(weft.ShapeError, match="target of shape"):
        step(images, weft.asarray([1, 2]))
    after, state = network.state_dict(), optimizer.state_dict()["state"]
    assert all(np.array_equal(after[name], before[name]) for name in before)
    assert all(kept["step"].item() == 1 for kept in state.values())
    step(*batch(4))


def small_data_set(folder):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 120).astype(np.uint8)
    pictures = rng.integers(0, 60, (120, 28, 28)).astype(np.uint8)
    for number, label in enumerate(labels):
        pictures[number, 2 * label : 2 * label + 4] += 180
    for part in ("train", "t10k"):
        write_fashion(folder, pictures, labels, part)


def test_example_trains_beside_torch(example, tmp_path, capsys):
    small_data_set(tmp_path)
    output = tmp_path / "pictures"
    assert (
        example.main(
            [
                "--root",
                str(tmp_path),
                "--output",
                str(output),
                "--epochs",
                "3",
                "--batch-size",
                "16",
                "--compare-torch",
            ]
        )
        == 0
    )
    text = capsys.readouterr().out
    ours, theirs = (float(value) for value in re.findall(r"test accuracy ([\d.]+)", text))
    assert ours >= 0.9
    assert abs(ours - theirs) <= 0.05
    assert re.search(r"s compiling and [\d.]+ s tracing \(2 traces\)", text)
    for name in ("loss.png", "predictions.png"):
        assert (output / name).read_bytes().startswith(b"\x89PNG")


def test_example_names_the_missing_package(example, tmp_path, capsys):
    assert example.main(["--root", str(tmp_path)]) == 1
    assert "dataset-fashion-mnist" in capsys.readouterr().err


def test_pytorch_style_example(request, tmp_path, monkeypatch, capsys):
    small_data_set(tmp_path)
    path = request.config.rootpath / "examples" / "mlp_pytorch_style.py"
    specification = importlib.util.spec_from_file_location("mlp_pytorch_style", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    data_set = module.FashionMNIST
    monkeypatch.setattr(module, "FashionMNIST", lambda train: data_set(tmp_path, train))
    module.main(epochs=2)
    text = capsys.readouterr().out
    assert len(re.findall(r"^accuracy: [\d.]+%, loss: +[\d.]+$", text, re.MULTILINE)) == 2
    assert "loss: " in text


def test_quickstart_runs(request):
    path = request.config.rootpath / "examples" / "quickstart.py"
    result = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    x = np.linspace(-1, 1, 5)
    assert f"{np.sum(np.tanh(2 * x) ** 2):.4f}" in result.stdout
