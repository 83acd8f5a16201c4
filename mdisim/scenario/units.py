"""Quantities in text: '20 Mbps', '5 ms', '1.5 MB', '40/s' become SI numbers here and nowhere else.

Units are case-sensitive (a mbps would be a millibit per second), a number without a unit is refused, and a unit
of the wrong kind is named for what it is. `Quantity` puts a dimension on a pydantic field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, isnan
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mdisim import limits
from mdisim.errors import InputError
from mdisim.limits import Limit
from mdisim.scenario.nearest import listed, nearest, one_of

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER}|[-+]?(?:nan|inf|infinity))\s*(\S*)\s*", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Dimension:
    """What a quantity measures: its units in terms of the first, which is the SI unit kept inside."""

    name: str
    example: str
    units: Mapping[str, Fraction]
    usual: tuple[str, ...]
    limit: Limit

    @property
    def si(self) -> str:
        """The unit of the numbers inside."""
        return next(iter(self.units))


def _prefixed(prefixes: str, **bases: Fraction) -> dict[str, Fraction]:
    sizes = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
    sizes |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    return {p + unit: sizes[p] * base for unit, base in bases.items() for p in ["", *prefixes.split()]}


_ONE, _MILLI, _MICRO, _NANO = (Fraction(1, 1000**i) for i in range(4))

TIME = Dimension(
    "time",
    "5 ms",
    {"s": _ONE, "ms": _MILLI, "us": _MICRO, "µs": _MICRO, "ns": _NANO}
    | {"min": Fraction(60), "h": Fraction(3600), "d": Fraction(86400)},
    ("ms", "s", "min", "h"),
    limits.TIME,
)
RATE = Dimension(
    "rate",
    "40/s",
    {"/s": _ONE, "Hz": _ONE, "fps": _ONE, "/min": Fraction(1, 60), "/h": Fraction(1, 3600)},
    ("/s", "/min", "/h", "Hz", "fps"),
    limits.RATE,
)
DATA = Dimension(
    "data size",
    "1.5 MB",
    _prefixed("k M G T Ki Mi Gi Ti", B=_ONE, bit=Fraction(1, 8)),
    ("B", "kB", "MB", "KiB", "MiB", "kbit", "Mbit"),
    limits.DATA,
)
BANDWIDTH = Dimension(
    "bandwidth",
    "20 Mbps",
    _prefixed("k M G T", bps=_ONE) | _prefixed("k M G T", **{"bit/s": _ONE, "b/s": _ONE, "B/s": Fraction(8)}),
    ("kbps", "Mbps", "Gbps", "kB/s", "MB/s"),
    limits.BANDWIDTH,
)
POWER = Dimension("power", "5 W", {"W": _ONE, "mW": _MILLI, "kW": Fraction(1000)}, ("mW", "W"), limits.POWER)
ENERGY_PER_BIT = Dimension(
    "energy per bit",
    "100 nJ/bit",
    {"nJ/bit": _ONE, "pJ/bit": _MILLI, "uJ/bit": Fraction(1000), "µJ/bit": Fraction(1000)}
    | {"mJ/bit": Fraction(10**6), "J/bit": Fraction(10**9)},
    ("pJ/bit", "nJ/bit", "uJ/bit"),
    limits.ENERGY_PER_BIT,
)
DIMENSIONS = (TIME, RATE, DATA, BANDWIDTH, POWER, ENERGY_PER_BIT)


def parse(value: object, dimension: Dimension, *, zero: bool = False, limit: Limit | None = None) -> float:
    """Return the SI number of a quantity in text.

    Negative, infinite and undefined numbers are refused, zero unless `zero`, and what is beyond the limit, by
    default that of its kind. Raises InputError with a message that says what would do.
    """
    wanted = f"{_a(dimension.name)} such as {dimension.example!r}"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InputError(f"expected {wanted}, not {shown(value)}")
    if not isinstance(value, str):
        usual = one_of(dimension.usual)
        raise InputError(f"{value!r} has no unit; this key needs {wanted} (units: {usual})")
    match = _QUANTITY.fullmatch(value)
    if not match:
        raise InputError(f"{value!r} is not a number with a unit; this key needs {wanted}")
    number, unit = float(match[1]), match[2]
    factor = _factor(value, unit, dimension, wanted)
    number = number * factor.numerator / factor.denominator
    _check_range(value, number, dimension, zero)
    check_limit(value, number, dimension, limit)
    return number


def text(si: float, dimension: Dimension) -> str:
    """Write an SI number with its unit, so that reading it back gives the same number."""
    return f"{repr(float(si)).removesuffix('.0')} {dimension.si}"


def _factor(value: str, unit: str, dimension: Dimension, wanted: str) -> Fraction:
    if unit in dimension.units:
        return dimension.units[unit]
    if not unit:
        raise InputError(f"{value!r} has no unit; this key needs {wanted} (units: {one_of(dimension.usual)})")
    for other in DIMENSIONS:
        if unit in other.units:
            raise InputError(f"{value!r} is {_a(other.name)}, but this key needs {wanted}")
    alike = [u for u in dimension.units if u.casefold() == unit.casefold()]
    spelt = [unit.replace("b", "bit"), unit.replace("Bps", "B/s")]  # Mb may be Mbit or MB, and MBps MB/s
    near = [u for u in spelt if u in dimension.units] + alike or nearest(unit, dimension.units)
    hint = f"did you mean {listed(near, 'or')}?" if near else f"it can be {one_of(dimension.usual)}"
    raise InputError(f"unknown unit {unit!r} in {value!r}: this key needs {wanted}; {hint}")


def _check_range(value: str, number: float, dimension: Dimension, zero: bool) -> None:
    if isnan(number) or not isfinite(number):
        raise InputError(f"{value!r} is not a finite number; this key needs {_a(dimension.name)}")
    if number < 0:
        raise InputError(f"{value!r} is negative; {_a(dimension.name)} here must be {_floor(zero)}")
    if number == 0 and not zero:
        raise InputError(f"{value!r} is zero; {_a(dimension.name)} here must be {_floor(zero)}")


def check_limit(value: object, number: float, dimension: Dimension, limit: Limit | None = None) -> None:
    """Raise an InputError where a number, written as `value`, is beyond a limit, by default its kind's."""
    if bound := (limit or dimension.limit).passed(number):
        raise InputError(f"{value!r} is out of range: {_a(dimension.name)} here must be {bound}")


def _floor(zero: bool) -> str:
    return "zero or more" if zero else "greater than zero"


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def shown(value: object) -> str:
    """Name a value of YAML as a person would."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    written = repr(value)
    return written if len(written) <= 60 else f"{written[:56]} ..."


@dataclass(frozen=True)
class Quantity:
    """Marks a pydantic field as a quantity in text, within its limit; zero is refused unless `zero`."""

    dimension: Dimension
    zero: bool = False
    limit: Limit | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read text into a float, and write a float as text."""
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda si: text(si, self.dimension), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the text for editors."""
        return self.schema()

    def schema(self) -> JsonSchemaValue:
        """The JSON Schema of the text: a pattern and an example."""
        units = "|".join(re.escape(unit) for unit in self.dimension.units)
        return {
            "type": "string",
            "title": self.dimension.name,
            "examples": [self.dimension.example],
            "pattern": rf"^\s*\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?\s*({units})\s*$",
        }

    def _read(self, value: object) -> float:
        try:
            return parse(value, self.dimension, zero=self.zero, limit=self.limit)
        except InputError as error:
            raise PydanticCustomError("quantity", "{why}", {"why": str(error)}) from None


Duration = Annotated[float, Quantity(TIME)]
DurationOrZero = Annotated[float, Quantity(TIME, zero=True)]
PerSecond = Annotated[float, Quantity(RATE)]
Bytes = Annotated[float, Quantity(DATA, zero=True, limit=limits.MESSAGE)]
SomeBytes = Annotated[float, Quantity(DATA, limit=limits.PACKET)]
Bandwidth = Annotated[float, Quantity(BANDWIDTH)]
Power = Annotated[float, Quantity(POWER, zero=True)]
EnergyPerBit = Annotated[float, Quantity(ENERGY_PER_BIT, zero=True)]
