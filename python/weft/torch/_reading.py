"""Files of ``torch.export.save``: what is damaged, or would run code of its own, is refused here.

PyTorch's reader trusts its input: it unpickles objects, loads libraries, evaluates formulas as
Python and calls whatever a node names below ``torch``. So it is given only archives whose parts
are data: tensors, formulas of sizes and operators.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.export
from torch.export.pt2_archive._package import load_pt2

from .._creation import _fail
from .._errors import FileError, UnsupportedError, WeftError
from .._paths import file_path


def read(source: str | os.PathLike) -> torch.export.ExportedProgram:
    """The program in a file that ``torch.export.save`` wrote.

    Raises:
        FileError: there is no such file, or it is damaged. UnsupportedError: it holds pickled
        objects, libraries, or formulas and operators that could be any code.
    """
    path = os.fsdecode(file_path(source))
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise _fail(FileError, f"{path} can't be read: {error.strerror}") from None
    try:
        _check_parts(path, content)
        with _only_tensors():
            return load_pt2(io.BytesIO(content)).exported_programs["model"]
    except Exception as error:  # PyTorch's reader has no errors of its own
        raise damage(path, error) from None


def damage(path: str, error: Exception, what: str = "no program of torch.export") -> Exception:
    """The error for what was raised about the program in a file."""
    if isinstance(error, WeftError):
        return error
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0] if lines else type(error).__name__
    return _fail(FileError, f"{path}: {what}: {reason}")


@contextlib.contextmanager
def _only_tensors() -> Iterator[None]:
    """PyTorch's unpickler makes nothing but tensors, and its reader is quiet about what it then
    raises."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before, disabled = os.environ.get(name), logging.root.manager.disable
    os.environ[name] = "1"
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check_parts(path: str, content: bytes) -> None:
    """Raises UnsupportedError for parts that are more than data."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if "version" in archive.namelist():
            raise _fail(
                UnsupportedError,
                f"{path}: a format of PyTorch 2.7 and before, which pickles; export it again",
            )
    records = torch._C.PyTorchFileReader(io.BytesIO(content))
    for name in records.get_all_records():
        if re.search(r"(^|/)(aotinductor|custom_obj|opaque_obj)", name):
            raise _fail(
                UnsupportedError,
                f"{path}: {name} is a library or a pickled object, which weft does not load",
            )
        if name.startswith("models/"):
            _check_program(path, json.loads(records.get_record(name)))


def _check_program(path: str, program: Any) -> None:
    """Raises UnsupportedError for formulas and operators that are none."""
    for key, text in _texts(program):
        if key in ("expr_str", "guards_code") and not _is_formula(text):
            raise _fail(UnsupportedError, f"{path}: {text[:200]!r} is no formula of sizes")
        if key == "target" and text.startswith("torch._functorch.predispatch."):
            raise _fail(
                UnsupportedError,
                f"{path}: vmap is in it as torch.export found it, in steps that change PyTorch "
                "itself (associative_scan has some); save program.run_decompositions() instead",
            )
        if key in ("target", "as_operator") and not _OPERATOR.fullmatch(text):
            raise _fail(UnsupportedError, f"{path}: {text[:200]!r} is no operator of PyTorch")


def _texts(tree: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a JSON tree, each with the key that it, or a list around it, has."""
    if isinstance(tree, str):
        yield key, tree
    elif isinstance(tree, list):
        for item in tree:
            yield from _texts(item, key)
    elif isinstance(tree, dict):
        for name, item in tree.items():
            # Nodes have one; so do the signature's specs, where it is the name of a weight.
            if name != "target" or "inputs" in tree:
                yield from _texts(item, name)


_OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims?|higher_order|quantized_decomposed|torchvision)"
    r"\.(__\w+__|_?[A-Za-z]\w*)(\.[A-Za-z]\w*)?"
    r"|torch\._?sym_[a-z_]+|math\.[a-z]\w*"
    r"|_operator\.(getitem|add|mul|sub|mod|floordiv|truediv|neg|pos|abs|pow|lshift|rshift"
    r"|le|ge|lt|gt|eq|ne|and_|or_|xor|not_)"
)

_TOKEN = re.compile(
    r"\s+|\d+(\.\d+)?(e[-+]?\d+)?|[-+*/%(),<>=!&|~]"
    r"|Symbol\('\w+'|(Float|Integer)\('[-+.\de]+'"
    r"|L(\['\w+'\]|\[\d+\])+(\.(size|stride)\(\)\[\d+\]|\.storage_offset\(\))?"
    r"|(?P<name>[A-Za-z]\w*)"
)

#: What formulas call: SymPy's classes, PyTorch's, and the words of the assumptions on symbols.
_FORMULA_NAME = re.compile(
    r"[a-z]{1,4}\d+|Symbol|Integer|Float|Rational|Add|Mul|Pow|Mod|Max|Min|Abs|And|Or|Not|Xor"
    r"|Equality|Unequality|Eq|Ne|Gt|Ge|Lt|Le|StrictLessThan|StrictGreaterThan|LessThan|GreaterThan"
    r"|Piecewise|ExprCondPair|ceiling|floor|sqrt|max|min|true|false|True|False|None|and|or|not|int"
    r"|oo|int_oo|Infinity|NegativeInfinity|FloorDiv|ModularIndexing|Where|PythonMod|CleanDiv"
    r"|CeilToInt|FloorToInt|CeilDiv|LShift|RShift|PowByNatural|FloatPow|FloatTrueDiv|IntTrueDiv"
    r"|TruncToFloat|TruncToInt|RoundToInt|RoundDecimal|ToFloat|Identity"
    r"|IsNonOverlappingAndDenseIndicator|positive|negative|nonnegative|nonpositive|integer|real"
    r"|finite|zero|nonzero|precision"
)


def _is_formula(text: str) -> bool:
    """Whether a text consists of numbers, symbols, and functions of numbers."""
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            return False
        if found["name"] and not _FORMULA_NAME.fullmatch(found["name"]):
            return False
        place = found.end()
    return True
