"""What fails: the faults of a scenario become those of numbered devices and links."""

from math import inf

import pytest

from mdisim.faults import Fault, Faults
from mdisim.scenario import Scenario, ScenarioError

RUN = "run: {duration: 10 min, warmup: 1 min, seed: 1}"


@pytest.fixture
def failing(scenario):
    """The plain scenario with events that befall it."""

    def make(*events, rules="", changes=(), **options):
        listed = "".join(f"    - {event}\n" for event in events)
        return scenario((RUN, f"faults:\n{rules}  events:\n{listed}{RUN}"), *changes, **options)

    return make


def faults(error):
    return "\n".join(f"{fault.path}: {fault.message}" for fault in error.value.faults)


def test_events_at_a_time(failing):
    made = failing(
        "{kind: crash, device: worker-2, at: 2 min, for: 1 min}",
        "{kind: crash, device: source, at: 5 s}",
        "{kind: slowdown, device: worker-1, factor: 0.5, at: 1 min, for: 2 s, every: 3 s}",
        "{kind: leave, device: worker-1, at: 0 s, for: 7 s}",
    )
    assert made.build().faults == Faults(
        (
            Fault("crash", device=2, at_s=120.0, for_s=60.0),
            Fault("crash", device=0, at_s=5.0),
            Fault("slowdown", device=1, factor=0.5, at_s=60.0, for_s=2.0, every_s=3.0),
            Fault("leave", device=1, at_s=0.0, for_s=7.0),
        )
    )


def test_who_joins_has_left_until_then(failing):
    assert failing("{kind: join, device: worker-1, at: 1 min}").build().faults.events == (
        Fault("leave", device=1, at_s=0.0, for_s=60.0),
    )


def test_events_at_random_befall_each_device_of_a_name(failing):
    made = failing("{kind: crash, device: worker, mean_up: 5 min, mean_down: 20 s}").build().faults.events
    assert made == tuple(Fault("crash", device=d, mean_up_s=300.0, mean_down_s=20.0) for d in (1, 2))
    assert all(fault.random and fault.for_s == inf for fault in made)


@pytest.mark.parametrize(
    ("between", "both", "expected"),
    [
        ("[source, worker-1]", True, {(0, 1), (1, 0)}),
        ("[source, worker-1]", False, {(0, 1)}),
        ("[worker-1, source]", False, {(1, 0)}),
        ("[source, worker]", True, {(0, 1), (1, 0), (0, 2), (2, 0)}),
        ("[worker, worker]", True, {(1, 2), (2, 1)}),
    ],
)
def test_an_outage_is_of_the_links_between_two(failing, between, both, expected):
    event = f"{{kind: outage, between: {between}, both: {str(both).lower()}, at: 1 min, for: 5 s, every: 20 s}}"
    world = failing(event).build()
    failing_links = [world.links[number] for fault in world.faults.events for number in fault.links]
    assert len(failing_links) == len(expected)
    assert {(link.source, link.target) for link in failing_links} == expected
    assert len(world.faults.events) == len({frozenset(ends) for ends in expected})
    assert {(f.kind, f.device, f.at_s, f.for_s, f.every_s) for f in world.faults.events} == {
        ("outage", -1, 60.0, 5.0, 20.0)
    }


def test_an_outage_of_a_one_way_ring_is_of_the_links_that_are_there(failing):
    ring = [("topology: mesh", "topology: ring\n  directed: true")]
    world = failing("{kind: outage, between: [worker-1, source], at: 1 s}", changes=ring).build()
    assert [[world.links[number].target for number in fault.links] for fault in world.faults.events] == [[1]]


def test_the_rules_for_the_tasks(failing):
    rules = "  on_crash: drop\n  on_outage: restart\n  missed_gossips: 1\n  reroute: false\n"
    made = failing("{kind: crash, device: source, at: 1 s}", rules=rules).build().faults
    assert (made.on_crash, made.on_outage, made.missed_gossips, made.reroute) == ("drop", "restart", 1, False)
    assert failing("{kind: crash, device: source, at: 1 s}").build().faults == Faults(made.events)


def test_rules_alone_change_nothing(scenario):
    assert not scenario(overrides=["faults={on_crash: drop}"]).build().faults


def test_faults_resolve_to_the_same_world(failing, tmp_path):
    given = failing(
        "{kind: crash, device: worker, mean_up: 5 min, mean_down: 20 s}",
        "{kind: outage, between: [source, worker-1], at: 1 min, for: 5 s, every: 20 s, both: false}",
        "{kind: join, device: worker-1, at: 1 min}",
    )
    given.dump(tmp_path / "resolved.yaml")
    again = Scenario.load(tmp_path / "resolved.yaml")
    assert again == given
    assert again.build().faults == given.build().faults
    assert given.resolved()["faults"]["events"][1]["for"] == "5 s"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("{kind: crush, device: worker}",
         "faults.events.0.kind: 'crush' is not known here; did you mean 'crash'?"),
        ("{device: worker, at: 1 s}",
         "faults.events.0: missing key 'kind': one of crash, join, leave, outage, slowdown"),
        ("{kind: crash, device: wroker, at: 1 s}",
         "faults.events.0.device: there is no device 'wroker'; did you mean"),
        ("{kind: crash, at: 1 s}",
         "faults.events.0: missing key 'device': the device; the name of several stands for"),
        ("{kind: crash, device: source}",
         "faults.events.0: missing key 'at': when it comes first, such as 1 min; or"),
        ("{kind: crash, device: source, for: 1 s}", "faults.events.0: missing key 'at': when it comes first"),
        ("{kind: crash, device: source, mean_up: 1 s}",
         "missing key 'mean_down': what comes at random has mean_up and"),
        ("{kind: crash, device: source, mean_down: 1 s}",
         "missing key 'mean_up': what comes at random has mean_up and"),
        ("{kind: crash, device: source, at: 1 s, mean_up: 1 s, mean_down: 1 s}",
         "faults.events.0.mean_up: at is for what comes at a time, mean_up for what comes at random"),
        ("{kind: crash, device: source, at: 1 s, every: 5 s}",
         "faults.events.0.every: what comes again must be over first: give for, too, such as for: 5 s"),
        ("{kind: crash, device: source, at: 1 s, for: 5 s, every: 5 s}",
         "faults.events.0.every: it would come again after 5 s, but lasts for 5 s: this must be longer"),
        ("{kind: crash, device: source, at: 60}", "faults.events.0.at: 60 has no unit"),
        ("{kind: crash, device: source, at: 1 s, factor: 2}",
         "faults.events.0.factor: unknown key 'factor'; did you mean 'for'?"),
        ("{kind: slowdown, device: source, at: 1 s}",
         "faults.events.0: missing key 'factor': the factor on its speed"),
        ("{kind: slowdown, device: source, at: 1 s, factor: 0}", "faults.events.0.factor: 0 is out of range"),
        ("{kind: join, device: source, at: 0 s}", "faults.events.0.at: '0 s' is zero"),
        ("{kind: join, device: source, at: 1 s, for: 1 s}",
         "faults.events.0.for: unknown key 'for'; known: at, device, kind"),
        ("{kind: outage, at: 1 s}", "faults.events.0: missing key 'between': the devices at both ends"),
        ("{kind: outage, between: source, at: 1 s}", "faults.events.0.between: expected a list, not 'source'"),
        ("{kind: outage, between: [source], at: 1 s}",
         "faults.events.0.between: a link is between two devices, not 1"),
        ("{kind: outage, between: [source, wroker], at: 1 s}",
         "faults.events.0.between.1: there is no device 'wroker'"),
        ("{kind: outage, between: [source, source], at: 1 s}",
         "faults.events.0.between: there is no link between 'source' and 'source'"),
    ],
)  # fmt: skip
def test_events_that_cannot_be(failing, event, said):
    with pytest.raises(ScenarioError) as error:
        failing(event)
    assert said in faults(error)
    assert len(error.value.faults) == 1


def test_all_that_is_wrong_is_said_at_once(failing):
    with pytest.raises(ScenarioError) as error:
        failing(
            "{kind: crush, device: worker}",
            "{kind: crash, device: wroker, at: 1 s}",
            "{kind: outage, between: [source, worker], at: 1 s, every: 5 s}",
            "{kind: slowdown, device: wroker, factor: -1, at: 1 s}",
            rules="  on_crash: forget\n",
            changes=[("duration: 10 min", "duration: 10")],
        )
    paths = [fault.path for fault in error.value.faults]
    assert paths == [
        "faults.on_crash",
        "faults.events.0.kind",
        "faults.events.1.device",
        "faults.events.2.every",
        "faults.events.3.factor",
        "run.duration",
    ]


def test_events_of_a_network_that_cannot_be_are_checked_as_far_as_they_can_be(failing):
    with pytest.raises(ScenarioError) as error:
        failing(
            "{kind: outage, between: [source, wroker], at: 1 s}",
            "{kind: outage, between: [source, worker], at: 1 s}",
            changes=[("topology: mesh", "topology: rign")],
        )
    assert [fault.path for fault in error.value.faults] == ["network.topology", "faults.events.0.between.1"]
