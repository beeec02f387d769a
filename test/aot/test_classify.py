"""The demo's network in a C program: examples/classify_fashion_mnist.c as it stands, with real
images, gives the classes and scores of jit."""

from __future__ import annotations

import gzip
import importlib.util
import re
import subprocess
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import weft
from aot_models import CC, ROOT, STRICT, WEFTC, run, tool
from weft.data import DataLoader, FashionMNIST

SOURCE = ROOT / "examples" / "classify_fashion_mnist.c"
DATA = Path("/usr/share/datasets/fashion-mnist")
STEPS = 12


def demo() -> ModuleType:
    """examples/train_fashion_mnist.py as a module."""
    specification = importlib.util.spec_from_file_location(
        "train_fashion_mnist", ROOT / "examples" / "train_fashion_mnist.py"
    )
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Callable, Path]:
    """The compiled evaluation of a network that has learned a little, and the saved program."""
    if not DATA.exists():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    example = demo()
    weft.random.seed(0)
    network = example.make_network()
    optimizer = weft.optim.Adam(network.parameters(), lr=1e-3)
    step = example.training_step(network, optimizer)
    batches = DataLoader(FashionMNIST(str(DATA), train=True), 64, shuffle=True, seed=0)
    losses = [step(images, labels).item() for images, labels in islice(batches, STEPS)]
    assert losses[-1] < losses[0]
    classify = example.classifier(network)
    program = tmp_path_factory.mktemp("classify") / "fashion.weft"
    weft.export(classify, weft.spec(("n", 1, 28, 28))).save(program)
    return classify, program


def first_images(count: int) -> tuple[bytes, np.ndarray]:
    """The beginning of the file of test images, as it is and as the network takes it."""
    with gzip.open(DATA / "t10k-images-idx3-ubyte.gz") as file:
        content = file.read(16 + 784 * count)
    pixels = np.frombuffer(content, np.uint8, offset=16).reshape(count, 1, 28, 28)
    return content, pixels.astype(np.float32) / np.float32(255)


def check(program: list[str | Path], classify: Callable, count: int) -> None:
    """The program prints the classes and scores of jit for the first images."""
    content, images = first_images(count)
    command = [str(word) for word in program]
    output = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    classes, scores = zip(*(line.split() for line in output.splitlines()), strict=True)
    expected = np.asarray(classify(weft.asarray(images)))
    assert [int(number) for number in classes] == expected.argmax(axis=1).tolist()
    # Nine digits tell every float32 from its neighbours.
    assert np.array(scores, np.float32).tobytes() == expected.max(axis=1).tobytes()
    assert len(set(classes)) > 3, "the network says nearly the same of all images"


def compile_model(program: Path, folder: Path, *flags: str) -> Path:
    """The object and the header that the example includes."""
    output = folder / "fashion.o"
    run([WEFTC, program, "-o", output, "--header", folder / "fashion.h", *flags])
    return output


@pytest.mark.parametrize("compiler", [CC, "gcc"])
def test_classes_and_scores_are_those_of_jit(
    compiler: str, trained: tuple[Callable, Path], tmp_path: Path
) -> None:
    classify, program = trained
    model = compile_model(program, tmp_path)
    flags = ["-std=c99", *STRICT, "-O2", "-I", tmp_path]
    run([tool(compiler), *flags, SOURCE, model, "-lm", "-o", tmp_path / "classify"])
    check([tmp_path / "classify"], classify, 300)


def test_on_arm(trained: tuple[Callable, Path], tmp_path: Path) -> None:
    compiler, emulator = tool("aarch64-linux-gnu-gcc"), tool("qemu-aarch64")
    classify, program = trained
    model = compile_model(program, tmp_path, "--target=aarch64")
    flags = ["-std=c99", *STRICT, "-O2", "-static", "-I", tmp_path]
    run([compiler, *flags, SOURCE, model, "-lm", "-o", tmp_path / "classify"])
    check([emulator, tmp_path / "classify"], classify, 20)


def test_accuracy_is_that_of_jit(trained: tuple[Callable, Path], tmp_path: Path) -> None:
    """Against the labels, which no network of ours has made."""
    classify, program = trained
    run([CC, "-I", tmp_path, SOURCE, compile_model(program, tmp_path), "-lm", "-o", tmp_path / "c"])
    content, images = first_images(500)
    with gzip.open(DATA / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(8 + 500), np.uint8, offset=8)
    output = subprocess.run([tmp_path / "c"], input=content, capture_output=True, check=True).stdout
    classes = np.array([int(line.split()[0]) for line in output.splitlines()])
    accuracy = np.mean(classes == labels)
    assert accuracy == np.mean(np.asarray(classify(weft.asarray(images))).argmax(axis=1) == labels)
    assert accuracy > 0.5


def test_example_is_short() -> None:
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", SOURCE.read_text(), flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) < 20
