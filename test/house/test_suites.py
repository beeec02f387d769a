"""The totals that tools/test ends with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import suites
from source_files import source_files
from suites import Totals

LIT = """<testsuites><testsuite name="weft" tests="4" failures="1" skipped="1">
<testcase classname="weft.a" name="a.mlir" time="0.01"/>
<testcase classname="weft.a" name="b.mlir"><failure><![CDATA[no]]></failure></testcase>
<testcase classname="weft.a" name="c.mlir"><skipped message="Unsupported configuration"/></testcase>
<testcase classname="weft.a" name="d.mlir" time="0.01"/>
</testsuite></testsuites>"""
CTEST = """<testsuite name="Linux" tests="3" failures="1" disabled="1" skipped="0">
<testcase name="A" status="run"><system-out/></testcase>
<testcase name="B" status="fail"><failure message="Failed"/></testcase>
<testcase name="C" status="disabled"/>
</testsuite>"""
PYTEST = """<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4">
<testcase name="a"/><testcase name="b"><error message="setup"/></testcase>
<testcase name="c"><failure message="no"/></testcase>
<testcase name="d"><skipped type="pytest.skip"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("text", "status", "totals"),
    [
        (LIT, 1, Totals(2, 1, 1)),
        (CTEST, 8, Totals(1, 1, 1)),
        (PYTEST, 1, Totals(1, 2, 1)),
        ("<testsuite/>", 0, Totals(0, 1, 0)),
        ('<testsuite><testcase name="a"/></testsuite>', 0, Totals(1, 0, 0)),
        ('<testsuite><testcase name="a"/></testsuite>', 2, Totals(1, 1, 0)),
    ],
)
def test_report_is_counted(text: str, status: int, totals: Totals, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(text)
    assert suites.totals_of_report(report, status) == totals


def test_missing_report_is_a_failure(tmp_path: Path) -> None:
    assert suites.totals_of_report(tmp_path / "none.xml", 0) == Totals(failed=1)


def run_with(
    results: list[Totals | None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> tuple[int, str]:
    fakes = {str(number): lambda _, result=result: result for number, result in enumerate(results)}
    monkeypatch.setattr(suites, "SUITES", fakes)
    status = suites.main([])
    return status, capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(
    ("results", "status", "line"),
    [
        ([Totals(3, 0, 1), None, Totals(1)], 0, "4 passed, 0 failed, 1 skipped"),
        ([Totals(3, 1, 0), Totals(1)], 1, "4 passed, 1 failed, 0 skipped"),
        ([None, None], 1, "0 passed, 0 failed, 0 skipped"),
        ([Totals(skipped=2)], 1, "0 passed, 0 failed, 2 skipped"),
    ],
)
def test_last_line_and_exit_status(
    results: list[Totals | None],
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    assert run_with(results, monkeypatch, capsys) == (status, line)


@pytest.mark.parametrize("arguments", [["nonsense"], ["lit", "unit", "--", "-v"], ["--", "-v"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        suites.main(arguments)
    assert stopped.value.code == 2


def test_full_asks_for_more_random_programs(tmp_path: Path) -> None:
    asked = [
        sys.executable,
        "-c",
        "import os; exit(int(os.environ['WEFT_TEST_EXAMPLES']) != 10000)",
    ]
    assert suites.Tree(tmp_path, full=True).run(asked) == 0


def test_suites_without_files_are_left_out(tmp_path: Path) -> None:
    tree = suites.Tree(tmp_path)
    assert [suite(tree) for suite in suites.SUITES.values()] == [None] * len(suites.SUITES)


def test_linters_fail_on_bad_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import os\nx =1\n")
    (tmp_path / "a.cpp").write_text("int  f( ) ;\n")
    (tmp_path / "a").write_text("#!/usr/bin/env bash\necho $1\n")
    tree = suites.Tree(tmp_path)
    for name in ("ruff", "ruff-format", "clang-format", "shellcheck"):
        assert suites.SUITES[name](tree) == Totals(failed=1), name


def test_source_files_leave_out_build_and_hidden_folders(tmp_path: Path) -> None:
    for name in ("a.py", "build/b.py", "x/c.py", ".venv/d.py", ".ci/run", "__pycache__/e.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in source_files(tmp_path)]
    assert found == [".ci/run", "a.py", "x/c.py"]


@pytest.mark.parametrize("name", ["test", "fuzz_programs", "fuzz_files"])
def test_help_builds_nothing(name: str, tmp_path: Path) -> None:
    """Where there is a build; what is asked for else is built first."""
    (tmp_path / "tools").mkdir()
    python = tmp_path / "build" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    shutil.copy(Path(suites.__file__).parent / name, tmp_path / "tools" / name)
    for file, says in ((tmp_path / "tools" / "setup", "built"), (python, "ran")):
        file.write_text(f"#!/bin/sh\necho {says}\n")
        file.chmod(0o755)

    def said(*words: str) -> str:
        command = [tmp_path / "tools" / name, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert said("--help") == said("-h") == "ran\n"
    assert said("--count", "3") == "built\nran\n"
    python.unlink()
    python.symlink_to("nowhere")
    assert "built" in said("--help")
