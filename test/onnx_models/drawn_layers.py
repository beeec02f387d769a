"""The rules by which products, windows, normalizations and resizes of ONNX models are drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from drawn_models import FLOATS, Drawer, NotDrawnError, rule


@rule(2)
def einsum(d: Drawer) -> None:
    m, n, k = (d.pick(0, 1, 2, 3) for _ in range(3))
    dtype = d.pick("float32", "float64", "int32", "int64")
    text, *sizes = d.pick(
        ("ij,jk->ik", (m, k), (k, n)),
        ("bij,bjk", (2, m, k), (2, k, n)),
        ("...ij,...jk->...ki", (2, m, k), (1, k, n)),
        ("ii->i", (m, m)),
        ("ij->", (m, n)),
        ("i,j->ji", (m,), (n,)),
        ("...i,...i->...", (2, m), (m,)),
        ("ij,ij,jk->k", (m, k), (m, k), (k, n)),
    )
    d.node("Einsum", [d.fresh(dtype, tuple(size)) for size in sizes], equation=text)


@rule(4)
def products(d: Drawer) -> None:
    m, k, n = (d.pick(*((0, 1, 2, 3, 5) if d.chance(0.2) else (1, 2, 3, 5))) for _ in range(3))
    dtype = d.pick(*FLOATS, "int32", "int64", "uint32")
    if d.chance(0.5):
        a = d.pick((k,), (m, k), (2, m, k), (2, 1, m, k))
        b = d.pick((k,), (k, n), (1, k, n), (3, k, n))
        d.node("MatMul", [d.fresh(dtype, a), d.fresh(dtype, b)])
        return
    options = {"transA": d.pick(0, 1), "transB": d.pick(0, 1)}
    options |= {"alpha": d.pick(1.0, 0.5, 2.0), "beta": d.pick(1.0, -2.0, 0.5)}
    if dtype in ("int32", "int64", "uint32"):
        options |= {"alpha": d.pick(1.0, 2.0), "beta": d.pick(1.0, 2.0)}
    a = (k, m) if options["transA"] else (m, k)
    b = (n, k) if options["transB"] else (k, n)
    c = d.pick((), (n,), (1, n), (m, 1), (m, n))
    names = [d.fresh(dtype, a), d.fresh(dtype, b), d.fresh(dtype, c)]
    d.node("Gemm", names[:2] if d.opset >= 11 and d.chance(0.3) else names, **options)


@rule(5)
def windows(d: Drawer) -> None:
    rank = d.pick(1, 2, 2, 3)
    kernel = [d.pick(1, 2, 3) for _ in range(rank)]
    strides = [d.pick(1, 2) for _ in range(rank)]
    pads = [int(d.random.integers(0, k)) for k in (*kernel, *kernel)]
    options: dict[str, Any] = {"kernel_shape": kernel, "strides": strides}
    options |= d.pick({"pads": pads}, {"auto_pad": d.pick("SAME_UPPER", "SAME_LOWER", "VALID")}, {})
    sizes = [d.pick(3, 4, 5, 6) for _ in range(rank)]
    op = d.pick("Conv", "MaxPool", "AveragePool", "LpPool", "ConvTranspose", "GlobalMaxPool")
    dtype = d.pick("float32", "float32", "float64", "float16")
    group = d.pick(1, 1, 2)
    x = d.fresh(dtype, (d.pick(0, 1, 2) if d.chance(0.2) else d.pick(1, 2), 2 * group, *sizes))
    if op == "ConvTranspose" and options.get("auto_pad", "VALID") != "VALID":
        # ONNX Runtime gives less than the definition says where strides are larger than kernels.
        options["strides"] = [min(pair) for pair in zip(kernel, strides, strict=True)]
    if op in ("Conv", "ConvTranspose"):
        options["group"] = group
        if d.chance(0.3) and "auto_pad" not in options:
            options["dilations"] = [d.pick(1, 2) for _ in range(rank)]
        w = (group * 2, 2, *kernel) if op == "Conv" else (group * 2, 3, *kernel)
        filters = group * (2 if op == "Conv" else 3)
        bias = d.fresh(dtype, (filters,)) if d.chance(0.5) else ""
        d.node(op, [x, d.fresh(dtype, w), bias], **options)
    elif op == "GlobalMaxPool":
        d.node(d.pick(op, "GlobalAveragePool", "GlobalLpPool"), [x])
    else:
        if op == "AveragePool":
            options["count_include_pad"] = d.pick(0, 1)
        if op == "LpPool":
            options["p"] = d.pick(1, 2, 3)
        if d.opset >= 10 and op != "LpPool" and d.chance(0.5):
            options["ceil_mode"] = 1
        count = d.pick(1, 2) if op == "MaxPool" and d.opset >= 8 else 1
        if op == "MaxPool" and d.opset >= 10 and d.chance(0.3) and "auto_pad" not in options:
            options["dilations"] = [d.pick(1, 2) for _ in range(rank)]
        d.node(op, [x], count, **options)


@rule(4)
def normalization(d: Drawer) -> None:
    op = d.pick(
        *("BatchNormalization", "InstanceNormalization", "LRN", "LpNormalization"),
        *("LayerNormalization", "GroupNormalization", "MeanVarianceNormalization"),
        "RMSNormalization",
    )
    c = d.pick(1, 2, 4)
    dtype = d.pick("float32", "float32", "float64", "float16")
    x = d.fresh(dtype, (d.pick(1, 2, 3), c, *d.shape(d.pick(0, 1, 2))))
    a = d.values[x]
    if op == "BatchNormalization":
        variance = d.add(np.abs(d.array(dtype, (c,))) + np.asarray(0.5, dtype))
        d.node(
            op, [x, *(d.fresh(dtype, (c,)) for _ in range(3)), variance], epsilon=d.pick(1e-5, 1e-2)
        )
    elif op == "InstanceNormalization":
        d.node(op, [x, d.fresh(dtype, (c,)), d.fresh(dtype, (c,))], epsilon=d.pick(1e-5, 1e-2))
    elif op == "GroupNormalization":
        groups = d.pick(1, c)
        n = groups if d.opset < 21 else c
        names = [x, d.fresh(dtype, (n,)), d.fresh(dtype, (n,))]
        d.node(op, names, num_groups=groups, epsilon=d.pick(1e-5, 1e-2))
    elif op in ("LayerNormalization", "RMSNormalization"):
        axis = d.axis(a)
        scale = d.fresh(dtype, a.shape[axis:])
        names = [x, scale]
        if op == "LayerNormalization" and d.chance(0.6):
            names.append(d.fresh(dtype, d.values[scale].shape))
        # The package onnx gives the means of nothing another dtype than those of something.
        count = d.pick(1, 2, 3) if a.size and op == "LayerNormalization" else 1
        d.node(op, names, count, axis=axis, epsilon=d.pick(1e-5, 1e-2))
    elif op == "LRN":
        # Of even sizes and other dtypes there is the package onnx alone, which forgets channels.
        if dtype != "float32":
            raise NotDrawnError
        d.node(op, [x], size=d.pick(1, 3, 5), alpha=d.pick(1e-4, 0.5), bias=d.pick(1.0, 2.0))
    elif op == "LpNormalization":
        d.node(op, [x], axis=d.axis(a), p=d.pick(1, 2))
    else:
        axes = d.axes(a) or [0]
        if all(a.shape[axis] == 1 for axis in axes):
            # Zero by zero: ONNX Runtime leaves out the small number of the definition.
            raise NotDrawnError
        d.node(op, [x], axes=axes)


@rule(2)
def prelu(d: Drawer) -> None:
    x = d.of(("float32", "float64", "float16", "int32", "int64"))
    d.node("PRelu", [x, d.like(d.values[x], False)])


@rule(2)
def dropout(d: Drawer) -> None:
    x = d.of(FLOATS)
    if d.opset >= 12:
        ratio = d.add(np.float32(0.5)) if d.chance(0.5) else ""
        mode = d.add(np.asarray(False)) if d.chance(0.5) else ""
        d.node("Dropout", [x, ratio, mode], d.pick(1, 2))
    else:
        d.node("Dropout", [x], ratio=0.3)


@rule(3)
def resize(d: Drawer) -> None:
    mode = d.pick("nearest", "linear", "cubic")
    x = d.fresh("float32", (1, d.pick(1, 2), d.pick(1, 3, 4), d.pick(2, 5)))
    a = d.values[x]
    if d.opset < 11:
        scales = [1.0, 1.0, d.pick(1.0, 2.0), d.pick(2.0, 3.0)]
        how = d.pick("nearest", "linear")
        if d.opset < 9:
            d.node("Upsample", [x], mode=how, scales=scales)
        else:
            op = "Resize" if d.opset >= 10 else "Upsample"
            d.node(op, [x, d.number(scales, "float32")], mode=how)
        return
    options: dict[str, Any] = {"mode": mode}
    options["coordinate_transformation_mode"] = d.pick(
        *("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"),
        *(("half_pixel_symmetric",) if d.opset >= 19 else ()),
    )
    if mode == "nearest":
        options["nearest_mode"] = d.pick("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
        options["coordinate_transformation_mode"] = "asymmetric"
    if mode == "cubic":
        options |= {"cubic_coeff_a": d.pick(-0.5, -0.75), "exclude_outside": d.pick(0, 1)}
    if d.opset >= 18 and mode != "nearest":
        options["antialias"] = d.pick(0, 1)
    empty = d.add(np.zeros(0, np.float32), "initializer")
    if d.chance(0.5):
        sizes = d.number([1, a.shape[1], *(d.pick(1, 2, 4, 6, 8) for _ in range(2))])
        if mode == "nearest":
            sizes = d.number([1, a.shape[1], a.shape[2] * 2, a.shape[3] * 4])
        d.node(
            "Resize",
            [x, "" if d.opset >= 13 else empty, "" if d.opset >= 13 else empty, sizes],
            **options,
        )
    else:
        # ONNX Runtime aligns corners of the length that there is, the definition of the one asked.
        whole = options["coordinate_transformation_mode"] == "align_corners"
        factors = (d.pick(1.0, 2.0), d.pick(2.0, 3.0)) if whole else (d.pick(0.5, 2.0), 1.5)
        scales = d.number([1.0, 1.0, *factors], "float32")
        d.node("Resize", [x, "" if d.opset >= 13 else empty, scales], **options)


@rule(3)
def quantised(d: Drawer) -> None:
    x = d.of(("float32",), 1)
    a = d.values[x]
    # Of zeros alone the definition divides by a scale of 0, where ONNX Runtime takes one of 1.
    if not np.isfinite(a).all() or not 0 < np.abs(a).max(initial=0) < 1e4:
        raise NotDrawnError
    kind = d.pick("uint8", "int8")
    axis = d.axis(a)
    per_axis = d.opset >= 13 and d.chance(0.5)
    shape = (a.shape[axis],) if per_axis else ()
    scale = d.add((d.random.random(shape) + 0.1).astype(np.float32))
    zero = d.add(d.random.integers(0, 100, shape).astype(kind))
    if d.opset < 10:
        raise NotDrawnError
    options = {"axis": axis} if per_axis else {}
    (q,) = d.node("QuantizeLinear", [x, scale, zero], **options)
    if d.chance(0.7):
        d.node("DequantizeLinear", [q, scale, zero], **options)
    else:
        d.node("DynamicQuantizeLinear", [x], 3)
