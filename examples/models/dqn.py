"""Deep Q-learning (Mnih et al., 2015, "Human-level control through deep reinforcement learning").

    python -m examples.models.dqn

Learns to balance a pole on a cart (Barto, Sutton and Anderson, 1983), of which a game has at most
500 steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import weft
from weft import nn
from weft.nn import functional as F

from ..common import command_line, progress, training_step


@dataclass(frozen=True)
class Config:
    states: int = 4
    width: int = 128
    actions: int = 2


class QNetwork(nn.Sequential):
    """States [N, states] to what each action is worth [N, actions]."""

    def __init__(self, config: Config):
        super().__init__(
            nn.Linear(config.states, config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.width),
            nn.ReLU(),
            nn.Linear(config.width, config.actions),
        )


def temporal_difference(network, target, discount, states, actions, rewards, following, over):
    """How far the worth of actions is from what they gave and what comes after it is worth."""
    worth = network(states).gather(1, actions[:, None])[:, 0]
    with weft.no_grad():
        later = target(following).max(1).values
    return F.smooth_l1_loss(worth, rewards + discount * later * (1 - over))


class CartPole:
    """A pole on a cart that is pushed left (0) or right (1) for a fiftieth of a second.

    The state is the cart's place and speed, and the pole's angle and its speed. The game is over
    when the cart is 2.4 from the middle or the pole leans by 12 degrees.
    """

    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)

    def start(self) -> np.ndarray:
        self.state = self.random.uniform(-0.05, 0.05, 4)
        return self.state

    def push(self, action: int) -> tuple[np.ndarray, bool]:
        """The next state, and whether the game is over."""
        gravity, cart, pole, half_length, time = 9.8, 1.0, 0.1, 0.5, 0.02
        _, speed, angle, turning = self.state
        sine, cosine, mass = math.sin(angle), math.cos(angle), cart + pole
        force = (20.0 * action - 10.0 + pole * half_length * turning**2 * sine) / mass
        lever = half_length * (4 / 3 - pole * cosine**2 / mass)
        angular = (gravity * sine - cosine * force) / lever
        linear = force - pole * half_length * angular * cosine / mass
        self.state = self.state + time * np.array([speed, linear, turning, angular])
        return self.state, abs(self.state[0]) > 2.4 or abs(self.state[2]) > math.radians(12)


class Memory:
    """The last transitions, of which batches are drawn."""

    def __init__(self, size: int, states: int):
        self.count = 0
        self.columns = (
            np.zeros((size, states), np.float32),
            np.zeros(size, np.int64),
            np.zeros(size, np.float32),
            np.zeros((size, states), np.float32),
            np.zeros(size, np.float32),
        )

    def __len__(self) -> int:
        return min(self.count, len(self.columns[0]))

    def add(self, *transition: object) -> None:
        """State, action, reward, next state, whether the game is over."""
        for column, value in zip(self.columns, transition, strict=True):
            column[self.count % len(column)] = value
        self.count += 1

    def draw(self, random: np.random.Generator, batch: int) -> list[weft.Tensor]:
        rows = random.integers(0, len(self), batch)
        return [weft.asarray(column[rows]) for column in self.columns]


class Player:
    """Plays and learns: a step of learning after each push."""

    def __init__(self, seed: int, batch: int, rate: float, discount: float = 0.99):
        config = Config()
        self.random, self.batch, self.pushes = np.random.default_rng(seed), batch, 0
        self.game, self.memory = CartPole(seed), Memory(50_000, config.states)
        self.network, self.target = QNetwork(config), QNetwork(config)
        self.target.load_state_dict(self.network.state_dict())
        self.learn = training_step(
            lambda *batch: temporal_difference(self.network, self.target, discount, *batch),
            weft.optim.Adam(self.network.parameters(), lr=rate),
        )

    def push(self, state: np.ndarray) -> int:
        """The action that is worth most, or at the beginning, and now and then, any."""
        curiosity = 0.05 + 0.95 * math.exp(-self.pushes / 1500)
        if self.random.random() < curiosity:
            return int(self.random.integers(2))
        return best(self.network, weft.asarray(state.astype(np.float32))).item()

    def play(self, limit: int = 500) -> int:
        """One game; gives its length."""
        state, over, length = self.game.start(), False, 0
        while not over and length < limit:
            action = self.push(state)
            following, over = self.game.push(action)
            self.memory.add(state, action, 1.0, following, over)
            state, length, self.pushes = following, length + 1, self.pushes + 1
            if len(self.memory) >= self.batch:
                self.learn(*self.memory.draw(self.random, self.batch))
                follow(self.target, self.network, 0.005)
        return length


@weft.jit
def best(network, state):
    with weft.no_grad():
        return network(state).argmax()


@weft.jit
def follow(target, network, share):
    """Moves the weights of the target by this share to those of the network."""
    with weft.no_grad():
        for old, new in zip(target.parameters(), network.parameters(), strict=True):
            old.lerp_(new, share)


def main(arguments: list[str] | None = None) -> None:
    options = command_line(__doc__, arguments, games=150, batch=128, rate=1e-3)
    player, lengths = Player(options.seed, options.batch, options.rate), []
    with progress("DQN", options.games, "games") as report:
        for _ in range(options.games):
            lengths.append(player.play())
            report(balanced=float(np.mean(lengths[-20:])))
    last = np.mean(lengths[-20:])
    print(f"DQN: the pole stands for {last:.0f} of 500 steps, the mean of the last games")


if __name__ == "__main__":
    main()
