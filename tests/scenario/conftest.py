"""Small profiles stand in for the shipped ones, so that messages and worlds here do not change with them."""

from dataclasses import replace

import numpy as np
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


def made_up_text(name, n):
    """Six exits of a text network, as it is and at BERT-base's size; each text with its length and features."""
    kinds = {"mobile": 1.0, "mobile-100": 0.3, "edge": 0.03, "cloud": 0.006}
    sizes = {"native": (0.0015, 18432, 1), "bert-128": (0.12, 393216, 2)}
    tables = {
        table: replace(
            profiles.stated_costs(6, stage_s=seconds, out_bytes=(512, *[state] * 5, 0), kinds=kinds),
            layers=np.full(6, layers),
        )
        for table, (seconds, state, layers) in sizes.items()
    }
    accuracy = (0.7, 0.75, 0.8, 0.85, 0.87, 0.9)
    made = profiles.synthesise(
        n=n, exits=6, accuracy=accuracy, classes=2, stage_s=1, out_bytes=0, seed=2, name=name
    )
    length = np.random.default_rng(3).uniform(0.2, 3.0, (n, 1))
    return replace(
        made, costs=tables, work=np.tile(length, 6), size=np.tile(length, 7), features=np.tile(length, 4)
    )


@pytest.fixture(scope="session")
def tiny():
    return made_up("cifar10-mobilenetv2", 60)


@pytest.fixture(scope="session")
def others():
    """Profiles of which policies need more samples, or what a router may see."""
    made = {name: made_up(name, 4000) for name in ("cifar10-overconfident", "fashion-mnist-mobilenetv2")}
    images = made["fashion-mnist-mobilenetv2"]
    seen = np.random.default_rng(1).normal(size=(images.n, 8))
    made[images.name] = replace(images, features=seen)
    return made | {name: made_up_text(name, 2000) for name in ("sst2-minilm6",)}


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
