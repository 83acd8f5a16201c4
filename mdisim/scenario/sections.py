"""What every section of a scenario is made of: known keys, and plain numbers within their bounds."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar

from annotated_types import Ge, Le
from pydantic import AfterValidator, AllowInfNan, BaseModel, BeforeValidator, ConfigDict, Strict, StringConstraints
from pydantic_core import PydanticCustomError

from mdisim.limits import COUNT, FACTOR, SEED
from mdisim.printable import unseen
from mdisim.scenario.units import shown

MAX_DEVICES = 1000
MAX_POPULATION = 1_000_000
MAX_LOSS = 0.99  # nearer 1, how often a packet is sent is soon beyond what can be drawn

_PERCENT = r"^\s*([0-9]{1,2}(?:\.[0-9]*)?|\.[0-9]+)\s*%\s*$"


class Section(BaseModel):
    """A mapping with known keys only; `example` shows one in messages."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, defer_build=True)
    example: ClassVar[str] = "{key: value}"


def named(value: object) -> object:
    """Take a text for a mapping that has it as its name."""
    return {"name": value} if isinstance(value, str) else value


def _percentage(value: object) -> object:
    """Take '1 %' for 0.01."""
    if not isinstance(value, str):
        return value
    match = re.search(_PERCENT, value)
    if not match or float(match[1]) > 100.0 * MAX_LOSS:
        say = f"expected a share up to {MAX_LOSS:g} such as 0.01 or '1 %', not {shown(value)}"
        raise PydanticCustomError("share", "{why}", {"why": say})
    return float(match[1]) / 100.0


def _seen(text: str) -> str:
    """Refuse what a terminal would obey, or would not show."""
    if odd := unseen(text):
        raise PydanticCustomError(
            "unseen", "{why}", {"why": f"{text!r} holds {odd}, which is not seen: leave it out"}
        )
    return text


Flag = Annotated[bool, Strict()]
Natural = Annotated[int, Strict(), Ge(0), Le(COUNT)]
Positive = Annotated[int, Strict(), Ge(1), Le(COUNT)]
Seed = Annotated[int, Strict(), Ge(0), Le(SEED)]
Number = Annotated[float, Strict(), AllowInfNan(False)]
AboveZero = Annotated[Number, Ge(FACTOR.least), Le(FACTOR.most)]
Price = Annotated[Number, Ge(0), Le(FACTOR.most)]
LossShare = Annotated[Number, Ge(0), Le(MAX_LOSS)]
Percentage = Annotated[str, StringConstraints(pattern=_PERCENT)]
Loss = Annotated[LossShare, BeforeValidator(_percentage, json_schema_input_type=LossShare | Percentage)]
Name = Annotated[str, AfterValidator(_seen)]
DeviceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]
