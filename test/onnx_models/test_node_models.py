"""The node tests of the package onnx, compiled by jit and as object files: each passes, or stands
here with the reason why it does not, which has to be true."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
import weft

onnx = pytest.importorskip("onnx")

from onnx_backend import Case, flat, node_cases, results_of, run, run_object  # noqa: E402

#: Tests run in so many parts, as making the cases takes longer than running many of them.
PARTS = 12
#: As object files, of the cases of each part one in so many, but all under `tools/test --full`.
FRACTION = 1 if "WEFT_TEST_EXAMPLES" in os.environ else 12

#: What weft does not do, by the names of tests: what the error says.
UNSUPPORTED = {
    "test_(string_|strnormalizer|regex_full_match|equal_string)": (
        "String[A-Z]|RegexFullMatch|is STRING, which weft has no tensors of"
    ),
    "test_ai_onnx_ml_label_encoder": "LabelEncoder|strings",
    "test_image_decoder": "ImageDecoder",
    "test_ai_onnx_ml_tree_ensemble": "TreeEnsemble",
    "test_unique_.*axis(_3d)?$(?<!without_axis)": "Unique of slices along an axis",
}
#: What draws numbers: of weft's generator, so that no other one's are given.
RANDOM = "test_(bernoulli|training_dropout_(default|mask|default_mask)$|training_dropout$)"
#: What only object files and exported programs do not have.
NOT_IN_OBJECTS = {
    "test_(compress|nonzero|nonmaxsuppression|unique)": "is not known in what is exported",
    "test_(bernoulli|training_dropout)": "changes a tensor from outside",
    "test_(dft|stft|det)": "by a library on the host",
    "test_range_.*_expanded": "has to be known while the model is traced",
}


def reason(name: str, reasons: dict[str, str]) -> str | None:
    """What the error of a listed test says; None for one that has to pass."""
    return next((text for names, text in reasons.items() if re.match(names, name)), None)


def cases(part: int) -> list[Case]:
    """Each PARTS-th case."""
    found = list(node_cases().values())[part::PARTS]
    assert found
    return found


def problem(case: Case) -> str | None:
    """What is wrong with a case, or with what is said of it here; None if nothing is."""
    said = reason(case.name, UNSUPPORTED)
    # Of few numbers that are drawn, all may be another generator's by chance.
    weft.manual_seed(0)
    try:
        found = run(case, "jit")
    except weft.WeftError as error:
        if said is None or not re.search(said, str(error)):
            return f"{type(error).__name__}: {error}"
        return None
    if said is not None:
        return "is listed as unsupported, but passes"
    if re.match(RANDOM, case.name):
        return None if found and "is not [" in found else f"is listed as random: {found}"
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_each_case_passes_or_is_listed(part: int) -> None:
    problems = {case.name: found for case in cases(part) if (found := problem(case))}
    assert not problems, "\n".join(f"{name}: {text}" for name, text in problems.items())


def refusal(case: Case, folder: Path) -> str | None:
    """What the compiler of object files says of a case; None if it takes it."""
    try:
        found = flat(case)
        exported = weft.export(found.function, *found.arrays)
        exported.compile_object(folder / "case.o")
    except weft.WeftError as error:
        return str(error)
    return None


def test_most_pass() -> None:
    names = list(node_cases())
    listed = [name for name in names if reason(name, UNSUPPORTED) or re.match(RANDOM, name)]
    assert len(names) > 1800
    assert len(listed) <= 0.03 * len(names)
    others = [name for name in names if name not in listed and reason(name, NOT_IN_OBJECTS)]
    assert len(listed) + len(others) <= 0.1 * len(names)
    for names_of in (*UNSUPPORTED, *NOT_IN_OBJECTS, RANDOM):
        assert any(re.match(names_of, name) for name in names), f"{names_of} names no test"


@pytest.mark.parametrize("part", range(PARTS))
def test_object_files_give_the_same(part: int, tmp_path: Path) -> None:
    fit = []
    for case in cases(part)[::FRACTION]:
        if reason(case.name, UNSUPPORTED):
            continue
        said = reason(case.name, NOT_IN_OBJECTS)
        if said is None:
            fit.append(flat(case))
            continue
        # Of a family that is listed, some have sizes that are known after all.
        error = refusal(case, tmp_path)
        assert error is None or re.search(said, error), f"{case.name}: {error}"
    problems = run_object(fit, tmp_path)
    wrong = {
        each.case.name: text for each, text in zip(fit, problems, strict=True) if text is not None
    }
    assert not wrong


def test_known_values_may_be_arguments() -> None:
    case = node_cases()["test_reshape_reordered_all_dims"]
    (x, shape), (want,) = (side.arrays() for side in case.pairs[0])
    model = weft.onnx.load(case.model)
    assert model.shape_inputs == ("shape",)
    np.testing.assert_array_equal(results_of(weft.jit(model)(x, shape))[0], want)
    with pytest.raises(weft.ConcretizationError, match=r"known=\{name: array\}.*Reshape"):
        weft.export(model, *model.specs())
    bound = weft.onnx.load(case.model, known={"shape": shape})
    assert bound.input_names == ("data",)
    np.testing.assert_array_equal(bound.export()(x)["reshaped"], want)
