"""Einstein's notation."""

from __future__ import annotations

import math

from . import _core
from ._core import Tensor
from ._creation import _fail, asarray
from ._dtypes import bool_, promote_types
from ._errors import DTypeError, ShapeError
from ._linear import matmul
from ._manipulation import astype, broadcast_to, permute_dims, reshape
from ._reductions import sum

#: Stand for the dimensions of an ellipsis, the last one first: no letters that users write.
_ELLIPSIS = [chr(0x2460 + place) for place in range(32)]


def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """The sum of products that Einstein's notation names, as ``einsum("bij,bjk->bik", x, y)``.

    Each letter names a dimension; letters that the result lacks are summed over. A letter that
    repeats within an operand names its diagonal. An ellipsis stands for the dimensions without
    letters, which broadcast. A dimension of size 1 is repeated. Without "->" the result has the
    letters that occur once, in alphabetical order. Operands are combined from left to right. The
    result of one operand of which nothing is summed is a view.

    Raises:
        ShapeError: the subscripts do not fit the shapes, or a letter names two sizes.
        DTypeError: all operands are bool, or the subscripts are no string.
    """
    if not isinstance(subscripts, str):
        raise _fail(
            DTypeError, f"einsum: the subscripts are a {type(subscripts).__name__}, not a string"
        )
    tensors = [asarray(operand) for operand in operands]
    labels, output = _parsed(subscripts, tensors)
    dtype = tensors[0].dtype
    for x in tensors[1:]:
        dtype = promote_types(dtype, x.dtype)
    if dtype is bool_:
        raise _fail(DTypeError, "einsum: bools are not summed; convert them by astype")
    sizes = _sizes(subscripts, labels, tensors)
    terms = [
        _without_repeated(*_diagonal(x if x.dtype is dtype else astype(x, dtype), label), sizes)
        for x, label in zip(tensors, labels, strict=True)
    ]
    result, label = terms[0]
    for i, (x, own) in enumerate(terms[1:], 1):
        kept = set(output).union(*(later for _, later in terms[i + 1 :]))
        result, label = _pairwise(result, label, x, own, kept)
    dropped = [i for i, letter in enumerate(label) if letter not in output]
    if dropped:
        result = sum(result, axis=dropped, dtype=dtype)
        label = "".join(letter for letter in label if letter in output)
    result = permute_dims(result, [label.index(letter) for letter in output])
    return broadcast_to(result, [sizes[letter] for letter in output])


def _parsed(subscripts: str, operands: list[Tensor]) -> tuple[list[str], str]:
    """The letters of each operand's dimensions and those of the result's."""
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    given = inputs.split(",")
    if len(given) != len(operands) or not operands:
        raise _fail(
            ShapeError,
            f"einsum: {subscripts!r} names {len(given)} operands, but there are {len(operands)}",
        )
    labels = []
    for label, x in zip(given, operands, strict=True):
        letters = label.replace("...", "", 1)
        hidden = x.ndim - len(letters)
        if not _are_letters(letters) or hidden < 0 or (hidden > 0 and "..." not in label):
            raise _fail(
                ShapeError,
                f"einsum: {label!r} does not name the {x.ndim} dimensions of shape {x.shape}",
            )
        labels.append(label.replace("...", "".join(reversed(_ELLIPSIS[:hidden]))))
    longest = max(_hidden_count(label) for label in labels)
    everywhere = "".join(reversed(_ELLIPSIS[:longest]))
    if arrow:
        if not _are_letters(output.replace("...", "", 1)):
            raise _fail(ShapeError, f"einsum: {output!r} names no dimensions of a result")
        output = output.replace("...", everywhere)
    else:
        letters = inputs.replace("...", "").replace(",", "")
        output = everywhere + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    unknown = [c for c in output if not any(c in label for label in labels)]
    if unknown or len(set(output)) != len(output):
        raise _fail(
            ShapeError,
            f"einsum: the result of {subscripts!r} has to name letters of operands, each once",
        )
    return labels, output


def _hidden_count(label: str) -> int:
    """How many dimensions of an ellipsis a label has."""
    return len([letter for letter in label if letter in _ELLIPSIS])


def _are_letters(text: str) -> bool:
    return all(c.isalpha() and c.isascii() for c in text)


def _sizes(subscripts: str, labels: list[str], operands: list[Tensor]) -> dict[str, int]:
    """The size that each letter names."""
    sizes: dict[str, int] = {}
    for label, x in zip(labels, operands, strict=True):
        for letter, size in zip(label, x.shape, strict=True):
            known = sizes.setdefault(letter, size)
            if known == 1:
                sizes[letter] = size
            elif size not in (1, known):
                name = f"the letter {letter!r}" if letter.isascii() else "a dimension of ..."
                raise _fail(
                    ShapeError,
                    f"einsum: {name} of {subscripts!r} names the sizes {known} and {size}",
                )
    return sizes


def _diagonal(x: Tensor, label: str) -> tuple[Tensor, str]:
    """x with one dimension for each letter: the diagonal of those that share one."""
    for letter in dict.fromkeys(label):
        while label.count(letter) > 1:
            first = label.index(letter)
            second = label.index(letter, first + 1)
            size = max(x.shape[first], x.shape[second])
            shape = [size if i in (first, second) else x.shape[i] for i in range(x.ndim)]
            rest = [i for i in range(x.ndim) if i not in (first, second)]
            x = _core.diagonal_view(broadcast_to(x, shape), [*rest, first, second], 0, size)
            label = "".join(label[i] for i in rest) + letter
    return x, label


def _without_repeated(x: Tensor, label: str, sizes: dict[str, int]) -> tuple[Tensor, str]:
    """x without dimensions of size 1 that are larger elsewhere: they repeat what is there once."""
    kept = [i for i, letter in enumerate(label) if x.shape[i] == sizes[letter]]
    return reshape(x, [x.shape[i] for i in kept]), "".join(label[i] for i in kept)


def _pairwise(
    x: Tensor, x_label: str, y: Tensor, y_label: str, kept: set[str]
) -> tuple[Tensor, str]:
    """The product of two operands, summed over the letters that nothing needs any more."""
    shared = [c for c in x_label if c in y_label]
    batch = [c for c in shared if c in kept]
    depth = [c for c in shared if c not in kept]
    rows = [c for c in x_label if c not in shared]
    columns = [c for c in y_label if c not in shared]
    sizes = dict(zip(x_label, x.shape, strict=True)) | dict(zip(y_label, y.shape, strict=True))

    def arranged(tensor: Tensor, label: str, *groups: list[str]) -> Tensor:
        order = [label.index(c) for group in groups for c in group]
        shape = [math.prod(sizes[c] for c in group) for group in groups[1:]]
        return reshape(permute_dims(tensor, order), [sizes[c] for c in groups[0]] + shape)

    product = matmul(
        arranged(x, x_label, batch, rows, depth), arranged(y, y_label, batch, depth, columns)
    )
    letters = batch + rows + columns
    return reshape(product, [sizes[c] for c in letters]), "".join(letters)
