"""Runs the test suites and ends with one line of totals. tools/test calls this after tools/setup.

A suite with reports of its own (lit, unit, pytest) counts its test cases; a linter counts as one.
A suite that has no files is left out; one that has files and runs no test has failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from source_files import source_files

LLVM_TOOLS = Path("/usr/lib/llvm-22/bin")
CPP_SUFFIXES = (".cpp", ".h", ".c")
# Small and without MLIR: clang-tidy reads all of these every time, of the rest what changed.
ALWAYS_TIDY = ("lib/Support/", "lib/Runtime/")
# What weft-fuzz can give damaged inputs to; together about a minute.
FUZZ_TARGETS = (
    *("text", "bytecode", "pipeline", "gpu-pipeline"),
    *("program", "kernel", "safetensors", "object", "driver"),
)

# Random programs of each test under --full.
FULL_EXAMPLES = 10_000


@dataclass(frozen=True)
class Totals:
    """How many tests passed, failed and were skipped."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped
        )

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"

    @property
    def count(self) -> int:
        """All tests, run or not."""
        return self.passed + self.failed + self.skipped


@dataclass(frozen=True)
class Tree:
    """The source tree, what was built from it, and the user's arguments for the suite."""

    root: Path
    arguments: Sequence[str] = ()
    full: bool = False

    @property
    def build(self) -> Path:
        """The build folder of the release preset."""
        return self.root / "build" / "release"

    def report(self, name: str) -> Path:
        """Where the suite `name` leaves its report; an old one is removed."""
        path = self.build / "reports" / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        return path

    def files(self, *suffixes: str, under: str = "") -> list[str]:
        """Source files with one of the suffixes, relative to the root."""
        names = [str(path.relative_to(self.root)) for path in source_files(self.root, *suffixes)]
        return [name for name in names if name.startswith(under)]

    def run(self, command: Sequence[str | Path]) -> int:
        """Runs the command in the root, with what was built in reach; returns its exit status."""
        environment = dict(os.environ)
        if self.full:
            environment["WEFT_TEST_EXAMPLES"] = str(FULL_EXAMPLES)
        environment["PYTHONPATH"] = str(self.build / "python")
        environment["PATH"] = os.pathsep.join(
            [str(self.build / "bin"), str(Path(sys.executable).parent), environment["PATH"]]
        )
        sys.stdout.flush()
        return subprocess.run(
            [str(word) for word in command], cwd=self.root, env=environment, check=False
        ).returncode


def totals_of_report(report: Path, exit_status: int) -> Totals:
    """Counts the cases of a JUnit report as lit, ctest and pytest write them.

    A runner that fails without naming a failed case, or that ran no case at all, is one failure:
    it has crashed, or found nothing where there are files.
    """
    totals = Totals()
    if report.exists():
        for case in ElementTree.parse(report).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                totals += Totals(failed=1)
            elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
                totals += Totals(skipped=1)
            else:
                totals += Totals(passed=1)
    if totals.failed == 0 and (exit_status != 0 or totals.count == 0):
        print(f"{report.stem}: exit status {exit_status}, {totals.count} tests in the report")
        totals += Totals(failed=1)
    return totals


def totals_of_linter(exit_status: int) -> Totals:
    """A linter is one test."""
    return Totals(passed=1) if exit_status == 0 else Totals(failed=1)


def run_lit(tree: Tree) -> Totals | None:
    """FileCheck tests, and the programs with a user's mistake in them."""
    if not (tree.files(".mlir", under="test/") or tree.files(".c", ".py", under="test/errors/")):
        return None
    report = tree.report("lit")
    lit = [sys.executable, LLVM_TOOLS / "lit", "-v", "--xunit-xml-output", report]
    return totals_of_report(report, tree.run([*lit, *tree.arguments, tree.build / "test"]))


def run_unit(tree: Tree) -> Totals | None:
    """C++ unit tests."""
    if not tree.files(".cpp", under="test/unit/"):
        return None
    report = tree.report("unit")
    ctest = ["ctest", "--test-dir", tree.build, "--output-junit", report]
    ctest += ["--output-on-failure", "--progress", "-j", str(os.cpu_count())]
    return totals_of_report(report, tree.run([*ctest, *tree.arguments]))


def run_pytest(tree: Tree) -> Totals | None:
    """Python tests, the house rules among them."""
    if not any(Path(name).name.startswith("test_") for name in tree.files(".py", under="test/")):
        return None
    report = tree.report("pytest")
    pytest = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}"]
    # Neighbours stay in one process, which has compiled what they share; `-- -n0` for a debugger.
    processes = ["-n", "auto", "--maxprocesses=4", "--dist=worksteal"]
    return totals_of_report(report, tree.run([*pytest, *processes, *tree.arguments]))


def run_fuzz(tree: Tree) -> Totals | None:
    """Damaged inputs, the same in every run; more: `tools/test fuzz -- --count=50000 --seed=2`."""
    if not tree.files(".cpp", under="test/fuzz/"):
        return None
    programs = tree.build / "bin"
    folders = [f"--tools={programs}", f"--save={tree.build / 'reports' / 'fuzz'}"]
    totals = Totals()
    for target in FUZZ_TARGETS:
        command = [programs / "weft-fuzz", target, tree.root / "test", *folders]
        totals += totals_of_linter(tree.run([*command, *tree.arguments]))
    return totals


def run_ruff(tree: Tree) -> Totals | None:
    """Python style and mistakes."""
    if not tree.files(".py"):
        return None
    return totals_of_linter(tree.run([sys.executable, "-m", "ruff", "check", "--quiet"]))


def run_ruff_format(tree: Tree) -> Totals | None:
    """Python layout."""
    if not tree.files(".py"):
        return None
    return totals_of_linter(
        tree.run([sys.executable, "-m", "ruff", "format", "--check", "--quiet"])
    )


def run_mypy(tree: Tree) -> Totals | None:
    """Types of the Python package, with its generated parts: so as it lies in the build folder."""
    if not tree.files(".py", under="python/weft/"):
        return None
    return totals_of_linter(tree.run([sys.executable, "-m", "mypy", "--no-error-summary"]))


def run_clang_format(tree: Tree) -> Totals | None:
    """C and C++ layout."""
    files = tree.files(*CPP_SUFFIXES)
    if not files:
        return None
    return totals_of_linter(
        tree.run([LLVM_TOOLS / "clang-format", "--dry-run", "--Werror", *files])
    )


def changed_files(tree: Tree) -> set[str]:
    """Files that differ from the commit before, or are not committed yet."""
    git = ["git", "-C", str(tree.root)]
    has_parent = subprocess.run(
        [*git, "rev-parse", "-q", "--verify", "HEAD~1"], capture_output=True
    )
    if has_parent.returncode != 0:
        return set()
    names: set[str] = set()
    for listing in (["diff", "--name-only", "HEAD~1"], ["ls-files", "-o", "--exclude-standard"]):
        result = subprocess.run([*git, *listing], capture_output=True, text=True, check=True)
        names.update(result.stdout.splitlines())
    return names


def run_clang_tidy(tree: Tree) -> Totals | None:
    """C++ mistakes and names: the libraries without MLIR, and of the rest what changed."""
    changed = changed_files(tree)
    files = [
        name
        for name in tree.files(".cpp")
        if not name.startswith("test/") and (name.startswith(ALWAYS_TIDY) or name in changed)
    ]
    if not files:
        return None
    tidy = [LLVM_TOOLS / "run-clang-tidy", "-quiet", "-hide-progress", "-p", tree.build]
    binary = ["-clang-tidy-binary", LLVM_TOOLS / "clang-tidy", "-warnings-as-errors=*"]
    patterns = [f"^{tree.root / name}$" for name in files]
    return totals_of_linter(tree.run([sys.executable, *tidy, *binary, *patterns]))


def run_shellcheck(tree: Tree) -> Totals | None:
    """Mistakes in shell scripts."""
    scripts = [
        name
        for name in tree.files("")
        if (tree.root / name).read_bytes()[:32].splitlines()[:1] == [b"#!/usr/bin/env bash"]
    ]
    return totals_of_linter(tree.run(["shellcheck", *scripts])) if scripts else None


SUITES: dict[str, Callable[[Tree], Totals | None]] = {
    "lit": run_lit,
    "unit": run_unit,
    "pytest": run_pytest,
    "fuzz": run_fuzz,
    "ruff": run_ruff,
    "ruff-format": run_ruff_format,
    "mypy": run_mypy,
    "clang-format": run_clang_format,
    "clang-tidy": run_clang_tidy,
    "shellcheck": run_shellcheck,
}


def run_suites(tree: Tree, names: Sequence[str]) -> Totals:
    """Runs the suites named, one after the other, each between two lines; returns their sum."""
    totals = Totals()
    for name in names:
        begin = time.monotonic()
        print(f"== {name}")
        result = SUITES[name](tree)
        if result is None:
            print(f"== {name}: no files")
            continue
        state = f"{result.failed} of {result.count} FAILED" if result.failed else "good"
        print(f"== {name}: {state}, {time.monotonic() - begin:.1f} s")
        totals += result
    return totals


def main(arguments: Sequence[str]) -> int:
    """The command line: suites by name (all without), and after `--` arguments for that suite."""
    position = arguments.index("--") if "--" in arguments else len(arguments)
    names, extra = arguments[:position], arguments[position + 1 :]
    parser = argparse.ArgumentParser(
        prog="tools/test",
        description="Builds, runs the test suites and prints the totals in the last line.",
        epilog="Arguments after -- go to the suite: tools/test pytest -- -k matmul",
    )
    parser.add_argument(
        "suite", nargs="*", metavar="SUITE", help="one of " + ", ".join(SUITES) + " (default: all)"
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"draw {FULL_EXAMPLES} random programs in each test that draws some; takes hours",
    )
    options = parser.parse_args(names)
    chosen = options.suite or list(SUITES)
    unknown = [name for name in chosen if name not in SUITES]
    if unknown:
        parser.error(f"no suite named {', '.join(unknown)}; there are {', '.join(SUITES)}")
    if extra and len(chosen) != 1:
        parser.error("arguments after -- need exactly one suite before it")

    tree = Tree(Path(__file__).resolve().parent.parent, extra, options.full)
    totals = run_suites(tree, chosen)
    if totals.passed + totals.failed == 0:
        print("no test ran")
    print(totals, flush=True)
    return 1 if totals.failed or totals.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
