"""Writes elementary.csv: elementary functions of f64 at borders, special values and random arguments.

A line has a function, the bits of its arguments, those of the nearest f64, and how far above that the exact value is in units
in its last place.

    python tests/goldens/elementary.py

takes mpmath; the tests do not.
"""

import csv
import math
import pathlib
import random
import struct

import mpmath
from mpmath import mpf

mpmath.mp.prec = 2500
RANDOM = 24

SPECIAL = [0.0, math.inf, math.nan, 1.0, 2.0, 0.5, 2.0**-1074, 2.0**-1022, 2.0**-1022 - 2.0**-1074, math.nextafter(math.inf, 0)]
SPECIAL += [2.0**-54, 2.0**-27, 1.0 - 2.0**-53, 1.0 + 2.0**-52, 3.0, 1e22, 2.0**53 + 2.0]
SPECIAL += [-x for x in SPECIAL]
# Where exponentials of f64 begin to overflow, to be subnormal, and to be zero; also of base 2, of squares and of halves.
BORDERS = [709.782712893384, 709.7827128933841, -708.3964185322641, -745.1332191019411, -745.1332191019412, 710.475860073944]
BORDERS += [1023.9999999999999, 1024.0, -1074.0, -1075.0, -1076.0, 26.543258454250985, 27.226017111108366, 27.3, 26.0]
# Where approximations change.
BORDERS += [0.55, math.nextafter(0.55, 1), math.sqrt(0.5), math.sqrt(2.0), math.tan(math.pi / 8), 2.0**28, 2.0**30, -22.0, 37.0]
# Multiples of pi/2, the last the f64 that is closest to one for its size.
BORDERS += [math.pi / 2, math.pi, -1.5 * math.pi, 1e5 * math.pi, 2.0**29 * math.pi, 2.0**40 * math.pi, 6381956970095103.0 * 2.0**797]

UNARY = {
    "exp": (mpmath.exp, -750, 712),
    "exp2": (lambda x: mpf(2) ** x, -1076, 1025),
    "expm1": (mpmath.expm1, -2, 2),
    "tanh": (mpmath.tanh, -2, 2),
    "sinh": (mpmath.sinh, -3, 3),
    "cosh": (mpmath.cosh, -3, 3),
    "erf": (mpmath.erf, -2, 2),
    "erfc": (mpmath.erfc, -1, 27.5),
    "log": (mpmath.log, 0, 4),
    "log2": (lambda x: mpmath.log(x) / mpmath.log(2), 0, 4),
    "log10": (lambda x: mpmath.log(x) / mpmath.log(10), 0, 4),
    "log1p": (mpmath.log1p, -1, 1),
    "asinh": (mpmath.asinh, -3, 3),
    "acosh": (mpmath.acosh, 1, 3),
    "atanh": (mpmath.atanh, -1, 1),
    "sin": (mpmath.sin, -10, 10),
    "cos": (mpmath.cos, -10, 10),
    "tan": (mpmath.tan, -10, 10),
    "asin": (mpmath.asin, -1, 1),
    "acos": (mpmath.acos, -1, 1),
    "atan": (mpmath.atan, -3, 3),
}
# What the functions are where mpmath's are not real, infinite, or without the sign of zero.
LIBM = {name: getattr(math, name) for name in UNARY if hasattr(math, name)} | {"powf": math.pow, "atan2": math.atan2}
LIBM["exp2"] = lambda x: math.pow(2.0, x)


def angle(y, x):
    """atan2, where the sign of zero counts."""
    x = math.copysign(1, x) if x == y == 0 else x
    return mpmath.atan2(abs(y), x) * math.copysign(1, y)


def bits(x):
    return struct.unpack("<Q", struct.pack("<d", x))[0]


def any_number():
    return struct.unpack("<d", struct.pack("<Q", random.getrandbits(64)))[0]


def special(name, arguments):
    """The result by the rules of C for what is not finite, or not in the domain; None where it is worked out."""
    try:
        result = LIBM[name](*arguments)
    except ValueError:  # A pole, or outside of the domain.
        x = arguments[0]
        if name in ("log", "log2", "log10") and x == 0 or name == "log1p" and x == -1:
            return -math.inf
        if name == "atanh" and abs(x) == 1:
            return math.copysign(math.inf, x)
        if name == "powf" and x == 0:
            is_odd = abs(arguments[1]) < 2.0**53 and arguments[1] % 2 == 1
            return math.copysign(math.inf, x) if is_odd else math.inf
        return math.nan
    except OverflowError:
        return None
    is_exact = result == 0 and (arguments[0] == 0 or abs(arguments[0]) == 1)
    return result if is_exact or not all(math.isfinite(x) for x in (result, *arguments)) else None


def nearest(exact):
    """The f64 that is nearest, subnormal numbers included, and the distance to it in units in the last place."""
    if exact == 0:
        return 0.0, 0.0
    exponent = max(int(mpmath.floor(mpmath.log(abs(exact), 2))), -1022)
    unit = mpmath.ldexp(1, exponent - 52)
    count = int(mpmath.nint(exact / unit))
    if abs(count) * unit >= mpmath.ldexp(1, 1024):
        return math.copysign(math.inf, exact), 0.0
    return math.copysign(float(count * unit), exact), float(exact / unit - count)


def lines():
    random.seed(0)
    for name, (function, low, high) in UNARY.items():
        arguments = SPECIAL + BORDERS + [any_number() for _ in range(RANDOM)] + [random.uniform(low, high) for _ in range(RANDOM)]
        arguments += [math.copysign(2.0 ** random.uniform(-40, 4), random.random() - 0.5) for _ in range(RANDOM)]
        for x in arguments:
            yield name, function, (x,)
    few = [0.0, math.inf, math.nan, 1.0, 0.5, 3.0, 2.0**53 + 2.0, 2.0**-1074, math.nextafter(math.inf, 0), 1.0 + 2.0**-52]
    few += [-x for x in few]
    pairs = [(x, y) for x in few for y in few]
    pairs += [(any_number(), any_number()) for _ in range(RANDOM)]
    for x, y in pairs + [(random.uniform(-8, 8), random.uniform(-8, 8)) for _ in range(RANDOM)]:
        yield "atan2", angle, (x, y)
    pairs += [(random.uniform(0, 8), random.uniform(-40, 40)) for _ in range(RANDOM)]
    pairs += [(random.uniform(0.9, 1.1), random.uniform(-5000, 5000)) for _ in range(RANDOM)]
    for x, y in pairs + [(-random.uniform(0, 8), float(random.randint(-300, 300))) for _ in range(RANDOM)]:
        yield "powf", lambda x, y: mpmath.power(x, y), (x, y)


def exact(function, arguments):
    """The value, infinite where it is far beyond f64."""
    x = arguments[0]
    is_exponential = function in (UNARY[name][0] for name in ("exp", "exp2", "expm1", "sinh", "cosh", "erfc", "tanh", "erf"))
    if is_exponential and abs(x) > 2000:
        # There these functions are as they are at 2000, as far as f64 goes.
        return function(mpf(math.copysign(2000, x)))
    if len(arguments) == 2 and function is not angle:
        power = arguments[1] * mpmath.log(abs(mpf(x)))
        if abs(power) > 2000:
            odd = x < 0 and abs(arguments[1]) < 2.0**53 and arguments[1] % 2 == 1
            return mpmath.exp(math.copysign(2000, power)) * (-1 if odd else 1)
    return mpmath.re(function(*arguments))


with open(pathlib.Path(__file__).parent / "elementary.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    for name, function, arguments in lines():
        known = special(name, arguments)
        result, distance = (known, 0.0) if known is not None else nearest(exact(function, arguments))
        writer.writerow([name, *(f"{bits(x):x}" for x in arguments), f"{bits(result):x}", f"{distance:.4f}"])
