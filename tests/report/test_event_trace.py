"""The file for timeline viewers says what the tables say."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mdisim
from mdisim import engine
from mdisim.experiments.prepare import Ground
from mdisim.files import whole
from mdisim.report import events as report_events
from mdisim.report.events import EventsError, event_trace, save_event_trace
from mdisim.results import Run


@pytest.fixture(scope="module")
def run() -> Run:
    ground = Ground.of(mdisim.Scenario.load("mdi-exit-5-mesh", ["run.duration=12 s", "run.warmup=2 s"]))
    return engine.run(ground.world, ground.policy(None), 1, record=True)


@pytest.fixture(scope="module")
def events(run: Run) -> list[dict[str, Any]]:
    return event_trace(run)["traceEvents"]


def of(events: list[dict[str, Any]], phase: str) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == phase]


def test_every_slice_is_an_event_of_the_run(run: Run, events: list[dict[str, Any]]) -> None:
    slices = of(events, "X")
    assert len(slices) == len(run.events)
    starts = np.array([one["ts"] for one in slices])
    ends = starts + [one["dur"] for one in slices]
    np.testing.assert_allclose(starts, run.events["start_s"] * 1e6, rtol=0, atol=1e-3)
    np.testing.assert_allclose(ends, run.events["end_s"] * 1e6, rtol=0, atol=1e-3)
    assert [one["args"]["sample"] for one in slices] == run.events["task"].tolist()


def test_a_sample_ends_when_the_table_says(run: Run, events: list[dict[str, Any]]) -> None:
    """The slices of an answered sample add up to its compute time, and its span is its life."""
    answered = run.tasks[run.tasks["status"] == "answered"]
    compute = defaultdict(float)
    for one in of(events, "X"):
        compute[one["args"]["sample"]] += one["dur"] if one["cat"] == "compute" else 0.0
    np.testing.assert_allclose([compute[row] for row in answered.index], answered["compute_s"] * 1e6, atol=1)
    begins = {one["id2"]["local"]: one["ts"] for one in of(events, "b")}
    ends = {one["id2"]["local"]: one["ts"] for one in of(events, "e")}
    np.testing.assert_allclose([begins[row] for row in answered.index], answered["born_s"] * 1e6, atol=1)
    np.testing.assert_allclose([ends[row] for row in answered.index], answered["done_s"] * 1e6, atol=1)


def test_slices_of_one_thread_do_not_overlap(events: list[dict[str, Any]]) -> None:
    threads = defaultdict(list)
    for one in of(events, "X"):
        threads[one["pid"], one["tid"]].append((one["ts"], one["ts"] + one["dur"]))
    assert len(threads) > 5
    for slices in threads.values():
        ordered = sorted(slices)
        assert all(b[0] >= a[1] - 1e-6 for a, b in pairwise(ordered))
    assert not {tid for _, tid in threads} & {pid for pid, _ in threads}


def test_arrows_join_two_slices(events: list[dict[str, Any]]) -> None:
    places = {(one["pid"], one["tid"], one["ts"]) for one in of(events, "X")}
    begins, ends = of(events, "s"), of(events, "f")
    assert [one["id"] for one in begins] == [one["id"] for one in ends]
    assert len({one["id"] for one in begins}) == len(begins) > 0
    for one in begins + ends:
        assert (one["pid"], one["tid"], one["ts"]) in places
    assert all(a["ts"] <= b["ts"] for a, b in zip(begins, ends, strict=True))


def test_counters_are_the_timeline(run: Run, events: list[dict[str, Any]]) -> None:
    queues = [one["args"]["waiting for a core"] for one in of(events, "C") if one["name"] == "queues"]
    assert queues == run.timeline["queue"].tolist()
    thresholds = [one["args"]["threshold"] for one in of(events, "C") if one["name"] == "threshold"]
    assert thresholds == run.timeline["threshold"].dropna().tolist()


def test_names_are_those_of_devices_and_links(run: Run, events: list[dict[str, Any]]) -> None:
    named = {one["args"]["name"] for one in of(events, "M") if "name" in one["args"]}
    assert set(run.devices["device"]) < named
    assert {f"link {link}" for link in run.events["link"].dropna().unique()} < named


def test_files_are_the_same_each_time(run: Run, tmp_path: Path) -> None:
    plain, packed = (save_event_trace(run, tmp_path / name) for name in ("trace.json", "trace.json.gz"))
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert save_event_trace(run, tmp_path / "again.json.gz").read_bytes() == packed.read_bytes()
    assert json.loads(plain.read_text()) == json.loads(json.dumps(event_trace(run)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("plain.txt/x.json", "there is no folder .*plain.txt; make it first"),
        ("nowhere/x.json", "there is no folder"),
        (f"{'x' * 300}/x.json", "there is no folder"),
        (f"{'x' * 300}.json", "cannot be written: "),
    ],
)
def test_where_nothing_can_be_written_one_message_says_so(
    run: Run, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "plain.txt").touch()
    with pytest.raises(EventsError, match=message):
        save_event_trace(run, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["plain.txt"]


@pytest.mark.parametrize("name", ["plain.txt/x", "x" * 250])
def test_a_file_that_cannot_be_looked_for_does_not_hide_why_it_was_not_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain.txt").touch()
    with pytest.raises(EventsError, match="cannot be written"), whole(tmp_path / name, EventsError) as fresh:
        fresh.write_text("x")


def test_a_run_without_events_says_how_to_have_them() -> None:
    ground = Ground.of(mdisim.Scenario.load("mdi-exit-5-mesh", ["run.duration=1 s", "run.warmup=0 s"]))
    with pytest.raises(EventsError, match="--timeline"):
        event_trace(engine.run(ground.world, ground.policy(None), 1))


def test_the_file_is_written_bit_by_bit(run: Run, events: list[dict[str, Any]], monkeypatch) -> None:
    """What is written at a time does not grow with the run, and is the same altogether."""
    whole_text = b"".join(report_events.encoded(run))
    assert json.loads(whole_text) == event_trace(run)
    monkeypatch.setattr(report_events, "CHUNK", 7)
    parts = list(report_events.encoded(run))
    assert b"".join(parts) == whole_text
    assert max(map(len, parts)) < 7 * 400
    assert len(parts) == 2 + -(-len(events) // 7)
