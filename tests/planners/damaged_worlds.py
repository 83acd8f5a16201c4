"""A scenario of three tiers, ways to damage it, and every named policy in every mode that asks more of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np

from mdisim.planners import RECIPES
from mdisim.policies import KEEP, Place, Policy, row
from mdisim.profiles import Profile, synthesise, write

K, N = 4, 80
DEVICES = ("mobile", "edge", "cloud")
CUT: dict[str, Any] = {"cloud": "cloud"}
AT_EDGE = CUT | {"device": "edge"}
GIVEN: dict[str, Any] = {"alpha": 0.8, "beta": 0.8}
PATIENT: dict[str, Any] = {"score": "patience", "exit_threshold": 2, "adapt": "none"}

# What asks more of devices and links: {} is the policy as it is.
PLACES: dict[str, list[dict[str, Any]]] = {
    "ada-ee": [{}, {"device": "edge"}, {"forward": "input"}, {"device": "edge", "forward": "input"}],
    "all-cloud": [{}],
    "all-edge": [{}],
    "all-mobile": [{}],
    "beem": [{"forward": "input"}],
    "branchynet-partition": [CUT, AT_EDGE],
    "calibrated-partition": [
        *(CUT | {"offload": way, "cut": cut} for way in ("feature", "input", "fastest") for cut in (0, 2, K)),
        *(AT_EDGE | {"offload": way, "cut": cut} for way in ("feature", "input") for cut in (0, 3, K)),
        {"cloud": "mobile"},
        {"cloud": "edge", "device": "edge"},
    ],
    "cascade": [GIVEN, GIVEN | {"forward": "input"}],
    "cee-bert": [{}],
    "cee-bert-2": [{}],
    "ddi": [{}, {"placement": "offer"}],
    "dimee": [GIVEN, GIVEN | {"mode": "guarded"}, GIVEN | {"refresh": 5}, GIVEN | {"load_weight_s": 0.1}],
    "i-split-ee": [{}],
    "local": [{}],
    "mdi-exit": [{}, {"offload_first": True}, {"adapt": "threshold"}],
    "no-exit": [{}],
    "oracle": [{}],
    "oracle-pools": [GIVEN, GIVEN | {"mode": "guarded"}],
    "patience": [{"patience": 1}],
    "popex": [CUT | {"latency_s": 0.1}, CUT | {"latency_s": 0.001, "probe": 0.5, "control_s": 0.1}],
    "queue-aware": [{}],
    "queue-linear": [{"grid": 0.05}],
    "random": [{}, {"from_birth": True}],
    "random-pools": [GIVEN],
    "remote": [{"device": device} for device in DEVICES],
    "split-ee": [{}, {"forward": "input"}, {"deepest": 2}],
    "split-ee-s": [{}],
    "uee-ucb": [{}],
}
# What asks more of the profile.
SAMPLES: dict[str, list[dict[str, Any]]] = {
    **{name: modes[:1] for name, modes in PLACES.items()},
    "beem": [{}, {"weights": "accuracy"}, {"threshold": 0.1}, {"threshold": 0.1, "weights": "accuracy"}],
    "branchynet-partition": [CUT, CUT | {"score": "max-softmax"}, CUT | {"skip": [1, 2, 3]}],
    "calibrated-partition": [
        CUT,
        CUT | {"method": "vector"},
        CUT | {"mode": "none", "cloud_fallback": "most-confident"},
        CUT | {"threshold": "learn-then-test", "p_tar": 0.5},
        CUT | {"offload": "fastest", "cut": 1},
    ],
    "cascade": [{}, {"exits": "all"}, {"score": "margin"}, GIVEN, GIVEN | {"score": "certainty"}],
    "ddi": [{}, PATIENT],
    "dimee": [
        {}, GIVEN, {"mode": "guarded"}, {"router": "linear"}, {"router": "mlp"}, {"router": "centroids"},
        {"router": "linear-drop"}, {"router": "probe-drop"}, {"confusion": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
    ],
    "local": [{}, {"score": "certainty"}, PATIENT],
    "mdi-exit": [{}, {"score": "margin"}],
    "oracle-pools": [{}],
    "patience": [{}, {"patience": 1}],
    "popex": [CUT | {"latency_s": 0.1}],
    "random-pools": [{}, {"like": "oracle-pools"}],
    "uee-ucb": [{}, {"costs": "two-step"}],
}  # fmt: skip
assert set(PLACES) == set(SAMPLES) == set(RECIPES)


@dataclass(frozen=True)
class Undemanding:
    """A policy that fits any world; it is never run."""

    def where(self, here: Any, peers: Any, task: Any, knobs: Any, rng: Any) -> Place:
        return Place(KEEP)

    def build(self, setting: Any) -> Policy:
        return Policy("undemanding", (row(setting.n_exits, 0.5),), where=self)


SOUND: dict[str, Any] = {
    "profile": "./sound.npz",
    "devices": {
        "mobile": {"kind": "unit", "speed": 0.5},
        "edge": {"kind": "unit"},
        "cloud": {"kind": "unit", "speed": 4},
    },
    "network": {
        "topology": "edges",
        "links": [
            {"from": a, "to": b, "rate": "20 Mbps", "latency": "1 ms", "both": False, "offload_cost": 1}
            for a, b in permutations(DEVICES, 2)
        ],
    },
    "workload": [{"at": "mobile", "arrivals": {"kind": "poisson", "rate": "100/s"}}],
    "policy": {"rule": f"{__name__}:Undemanding"},
    "run": {"duration": "600 ms", "seed": 1},
}


def labelled(modes: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Policies as a scenario compares them."""
    named = [(name, number, mode) for name in modes for number, mode in enumerate(modes[name])]
    return [{"name": name, "label": f"{name} {number}", **mode} for name, number, mode in named]


def text_of(scenario: dict[str, Any], **changes: Any) -> str:
    """A scenario as a file has it: JSON is YAML."""
    return json.dumps(scenario | changes)


# --- profiles


def made(n: int = N, exits: int = K, **changes: Any) -> Profile:
    """A made-up network with logits and features."""
    given: dict[str, Any] = {
        "accuracy": np.linspace(0.6, 0.9, exits), "stage_s": 0.004, "head_s": 0.0005, "classes": 4, "seed": 0,
        "out_bytes": (3000.0, *(2000.0 / (k + 1) for k in range(exits - 1)), 0.0),
    }  # fmt: skip
    profile = synthesise(n=n, exits=exits, **(given | changes))
    seen = np.random.default_rng(0).normal(size=(n, 3)) + profile.confidence[:, :1]
    return replace(profile, features=seen)


def profiles() -> dict[str, Profile]:
    """The sound profile, and others that lack something."""
    sound, nought = made(), np.zeros(N, dtype=np.int32)
    sure = {"confidence": np.ones((N, K)), "prediction": np.zeros((N, K), dtype=np.int32)}
    return {
        "sound": sound,
        "no-logits": replace(sound, logits=None),
        "no-features": replace(sound, features=None),
        "same-features": replace(sound, features=np.ones((N, 3))),
        "grouped": replace(sound, group=np.arange(N, dtype=np.int32) // 4),
        "one-group": replace(sound, group=nought),
        "one-label": replace(sound, label=nought),
        "always-right": replace(sound, label=nought, logits=None, **sure),
        "no-calibration": made(calibration_share=0.0),
        "no-test": replace(sound, split=nought.astype(np.uint8)),
        "one-to-calibrate": made(n=41, calibration_share=1 / 41),
        "two-to-calibrate": made(n=42, calibration_share=2 / 42),
        "one-exit": made(exits=1),
        "two-exits": made(exits=2),
        "three-exits": made(exits=3),
        "no-bytes": made(out_bytes=0.0),
        "same-bytes": made(out_bytes=(500.0, 500.0, 500.0, 500.0, 0.0)),
        "no-time": made(stage_s=0.0, head_s=0.0),
    }


def profiles_in(folder: Path) -> Path:
    """Write the profiles into a folder."""
    for name, profile in profiles().items():
        write(profile, folder / f"{name}.npz")
    return folder


# --- devices, links and sources


def _device(scenario: dict[str, Any], name: str, **changes: Any) -> dict[str, Any]:
    damaged = deepcopy(scenario)
    damaged["devices"][name] |= changes
    return damaged


def _lacks(scenario: dict[str, Any], **lacking: int) -> dict[str, Any]:
    for name, stage in lacking.items():
        scenario = _device(scenario, name, holds=[k for k in range(1, K + 1) if k != stage])
    return scenario


def _links(scenario: dict[str, Any], keeps: Callable[[str, str], bool]) -> dict[str, Any]:
    damaged = deepcopy(scenario)
    damaged["network"]["links"] = [one for one in damaged["network"]["links"] if keeps(one["from"], one["to"])]
    return damaged


def _without(scenario: dict[str, Any], device: str) -> dict[str, Any]:
    damaged = _links(scenario, lambda a, b: device not in (a, b))
    del damaged["devices"][device]
    return damaged


def _sources(scenario: dict[str, Any], *devices: str) -> dict[str, Any]:
    return scenario | {"workload": [SOUND["workload"][0] | {"at": device} for device in devices]}


def damaged() -> dict[str, dict[str, Any]]:
    """Scenarios that differ from the sound one in one way each, by what is wrong."""
    found = {"nothing": SOUND, "labels of no bytes": SOUND | {"run": SOUND["run"] | {"label_bytes": "0 B"}}}
    for name in DEVICES:
        for stage in range(1, K + 1):
            found[f"{name} lacks {stage}"] = _lacks(SOUND, **{name: stage})
        found[f"{name} holds the first stage alone"] = _device(SOUND, name, holds=[1])
        found[f"{name} has no queue"] = _device(SOUND, name, queue_limit=0)
        found[f"{name} costs nothing"] = _device(SOUND, name, layer_cost=0)
    for a, b in permutations(DEVICES, 2):
        found[f"no link from {a} to {b}"] = _links(SOUND, lambda x, y, gone=(a, b): (x, y) != gone)
    found["a one-way ring"] = _links(SOUND, lambda x, y: (DEVICES.index(y) - DEVICES.index(x)) % 3 == 1)
    for middle in DEVICES:
        line = _links(SOUND, lambda x, y, middle=middle: middle in (x, y))
        found[f"a line around {middle}"] = line
        for name in DEVICES:
            found[f"a line around {middle}, {name} lacks 2"] = _lacks(line, **{name: 2})
        for one, other in combinations(DEVICES, 2):
            found[f"a line around {middle}, {one} and {other} lack {K}"] = _lacks(line, **{one: K, other: K})
    for name in ("edge", "cloud"):
        found[f"born at the {name}"] = _sources(SOUND, name)
        found[f"born at the {name}, too"] = _sources(SOUND, "mobile", name)
        found[f"born at the {name}, which lacks 1"] = _lacks(_sources(SOUND, name), **{name: 1})
        found[f"born at the {name}, too, an island"] = _sources(
            _links(SOUND, lambda x, y, name=name: name not in (x, y)), "mobile", name
        )
        found[f"no {name}"] = _without(SOUND, name)
    alone = _without(_without(SOUND, "edge"), "cloud")
    found["alone"] = {key: part for key, part in alone.items() if key != "network"}
    return found
