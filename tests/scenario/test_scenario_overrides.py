import pytest

from mdisim.policies import Local, MdiExit, Remote
from mdisim.scenario import Scenario, ScenarioError


def said(error):
    return str(error.value)


def test_a_value_is_replaced_and_the_rest_stays(scenario):
    plain, changed = scenario(), scenario(overrides=["run.seed=7", "devices.worker.count=3"])
    assert changed.spec.run.seed == 7
    assert changed.spec.run.warmup == plain.spec.run.warmup
    assert len(changed.build().devices) == 4


def test_the_last_of_two_overrides_counts(scenario):
    assert scenario(overrides=["run.seed=7", "run.seed=8"]).spec.run.seed == 8


@pytest.mark.parametrize(
    ("overrides", "recipe"),
    [
        (["policy=local"], Local()),
        (["policy.exit_threshold=0.9"], MdiExit(exit_threshold=0.9)),
        (["policy.exit_threshold=[0.9, 0.8, 0.7, 0.6]"], MdiExit(exit_threshold=(0.9, 0.8, 0.7, 0.6))),
        (["policy.control_s=300 ms"], MdiExit(control_s=0.3)),
        (["policy={name: remote, device: worker-1}"], Remote(device="worker-1")),
        (["policy.name=local", "policy.alpha=0.3"], Local(alpha=0.3)),
        ({"policy.exit_threshold": 0.9, "policy.control_s": "300 ms"}, MdiExit(exit_threshold=0.9, control_s=0.3)),
    ],
)
def test_a_policy_by_name_takes_parameters_too(scenario, overrides, recipe):
    assert scenario(overrides=overrides).recipe() == recipe


def test_a_lone_source_is_also_the_first_of_a_list(scenario):
    for path in ("workload.arrivals.rate", "workload.0.arrivals.rate"):
        made = scenario(overrides=[f"{path}=3/s"])
        assert made.build().sources[0].arrivals.rate_per_s == 3.0


def test_items_of_a_list_are_numbered(scenario):
    with_list = ("policy: mdi-exit", "policy: mdi-exit\ncompare: [local, no-exit]")
    made = scenario(with_list, overrides=["compare.1={name: local, label: wary, exit_threshold: 0.9}"])
    assert made.compared() == {"local": Local(), "wary": Local(exit_threshold=0.9)}


def test_a_whole_section_may_be_added(scenario):
    made = scenario(overrides=["devices.cloud={kind: cloud-gpu}", "jitter.kind=exponential"])
    assert made.build().devices[-1].name == "cloud"
    assert made.build().jitter.kind == "exponential"


def test_an_anchor_is_not_changed_with_one_of_its_uses(scenario):
    text = ("source: {kind: jetson-nano}", "source: &nano {kind: jetson-nano}\n  other: *nano")
    devices = scenario(text, overrides=["devices.other.cores=4"]).spec.devices
    assert (devices["source"].cores, devices["other"].cores) == (1, 4)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.sede=3", "run.sede: unknown key 'sede'; did you mean 'seed'?"),
        ("polcy.exit_threshold=1", "polcy: unknown key 'polcy'; did you mean 'policy'?"),
        ("policy.exit_treshold=1", "policy.exit_treshold: mdi-exit has no parameter 'exit_treshold'; did you mean "
         "'exit_threshold'?"),
        ("devices.wroker.count=2", "there is no 'wroker' in devices; did you mean 'worker'?"),
        ("network.link.rate=10", "network.link.rate: 10 has no unit; this key needs a bandwidth such as '20 Mbps' "
         "(units: kbps, Mbps, Gbps, kB/s, MB/s)"),
        ("run.warmup=1 h", "run.warmup: the warm-up of 3600 s leaves nothing of the duration of 600 s to measure"),
        ("policy=mdi-exits", "policy: no policy 'mdi-exits'; did you mean 'mdi-exit'?"),
        ("run.seed", "write path=value, such as run.seed=3"),
        ("=3", "write path=value, such as run.seed=3"),
        ("run..seed=3", "write path=value, such as run.seed=3"),
        ("run.seed.more=3", "run.seed is 1, which has no keys: run.seed.more leads nowhere"),
        ("run.seed=[1", "not readable as YAML: this list lacks a ',' or its ']'"),
        ("run.seed=", "run.seed: expected a whole number, not nothing"),
        ("workload.1.at=source", "workload is a single source; write workload.0 in place of workload.1"),
        ("network=", "network: missing key 'network': 3 devices need one, such as {topology: mesh, link: {rate: "
         "20 Mbps, latency: 2 ms}}"),
    ],
)  # fmt: skip
def test_a_fault_names_the_override(scenario, override, message):
    with pytest.raises(ScenarioError) as error:
        scenario(overrides=[override])
    assert said(error) == f"--set {override}: {message}"


def test_a_number_beyond_the_list_is_told_what_there_is(scenario):
    with_list = ("policy: mdi-exit", "policy: mdi-exit\ncompare: [local, no-exit]")
    with pytest.raises(ScenarioError, match=r"compare is a list of 2; write compare\.0 to compare\.1 in place"):
        scenario(with_list, overrides=["compare.2=ddi"])


def test_faults_of_the_file_and_of_overrides_come_together(scenario):
    with pytest.raises(ScenarioError) as error:
        scenario(("at: source", "at: sorce"), overrides=["run.warmup=-1 s", "policy.alpha=2"])
    assert [fault.path for fault in error.value.faults] == ["workload.at", "run.warmup", "policy.alpha"]
    assert [fault.line for fault in error.value.faults] == [9, None, None]


def test_more_overrides_on_top(folder):
    first = Scenario.load(folder / "given.yaml", ["run.seed=5"])
    second = first.with_overrides({"policy.exit_threshold": 0.7})
    assert second.overrides == ("run.seed=5", "policy.exit_threshold=0.7")
    assert (second.spec.run.seed, second.recipe()) == (5, MdiExit(exit_threshold=0.7))
    assert second.name == first.name == "given"
