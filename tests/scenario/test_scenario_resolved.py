"""A resolved scenario is a scenario, and means the same."""

from dataclasses import fields, is_dataclass

import numpy as np
import pytest

from mdisim.scenario import Scenario, find, names


def same(a, b, where="world"):
    if is_dataclass(a):
        assert type(a) is type(b), where
        for field in fields(a):
            same(getattr(a, field.name), getattr(b, field.name), f"{where}.{field.name}")
    elif isinstance(a, tuple):
        assert len(a) == len(b), where
        for i, (one, other) in enumerate(zip(a, b, strict=True)):
            same(one, other, f"{where}[{i}]")
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b, err_msg=where)
    else:  # NaN stands for what is not known
        assert a == b or (a != a and b != b), where


def resolved(scenario, tmp_path):
    path = tmp_path / "elsewhere" / "resolved.yaml"
    path.parent.mkdir()
    scenario.dump(path)
    return Scenario.load(path)


@pytest.mark.parametrize("name", names())
def test_shipped_scenarios_resolve_to_the_same_world(name, tmp_path):
    given = Scenario.load(name)
    again = resolved(given, tmp_path)
    assert again == given
    assert again.resolved() == given.resolved()
    assert again.recipe() == given.recipe()
    assert again.compared() == given.compared()
    same(again.build(), given.build())


def test_everything_that_can_be_stated_survives(scenario, tmp_path, tiny):
    from mdisim import profiles

    profiles.write(tiny, tmp_path / "mine.npz")
    (tmp_path / "times.csv").write_text("time_s\n0.1\n0.25\n")
    given = scenario(
        ("profile: cifar10-mobilenetv2", "description: '1e3'\nprofile: mine.npz\nfeature_precision: int8"),
        (
            "source: {kind: jetson-nano}",
            "source: {kind: jetson-nano, speed: 0.3, holds: [1, 2], power: {idle: 7 mW}}",
        ),
        (
            "topology: mesh",
            "topology: edges\n  duplex: half\n  links: [{from: source, to: worker, energy: 3 pJ/bit}]",
        ),
        ("latency: 2 ms", "latency: 2.3 us, offload_cost: 0.1"),
        ("{kind: poisson, rate: 20/s}", "{kind: file, path: times.csv}\n  deadline: 1 min"),
        (
            "policy: mdi-exit",
            "policy: {name: mdi-exit, exit_threshold: [.1, .2, .3, .4], label: x}\njitter: {kind: exponential}",
        ),
        ("seed: 1", "seed: 123456789012345678901234567890, drain: true, drain_limit: 1 h, label_bytes: 7 bit"),
        folder=tmp_path,
    )
    again = resolved(given, tmp_path)
    assert again == given
    assert again.resolved() == given.resolved()
    same(again.build(), given.build())


def test_loading_again_gives_the_same_digest(folder):
    assert Scenario.load(folder / "given.yaml").digest == Scenario.load(folder / "given.yaml").digest


def test_the_digest_is_of_what_is_meant_not_of_how_it_is_written(scenario):
    plain = scenario()
    assert scenario(("20 Mbps", "20000 kbps"), ("mdi-exit", "{name: mdi-exit, exit_threshold: 0.8}")) == plain
    assert scenario(("profile:", "# a comment\ndescription: words\nprofile:")) == plain
    assert len({plain, scenario()}) == 1
    for change in [("20 Mbps", "21 Mbps"), ("seed: 1", "seed: 2"), ("mdi-exit", "local")]:
        assert scenario(change) != plain


def test_si_units_stand_beside_the_numbers(scenario):
    plain = scenario().resolved()
    assert plain["network"]["link"] == {
        "rate": "20000000 bps",
        "latency": "0.002 s",
        "loss": 0.0,
        "offload_cost": 0.0,
        "energy": "0 nJ/bit",
    }
    assert plain["run"]["duration"] == "600 s"
    assert plain["costs"] == "native"


def test_shipped_scenarios_are_found_by_name_and_by_path():
    assert "mdi-exit-5-mesh" in names()
    assert find("mdi-exit-5-mesh") == find(find("mdi-exit-5-mesh"))
