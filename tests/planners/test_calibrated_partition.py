"""The policy against what the papers define: who answers, after how long, and how often the promise is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from worlds import drawn, line

from mdisim import promises
from mdisim.calibration import calibrate, closed, stops_at
from mdisim.engine import run
from mdisim.experiments.prepare import Ground
from mdisim.planners import RECIPES, CalibratedPartition
from mdisim.policies import Policy
from mdisim.policies.check import check
from mdisim.policies.scores import Outputs
from mdisim.results import Run
from mdisim.world import Arrivals, Link, Source, World, setting

CLOSED = Arrivals("closed")
STAGE_S = np.array([[0.010, 0.020, 0.030, 0.040], [0.001, 0.002, 0.003, 0.004]])
HEAD_S = np.array([[0.001, 0.002, 0.003, 0.004], [0.0001, 0.0002, 0.0003, 0.0004]])
OUT_BYTES = (3000.0, 16000.0, 8000.0, 4000.0, 0.0)
RATE_BPS, LATENCY_S = 8e6, 0.005


def over_confident(n: int = 4000, seed: int = 0) -> Outputs:
    """Outputs whose logits are four times as large as they were."""
    given = drawn(n, 4, seed=seed)
    logits = 4.0 * given.logits
    odds = np.exp(logits - logits.max(axis=2, keepdims=True))
    return given._replace(logits=logits, confidence=odds.max(axis=2) / odds.sum(axis=2))


def device_and_cloud(outputs: Outputs | None = None, **changes: object) -> World:
    given: dict[str, object] = {
        "arrivals": CLOSED, "head_s": HEAD_S, "out_bytes": OUT_BYTES, "rate": RATE_BPS, "latency_s": LATENCY_S,
        "outputs": outputs or over_confident(), "label_bytes": 0, "order": "bootstrap", "duration_s": 60.0,
    }  # fmt: skip
    return line(2, STAGE_S, **(given | changes))  # type: ignore[arg-type]


def laid_out(world: World, **parameters: object) -> Policy:
    return CalibratedPartition(cloud="d1", **parameters).build(setting(world))  # type: ignore[arg-type]


def simulated(world: World, seed: int = 1, **parameters: object) -> Run:
    policy = laid_out(world, **parameters)
    return replace(run(world, policy, seed), parameters=policy.details)


def times_s(cut: int) -> np.ndarray:
    """Seconds to each exit on the device, and, last, through the cloud."""
    local = np.cumsum(STAGE_S[0] + HEAD_S[0])
    way_s = 8 * OUT_BYTES[cut] / RATE_BPS + LATENCY_S
    through = local[cut - 1] + way_s + STAGE_S[1, cut:].sum() + HEAD_S[1, -1] + LATENCY_S
    return np.array([*local[:cut], through])


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_every_sample_takes_the_time_of_the_papers(cut):
    world = device_and_cloud(label_bytes=1e-9)  # an answer too small to take time, so that only latency counts
    tasks = run(world, laid_out(world, cut=cut, mode="none", p_tar=0.9), 1).tasks
    answered = tasks[tasks.status == "answered"]
    expected = times_s(cut)[np.where(answered.exit <= cut, answered.exit - 1, cut)]
    np.testing.assert_allclose(answered.done_s - answered.born_s, expected, atol=1e-9)
    outputs = world.samples.outputs
    stop = stops_at(outputs.confidence, 0.9, cut)[answered["sample"]]
    np.testing.assert_array_equal(answered.exit - 1, stop)
    share = np.bincount(np.minimum(stop, cut), minlength=cut + 1) / len(stop)
    mean_s = closed.mean_time_s(
        share[:cut], times_s(cut)[:cut], network_s=2 * LATENCY_S + 8 * OUT_BYTES[cut] / RATE_BPS,
        cloud_s=STAGE_S[1, cut:].sum() + HEAD_S[1, -1],
    )  # fmt: skip
    assert (answered.done_s - answered.born_s).mean() == pytest.approx(mean_s, abs=1e-9)


P_TAR = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
BATCH = 100


@pytest.mark.parametrize("mode", ["none", "per-exit"])
@pytest.mark.parametrize("p_tar", P_TAR)
def test_without_queues_outage_is_the_closed_form(mode, p_tar):
    """Batches of samples drawn with replacement: the number in outage is binomial around the closed form."""
    world = device_and_cloud(duration_s=1200.0)
    done = simulated(world, cut=3, mode=mode, p_tar=p_tar)
    calibrated = laid_out(world, cut=3, mode=mode, p_tar=p_tar).calibration.calibrated(world.samples.outputs)
    stop = stops_at(calibrated.confidence, p_tar, 3)
    right = calibrated.prediction[np.arange(len(stop)), stop] == calibrated.label
    here = stop < 3
    theory = closed.outage(here.mean(), right[here].mean(), p_tar, BATCH)
    batches = len(done.tasks[done.tasks.status == "answered"]) // BATCH
    found = promises.outage_probability(done, batch=BATCH, drop_last=True).value
    low, high = stats.binom.interval(0.999, batches, theory)
    assert low - 1e-9 <= found * batches <= high + 1e-9
    assert batches > 100
    assert promises.on_device_probability(done) == pytest.approx(
        here.mean(), abs=4 * 0.5 / np.sqrt(batches * BATCH)
    )


def test_without_queues_the_missed_deadline_is_the_closed_form():
    """Within 0.01, as its latency part is a normal approximation, and the Monte-Carlo error at 99.9 %."""
    world = device_and_cloud(duration_s=8000.0, label_bytes=1e-9)
    done = simulated(world, cut=3, mode="all-samples", p_tar=0.8)
    outputs = laid_out(world, cut=3, mode="all-samples", p_tar=0.8).calibration.calibrated(world.samples.outputs)
    stop = stops_at(outputs.confidence, 0.8, 3)
    right = outputs.prediction[np.arange(len(stop)), stop] == outputs.label
    moments = closed.moments(times_s(3)[stop], right)
    batches = len(done.tasks) // BATCH
    middle_s = times_s(3)[stop].mean()
    theory = []
    for t_tar_s in middle_s * np.array([0.9, 0.97, 1.0, 1.03, 1.1]):
        wanted = closed.missed_deadline(right.mean(), moments, t_tar_s=t_tar_s, p_tar=0.8, batch=BATCH)
        found = promises.missed_deadline_probability(done, t_tar_s, batch=BATCH, drop_last=True).value
        error = 3.29 * np.sqrt(max(wanted * (1 - wanted), 1e-4) / batches)
        assert abs(found - wanted) < 0.01 + error
        theory.append(wanted)
    assert theory[0] > 0.9
    assert theory[-1] < 0.5


def test_calibration_keeps_the_promise_that_the_conventional_system_breaks():
    world = device_and_cloud(duration_s=600.0)
    conventional, calibrated = (simulated(world, cut=3, mode=mode, p_tar=0.9) for mode in ("none", "all-samples"))
    assert promises.device_accuracy(conventional) < 0.9 < promises.device_accuracy(calibrated)
    assert promises.outage_probability(conventional).value > 0.9
    assert promises.outage_probability(calibrated).value < 0.1
    assert promises.on_device_probability(conventional) > promises.on_device_probability(calibrated)
    summary = calibrated.summary()
    assert summary["device_accuracy"] == promises.device_accuracy(calibrated)
    assert summary["outage_probability"] == promises.outage_probability(calibrated).value


def test_what_is_logged_is_the_calibrated_confidence():
    world = device_and_cloud()
    tasks = simulated(world, cut=3, mode="all-samples").tasks
    tasks = tasks[tasks.status == "answered"]
    exits = calibrate(world.calibration.outputs, mode="all-samples", p_tar=0.8)
    expected = exits.score(world.samples.outputs)[tasks["sample"], tasks.exit - 1]
    np.testing.assert_allclose(tasks.confidence, expected, rtol=1e-12)


def test_the_cloud_runs_no_branches_and_the_last_head_alone():
    world = device_and_cloud()
    tasks = run(world, laid_out(world, cut=1, mode="none", p_tar=1.0), 1).tasks
    sent = tasks[tasks.exit == 4]
    np.testing.assert_allclose(sent.compute_s, STAGE_S[0, 0] + HEAD_S[0, 0] + STAGE_S[1, 1:].sum() + HEAD_S[1, -1])
    again = run(world, laid_out(world, cut=1, mode="none", p_tar=1.0, offload="input"), 1).tasks
    sent = again[again.exit == 4]
    np.testing.assert_allclose(sent.compute_s, STAGE_S[0, 0] + HEAD_S[0, 0] + STAGE_S[1].sum() + HEAD_S[1, -1])
    assert set(sent.bytes_sent) == {3000}


def test_the_faster_of_feature_and_input_is_sent():
    world = device_and_cloud()
    assert set(simulated(world, cut=1, p_tar=1.0, offload="fastest").tasks.query("exit == 4").bytes_sent) == {3000}
    assert set(simulated(world, cut=3, p_tar=1.0, offload="fastest").tasks.query("exit == 4").bytes_sent) == {4000}


@pytest.mark.parametrize(("cut", "device"), [(0, "d1"), (4, "d0")])
def test_a_cut_at_either_end_is_one_device_alone(cut, device):
    tasks = simulated(device_and_cloud(), cut=cut, p_tar=0.99).tasks
    tasks = tasks[tasks.status == "answered"]
    assert set(tasks.device) == {device}
    assert (tasks.exit == 4).all() if cut == 0 else (tasks.exit < 4).any()


def test_exits_that_are_skipped_are_neither_used_nor_paid():
    tasks = simulated(device_and_cloud(), cut=3, skip=(1,), mode="none", p_tar=0.5).tasks
    tasks = tasks[tasks.status == "answered"]
    assert set(tasks.exit) == {2, 3, 4}
    second = tasks[tasks.exit == 2]
    np.testing.assert_allclose(second.compute_s, STAGE_S[0, :2].sum() + HEAD_S[0, 1])


def test_the_surest_of_all_exits_may_answer_for_the_cloud():
    tasks = simulated(device_and_cloud(), cut=2, p_tar=0.95, cloud_fallback="most-confident").tasks
    cloud = tasks[tasks.exit == 4]
    assert set(cloud.answered_by) == {1, 2, 4}
    assert set(simulated(device_and_cloud(), cut=2, p_tar=0.95).tasks.query("exit == 4").answered_by) == {4}


def test_three_tiers_send_every_sample_to_the_edge():
    world = line(
        3, np.vstack([STAGE_S, STAGE_S[1]]), arrivals=CLOSED, head_s=np.vstack([HEAD_S, HEAD_S[1]]), rate=RATE_BPS,
        out_bytes=OUT_BYTES, outputs=over_confident(), duration_s=60.0, order="bootstrap",
    )  # fmt: skip
    policy = CalibratedPartition(cloud="d2", device="d1", cut=3).build(setting(world))
    done = replace(run(world, policy, 1), parameters=policy.details)
    answered = done.tasks[done.tasks.status == "answered"]
    assert set(answered.device) == {"d1", "d2"}
    assert promises.on_device_probability(done) == pytest.approx((answered.exit < 4).mean())


@pytest.mark.parametrize("threshold", ["grid-search", "learn-then-test", "upper-confidence", "conformal"])
def test_thresholds_may_be_planned_with_a_guarantee(threshold):
    world = device_and_cloud(duration_s=120.0)
    policy = laid_out(world, cut=3, p_tar=0.85, threshold=threshold, mode="all-samples")
    planned = policy.details["planned_threshold"]
    assert 0 < planned <= 1
    assert planned == policy.plan[0].thresholds[0]
    if threshold == "learn-then-test":
        accuracy = promises.device_accuracy(simulated(world, cut=3, p_tar=0.85, threshold=threshold))
        assert accuracy > 0.85 - 3 * np.sqrt(0.85 * 0.15 / 3000)


@pytest.mark.parametrize("threshold", ["learn-then-test", "upper-confidence", "conformal"])
def test_what_is_fitted_and_what_is_planned_on_share_no_group(threshold, monkeypatch):
    """Samples of a group stand side by side: taken by turns, every group would be in both parts."""
    import mdisim.calibration as here

    seen = {}

    def spied(name, real):
        def call(*args, group, **options):
            seen[name] = set(group.tolist())
            return real(*args, group=group, **options)

        return call

    monkeypatch.setattr(here, "calibrate", spied("calibrate", here.calibrate))
    for name in ("device_accuracy", "upper_confidence", "conformal"):
        monkeypatch.setattr(here.risk, name, spied(name, getattr(here.risk, name)))
    known = setting(device_and_cloud(over_confident()))
    known = replace(known, group=np.arange(len(known.calibration.label)) // 4)
    CalibratedPartition(cloud="d1", threshold=threshold).build(known)
    fitted, planned = seen.values()
    assert not fitted & planned
    assert len(fitted | planned) == 1000


def test_what_cannot_be_is_said():
    world = device_and_cloud()
    for parameters, say in (
        ({"cut": 5}, "cut 5 is beyond the last of 4 stages"),
        ({"cut": 2, "skip": (3,)}, "skip 3 is no early exit on the device"),
        ({"device": "nobody"}, "device 'nobody' is not in this scenario"),
        ({"p_tar": 0.9999, "threshold": "learn-then-test"}, "would do"),
    ):
        with pytest.raises(ValueError, match=say):
            laid_out(world, **parameters)


def test_the_rule_is_pure_and_the_policy_is_named():
    world = device_and_cloud()
    rule = laid_out(world, cut=1, offload="fastest").where
    assert check(rule) == []
    assert RECIPES["calibrated-partition"] is CalibratedPartition
    assert Ground(world, None).policy(CalibratedPartition(cloud="d1")).name == "calibrated-partition"
    assert isinstance(world.links[0], Link)
    assert isinstance(world.sources[0], Source)
