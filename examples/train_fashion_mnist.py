"""Trains a convolutional network on Fashion-MNIST, with the whole training step compiled.

Two convolutions, a pooling and two dense layers; Adam. Prints the accuracy on the 10,000 test
images and the time spent compiling, and writes the loss curve and some predictions as pictures.
With --compare-torch the same network is trained in PyTorch as well, from the same initial weights
and on the same batches. With --export the trained network is saved for `weft.load` and weftc.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import weft
from weft import nn, optim
from weft.data import DataLoader, FashionMNIST
from weft.profiler import progress


def make_network() -> nn.Sequential:
    """[N, 1, 28, 28] to the scores of ten classes."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def training_step(network: nn.Module, optimizer: optim.Optimizer) -> Callable:
    """The compiled step: (images, labels) to the loss; weights and optimizer change in place."""
    loss_function = nn.CrossEntropyLoss()

    @weft.jit
    def step(images: weft.Tensor, labels: weft.Tensor) -> weft.Tensor:
        optimizer.zero_grad()
        loss = loss_function(network(images), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def classifier(network: nn.Module) -> Callable:
    """The compiled evaluation: images to scores."""

    @weft.jit
    def classify(images: weft.Tensor) -> weft.Tensor:
        with weft.no_grad():
            return network(images)

    return classify


def train(step: Callable, loader: DataLoader, epochs: int, title: str) -> list[float]:
    """Runs ``step(images, labels)`` for all batches; returns the losses."""
    losses: list[float] = []
    steps, size = epochs * len(loader), loader.batch_size
    with progress(title, steps, "images", per_step=size, lines=5 * epochs) as report:
        for epoch in range(1, epochs + 1):
            for images, labels in loader:
                losses.append(step(images, labels).item())
                report(title=f"{title}: epoch {epoch}/{epochs}", loss=losses[-1])
    return losses


def predictions(scores: Callable, images: Iterable) -> np.ndarray:
    """The class with the highest score for each image of each batch."""
    return np.concatenate([np.asarray(scores(batch)).argmax(axis=1) for batch, _ in images])


class TorchTwin:
    """The same network in PyTorch, starting from the same weights."""

    def __init__(self, network: nn.Module, learning_rate: float) -> None:
        import torch

        self.torch = torch
        layers = torch.nn
        self.network = layers.Sequential(
            layers.Conv2d(1, 32, 3),
            layers.ReLU(),
            layers.Conv2d(32, 64, 3),
            layers.ReLU(),
            layers.MaxPool2d(2),
            layers.Flatten(),
            layers.Linear(64 * 12 * 12, 128),
            layers.ReLU(),
            layers.Linear(128, 10),
        )
        state = {
            name: torch.from_numpy(np.array(value)) for name, value in network.state_dict().items()
        }
        self.network.load_state_dict(state)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)
        self.loss_function = layers.CrossEntropyLoss()

    def step(self, images: weft.Tensor, labels: weft.Tensor):
        """One training step on a batch; returns the loss."""
        inputs, targets = (self.torch.from_numpy(np.array(value)) for value in (images, labels))
        self.optimizer.zero_grad()
        loss = self.loss_function(self.network(inputs), targets)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def scores(self, images: weft.Tensor) -> np.ndarray:
        """The scores of a batch."""
        with self.torch.no_grad():
            return self.network(self.torch.from_numpy(np.array(images))).numpy()


def plot_losses(losses: dict[str, list[float]], batches: int, path: Path) -> None:
    """The loss of each batch, faint, and its running mean."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for color, (name, values) in zip(("tab:blue", "tab:orange"), losses.items(), strict=False):
        window = max(1, min(100, len(values) // 10))
        sums = np.concatenate([[0.0], np.cumsum(values)])
        ends = np.arange(1, len(values) + 1)
        starts = np.maximum(ends - window, 0)
        mean, epochs = (sums[ends] - sums[starts]) / (ends - starts), ends / batches
        axes.plot(epochs, values, color=color, alpha=0.2, linewidth=0.6)
        axes.plot(
            epochs, mean, color=color, linewidth=1.8, label=f"{name}, mean of {window} batches"
        )
    axes.set(
        xlabel="epoch",
        ylabel="cross entropy",
        title="Training loss on Fashion-MNIST",
        xlim=(0, None),
        ylim=(0, 1.2),
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def plot_predictions(dataset: FashionMNIST, predicted: np.ndarray, path: Path) -> None:
    """The first 18 test images and the next 6 wrong ones, with what the network says."""
    from matplotlib import pyplot as plt

    truth = np.asarray(dataset.targets)
    wrong = np.flatnonzero(predicted != truth)
    shown = [*range(18), *wrong[wrong >= 18][:6].tolist()]
    figure, grid = plt.subplots(4, 6, figsize=(10, 8), layout="constrained")
    figure.suptitle("Predictions on test images (last row: mistakes)")
    for axes in grid.flat:
        axes.axis("off")
    for axes, number in zip(grid.flat, shown, strict=False):
        axes.imshow(np.asarray(dataset.data)[number], cmap="gray_r")
        correct = predicted[number] == truth[number]
        name = dataset.classes[predicted[number]]
        title = name if correct else f"{name}\n(is {dataset.classes[truth[number]]})"
        axes.set_title(title, fontsize=9, color="black" if correct else "tab:red")
    figure.savefig(path, dpi=150)
    plt.close(figure)


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5, help="passes over the training images (5)")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a step (64)")
    parser.add_argument("--seed", type=int, default=0, help="decides weights and batches (0)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="of Adam (0.001)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("build/demo"),
        help="folder of the pictures (build/demo)",
    )
    parser.add_argument(
        "--root", default="/usr/share/datasets/fashion-mnist", help="folder of the data set"
    )
    parser.add_argument(
        "--compare-torch", action="store_true", help="train the same network in PyTorch too"
    )
    parser.add_argument("--export", type=Path, help="save the trained network to this file (.weft)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse_arguments(arguments)
    try:
        training, test = (FashionMNIST(options.root, train=part) for part in (True, False))
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    weft.random.seed(options.seed)
    network = make_network()
    print(
        f"{network}\n{sum(p.numel() for p in network.parameters()):,} parameters, "
        f"{weft.get_num_threads()} threads"
    )
    twin = TorchTwin(network, options.learning_rate) if options.compare_torch else None

    def batches() -> DataLoader:
        return DataLoader(training, options.batch_size, shuffle=True, seed=options.seed)

    optimizer = optim.Adam(network.parameters(), lr=options.learning_rate)
    step, classify = training_step(network, optimizer), classifier(network)
    start = time.perf_counter()
    losses = {"weft": train(step, batches(), options.epochs, "weft")}
    seconds = time.perf_counter() - start
    test_batches = DataLoader(test, 500)
    predicted = predictions(classify, test_batches)
    truth = np.asarray(test.targets)
    accuracy = float(np.mean(predicted == truth))
    stats = step.stats()
    print(
        f"weft: test accuracy {accuracy:.4f}; {seconds:.1f} s for {options.epochs} epochs, of "
        f"which {stats['compile_seconds']:.2f} s compiling and {stats['trace_seconds']:.2f} s "
        f"tracing ({stats['traces']} traces)"
    )
    if options.export:
        images = weft.spec(("n", 1, 28, 28))
        weft.export(classify, images).save(options.export)
        print(f"saved the trained network as {options.export}")
    if twin:
        start = time.perf_counter()
        losses["PyTorch"] = train(twin.step, batches(), options.epochs, "PyTorch")
        seconds = time.perf_counter() - start
        other = float(np.mean(predictions(twin.scores, test_batches) == truth))
        print(
            f"PyTorch: test accuracy {other:.4f}; {seconds:.1f} s; weft's is "
            f"{100 * (accuracy - other):+.2f} points from it"
        )
    plot_losses(losses, len(batches()), options.output / "loss.png")
    plot_predictions(test, predicted, options.output / "predictions.png")
    print(f"pictures: {options.output / 'loss.png'}, {options.output / 'predictions.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
