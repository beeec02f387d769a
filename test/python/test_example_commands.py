"""Every program of examples/models and examples/programs runs by its command, and says at its end
what came out."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from idx_files import write_fashion

ROOT = Path(__file__).resolve().parent.parent.parent

TRAINING = ["--steps", "2", "--batch", "4"]
COMMANDS = {
    "models.bert": (TRAINING, r"BERT: loss \d\.\d{3} for each gap, of 3\.466 by guessing"),
    "models.diffusion": (
        [*TRAINING, "--times", "3"],
        r"diffusion: squared error \d+\.\d{3} of the noise; new pictures in .*diffusion.png",
    ),
    "models.dqn": (
        ["--games", "2", "--batch", "8"],
        r"DQN: the pole stands for \d+ of 500 steps, the mean of the last games",
    ),
    "models.gan": (TRAINING, r"GAN: losses \d+\.\d{3} and \d+\.\d{3}; pictures in .*gan.png"),
    "models.gat": (["--steps", "2"], r"GAT: loss \d.\d{3}, \d+\.\d % of the other nodes right"),
    "models.gcn": (["--steps", "2"], r"GCN: loss \d.\d{3}, \d+\.\d % of the other nodes right"),
    "models.gpt2": (
        [*TRAINING, "--characters", "2"],
        r"GPT-2: loss \d+\.\d{3} for each of [\d,]+ characters",
    ),
    "models.llama": (
        [*TRAINING, "--characters", "2"],
        r"LLaMA: loss \d+\.\d{3} for each of [\d,]+ characters",
    ),
    "models.lstm": (TRAINING, r"LSTM: loss \d.\d{3}, accuracy \d.\d{3} on test pictures"),
    "models.mlp": (TRAINING, r"MLP: loss \d.\d{3}, accuracy \d.\d{3} on test pictures"),
    "models.mobilenet": (
        TRAINING,
        r"MobileNetV2: loss \d.\d{3}, accuracy \d.\d{3} on test pictures",
    ),
    "models.moe": (TRAINING, r"Mixtral: loss \d.\d{3}, experts used unevenly by \d.*"),
    "models.resnet": (TRAINING, r"ResNet-18: loss \d.\d{3}, accuracy \d.\d{3} on test pictures"),
    "models.t5": (
        [*TRAINING, "--digits", "3"],
        r"T5: loss \d.\d{3}, \d+\.\d % of the answers right",
    ),
    "models.unet": (TRAINING, r"U-Net: loss \d.\d{3}, overlap \d.\d{3}; pictures in .*unet.png"),
    "models.vae": (TRAINING, r"VAE: \d+\.\d nats for a picture; new ones in .*vae.png"),
    "models.vit": (TRAINING, r"ViT: loss \d.\d{3}, accuracy \d.\d{3} on test pictures"),
    "programs.black_scholes": (
        ["--steps", "3", "--options", "50"],
        r"Black-Scholes: implied volatilities are off by \d\.\de-\d\d in the middle",
    ),
    "programs.gaussian_process": (
        ["--steps", "3", "--points", "9"],
        r"Gaussian process: off by \d\.\d{3} at most between the points; picture in .*process.png",
    ),
    "programs.heat_and_waves": (
        ["--steps", "4", "--points", "9"],
        r"errors: heat \d\.\de-\d\d, wave \d\.\de-\d\d; picture in .*waves.png",
    ),
    "programs.k_means": (
        ["--steps", "3", "--points", "99", "--groups", "3"],
        r"k-means: mean squared distance \d\.\d{3}; picture in .*k_means.png",
    ),
    "programs.kalman_filter": (
        ["--steps", "3", "--bodies", "5"],
        r"Kalman filter: error \d.\d{3}, expected \d.\d{3}, of a measurement \d.\d{3}",
    ),
    "programs.mcmc": (
        ["--steps", "5", "--chains", "4"],
        r"Monte Carlo: weights (-?\d.\d\d ± \d.\d\d, ){2}.*; the data were made with .*",
    ),
    "programs.n_body": (
        ["--steps", "3", "--stars", "9"],
        r"N-body: the energy has changed by \d\.\de-\d\d of itself; picture in .*n_body.png",
    ),
}


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set like Fashion-MNIST."""
    folder, random = tmp_path_factory.mktemp("fashion"), np.random.default_rng(0)
    for part in ("train", "t10k"):
        images = random.integers(0, 256, (12, 28, 28)).astype(np.uint8)
        write_fashion(folder, images, random.integers(0, 10, 12).astype(np.uint8), part)
    return folder


def test_every_program_is_here() -> None:
    files = (ROOT / "examples").glob("[mp]*/[!_]*.py")
    assert {f"{path.parent.name}.{path.stem}" for path in files} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_runs(name: str, pictures: Path, tmp_path: Path) -> None:
    arguments, last_line = COMMANDS[name]
    source = (ROOT / "examples" / f"{name.replace('.', '/')}.py").read_text()
    assert f"python -m examples.{name}\n" in source.split('"""')[1], "the docstring has the command"
    if "data=FASHION" in source or '"data": FASHION' in source:
        arguments = [*arguments, "--data", pictures]
    done = run(f"examples.{name}", *arguments, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    last = done.stdout.splitlines()[-1]
    assert re.fullmatch(last_line, last), last
    for path in re.findall(r"in (\S+\.png)", last):
        assert Path(path).stat().st_size > 100


def test_a_terminal_shows_a_bar() -> None:
    """How many steps are done, of how many, how long it takes still, the loss and the rate."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "examples.models.gcn", "--steps", "3"]
    environment = os.environ | {"COLUMNS": "120", "TERM": "xterm"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=theirs)
    os.close(theirs)
    shown = b""
    # Linux answers an input/output error when the other end is closed.
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:
        pass
    os.close(ours)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown.decode())
    assert re.search(r"GCN ━+ 3/3 0:00:00 loss \d\.\d+, [\d.e+]+ steps/s", text), text


def test_help_says_what_the_options_are() -> None:
    done = run("examples.models.resnet", "--help")
    assert done.returncode == 0
    assert "usage: python -m examples.models.resnet" in done.stdout
    assert "Fashion-MNIST" in done.stdout
    assert "how many steps to make (default: 300)" in " ".join(done.stdout.split())


def test_missing_pictures_are_said(tmp_path: Path) -> None:
    done = run("examples.models.vae", "--data", tmp_path)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
