"""The conformance check passes our own rules and says what is wrong with others."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, fields
from math import gamma
from typing import Any

import numpy as np
import pytest

from mdisim.policies import NOBODY, Here, Peer, Place, check, pure, rules

OURS = [kind for _, kind in inspect.getmembers(rules, inspect.isclass) if kind.__module__ == rules.__name__]
LIMIT = 3
LIST = [1, 2]


@pure
def half(x: float) -> float:
    return x / 2


def helper(x: float) -> float:
    return x / 2


@pytest.mark.parametrize("rule", OURS)
def test_our_rules_pass(rule: type) -> None:
    assert check(rule) == []
    needed = {f.name: 1.0 for f in fields(rule) if f.default is f.default_factory}
    assert check(rule(**needed)) == []


@dataclass(frozen=True)
class Good:
    share: float = 0.5
    names: tuple[int, ...] = (1, 2)

    def sends(self, here: Here, peers: tuple[Peer, ...], task: Any, rng: Any) -> int:
        best = NOBODY
        shortest = math.inf
        for i in range(len(peers)):
            wait = half(peers[i].queue * peers[i].service_s) + math.exp(-1.0)
            if wait < shortest and rng.random() < self.share and rng.integers(0, LIMIT) > 0:
                shortest = wait
                best = peers[i].device
        return best if here.queue > 0 else NOBODY


@dataclass(frozen=True)
class Power:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(here.queue**2)


@dataclass(frozen=True)
class Numpy:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(np.exp(here.queue))


@dataclass(frozen=True)
class Choice:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(rng.choice(3))


@dataclass(frozen=True)
class OneBound:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(rng.integers(3))


@dataclass(frozen=True)
class Many:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(rng.integers(0, 3, size=2)[0])


@dataclass(frozen=True)
class Hypot:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(math.hypot(1.0, 2.0))


@dataclass(frozen=True)
class Raised:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        far = 2.0
        far **= 3
        return int(far)


@dataclass(frozen=True)
class Gamma:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(gamma(2.0))


@dataclass(frozen=True)
class Helped:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(helper(here.queue))


@dataclass(frozen=True)
class Keyed:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return min(peers, key=lambda p: p.queue).device


@dataclass(frozen=True)
class Generated:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return min(p.queue for p in peers)


@dataclass(frozen=True)
class Remembers:
    last: int = 0

    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        self.last = here.queue
        return NOBODY


@dataclass(frozen=True)
class Adds:
    last: int = 0

    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        self.last += 1
        return NOBODY


@dataclass(frozen=True)
class Annotates:
    last: int = 0

    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        self.last: int = here.queue
        return NOBODY


@dataclass(frozen=True)
class Method:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return int(peers.index(here))


@dataclass(frozen=True)
class Caught:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        try:
            return 1
        except ValueError:
            return NOBODY


@dataclass(frozen=True)
class Mapped:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return {0: 1}[0]


@dataclass(frozen=True)
class Text:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return len(f"{here}")


@dataclass(frozen=True)
class Imports:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        import random

        return random.randint(0, 1)


@dataclass(frozen=True)
class Outside:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return LIST[0]


@dataclass(frozen=True)
class Unknown:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return sorted(peers)[0]


@dataclass
class Thawed:
    def sends(self, here: Here, peers: Any, task: Any, rng: Any) -> int:
        return NOBODY


class Plain:
    def where(self, here: Here, peers: Any, task: Any, knobs: Any, rng: Any) -> Place:
        return Place(NOBODY)


@dataclass(frozen=True)
class Pointless:
    share: float = 0.5


BAD = {
    Power: "powers differ",
    Raised: "powers differ",
    Gamma: "gamma is neither",
    Numpy: "np is neither",
    Choice: "rng.choice does not compile",
    OneBound: "needs both bounds",
    Many: "one number at a time",
    Hypot: "math.hypot may differ",
    Helped: "helper is neither",
    Keyed: "lambda",
    Generated: "generator",
    Remembers: "sets self.last",
    Adds: "sets self.last",
    Annotates: "sets self.last",
    Method: "call that does not compile",
    Caught: "exception",
    Mapped: "dict",
    Text: "text",
    Imports: "import at the top",
    Outside: "LIST is neither",
    Unknown: "sorted is neither",
    Thawed: "not a frozen dataclass",
    Plain: "not a frozen dataclass",
    Pointless: "none of the methods",
}


def test_a_good_rule_passes() -> None:
    assert check(Good()) == []
    assert check(Good) == []


@pytest.mark.parametrize(("rule", "fault"), BAD.items(), ids=lambda v: getattr(v, "__name__", ""))
def test_what_does_not_compile_is_named(rule: type, fault: str) -> None:
    faults = check(rule)
    assert any(fault in f for f in faults), faults
    assert any(fault in f for f in check(rule())), faults


def test_a_fault_names_the_method_and_the_line() -> None:
    line = inspect.getsourcelines(Power)[1] + 3
    fault = "powers differ in the last digit when compiled; write products"
    assert check(Power) == [f"Power.sends, line {line}: {fault}"]


def test_a_field_is_plain() -> None:
    assert "a field is a plain number" in check(Good(share=LIST))[0]  # type: ignore[arg-type]


def test_a_rule_without_a_source_says_so() -> None:
    scope: dict[str, Any] = {"dataclass": dataclass}
    exec(
        "@dataclass(frozen=True)\nclass Typed:\n    def sends(self, here, rng):\n        return 1",
        scope,
    )
    assert "no source to read" in check(scope["Typed"])[0]
