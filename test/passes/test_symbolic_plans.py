"""A plan with symbolic sizes is, for each value of the symbols, the plan of the fixed program.

For the symbols' values the launches are those of the program with numbers in place of the symbols:
the same kernels but for what their schedules choose, with the same sizes and parameters. Slots hold
what is written to them, one result at a time.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from weft_program import PROGRAMS, Program, evaluate

LAUNCH = re.compile(
    r"^ *(%\S+) = weft\.launch @(\w+)\((.*?)\) sizes \[(.*?)\] \{(.*)\} : \(.*\) -> \(?(.*?)\)?$"
)
PARAMETER = re.compile(r'symbolic_size<("?.*?"?), \w+>|([^,]+ : \w+)')
KERNEL = re.compile(r"^  weft\.kernel @(\w+)(\(.*?\n)  \}$", re.DOTALL | re.MULTILINE)
TENSOR = re.compile(r"tensor<((?:(?:\d+|\?)x)*)(\w+)(?:, #weft\.shape<\[(.*?)\]>)?>")
BYTES = {"f32": 4, "f64": 8, "i64": 8, "i32": 4, "i1": 1, "ui8": 1}
# A size of 0 or 1 simplifies programs further: a mean over one element divides by nothing, and what
# is broadcast along one element is a view.
ORDINARY = (2, 7, 64)
SPECIAL = (0, 1)


@dataclass
class Launch:
    """One launch of a plan, its sizes as text."""

    results: list[str]
    kernel: str
    operands: list[str]
    sizes: list[str]
    places: list[int]
    parameters: list[str]
    types: list[str]
    overwrites: int | None


@dataclass
class Plan:
    """What weft-opt prints of a planned module."""

    launches: list[Launch]
    kernels: dict[str, str]
    views: dict[str, str]
    slots: list[list[str]]
    conditions: list[str]
    returned: list[str]


def items(text: str) -> list[str]:
    """The elements of a list of sizes, or of values."""
    return [item.strip().strip('"') for item in text.split(",") if item.strip()]


def read_launch(match: re.Match[str]) -> Launch:
    """One line of a plan."""
    name, kernel, operands, sizes, attributes, types = match.groups()
    name, _, count = name.partition(":")
    results = [f"{name}#{i}" for i in range(int(count))] if count else [name]
    places = re.search(r"offsets = array<i64: (.*?)>", attributes)
    parameters = re.search(r"parameters = \[(.*)\]", attributes)
    values = PARAMETER.findall(parameters[1]) if parameters else []
    overwrites = re.search(r"overwrites = (\d+)", attributes)
    assert places
    return Launch(
        results,
        kernel,
        items(operands),
        items(sizes),
        [int(place) for place in items(places[1])],
        [(size or number).strip('" ') for size, number in values],
        [match[0] for match in TENSOR.finditer(types)],
        int(overwrites[1]) if overwrites else None,
    )


def plan_of(text: str, build_folder: Path) -> Plan:
    """Runs the pipeline up to the plan."""
    result = subprocess.run(
        [build_folder / "bin" / "weft-opt", "-", "--weft-pipeline=x86-64-v4", "--until=plan"],
        input=text,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr + text
    function = result.stdout.partition("weft.kernel")[0]
    slots = re.search(r"weft\.slots = \[(.*?)\]\}", function)
    conditions = re.search(r"weft\.conditions = #weft\.shape<\[(.*?)\]>", function)
    views = re.findall(r"(%\S+) = weft\.reshape (%\S+)", function)
    returned = re.search(r"return (.*?) :", function)
    schedule = re.compile(r" attributes \{schedule = #weft\.\w+<.*?>\}")
    return Plan(
        [read_launch(match) for line in function.splitlines() if (match := LAUNCH.match(line))],
        {name: schedule.sub("", body) for name, body in KERNEL.findall(result.stdout)},
        dict(views),
        [items(slot) for slot in re.findall(r"#weft\.shape<\[(.*?)\]>", slots[1])] if slots else [],
        items(conditions[1]) if conditions else [],
        items(returned[1]) if returned else [],
    )


def number_of(parameter: str, values: Mapping[str, int]) -> float:
    """A parameter: "2.0 : f32", or a size, which counts as 0 if negative."""
    number, separator, _ = parameter.partition(" : ")
    return float(number) if separator else float(max(evaluate(number, values), 0))


def values_for(n: int) -> dict[str, int]:
    """Values of all symbols of the programs, none equal to another."""
    return {"n": n, "s": 2 * n + 3, "h": n + 5}


@pytest.mark.parametrize("n", ORDINARY)
@pytest.mark.parametrize("build", PROGRAMS, ids=lambda build: build.__name__)
def test_launches_are_those_of_the_fixed_program(
    build: Callable[[Program], str], n: int, build_folder: Path
) -> None:
    values = values_for(n)
    symbolic = plan_of(build(Program()), build_folder)
    fixed = plan_of(build(Program(values)), build_folder)
    assert symbolic.views == fixed.views
    assert symbolic.returned == fixed.returned
    assert len(symbolic.launches) == len(fixed.launches)
    for ours, theirs in zip(symbolic.launches, fixed.launches, strict=True):
        assert symbolic.kernels[ours.kernel] == fixed.kernels[theirs.kernel]
        assert ours.operands == theirs.operands
        assert [evaluate(size, values) for size in ours.sizes] == [int(s) for s in theirs.sizes]
        assert [number_of(parameter, values) for parameter in ours.parameters] == [
            number_of(parameter, {}) for parameter in theirs.parameters
        ]


def without_views(value: str, plan: Plan) -> str:
    """The value that `value` is in another shape."""
    while value in plan.views:
        value = plan.views[value]
    return value


def storage_of(value: str, plan: Plan) -> str:
    """The first value in the memory of `value`."""
    value = without_views(value, plan)
    for launch in reversed(plan.launches):
        if launch.overwrites is not None and launch.results[0] == value:
            value = without_views(launch.operands[launch.overwrites], plan)
    return value


def lifetimes(plan: Plan) -> dict[int, list[tuple[int, int, str]]]:
    """For each slot the first and the last launch, and the type, of each result in it."""
    last_reader: dict[str, int] = {}
    for number, launch in enumerate(plan.launches):
        for operand in launch.operands:
            last_reader[storage_of(operand, plan)] = number
    returned = {storage_of(value, plan) for value in plan.returned}
    places: dict[str, int] = {}
    uses: dict[int, list[tuple[int, int, str]]] = {}
    for number, launch in enumerate(plan.launches):
        for value, place, type_text in zip(
            launch.results, launch.places, launch.types, strict=True
        ):
            storage = storage_of(value, plan)
            assert (place == -1) == (storage in returned)
            assert place == places.setdefault(storage, place)
            if place >= 0 and storage == value:
                end = last_reader.get(value, number)
                uses.setdefault(place, []).append((number, end, type_text))
    return uses


@pytest.mark.parametrize("build", PROGRAMS, ids=lambda build: build.__name__)
def test_nothing_reads_what_is_written_over(
    build: Callable[[Program], str], build_folder: Path
) -> None:
    plan = plan_of(build(Program()), build_folder)
    for number, launch in enumerate(plan.launches):
        if launch.overwrites is None:
            continue
        gone = without_views(launch.operands[launch.overwrites], plan)
        read = [operand for later in plan.launches[number:] for operand in later.operands]
        assert [without_views(value, plan) for value in [*read, *plan.returned]].count(gone) == 1


def bytes_of(type_text: str, values: Mapping[str, int]) -> int:
    """The bytes of a tensor type."""
    match = TENSOR.match(type_text)
    assert match
    sizes = items(match[3]) if match[3] else [size for size in match[1].split("x") if size]
    total = BYTES[match[2]]
    for size in sizes:
        total *= evaluate(size, values)
    return total


@pytest.mark.parametrize("build", PROGRAMS, ids=lambda build: build.__name__)
def test_slots_hold_one_result_at_a_time(
    build: Callable[[Program], str], build_folder: Path
) -> None:
    plan = plan_of(build(Program()), build_folder)
    uses = lifetimes(plan)
    assert sorted(uses) == list(range(len(plan.slots)))
    for slot, results in uses.items():
        for (_, end, _), (begin, _, _) in pairwise(results):
            assert end < begin, f"slot {slot} is written while it is read"
        for n in (*SPECIAL, *ORDINARY):
            values = values_for(n)
            size = max(evaluate(size, values) for size in plan.slots[slot])
            assert size == max(bytes_of(type_text, values) for _, _, type_text in results)


@pytest.mark.parametrize("n", SPECIAL)
@pytest.mark.parametrize("build", PROGRAMS, ids=lambda build: build.__name__)
def test_sizes_of_nothing_and_of_one(
    build: Callable[[Program], str], n: int, build_folder: Path
) -> None:
    values = values_for(n)
    plan = plan_of(build(Program()), build_folder)
    assert all(evaluate(size, values) >= 0 for size in plan.conditions)
    for launch in plan.launches:
        assert all(evaluate(size, values) >= 0 for size in launch.sizes)


def test_conditions_name_what_could_be_read_outside(build_folder: Path) -> None:
    program = Program()
    x, table = program.argument("n", 4), program.argument(512, 4)
    tail = program.op(
        *("slice", x),
        result=program.type("n - 3", 4),
        starts="array<i64: 3, 0>",
        steps="array<i64: 1, 1>",
    )
    head = program.op(
        *("slice", table),
        result=program.type("n - 3", 4),
        starts="array<i64: 0, 0>",
        steps="array<i64: 1, 1>",
    )
    plan = plan_of(program.text(program.like("add", tail, head)), build_folder)
    for n, is_defined in ((2, False), (3, True), (515, True), (516, False)):
        assert all(evaluate(size, {"n": n}) >= 0 for size in plan.conditions) == is_defined
