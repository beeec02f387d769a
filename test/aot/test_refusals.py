"""What regions of a program refuse, in objects: a status where they run, with the error's text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import weft
from aot_models import CC, STRICT, Library, run


def chosen(x: weft.Tensor, p: weft.Tensor) -> weft.Tensor:
    return weft.cond(p > 0, weft.max, weft.sum, x * 2)


def walked(x: weft.Tensor, p: weft.Tensor) -> weft.Tensor:
    """The largest element as often as p says; for an empty x the sum never ends the loop."""
    start = p * 1, weft.zeros((), dtype="float32")

    def body(state: tuple) -> tuple:
        return state[0] - (weft.max(x) > -9), state[1] + weft.max(x)

    return weft.while_loop(lambda state: state[0] > 0, body, start)[1]


def nested(x: weft.Tensor, p: weft.Tensor) -> weft.Tensor:
    return weft.scan(lambda c, _: (c + chosen(x, p), c), weft.zeros(()), weft.zeros(2))[0]


def checkpointed(x: weft.Tensor, p: weft.Tensor) -> weft.Tensor:
    return weft.checkpoint(weft.max)(x) + p


FUNCTIONS = (chosen, walked, nested, checkpointed)


def _text(program: weft.Exported, x: np.ndarray, p: np.ndarray) -> str | None:
    """The error of the program, with the line of the operation; None where there is a value."""
    try:
        program(x, p)
    except weft.ShapeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("threads", ["none", "pool"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_status_and_text(function, threads: str, tmp_path: Path) -> None:
    program = weft.export(function, weft.spec(["n"]), weft.spec((), "int64"))
    path = tmp_path / "librefusing.so"
    program.compile_object(path, emit="shared", name="refusing", threads=threads)
    library = Library(path, "refusing")
    for size, number in ((0, 0), (3, 2), (0, 2), (1, 1), (0, 1), (0, 0)):
        x, p = np.arange(size, dtype=np.float32), np.array(number)
        out = np.full((), -7, np.float32)
        status = library.status([size], [x, p, out])
        expected = _text(program, x, p)
        assert status == (0 if expected is None else 19), (size, number)
        if expected is None:
            np.testing.assert_array_equal(out, np.asarray(program(x, p)))
        else:
            assert library.error_text(status).decode() == expected


MAIN = """
#include "refusing.h"
#include <stdio.h>

int main(void) {
  float x[2] = {1, 3}, out;
  int64_t p = 1;
  if (refusing_run(2, x, &p, &out, NULL) != WEFT_OK || out != 6)
    return 1;
  int status = refusing_run(0, x, &p, &out, NULL);
  if (status != WEFT_ERROR_KERNEL)
    return 2;
  puts(refusing_error_text(status));
  p = 0;
  return refusing_run(0, x, &p, &out, NULL) == WEFT_OK && out == 0 ? 0 : 3;
}
"""


def test_a_program_in_c(tmp_path: Path) -> None:
    program = weft.export(chosen, weft.spec(["n"]), weft.spec((), "int64"))
    program.compile_object(tmp_path / "refusing.o", header=tmp_path / "refusing.h", name="refusing")
    (tmp_path / "main.c").write_text(MAIN)
    main, model = tmp_path / "main.c", tmp_path / "refusing.o"
    run([CC, *STRICT, "-std=c99", main, model, "-lm", "-o", tmp_path / "main"])
    expected = _text(program, np.zeros(0, np.float32), np.array(1))
    assert run([tmp_path / "main"]).rstrip("\n") == expected
