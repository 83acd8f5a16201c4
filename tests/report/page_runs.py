"""Small results for the tests of pages, and a reader of pages that also checks that their elements nest."""

from functools import lru_cache
from html.parser import HTMLParser

import mdisim
from mdisim import Scenario
from mdisim.report.pages import comparisons, origins, runs, sweeps

VOID = {"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
SHORT = {"run.duration": "6 s", "run.warmup": "1 s"}


@lru_cache
def run():
    return mdisim.simulate(Scenario.load("mdi-exit-2-node", SHORT))


@lru_cache
def comparison(n_seeds=5):
    scenario = Scenario.load("mdi-exit-2-node", SHORT)
    return mdisim.compare(scenario, ["mdi-exit", "local", "ddi"], seeds=range(n_seeds))


@lru_cache
def sweep(folder):
    scenario = Scenario.load("device-edge-cloud", {"run.duration": "3 s", "run.warmup": "1 s"})
    return mdisim.sweep(
        scenario,
        grid={"policy.exit_threshold": [0.7, 0.9]},
        policies=["mdi-exit", "local"],
        seeds=2,
        jobs=1,
        out=folder,
        command="mdisim sweep device-edge-cloud",
    )


def without_figures(monkeypatch):
    """Leave figures out of pages, for tests of other things: they take nearly all of the time."""
    for module in (comparisons, origins, runs, sweeps):
        monkeypatch.setattr(module, "drawn", lambda sketches: ((), ()))


class Reader(HTMLParser):
    """What stands in a page: elements with their attributes, all text, and tables by title, as rows of cells."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.tables, self._open, self._named = [], [], {}, [], {}
        self.feed(text)
        self.close()
        assert self._open == [], "elements that are not closed"

    def of(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute twice: {attrs}"
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self._open.append((tag, attributes))
        if tag == "table":
            region = next(a for t, a in reversed(self._open) if a.get("role") == "region")
            self._rows = self.tables[self._named[region["aria-labelledby"]]] = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        self.text.append(data)
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag in ("td", "th"):
            self._rows[-1][-1] += data
        if tag in ("h3", "summary") and "id" in attributes:
            self._named[attributes["id"]] = data
