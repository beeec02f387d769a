"""The cache of kernels on disk: never the end of a process, never another user's code, bounded.

What CacheFolder and DiskCache do by themselves is tested in test/unit/compiler.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# One kernel that the package does not bring along, for each number.
_PROGRAM = """
import sys
import numpy as np
import weft
x = weft.asarray(np.ones(5, np.float32))
for number in map(int, sys.argv[1:] or ["0"]):
    def function(t):
        for _ in range(number):
            t = weft.abs(t) - 0.75
        return weft.sum(weft.exp(t) * 2 + t)
    expected = np.float32(1)
    for _ in range(number):
        expected = abs(expected) - np.float32(0.75)
    expected = 5 * (np.exp(expected) * 2 + expected)
    assert abs(float(weft.jit(function)(x)) - expected) < 1e-4
statistics = weft.stats()
print(statistics["disk_cache_hits"], statistics["kernels_compiled"],
      statistics["disk_cache_failures"])
"""


def _start(numbers: range | tuple[int, ...] = (0,), **more: object) -> subprocess.Popen[str]:
    environment = {**os.environ, **more.pop("environment", {})}  # type: ignore[dict-item]
    for name in [name for name, value in environment.items() if value is None]:
        del environment[name]
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *map(str, numbers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **more,  # type: ignore[call-overload]
    )


def _counters(process: subprocess.Popen[str]) -> tuple[int, int, int]:
    """Hits, compiled kernels, failures."""
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    hits, compiled, failures = map(int, output.split())
    return hits, compiled, failures


def _run(folder: Path, *numbers: int, **more: object) -> tuple[int, int, int]:
    environment = {"WEFT_CACHE_DIR": str(folder), **more.pop("environment", {})}  # type: ignore
    return _counters(_start(numbers or (0,), environment=environment, **more))


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_files_that_cannot_grow_are_counted_and_nothing_else(tmp_path: Path) -> None:
    hits, compiled, failures = _run(tmp_path / "cache", preexec_fn=_limit_files)
    assert hits == 0
    assert failures >= compiled > 0
    assert _entries(tmp_path / "cache") == []
    assert _run(tmp_path / "cache")[2] == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 16 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_counted_and_nothing_else(small_disk: Path) -> None:
    _, compiled, failures = _run(small_disk, *range(12))
    assert compiled >= 12
    assert failures > 0
    assert all(path.suffix == ".kernel" for path in _entries(small_disk))
    hits, _, again = _run(small_disk, *range(12))
    assert hits > 0
    assert again <= failures


def test_the_folder_is_bounded(tmp_path: Path) -> None:
    bound = 20_000
    environment = {"WEFT_CACHE_BYTES": str(bound)}
    _run(tmp_path, *range(12), environment=environment)
    kept = sum(path.stat().st_size for path in _entries(tmp_path))
    assert 0 < kept <= bound
    assert _run(tmp_path, 11, environment=environment)[1] == 0, "the last used are kept"
    assert _run(tmp_path, 0, environment=environment)[1] > 0


def test_a_wrong_bound_is_an_error(tmp_path: Path) -> None:
    process = _start(environment={"WEFT_CACHE_BYTES": "plenty", "WEFT_CACHE_DIR": str(tmp_path)})
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "WEFT_CACHE_BYTES" in errors.splitlines()[-1]


@pytest.mark.parametrize("home", [None, "", "."])
def test_without_a_home_there_is_no_cache(tmp_path: Path, home: str | None) -> None:
    environment = {"WEFT_CACHE_DIR": None, "XDG_CACHE_HOME": None, "HOME": home}
    hits, compiled, failures = _counters(_start(environment=environment, cwd=tmp_path))
    assert hits == 0
    assert compiled > 0
    assert failures == 1
    assert list(tmp_path.iterdir()) == []


def _replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _replace_by_link(path: Path) -> None:
    other = path.with_suffix(".other")
    path.rename(other)
    path.symlink_to(other)


def _give_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    "plant",
    [lambda path: path.chmod(0o666), _give_away, _replace_by_pipe, _replace_by_link],
    ids=["writable", "owned", "pipe", "link"],
)
def test_planted_entries_do_not_run_and_are_replaced(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    _, compiled, _ = _run(tmp_path)
    for path in _entries(tmp_path):
        plant(path)
    assert _run(tmp_path) == (0, compiled, compiled)
    assert _run(tmp_path) == (compiled, 0, 0)


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_folders_that_others_can_write_are_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "cache"
    _, compiled, _ = _run(folder)
    for place in (folder, next(folder.iterdir())):
        before = stat.S_IMODE(place.stat().st_mode)
        place.chmod(mode)
        hits, again, failures = _run(folder)
        assert (hits, again) == (0, compiled)
        assert failures > 0
        place.chmod(before)
    assert _run(folder) == (compiled, 0, 0)


def test_processes_share_a_small_folder(tmp_path: Path) -> None:
    environment = {"WEFT_CACHE_DIR": str(tmp_path), "WEFT_CACHE_BYTES": "16K"}
    processes = [_start(range(10), environment=environment) for _ in range(3)]
    for process in processes:
        assert _counters(process)[2] == 0
    assert sum(path.stat().st_size for path in _entries(tmp_path)) <= 16 * 1024


def test_killed_processes_leave_nothing_that_is_half_read(tmp_path: Path) -> None:
    environment = {"WEFT_CACHE_DIR": str(tmp_path)}
    for number in range(8):
        process = _start(range(8), environment=environment)
        deadline = time.monotonic() + 60
        while len(_entries(tmp_path)) <= number and time.monotonic() < deadline:
            if process.poll() is not None:
                break
        process.kill()
        process.communicate()
    hits, _, failures = _run(tmp_path, *range(8))
    assert hits > 0
    assert failures == 0


def test_a_child_of_a_fork_compiles(tmp_path: Path) -> None:
    """With the threads of the pool running in the parent."""
    program = """
import os, sys
import numpy as np
import weft
x = np.ones((600, 600), np.float32)
weft.jit(lambda a: weft.exp(a @ a * 1e-3))(weft.asarray(x))
child = os.fork()
if child == 0:
    y = weft.jit(lambda a: weft.sum(weft.cos(a @ a * 0) + a))(weft.asarray(x))
    os._exit(0 if float(y) == 2 * x.size else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
y = weft.jit(lambda a: weft.sum(weft.sin(a @ a * 0) + a))(weft.asarray(x))
assert float(y) == x.size
"""
    environment = {**os.environ, "WEFT_CACHE_DIR": str(tmp_path), "WEFT_NUM_THREADS": "4"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=120)
