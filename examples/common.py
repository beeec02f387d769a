"""What the examples share: command line, progress, compiled training step, data, pictures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import weft
from weft.data import DataLoader, FashionMNIST, Subset
from weft.profiler import progress

HELP = {
    "batch": "how many examples a step has",
    "data": "the folder of Fashion-MNIST",
    "output": "the folder for pictures",
    "rate": "the learning rate",
    "seed": "decides what is random",
    "steps": "how many steps to make",
    "times": "how many steps there are from a picture to noise",
}
FASHION = Path("/usr/share/datasets/fashion-mnist")


def command_line(text: str, arguments: list[str] | None, **defaults: object) -> argparse.Namespace:
    """An option for each default, of its type: `steps=100` is `--steps`. `text` is the program's
    docstring."""
    main = sys.modules["__main__"].__spec__
    parser = argparse.ArgumentParser(
        prog=f"python -m {main.name}" if main else None,
        description=text.split("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults |= {"seed": 0, "output": Path("build/examples")}
    for name, value in defaults.items():
        help = HELP.get(name, "how many " + name.replace("_", " "))
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=type(value), default=value, help=help)
    options = parser.parse_args(arguments)
    weft.manual_seed(options.seed)
    return options


def training_step(
    loss: Callable[..., weft.Tensor], optimizer: weft.optim.Optimizer
) -> Callable[..., weft.Tensor]:
    """The compiled step: a batch to its loss; weights and optimizer change in place."""

    @weft.jit
    def step(*batch: weft.Tensor) -> weft.Tensor:
        optimizer.zero_grad()
        value = loss(*batch)
        value.backward()
        optimizer.step()
        return value

    return step


def train(title: str, step: Callable[..., weft.Tensor], batches: Iterable, steps: int) -> float:
    """Makes so many steps with the first batches; gives the mean loss of the last tenth of them."""
    losses = []
    with progress(title, steps) as report:
        for _, batch in zip(range(steps), batches):
            losses.append(step(*batch).item())
            report(loss=losses[-1])
    return float(np.mean(losses[-max(1, steps // 10) :]))


def fashion(options: argparse.Namespace) -> Iterator[tuple[weft.Tensor, weft.Tensor]]:
    """Batches of pictures of clothes [N, 1, 28, 28] in [0, 1] and their classes, without end."""
    try:
        pictures = FashionMNIST(options.data, train=True)
    except FileNotFoundError as error:
        sys.exit(str(error))
    loader = DataLoader(pictures, options.batch, shuffle=True, drop_last=True, seed=options.seed)
    while True:
        yield from loader


def accuracy(model: weft.nn.Module, options: argparse.Namespace, pictures: int = 2000) -> float:
    """The share of the first test pictures of which the model's highest score is that of their
    class. The model is in its evaluation mode afterwards."""
    model.eval()

    @weft.jit
    def correct(images: weft.Tensor, labels: weft.Tensor) -> weft.Tensor:
        with weft.no_grad():
            return (model(images).argmax(1) == labels).sum()

    test = FashionMNIST(options.data, train=False)
    batches = DataLoader(Subset(test, range(min(pictures, len(test)))), 100)
    return sum(correct(*batch).item() for batch in batches) / len(batches.dataset)


def documentation() -> tuple[weft.Tensor, str]:
    """A text to learn from, Weft's documentation: numbers of its characters, and the alphabet."""
    pages = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
    text = "\n".join(page.read_text() for page in pages)
    alphabet = "".join(sorted(set(text)))
    numbers = {character: number for number, character in enumerate(alphabet)}
    return weft.tensor([numbers[character] for character in text]), alphabet


def texts(text: weft.Tensor, options: argparse.Namespace, length: int) -> Iterator[tuple]:
    """Batches of parts of a text and, for each of their tokens, the one that follows it."""
    places = np.random.default_rng(options.seed)
    numbers = np.asarray(text)
    while True:
        starts = places.integers(0, len(numbers) - length, (options.batch, 1))
        rows = numbers[starts + np.arange(length + 1)]
        yield weft.asarray(rows[:, :-1]), weft.asarray(rows[:, 1:])


def save_pictures(images: weft.Tensor, path: Path, columns: int = 8) -> None:
    """Pictures [N, 1, H, W] in [0, 1] side by side, N a multiple of the columns, as one PNG."""
    from matplotlib import pyplot

    count, _, height, width = images.shape
    rows = np.asarray(images.detach()).reshape(count // columns, columns, height, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    wall = rows.swapaxes(1, 2).reshape(-1, columns * width)
    pyplot.imsave(path, wall, cmap="gray_r", vmin=0, vmax=1)
