"""Assignments to elements: what is written, whatever the size of the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import peers
import weft
from harness import WEFT, Bar, Case

COLUMNS = 64
ROWS = (128, 65_536)
BATCH = 8
PERMUTED = 20_000


def cases() -> Iterator[Case]:
    generator = np.random.default_rng(0)
    row = generator.standard_normal(COLUMNS).astype(np.float32)

    def set_row(cache, value):
        cache[3] = value

    def set_step(cache, value):
        cache[:, 3] = value

    for rows in ROWS:
        yield from _cases(f"a row of {rows}", set_row, (rows, COLUMNS), row)
        yield from _cases(
            f"a step of {rows // BATCH} in {BATCH} sequences",
            set_step,
            (BATCH, rows // BATCH, COLUMNS),
            row,
        )
        mask = np.zeros(rows, bool)
        mask[::64] = True
        yield _masked(mask, row)
    yield _permutation(generator)


def _cases(name: str, assign: Callable, shape: tuple[int, ...], row: np.ndarray) -> Iterator[Case]:
    """The assignment to a tensor of `shape`, compiled and eager."""
    state, eager, value = weft.zeros(shape), weft.zeros(shape), weft.asarray(row)
    compiled = weft.jit(lambda value: assign(state, value))
    peer = {}
    if torch := peers.torch():
        theirs, given = torch.zeros(shape), torch.from_numpy(row)
        peer = {"torch": lambda: assign(theirs, given)}
    contenders = {WEFT: lambda: compiled(value), **peer}
    yield Case(f"{name}, compiled", contenders, Bar("<= 5 us", 5e-6))
    yield Case(f"{name}, eager", {WEFT: lambda: assign(eager, value), **peer})


def _masked(mask: np.ndarray, row: np.ndarray) -> Case:
    """Every 64th row, by a mask."""
    state = weft.zeros(len(mask), COLUMNS)

    @weft.jit
    def assign(mask, value):
        state[mask] = value

    ours, value = weft.asarray(mask), weft.asarray(row)
    contenders = {WEFT: lambda: assign(ours, value)}
    if torch := peers.torch():
        theirs, chosen = torch.zeros(len(mask), COLUMNS), torch.from_numpy(mask)
        given = torch.from_numpy(row)
        contenders["torch"] = lambda: theirs.__setitem__(chosen, given)
    return Case(f"rows by a mask of {len(mask)}", contenders)


def _permutation(generator: np.random.Generator) -> Case:
    order = generator.permutation(PERMUTED)
    rows = generator.standard_normal((PERMUTED, COLUMNS)).astype(np.float32)
    state = weft.zeros(rows.shape)

    @weft.jit
    def assign(order, rows):
        state[order] = rows

    arguments = weft.asarray(order), weft.asarray(rows)
    contenders = {WEFT: lambda: assign(*arguments)}
    if torch := peers.torch():
        theirs = torch.zeros(rows.shape)
        index, given = torch.from_numpy(order), torch.from_numpy(rows)
        contenders["torch"] = lambda: theirs.__setitem__(index, given)
    return Case(f"a permutation of {PERMUTED} rows", contenders, Bar("<= 1 ms", 1e-3))
