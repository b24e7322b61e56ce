"""What limits a size: verdicts on simulated trainings whose limit is known, and their rows and sentences."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from trainsize.curves.curve import Response
from trainsize.regressions.limit_rows import Histories
from trainsize.regressions.limit_words import budget_limits, limit_sentences
from trainsize.regressions.limits import (
    BOTH,
    BUDGET,
    DATA,
    LEVEL,
    NOISE,
    RUN,
    Training,
    evidence,
    gain_per_doubling,
    progress,
    verdict,
)
from trainsize.regressions.options import UNKNOWN, Options
from trainsize.regressions.stage import analyse
from trainsize.regressions.words import sentences, short_answers
from trainsize.runs.metrics import METRICS
from trainsize.statistics.intervals import mean_interval

SIZES = (1000, 4000, 16_000, 64_000)
CONSTANT, COSINE = Training(), Training(decays=True)
STEPS = np.arange(1, 11) * 30


def simulate(
    train: Callable[[float, int], float],
    gap: Callable[[int], float],
    seed: int = 0,
    seeds: int = 5,
    spread: float = 0.002,
    longer: float | None = None,
    steps: np.ndarray = STEPS,
    stopped: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return runs and their checkpoints, from the training error by update and size, the gap by size, and noise.

    `spread` is the standard deviation of a run and of each evaluation. With `longer`, a check saves that share.
    """
    rng = np.random.default_rng(seed)
    runs, checkpoints = [], []
    for n in SIZES:
        for of_run in range(seeds):
            fitted = np.array([train(step, n) for step in steps])
            errors = fitted + gap(n) + rng.normal(0, spread) + rng.normal(0, spread, len(steps))
            run = {"n": n, "draw": of_run, "seed": of_run}
            checkpoints += [{**run, "step": s, "error": e} for s, e in zip(steps, errors, strict=True)]
            other = np.nan if longer is None else errors[-1] * (1 - longer) + rng.normal(0, spread / 2)
            ends = {"error": errors[-1], "train_error": fitted[-1], "updates": steps[-1], "stopped": stopped}
            runs.append({**run, **ends, "longer": other, "longer_updates": 2 * steps[-1]})
    return pd.DataFrame(runs), pd.DataFrame(checkpoints)


def world(*arguments, **options) -> pd.DataFrame:
    """Return simulated runs as `evidence` needs them."""
    runs, checkpoints = simulate(*arguments, **options)
    return runs.merge(progress(checkpoints), on=RUN)


def verdicts(runs: pd.DataFrame, training: Training = CONSTANT, images: int | None = 10_000) -> list[str]:
    return [verdict(found, training, is_share=True).verdict for found in evidence(runs, images, 0.95)]


def falling(step: float, _: int) -> float:
    """A training error that halves with four times the updates, 3.5 % after 300."""
    return 0.035 * (step / 300) ** -0.5


def fitted(step: float, _: int) -> float:
    """A training error that has long been 0."""
    return 0.0


def annealed(step: float, _: int) -> float:
    """A training error that falls to 0 as a cosine of the updates, as the learning rate does."""
    return 0.05 * (1 + np.cos(np.pi * step / 300)) / 2


def stuck(step: float, _: int) -> float:
    """A training error that no longer falls."""
    return 0.035


def narrow(n: int) -> float:
    return 0.001


def wide(n: int) -> float:
    return 0.04 * (n / 1000) ** -0.2


WORLDS = {
    "never trained to the end, equal errors": (falling, narrow, CONSTANT, BUDGET),
    "fitted, with a gap": (fitted, wide, CONSTANT, DATA),
    "still falling, with a gap": (falling, wide, CONSTANT, BOTH),
    "as good as it gets": (stuck, lambda n: 0.0, CONSTANT, NOISE),
    "a decayed rate, fitted, with a gap": (annealed, wide, COSINE, DATA),
    "a decayed rate, flat at the end, equal errors": (stuck, narrow, COSINE, BUDGET),
    "a decayed rate, not fitted, with a gap": (stuck, wide, COSINE, BOTH),
}


@pytest.mark.parametrize("name", WORLDS)
def test_the_verdict_is_what_limits(name):
    train, gap, training, expected = WORLDS[name]
    assert verdicts(world(train, gap, spread=0.0005), training) == [expected] * len(SIZES)


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("seeds", [3, 5])
def test_few_verdicts_are_wrong(name, seeds):
    """Of 40 simulated studies, with the verdict at their largest size."""
    train, gap, training, expected = WORLDS[name]
    found = Counter(verdicts(world(train, gap, seed, seeds, spread=0.001), training)[-1] for seed in range(40))
    assert found[expected] >= 36, found


@pytest.mark.parametrize("name", [name for name in WORLDS if name != "as good as it gets"])
def test_samples_of_test_images_at_the_checkpoints_still_give_the_verdict(name):
    """With 200 images a checkpoint is off by about a point; the final error is that of the whole test set."""
    train, gap, training, expected = WORLDS[name]
    found = Counter()
    for seed in range(20):
        runs, checkpoints = simulate(train, gap, seed, spread=0.001)
        checkpoints["error"] += np.random.default_rng(seed).normal(0, 0.01, len(checkpoints))
        found[verdicts(runs.merge(progress(checkpoints), on=RUN), training)[-1]] += 1
    assert found[expected] >= 18, found


def test_a_slope_too_uncertain_to_be_level_says_nothing():
    runs, checkpoints = simulate(stuck, narrow, spread=0.001)
    checkpoints["error"] += np.random.default_rng(1).normal(0, 0.05, len(checkpoints))
    merged = runs.merge(progress(checkpoints), on=RUN)
    reasons = [verdict(found, CONSTANT, is_share=True).why for found in evidence(merged, 10_000, 0.95)]
    assert not any(reason.startswith(LEVEL) for reason in reasons)


def test_a_falling_rate_is_no_sign_of_a_short_budget():
    """The error falls with the rate of a cosine: without this knowledge it would look as if it went on falling."""
    runs = world(annealed, wide, spread=0.0005)
    assert verdicts(runs, COSINE) == [DATA] * len(SIZES)
    assert verdicts(runs, CONSTANT) == [BOTH] * len(SIZES)


def test_a_check_decides_where_there_is_one():
    """Twice the updates help where the error looks level, and do not where the training error is large."""
    assert verdicts(world(stuck, wide, longer=0.3), CONSTANT) == [BOTH] * len(SIZES)
    assert verdicts(world(stuck, narrow, longer=0.3), COSINE) == [BUDGET] * len(SIZES)
    assert verdicts(world(stuck, narrow, longer=0.0, spread=0.0005), COSINE)[0] == NOISE


def test_a_check_is_paired_with_the_runs_that_it_repeats():
    """The runs that it lacks do not count, however bad they are."""
    runs = world(falling, narrow, longer=0.3, spread=0.0005)
    bad = runs[runs["seed"] == 0].assign(seed=9, error=0.9, longer=np.nan)  # more runs of the first draw
    (alone, *_), (beside, *_) = (evidence(of, None, 0.95) for of in (runs, pd.concat([runs, bad])))
    assert beside.check == alone.check
    assert beside.error > alone.error


def test_runs_that_end_by_themselves_are_not_limited_by_their_ceiling():
    patient = Training(stops_early=True)
    assert verdicts(world(falling, wide, stopped=True), patient) == [DATA] * len(SIZES)
    assert verdicts(world(falling, wide, stopped=False), patient) == [BOTH] * len(SIZES)
    (first, *_) = evidence(world(falling, wide, stopped=True), None, 0.95)
    assert first.at_ceiling == 0


def test_a_level_error_that_still_falls_with_the_size_is_limited_by_the_images():
    runs = world(lambda step, n: 0.035 * (n / 1000) ** -0.5, narrow, spread=0.0005)
    assert verdicts(runs) == [NOISE, DATA, DATA, DATA]  # the smallest size has none before it


def test_the_gain_is_the_slope_over_the_last_half():
    steps = np.array([10, 20, 50, 80, 100])
    errors = np.array([0.9, 0.7, 0.30, 0.24, 0.20])
    slope = np.polyfit(np.log2(steps[2:]), errors[2:], 1)[0]
    assert gain_per_doubling(steps, errors) == pytest.approx(-slope)
    assert np.isnan(gain_per_doubling(steps[:1], errors[:1]))


def test_over_training_is_measured_from_the_best_checkpoint():
    runs = world(lambda step, n: 0.0, lambda n: 0.1, spread=0)
    checkpoints = pd.DataFrame(
        {"n": 1, "draw": 1, "seed": 1, "step": [40, 10, 20, 30], "error": [0.14, 0.3, 0.1, 0.12]}
    )
    found = progress(checkpoints).iloc[0]
    assert (found["over_training"], found["best_at"]) == pytest.approx((0.04, 0.5))
    assert found["gain"] < 0
    assert (runs["over_training"] == 0).all()


@pytest.mark.parametrize("copies", [1, 4])
def test_runs_without_spread_have_no_intervals(copies):
    """A single run, or copies of it: the verdict rests on the gap alone, and on how many test images measure it."""
    run = world(fitted, wide, seeds=1)
    runs = pd.concat([run.assign(seed=seed, draw=seed) for seed in range(copies)])
    (found, *_) = evidence(runs, 10_000, 0.95)
    assert np.isnan([found.gap.low, found.gain.low, found.gain.p, found.fall.p]).all()
    assert verdicts(runs) == [DATA] * len(SIZES)
    assert verdicts(runs, images=30) == [NOISE] * len(SIZES)  # one image in thirty
    assert verdict(found, CONSTANT, is_share=True).verdict == DATA
    unknown = evidence(runs, None, 0.95)[0]
    assert verdict(unknown, CONSTANT, is_share=False).why == "the runs show no spread"


def test_a_gap_counts_draws_and_not_their_runs():
    """Runs of one draw share their images: with two draws of ten seeds each there are two values."""
    runs = world(fitted, wide, seeds=20)
    crossed = runs.assign(draw=runs["seed"] % 2, seed=runs["seed"] // 2)
    by_draw = crossed[crossed["n"] == 1000].groupby("draw")["error"].mean()
    found = evidence(crossed, None, 0.95)[0]
    assert found.gap.low == pytest.approx(mean_interval(by_draw.to_numpy())[1])


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [("train_error", np.nan, "no training scores are recorded"), ("error", 0.0, "no errors are left")],
)
def test_without_the_numbers_there_is_no_verdict(column, value, why):
    runs = world(fitted, wide).assign(**{column: value})
    found = [verdict(of_size, CONSTANT, is_share=True) for of_size in evidence(runs, None, 0.95)]
    assert {(of_size.verdict, of_size.why) for of_size in found} == {("", why)}


def test_smoothed_labels_say_nothing_of_the_training_loss():
    found = evidence(world(stuck, wide, spread=0.0005), None, 0.95)[-1]
    softened = Training(decays=True, softened=True)
    assert verdict(found, softened, is_share=False).verdict == ""
    assert verdict(found, softened, is_share=True).verdict == BOTH


def test_one_checkpoint_leaves_the_verdict_to_the_training_error():
    runs = world(falling, narrow, steps=np.array([300]))
    assert runs["gain"].isna().all()
    assert verdicts(runs) == [BUDGET] * len(SIZES)


# Rows and sentences


def tables(simulated: tuple[pd.DataFrame, pd.DataFrame], kind: str = "accuracy", **facts) -> dict[str, pd.DataFrame]:
    """Return the tables of the stage for simulated runs as those of the model a, and of its check a-x2."""
    runs, checkpoints = simulated
    metric, facts = METRICS[kind], {"decays": False, "stops_early": False, "softened": False, "check": None, **facts}
    shown = (lambda errors: 1 - errors) if metric.kind == "score" else (lambda errors: errors)
    common = {"status": "finished", "stopped": np.where(runs["stopped"], "no better loss", None)}
    of_model = runs.assign(
        model="a", **{f"test_{kind}": shown(runs["error"]), f"train_{kind}": shown(runs["train_error"])}
    )
    check = runs.assign(model="a-x2", updates=2 * runs["updates"], **{f"test_{kind}": shown(runs["longer"])})
    checkpoints = checkpoints.assign(model="a", **{kind: shown(checkpoints["error"])})
    table = pd.concat([of_model.assign(**common), check.assign(**common)], ignore_index=True)
    response = Response(f"test_{kind}", metric)
    options = Options(bootstrap=100, families=("last1", "pow2"), targets={kind: [0.999]})
    return analyse(table, ["a"], [response], options, UNKNOWN, None, Histories(checkpoints, {"a": facts})).frames()


def said(frames: dict[str, pd.DataFrame], kind: str = "accuracy") -> str:
    return "\n".join(limit_sentences(frames, "a", METRICS[kind]))


def test_a_short_budget_is_said_first_with_what_shows_it():
    frames = tables(simulate(falling, narrow, spread=0.0005))
    row = frames["limits"].iloc[-1]
    assert (row["verdict"], row["runs"], row["updates"]) == ("budget", 5, 300)
    assert row["gain"] == pytest.approx(0.013, abs=0.002)  # 3.5 % at 300 updates, 4.9 % at 150
    assert row["gain_low"] < row["gain"] < row["gain_high"]
    assert budget_limits(frames, "a", METRICS["accuracy"])
    text = said(frames)
    assert text.startswith(
        "These networks were not trained to the end: with 300 updates, the accuracy is 96.50 % on the"
    )
    assert "on the test images; the test error still falls by 1." in text
    assert "points) per doubling of the updates. Train longer" in text
    assert text.endswith("Train longer before collecting more images.")


def test_the_share_of_the_budget_is_told_with_its_interval():
    frames = tables(simulate(falling, narrow, longer=0.3, spread=0.0005), check="a-x2")
    row = frames["limits"].iloc[-1]
    assert row["check"] == pytest.approx(0.3, abs=0.02)
    assert row["check_low"] < 0.3 < row["check_high"]
    assert row["check_updates"] == 600
    assert "with 600 updates the test error is lower" in said(frames)
    assert "The budget's share of the remaining error is 30 % (" in said(frames)


@pytest.mark.parametrize(
    ("train", "gap", "facts", "text"),
    [
        (
            fitted,
            wide,
            {},
            "The images limit these networks: with 300 updates, the accuracy is 100.00 % on the training",
        ),
        (falling, wide, {}, "Train longer, and collect more images."),
        (stuck, narrow, {"decays": True}, "These networks do not fit their training images: with 300 updates"),
        (stuck, wide, {"decays": True}, "larger network as well as collecting more images."),
        (stuck, lambda n: 0.0, {}, "Neither more images nor longer training lowers the error beyond its noise of 0."),
        (falling, wide, {"stops_early": True}, "100 % of the runs were still improving at the ceiling"),
    ],
)
def test_every_limit_has_its_sentence(train, gap, facts, text):
    assert text in said(tables(simulate(train, gap, spread=0.0005), **facts))


def test_limits_that_differ_are_listed_by_size():
    runs = simulate(lambda step, n: falling(step, n) if n > 4000 else 0.0, wide, spread=0.0005)
    assert "What limits each size: data at 1,000, 4,000; both at 16,000, 64,000 images." in said(tables(runs))


def test_over_training_is_told_where_it_is_certain():
    rising = simulate(lambda step, n: 0.0, wide, spread=0.0005)
    assert "Over-training" not in said(tables(rising))
    frames = tables(rising)
    frames["limits"] = frames["limits"].assign(gain_low=-0.02, gain_high=-0.01, over_training=0.008, best_at=0.4)
    assert "the best checkpoint, after 40 % of the updates on average, is 0.80 points better" in said(frames)


def test_a_loss_has_its_own_unit():
    frames = tables(simulate(falling, narrow, spread=0.0005), kind="loss")
    assert frames["limits"]["error"].iloc[-1] == pytest.approx(0.036, abs=0.001)
    assert "the cross-entropy is 0.035 nats on the training images" in said(frames, "loss")


def test_without_histories_nothing_is_said():
    frames = {"limits": pd.DataFrame(columns=["model", "metric", "n", "verdict"])}
    assert limit_sentences(frames, "a", METRICS["accuracy"]) == []
    assert budget_limits(frames, "a", METRICS["accuracy"]) is False


def test_never_is_not_said_of_networks_that_were_not_trained_to_the_end():
    frames = tables(simulate(falling, narrow, spread=0.0005))
    assert np.isinf(frames["targets"].query("chosen")["estimate"]).all()
    text = "\n".join(sentences(frames, "a", "accuracy"))
    assert "To reach 99.90 %: unknown, because these networks need more training first." in text
    assert text.startswith("These networks were not trained to the end")
    assert short_answers(frames, "a", "accuracy")["enough"].startswith("These networks were not trained to the end")
    assert not any(word in text for word in ("never", "more than 32 times"))
    level = tables(simulate(stuck, lambda n: 0.0, spread=0.0005))
    assert "more than 32 times the largest size" in "\n".join(sentences(level, "a", "accuracy"))
