"""What is done with the program of a number: run in its modes, shrunk and written if it differs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import state_programs
import state_runs
from drawing import draw_program
from hunting import Found
from modes import FRACTIONS, STEPS, Difference, first_difference, object_difference
from program import Program, reproducer
from shrinking import shrink
from state_shrinking import shrink_state

#: Programs that share an object, as compiling one takes seconds.
TOGETHER = 25


@dataclass(frozen=True)
class TensorHunt:
    """Programs over tensors, in these modes; reproducers go to the folder."""

    modes: tuple[str, ...]
    folder: Path
    large: bool = False
    #: Those of names.py, found once for all processes.
    calls: tuple[tuple[str, int], ...] = ()

    def __call__(self, seeds: Sequence[int]) -> Iterator[tuple[int, dict[str, int], list[Found]]]:
        """Runs the programs of these numbers."""
        batch: list[tuple[int, Program]] = []
        for seed in seeds:
            program = draw_program(seed, self.calls, self.large)
            modes = [m for m in self.modes if m != "object" and seed % FRACTIONS.get(m, 1) == 0]
            found = first_difference(program, modes)
            yield 1, dict(Counter(modes)), [self.report(seed, program, found)] if found else []
            if "object" in self.modes and seed % 10 == 0 and not found:
                batch.append((seed, program))
            if len(batch) == TOGETHER:
                yield 0, {"object": len(batch)}, self.objects(batch)
                batch = []
        if batch:
            yield 0, {"object": len(batch)}, self.objects(batch)

    def objects(self, batch: list[tuple[int, Program]]) -> list[Found]:
        """Finds of the programs in one object."""
        try:
            found = object_difference([program for _, program in batch], ["object"])
        except Exception as error:
            found = Difference("object", f"{type(error).__name__}: {error}", -1)
        if found is None:
            return []
        for seed, program in batch if found.number < 0 else [batch[found.number]]:
            alone = first_difference(program, ["object"])
            if alone:
                return [self.report(seed, program, alone, 40)]
        seeds = [seed for seed, _ in batch]
        return [Found(seeds[found.number], "object", f"with {seeds}: {found.message}")]

    def report(self, seed: int, program: Program, found: Difference, tries: int = 400) -> Found:
        """The shrunk program in a file."""
        modes = (found.mode,) if found.mode != "crash" else self.modes

        def fails(candidate: Program) -> bool:
            other = first_difference(candidate, modes)
            if other is None or other.mode != found.mode:
                return False
            # What is left out may make a program that fails in another way.
            return _kind(other) == _kind(found)

        small = shrink(program, fails, tries)
        last = first_difference(small, modes) or found
        title = f"Program {seed}: {found.mode} differs from eager.\n\n{last.message}\n"
        path = self.folder / f"program_{seed}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(reproducer(small, title, STEPS.get(found.mode)))
        return Found(seed, found.mode, last.message, str(path))


@dataclass(frozen=True)
class StateHunt:
    """Programs that keep state in Python, of these features."""

    features: frozenset[str]
    folder: Path

    def __call__(self, seeds: Sequence[int]) -> Iterator[tuple[int, dict[str, int], list[Found]]]:
        """Runs the programs of these numbers."""
        for seed in seeds:
            program = state_programs.random_program(seed, self.features)
            outcome = state_runs.run(program)
            modes = {"jit": 1, "refused": int(outcome.refused is not None), "calls": outcome.calls}
            found = []
            if outcome.difference is not None:
                small = shrink_state(program)
                path = self.folder / f"state_{seed}.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                message = state_runs.run(small).difference or outcome.difference
                path.write_text(f"{small}\n\n{message}\n")
                found = [Found(seed, "state", message, str(path))]
            yield 1, modes, found


def _kind(found: Difference) -> str:
    """The type of the error, if it is one."""
    error = re.match(r"[A-Za-z]\w*(?=[:(])", found.message)
    return error[0] if error else "values"


def merged(features: Sequence[str]) -> frozenset[str]:
    """The features named, or all."""
    return frozenset(features) or state_programs.FEATURES
