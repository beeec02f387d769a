"""Fits the polynomials of the vector math and writes VectorMathCoefficients.h.

    python3 polynomials.py VectorMathCoefficients.h        (needs mpmath; half a minute)

Each polynomial minimises the weighted maximum error by the Remez exchange on a dense Chebyshev
grid, in 60-digit arithmetic. Coefficients are then rounded one at a time, from the lowest, and the
others are fitted again around the rounded one: the rounding of the leading coefficients, which
would otherwise cost more than the truncation of the series, is absorbed by the rest.
The weight turns an error of the polynomial into a relative error of the function's result, and
the comment above each table gives that error in bits.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp

mp.mp.dps = 60

FLOAT_BITS, DOUBLE_BITS = 24, 53


@dataclass
class Fit:
    """One approximated function; `counts` maps a precision's name to its number of coefficients."""

    name: str
    text: str
    function: Callable
    weight: Callable
    interval: tuple
    counts: dict


def rounded(value, bits):
    """`value` rounded to `bits` of significand."""
    if value == 0:
        return mp.mpf(0)
    mantissa, exponent = mp.frexp(value)
    return mp.ldexp(mp.nint(mp.ldexp(mantissa, bits)), exponent - bits)


def solve(points, values, weights, powers):
    """Coefficients for which the weighted error alternates over `points`."""
    size = len(powers) + 1
    matrix, right = mp.matrix(size, size), mp.matrix(size, 1)
    for row, (x, value, weight) in enumerate(zip(points, values, weights)):
        for column, power in enumerate(powers):
            matrix[row, column] = x**power
        matrix[row, size - 1] = (-1) ** row / weight
        right[row] = value
    solution = mp.lu_solve(matrix, right)
    return [solution[i] for i in range(size - 1)]


def weighted_errors(grid, values, weights, coefficients, powers):
    low = powers[0]
    return [
        (mp.polyval(coefficients[::-1], x) * x**low - value) * weight
        for x, value, weight in zip(grid, values, weights)
    ]


def alternation(errors, count):
    """Indices of `count` extrema of alternating sign, the largest ones."""
    extrema = []
    for index, error in enumerate(errors):
        if extrema and (error > 0) == (errors[extrema[-1]] > 0):
            if abs(error) > abs(errors[extrema[-1]]):
                extrema[-1] = index
        else:
            extrema.append(index)
    while len(extrema) > count:
        extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
    return extrema


def remez(grid, values, weights, powers):
    """Minimax coefficients of the given consecutive powers on the grid."""
    count, last = len(powers) + 1, len(grid) - 1
    indices = [round(last * i / (count - 1)) for i in range(count)]
    best = None
    for _ in range(12):
        picked = [[data[i] for i in indices] for data in (grid, values, weights)]
        coefficients = solve(*picked, powers)
        errors = weighted_errors(grid, values, weights, coefficients, powers)
        worst = max(abs(error) for error in errors)
        if best is None or worst < best[0]:
            best = (worst, coefficients)
        found = alternation(errors, count)
        if len(found) < count or found == indices:
            break
        indices = found
    return best[1]


def fit(job, count, bits):
    """Rounded coefficients, lowest power first, and the weighted error that they reach."""
    low, high = (mp.mpf(bound) for bound in job.interval)
    points = 24 * count
    grid = [
        (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (i + mp.mpf("0.37")) / points)
        for i in range(points)
    ]
    values, weights = [job.function(x) for x in grid], [abs(job.weight(x)) for x in grid]
    # Where fitting again stops to pay differs: for f32 every number of steps is tried.
    steps = range(1, count + 1) if bits == FLOAT_BITS else [2]
    tries = [fit_stepwise(grid, values, weights, count, bits, step) for step in steps]
    return min(tries, key=lambda outcome: outcome[1])


def fit_stepwise(grid, values, weights, count, bits, separately):
    """Fits, rounding the first `separately` coefficients one by one and then the others at once."""
    done, rest = [], values
    while len(done) < count:
        free = remez(grid, rest, weights, list(range(len(done), count)))
        taken = free[:1] if len(done) < separately else free
        done += [rounded(c, bits) for c in taken]
        rest = [v - mp.polyval(done[::-1], x) for x, v in zip(grid, values)]
    return done, max(abs(r * w) for r, w in zip(rest, weights))


def atanh_ratio(w):
    """log((1 + s) / (1 - s)) / s for w = s^2."""
    s = mp.sqrt(w)
    return 2 * mp.atanh(s) / s


def odd(function):
    """(f(x) / x - 1) / x^2 as a function of x^2, for an odd f of slope 1."""

    def quotient(z):
        x = mp.sqrt(z)
        return (function(x) / x - 1) / z

    return quotient


def odd_weight(function):
    return lambda z: z * mp.sqrt(z) / function(mp.sqrt(z))


HALF_LN2 = mp.log(2) / 2 * mp.mpf("1.001")
QUARTER_PI = mp.pi / 4 * mp.mpf("1.001")
LOG_RANGE = (1 / mp.sqrt(2) - 1, mp.sqrt(2) - 1)
RATIO_END = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2

FITS = [
    Fit(
        "exp",
        "(exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2",
        lambda r: (mp.exp(r) - 1 - r) / r**2,
        lambda r: r**2 / mp.exp(r),
        (-HALF_LN2, HALF_LN2),
        {"Float": 6, "Extended": 7, "Double": 10},
    ),
    Fit(
        "exp2",
        "(2^r - 1) / r for |r| <= 1/2",
        lambda r: mp.expm1(r * mp.log(2)) / r,
        lambda r: r / mp.mpf(2) ** r,
        (-0.5, 0.5),
        {"Float": 6, "Double": 12},
    ),
    Fit(
        "logFloat",
        "(log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [2/3, 4/3]",
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        (mp.mpf(-1) / 3, mp.mpf(1) / 3),
        {"Float": 9},
    ),
    Fit(
        "log",
        "(log(1 + f) - f + f^2 / 2) / f^3 for 1 + f in [sqrt(1/2), sqrt(2)]",
        lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3,
        lambda f: f**3 / mp.log1p(f),
        LOG_RANGE,
        {"Extended": 12},
    ),
    Fit(
        "logRatio",
        "(log((1 + s) / (1 - s)) / s - 2) / s^2 in s^2",
        lambda w: (atanh_ratio(w) - 2) / w,
        lambda w: w / 2,
        (0, RATIO_END),
        {"Double": 7},
    ),
    Fit(
        "powerLog",
        "((log((1 + s) / (1 - s)) / s - 2) / s^2 - 2/3) / s^2 in s^2",
        lambda w: ((atanh_ratio(w) - 2) / w - mp.mpf(2) / 3) / w,
        lambda w: w**2 / 2,
        (0, RATIO_END),
        {"Double": 9},
    ),
    Fit(
        "sine",
        "(sin(r) / r - 1) / r^2 in r^2 for |r| <= pi/4",
        odd(mp.sin),
        odd_weight(mp.sin),
        (0, QUARTER_PI**2),
        {"Extended": 4, "Double": 6},
    ),
    Fit(
        "cosine",
        "(cos(r) - 1 + r^2 / 2) / r^4 in r^2 for |r| <= pi/4",
        lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2,
        lambda z: z**2 / mp.cos(mp.sqrt(z)),
        (0, QUARTER_PI**2),
        {"Extended": 4, "Double": 6},
    ),
    Fit(
        "tanh",
        "(tanh(x) / x - 1) / x^2 in x^2 for |x| <= 1",
        odd(mp.tanh),
        odd_weight(mp.tanh),
        (0, 1),
        {"Float": 7, "Double": 15},
    ),
    Fit(
        "sinh",
        "(sinh(x) / x - 1) / x^2 in x^2 for |x| <= 1",
        odd(mp.sinh),
        odd_weight(mp.sinh),
        (0, 1),
        {"Extended": 4, "Double": 7},
    ),
    Fit(
        "erf",
        "erf(x) / x - 1 in x^2 for |x| <= 1",
        lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1,
        lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z)),
        (0, 1),
        {"Float": 7, "Double": 14},
    ),
    Fit(
        "logErfcFloat",
        "log(erfc(1 + t)) for 0 <= t <= 3",
        lambda t: mp.log(mp.erfc(1 + t)),
        lambda t: mp.erfc(1 + t) / mp.erf(1 + t),
        (0, 3),
        {"Float": 8},
    ),
    Fit(
        "logErfcDouble",
        "log(erfc(1 + t)) for 0 <= t <= 5",
        lambda t: mp.log(mp.erfc(1 + t)),
        lambda t: mp.erfc(1 + t) / mp.erf(1 + t),
        (0, 5),
        {"Double": 22},
    ),
    Fit(
        "asin",
        "(asin(x) / x - 1) / x^2 in x^2 for |x| <= 1/2",
        odd(mp.asin),
        odd_weight(mp.asin),
        (0, 0.25),
        {"Extended": 7, "Double": 13},
    ),
    Fit(
        "atan",
        "(atan(x) / x - 1) / x^2 in x^2 for |x| <= 1",
        odd(mp.atan),
        odd_weight(mp.atan),
        (0, 1),
        {"Extended": 11, "Double": 20},
    ),
    Fit(
        "asinh",
        "(asinh(x) / x - 1) / x^2 in x^2 for |x| <= 1/2",
        odd(mp.asinh),
        odd_weight(mp.asinh),
        (0, 0.25),
        {"Extended": 6, "Double": 12},
    ),
    Fit(
        "atanh",
        "(atanh(x) / x - 1) / x^2 in x^2 for |x| <= 1/2",
        odd(mp.atanh),
        odd_weight(mp.atanh),
        (0, 0.25),
        {"Extended": 7, "Double": 13},
    ),
    Fit(
        "inverseCubeRoot",
        "m^(-1/3) for m in [0.35, 2.83], the start of an iteration",
        lambda m: m ** (mp.mpf(-1) / 3),
        lambda m: m ** (mp.mpf(1) / 3),
        (0.35, 2.83),
        {"Double": 6},
    ),
]

HEADER = """\
//===- VectorMathCoefficients.h - Polynomials of the vector math ---------===//
//
// Written by polynomials.py: change that, not this. Lowest power first. "Float"
// tables are for f32 arithmetic, "Extended" ones for f32 results computed in
// f64, "Double" ones for f64 results.
//
//===----------------------------------------------------------------------===//

#ifndef WEFT_CODEGEN_LOOPS_VECTORMATHCOEFFICIENTS_H
#define WEFT_CODEGEN_LOOPS_VECTORMATHCOEFFICIENTS_H

#include <cstdint>

// clang-format off

namespace weft::vectormath::coefficients {
"""

FOOTER = """
} // namespace weft::vectormath::coefficients

#endif // WEFT_CODEGEN_LOOPS_VECTORMATHCOEFFICIENTS_H
"""


def table(job, precision, count):
    """The C++ text of one coefficient table."""
    bits = FLOAT_BITS if precision == "Float" else DOUBLE_BITS
    coefficients, error = fit(job, count, bits)
    suffix = "" if job.name.endswith(precision) else precision
    lines = [
        f"\n/// {job.text}; error 2^{float(mp.log(error, 2)):.1f}.",
        f"inline constexpr double {job.name}{suffix}[] = {{",
    ]
    lines += [f"    {float(c).hex()}," for c in coefficients]
    lines[-1] = lines[-1][:-1] + "};"
    print(lines[0].strip(), lines[1].split()[3], file=sys.stderr)
    return "\n".join(lines) + "\n"


def split(name, text, value, bits, high_bits):
    """A constant as the unevaluated sum of two numbers, the first with `high_bits` bits."""
    high = rounded(value, high_bits)
    low = rounded(value - high, bits)
    return (
        f"\n/// {text}, the first part with {high_bits} bits.\n"
        f"inline constexpr Split {name} = {{{float(high).hex()}, {float(low).hex()}}};\n"
    )


def constants():
    """The constants that need more than one number. A multiple of up to 11 bits (the exponent) of
    the `Short` ones' first part is exact."""
    text = "\n/// high + low, an unevaluated sum.\nstruct Split {\n  double high, low;\n};\n"
    for bits, kind in ((FLOAT_BITS, "Float"), (DOUBLE_BITS, "Double")):
        short = bits - (9 if kind == "Float" else 12)
        text += split(f"ln2{kind}", "ln(2)", mp.log(2), bits, bits)
        text += split(f"ln2Short{kind}", "ln(2)", mp.log(2), bits, short)
        text += split(f"log10Of2Short{kind}", "log10(2)", mp.log10(2), bits, short)
        text += split(f"log2OfE{kind}", "log2(e)", 1 / mp.log(2), bits, bits)
        text += split(f"log10OfE{kind}", "log10(e)", 1 / mp.log(10), bits, bits)
    text += split("pi", "pi", mp.pi, DOUBLE_BITS, DOUBLE_BITS)
    text += split("twoThirds", "2/3", mp.mpf(2) / 3, DOUBLE_BITS, DOUBLE_BITS)
    parts, rest = [], mp.pi / 2
    for _ in range(3):
        parts.append(rounded(rest, DOUBLE_BITS))
        rest -= parts[-1]
    text += "\n/// pi/2 as a sum of three numbers.\ninline constexpr double halfPi[] = {"
    text += ",".join(f"\n    {float(part).hex()}" for part in parts) + "};\n"
    bits = int(mp.floor(mp.ldexp(2 / mp.pi, 62 + 192)))
    words = [f"0x{bits >> (192 - 64 * i) & (2**64 - 1):016x}" for i in range(4)]
    text += "\n/// The binary digits of 2/pi, behind two digits before the point.\n"
    text += "inline constexpr uint64_t twoOverPi[] = {\n    "
    return text + ",\n    ".join(words) + "};\n"


def main():
    with open(sys.argv[1], "w") as output:
        output.write(HEADER)
        output.write(constants())
        for job in FITS:
            for precision, count in job.counts.items():
                output.write(table(job, precision, count))
        output.write(FOOTER)


if __name__ == "__main__":
    main()
