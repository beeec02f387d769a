"""Arguments and results of exported programs: their structure, and what does not fit it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weft
from weft import nn


def _ones(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> weft.Exported:
    """A program of nested arguments and results, saved and loaded."""

    def function(batch: dict, pair: tuple, rate: float, mode: str, rest: None = None) -> dict:
        x, (y,) = pair
        assert mode == "sum"
        assert rest is None
        return {
            "loss": (batch["x"] * rate).sum(),
            "parts": (x + y, [batch["scale"], None, ("text", 3)]),
        }

    specs = (
        {"x": weft.spec(("n", 2)), "scale": weft.spec((), "float64")},
        (weft.spec("n"), [weft.spec("n")]),
        0.5,
        "sum",
    )
    path = tmp_path_factory.mktemp("nested") / "nested.weft"
    weft.export(function, *specs, rest=None).save(path)
    return weft.load(path)


def _arguments(**changed: Any) -> tuple[tuple, dict]:
    arguments: dict[str, Any] = {
        "batch": {"x": _ones(3, 2), "scale": _ones(dtype=np.float64)},
        "pair": (_ones(3), [_ones(3)]),
        "rate": 2.0,
        "mode": "sum",
    }
    arguments.update(changed)
    return tuple(arguments.values()), {"rest": None}


def test_structure_is_kept(nested: weft.Exported) -> None:
    arguments, keywords = _arguments()
    result = nested(*arguments, **keywords)
    assert result["loss"].item() == 12.0
    total, rest = result["parts"]
    assert np.asarray(total).tolist() == [2.0, 2.0, 2.0]
    assert rest[0].item() == 1.0
    assert rest[0].dtype is weft.float64
    assert rest[1:] == [None, ("text", 3)]


def test_arguments_by_name(nested: weft.Exported) -> None:
    arguments, keywords = _arguments()
    names = ("batch", "pair", "rate", "mode")
    by_name = dict(zip(names, arguments, strict=True)) | keywords
    assert nested(**by_name)["loss"].item() == 12.0


def test_tensors_by_their_names(nested: weft.Exported) -> None:
    tensors = {"batch_x": _ones(3, 2), "batch_scale": _ones(dtype=np.float64), "rate": 2.0}
    tensors |= {"pair_0": _ones(3), "pair_1_0": _ones(3)}
    results = nested.run(tensors)
    assert list(results) == ["loss", "parts_0", "parts_1_0"]
    assert results["loss"].item() == 12.0
    assert results["parts_0"].tolist() == [2.0, 2.0, 2.0]
    for changed, message in (
        ({"other": 1.0}, "other is unknown"),
        ({"rate": None}, "rate has to be an array"),
        ({"rate": _ones()}, "rate has to be float64"),
    ):
        with pytest.raises(weft.DTypeError, match=message):
            nested.run(tensors | changed)
    del tensors["pair_0"]
    with pytest.raises(weft.DTypeError, match="pair_0 is missing"):
        nested.run(tensors)


def test_names_of_tensors(nested: weft.Exported) -> None:
    names = [spec.name for spec in nested.inputs]
    assert names == ["batch_x", "batch_scale", "pair_0", "pair_1_0", "rate"]
    assert [spec.name for spec in nested.outputs] == ["loss", "parts_0", "parts_1_0"]
    assert [repr(spec) for spec in nested.inputs][:2] == [
        "batch_x: float32[n, 2]",
        "batch_scale: float64[]",
    ]


_MISMATCHES: dict[str, tuple[dict, type, str]] = {
    "dtype": (
        {"pair": (_ones(3, dtype=np.float64), [_ones(3)])},
        weft.DTypeError,
        r"pair_0 has to be float32\[n\], but is float64\[3\]",
    ),
    "rank": (
        {"pair": (_ones(3, 1), [_ones(3)])},
        weft.ShapeError,
        r"pair_0 has to be float32\[n\], but is float32\[3, 1\]",
    ),
    "fixed size": (
        {"batch": {"x": _ones(3, 4), "scale": _ones(dtype=np.float64)}},
        weft.ShapeError,
        r"batch_x has to be float32\[n, 2\], but is float32\[3, 4\]: dimension 1",
    ),
    "symbol": (
        {"pair": (_ones(3), [_ones(4)])},
        weft.ShapeError,
        r"pair_1_0 has to be float32\[n\], where n is 3, but is float32\[4\]",
    ),
    "length": ({"pair": (_ones(3),)}, weft.DTypeError, r"pair has to be a tuple of 2"),
    "kind": ({"pair": [_ones(3), [_ones(3)]]}, weft.DTypeError, r"pair has to be a tuple of 2"),
    "inner kind": (
        {"pair": (_ones(3), (_ones(3),))},
        weft.DTypeError,
        r"pair\[1\] has to be a list of 1",
    ),
    "keys": (
        {"batch": {"x": _ones(3, 2)}},
        weft.DTypeError,
        r"batch has to be a dict with the keys",
    ),
    "no array": (
        {"pair": ("text", [_ones(3)])},
        weft.DTypeError,
        r"pair\[0\] has to be an array, but is 'text'",
    ),
    "no number": ({"rate": "fast"}, weft.DTypeError, r"rate has to be a number of float64"),
    "constant": (
        {"mode": "mean"},
        weft.DTypeError,
        r"mode has to be the constant 'sum' that it was exported with, but is 'mean'",
    ),
}


@pytest.mark.parametrize("name", _MISMATCHES)
def test_mismatches(name: str, nested: weft.Exported) -> None:
    changed, kind, message = _MISMATCHES[name]
    arguments, keywords = _arguments(**changed)
    with pytest.raises(kind, match=message) as error:
        nested(*arguments, **keywords)
    assert str(error.value).startswith(f"{__file__}:")


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((), {}, "here is x missing"),
        ((1.0, 2.0, 3.0), {}, "here is 3 arguments by position"),
        ((1.0,), {"x": 2.0}, "here is x unknown or given twice"),
        ((1.0, 2.0), {"z": 3.0}, "here is z unknown or given twice"),
    ],
)
def test_calls_that_do_not_bind(arguments: tuple, keywords: dict, message: str) -> None:
    exported = weft.export(lambda x, y: x + y, weft.spec(()), weft.spec(()))
    with pytest.raises(weft.DTypeError, match=rf"takes \(x, y\); {message}"):
        exported(*arguments, **keywords)


def test_variable_arguments() -> None:
    def function(*parts: weft.Tensor, **named: weft.Tensor) -> weft.Tensor:
        return parts[0] * parts[1] + named["offset"]

    exported = weft.export(function, weft.spec("n"), weft.spec("n"), offset=weft.spec(()))
    assert [spec.name for spec in exported.inputs] == ["parts_0", "parts_1", "offset"]
    assert np.asarray(exported(_ones(2), _ones(2), offset=3.0)).tolist() == [4.0, 4.0]


def test_numbers_are_arguments_as_in_jit() -> None:
    def function(x: weft.Tensor, rate: float, times: int) -> weft.Tensor:
        return x * rate + times

    exported = weft.export(function, weft.spec("n"), 0.1, 3)
    assert [repr(spec) for spec in exported.inputs][1:] == ["rate: float64[]", "times: int64[]"]
    x = np.linspace(0, 1, 7, dtype=np.float32)
    for rate, times in ((0.3, 2), (1e-3, -1)):
        expected = np.asarray(weft.jit(function)(x, rate, times))
        assert np.asarray(exported(x, rate, times)).tobytes() == expected.tobytes()
    with pytest.raises(weft.ConcretizationError, match="the value of a number"):
        weft.export(lambda x, rate: x if rate else -x, weft.spec("n"), 0.1)


def test_static_arguments_are_constants() -> None:
    @functools.partial(weft.jit, static_argnames="negative")
    def function(x: weft.Tensor, negative: bool) -> weft.Tensor:
        return -x if negative else x

    exported = weft.export(function, weft.spec("n"), True)
    assert np.asarray(exported(_ones(2), True)).tolist() == [-1.0, -1.0]
    with pytest.raises(weft.DTypeError, match="negative has to be the constant True"):
        exported(_ones(2), False)
    bound = weft.export(functools.partial(function, negative=True), weft.spec("n"))
    assert np.asarray(bound(_ones(2))).tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("argument", "named"),
    [(nn.Linear(2, 2), "Linear"), (object(), "object"), ({3: weft.spec(1)}, "the key 3")],
)
def test_arguments_that_no_file_holds(argument: object, named: str) -> None:
    with pytest.raises(weft.DTypeError, match=f"export: .*{named}"):
        weft.export(lambda x: x, argument)


@pytest.mark.parametrize("result", [lambda x: object(), lambda x: x.shape, lambda x: {1: x}])
def test_results_that_no_file_holds(result: Callable) -> None:
    with pytest.raises(weft.DTypeError, match="export: "):
        weft.export(result, weft.spec("n"))


def test_names_are_identifiers_of_c() -> None:
    def function(int: Any, for_: Any) -> dict:
        return {"a b": int["x-y"], "9": for_, "int": for_ * 2, "return": for_ + 1}

    exported = weft.export(function, {"x-y": weft.spec(1)}, weft.spec(2))
    names = [spec.name for spec in (*exported.inputs, *exported.outputs)]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name not in ("int", "return") for name in names)


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="export: fun has to be a function, not 3"):
        weft.export(3, weft.spec(1))


def test_calls_within_a_trace_are_refused() -> None:
    exported = weft.export(weft.exp, weft.spec("n"))
    with pytest.raises(weft.WeftError):
        weft.jit(lambda x: exported(x))(_ones(2))


def test_objects_from_python(tmp_path: Path) -> None:
    exported = weft.export(nn.Linear(3, 2), weft.spec(("n", 3)))
    exported.compile_object(tmp_path / "linear.o", header=tmp_path / "linear.h")
    assert (tmp_path / "linear.o").read_bytes().startswith(b"\x7fELF")
    assert "linear" in (tmp_path / "linear.h").read_text()
    with pytest.raises(weft.WeftError, match="pdp-11"):
        exported.compile_object(tmp_path / "other.o", target="pdp-11")
    with pytest.raises(weft.UnsupportedError, match='can\'t emit "exe"; there are obj'):
        exported.compile_object(tmp_path / "other.o", emit="exe")
    with pytest.raises(weft.UnsupportedError, match='threads can\'t be "many"'):
        exported.compile_object(tmp_path / "other.o", threads="many")
    assert not (tmp_path / "other.o").exists()
