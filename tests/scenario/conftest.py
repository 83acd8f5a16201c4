"""Small profiles stand in for the shipped ones, so that messages and worlds here do not change with them."""

from dataclasses import replace

import pytest
from plain_scenario import TEXT

from mdisim import profiles
from mdisim.profiles.checks import unknown
from mdisim.scenario import Scenario

KINDS = {"jetson-nano": 1.0, "raspberry-pi-4": 2.0, "pixel-1": 3.0, "edge-gpu": 0.2, "cloud-gpu": 0.05}


def made_up(name, n):
    made = profiles.synthesise(
        n=n,
        exits=5,
        accuracy=(0.6, 0.7, 0.8, 0.85, 0.9),
        stage_s=(0.012, 0.006, 0.006, 0.01, 0.007),
        head_s=0.0005,
        out_bytes=(150528, 301056, 100352, 50176, 75264, 0),
        kinds=KINDS,
        seed=1,
        name=name,
    )
    return replace(made, costs={"native": made.costs["native"], "mobilenetv2-224": made.costs["native"]})


@pytest.fixture(scope="session")
def tiny():
    return made_up("cifar10-mobilenetv2", 60)


@pytest.fixture(scope="session")
def others():
    """Profiles of which policies need more samples."""
    return {name: made_up(name, 4000) for name in ("cifar10-overconfident",)}


@pytest.fixture(autouse=True)
def catalogue(monkeypatch, tiny, others):
    read = profiles.load

    def load(name):
        if str(name).endswith(".npz"):
            return read(name)
        if name in others:
            return others[name]
        if name != tiny.name:
            raise profiles.ProfileError("profiles", [unknown("profile", name, [tiny.name])])
        return tiny

    monkeypatch.setattr(profiles, "load", load)


@pytest.fixture
def scenario():
    def make(*changes, overrides=(), **options):
        """The text above with some of it replaced."""
        text = TEXT
        for old, new in changes:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return Scenario.from_text(text, overrides=overrides, **options)

    return make


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "given.yaml").write_text(TEXT, encoding="utf-8")
    return tmp_path
