"""Whatever is changed in a sound scenario, it loads, or it has faults with a place; nothing else happens."""

from copy import deepcopy

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from plain_scenario import TEXT

from mdisim.scenario import Scenario, ScenarioError
from mdisim.scenario.yamlio import compose, dump

BASE = compose(
    TEXT
    + "compare: [local, {name: mdi-exit, label: x, exit_threshold: [0.1, 0.2, 0.3, 0.4]}]\n"
    + "jitter: {kind: lognormal, cv: 0.2}\ncosts: native\ndescription: words\nfeature_precision: int8\n",
    "base",
).data()
BASE["network"] |= {
    "links": [{"from": "source", "to": "worker-1", "rate": "1 Mbps", "both": True}],
    "medium": "shared",
    "message": {"overhead": "60 B", "serialise": "1 ms", "serialise_rate": "1 MB/s"},
    "route_size": "1 kB",
}
BASE["network"]["link"] = {
    "trace": {"name": "wifi", "start": "3 s", "mean": "9 Mbps"},
    "loss": "1 %",
    "packet": "1 kB",
}
BASE["compression"] = {"ratio": 0.5, "encode": "1 ms", "stages": [1, 2]}
BASE["faults"] = {
    "on_crash": "drop",
    "events": [
        {"kind": "crash", "device": "worker", "mean_up": "5 min", "mean_down": "1 s"},
        {"kind": "outage", "between": ["source", "worker-1"], "at": "1 min", "for": "1 s", "every": "5 s"},
        {"kind": "slowdown", "device": "source", "factor": 0.5, "at": "1 s"},
        {"kind": "join", "device": "worker-2", "at": "1 s"},
    ],
}
BASE["devices"]["source"] |= {
    "count": 1,
    "holds": [1, 2, 3, 4, 5],
    "speed": {"trace": "wifi"},
    "power": {"busy": "3 W"},
    "queue_limit": 3,
}
WORDS = [
    "source", "worker", "worker-2", "mdi-exit", "local", "ring", "star", "edges", "gnp_random_graph", "policy",
    "closed", "20 Mbps", "5 ms", "0 s", "-1 s", "1e400 s", "", "name", "rule", "a:b", "jetson-nano", "1", "none",
    "wifi", "tree", "tiers", "graphml", "a.csv", "5 %", "crash", "leave", "fair",
]  # fmt: skip
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 10**30)
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=5)
    | st.lists(st.sampled_from(WORDS) | st.integers(-1, 7), max_size=3)
    | st.dictionaries(
        st.sampled_from([*WORDS, "kind", "at", "rate", "count", "from", "to", "trace", "device", "for"]),
        st.sampled_from(WORDS),
        max_size=3,
    )
)


def places(value, above=()):
    """Every path in plain data."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inside:
        yield (*above, key)
        yield from places(child, (*above, key))


def changed(data, path, action, value):
    """The data with what is at the path replaced, dropped, or called by another name."""
    data = deepcopy(data)
    *above, last = path
    holder = data
    for key in above:
        if not isinstance(holder, dict | list) or (isinstance(holder, dict) and key not in holder):
            return data
        holder = holder[key]
    if isinstance(holder, dict) and last in holder:
        old = holder.pop(last)
        if action == "replace":
            holder[last] = value
        elif action == "rename":
            holder[str(last)[:-1] + "x"] = old
    elif isinstance(holder, list) and isinstance(last, int) and action == "replace":
        holder[last] = value
    return data


def outcome(text):
    """The scenario, or else its faults; any other error is the test's."""
    try:
        return Scenario.from_text(text), ()
    except ScenarioError as error:
        return None, error.faults


ACTIONS = st.sampled_from(["replace", "replace", "drop", "rename"])


@examples(150)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(places(BASE), key=str)), ACTIONS, VALUES), min_size=1, max_size=3)
)
def test_a_changed_scenario_loads_or_has_faults(changes):
    data = BASE
    for path, action, value in sorted(changes, key=lambda change: -len(change[0])):
        data = changed(data, path, action, value)
    scenario, faults = outcome(dump(data))
    assert all(fault.message and "Input should" not in fault.message for fault in faults)
    assert all(fault.line is not None for fault in faults) or not data
    if scenario is not None:
        assert Scenario.from_text(dump(scenario.resolved())) == scenario


def test_the_base_is_sound():
    with pytest.raises(ScenarioError):
        Scenario.from_text(dump(BASE | {"policy": 1}))
    assert Scenario.from_text(dump(BASE)).build().n_exits == 5
