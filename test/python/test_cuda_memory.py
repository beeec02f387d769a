"""Memory of a CUDA device, on the driver library that stands in for NVIDIA's (test/unit/cuda).

It has no kernels of ours: what is tested is what needs none, in programs of their own, as a process
has one driver.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest


def _run(program: str, build_folder: Path, **environment: str) -> str:
    driver = build_folder / "test" / "unit" / "cuda" / "libweft-fake-cuda.so"
    if not driver.exists():
        pytest.skip("the driver library of the unit tests is not built")
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "WEFT_LIBCUDA": str(driver), "WEFT_CACHE_DIR": "", **environment},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_tensors_move_to_a_gpu_and_back(build_folder: Path) -> None:
    _run(
        """
        import numpy as np
        import weft
        from weft import nn

        gpu = weft.device("cuda")
        assert (str(gpu), gpu.type, gpu.index) == ("cuda:0", "cuda", 0)
        assert gpu == weft.device("cuda:0") == "cuda:0"
        before = weft.stats()
        x = weft.asarray(np.arange(6, dtype=np.float32), device="cuda")
        assert x.device == gpu
        assert x.cpu().tolist() == x.tolist() == [0, 1, 2, 3, 4, 5]
        after = weft.stats()
        assert after["device_copies"] - before["device_copies"] == 3
        assert after["device_copy_bytes"] - before["device_copy_bytes"] == 3 * 24
        assert weft.ones(3).cuda().cuda(0).device == weft.ones(2).to("cuda").device == gpu
        net = nn.Linear(3, 2).cuda()
        assert all(tensor.device == "cuda:0" for tensor in net.parameters())
        assert net.cpu().weight.device == "cpu"
        """,
        build_folder,
    )


def test_arrays_are_shared_by_dlpack_on_a_gpu(build_folder: Path) -> None:
    _run(
        """
        import numpy as np
        import weft

        class Other:
            "An array of another library."
            stream = None

            def __init__(self, tensor, versioned):
                self.tensor, self.versioned = tensor, versioned

            def __dlpack_device__(self):
                return self.tensor.__dlpack_device__()

            def __dlpack__(self, *, stream=None, **options):
                Other.stream = stream
                if options and not self.versioned:
                    raise TypeError("an older protocol")
                return self.tensor.__dlpack__(stream=stream, **options)

        x = weft.asarray(np.arange(4, dtype=np.int32), device="cuda")
        assert x.__dlpack_device__() == (2, 0)
        for versioned in (True, False):
            copies = weft.stats()["device_copies"]
            y = weft.from_dlpack(Other(x, versioned))
            assert Other.stream == 1
            assert y.device == "cuda:0"
            assert weft.stats()["device_copies"] == copies
            assert y.tolist() == [0, 1, 2, 3]
        # The memory lives on in what shares it.
        del x
        assert y.tolist() == [0, 1, 2, 3]
        del y
        host = weft.asarray([1.0]).cuda()
        assert host.__dlpack__(dl_device=(1, 0)) is not None
        """,
        build_folder,
    )


def test_errors_say_what_is_wrong_with_the_device(build_folder: Path) -> None:
    printed = _run(
        """
        import numpy as np
        import weft

        x = weft.asarray([1.0, 2.0], device="cuda")
        for attempt in (
            lambda: weft.device("cuda:7"),
            lambda: weft.device("cuda:1"),
            lambda: np.asarray(x),
            lambda: x + x.cpu(),
            lambda: x + x,
            lambda: weft.asarray(np.zeros(1 << 28, np.int64)).cuda(),
        ):
            try:
                attempt()
            except weft.WeftError as error:
                print(type(error).__name__, error)
        assert x.tolist() == [1.0, 2.0]
        """,
        build_folder,
    )
    expected = [
        ("UnsupportedError", "there is no device cuda:7: the driver has 2"),
        ("UnsupportedError", "cuda:1 has compute capability 7.0"),
        ("DeviceError", "the tensor is on cuda:0; copy it to the memory of the host by .cpu()"),
        ("DeviceError", "operand 1 on cuda:0, operand 2 on cpu"),
        ("UnsupportedError", "cuda:0: loading kernels"),
        ("OutOfMemoryError", "cuda:0: allocating 2147483648 bytes: out of memory"),
    ]
    lines = printed.splitlines()
    assert len(lines) == len(expected), printed
    for line, (kind, text) in zip(lines, expected, strict=True):
        assert line.startswith(kind), printed
        assert text in line, printed


def test_without_a_driver_there_is_one_clear_error(build_folder: Path) -> None:
    program = """
        import weft

        for attempt in (lambda: weft.device("cuda"), lambda: weft.ones(2).cuda()):
            try:
                attempt()
            except weft.UnsupportedError as error:
                print(error)
        assert (weft.ones(2) + 1).device == weft.device("cpu")
        """
    nowhere = _run(program, build_folder, WEFT_LIBCUDA="/nowhere/libcuda.so.1").splitlines()
    assert len(nowhere) == 2
    for line in nowhere:
        assert "there is no CUDA device: /nowhere/libcuda.so.1: cannot open" in line
        assert 'weft.device("cpu") works on every machine' in line
    refused = _run(program, build_folder, FAKE_CUDA_NO_DEVICE="1")
    assert "the driver does not start: no CUDA-capable device is detected" in refused


def test_the_emulator_has_a_seed(build_folder: Path) -> None:
    program = """
        import weft

        try:
            x = weft.ones(300, device="emulator").sum()
            weft._core.set_emulator_seed("emulator", 5)
            weft._core.set_emulator_seed("cpu", 5)
        except weft.WeftError as error:
            print(error)
        """
    assert "only the emulator has a seed" in _run(program, build_folder, WEFT_EMULATOR_SEED="0")
    assert "WEFT_EMULATOR_SEED" in _run(program, build_folder, WEFT_EMULATOR_SEED="many")
