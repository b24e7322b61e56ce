"""Claims of the published studies on made runs: what holds, what does not, what is undecided, what is not tested."""

import numpy as np
import pandas as pd
import pytest
from support import ROOT

from trainsize.metrics.tables import RUNS
from trainsize.published.printed import STUDIES, Claim, artefacts, claims
from trainsize.published.versions import REPRODUCED
from trainsize.reproduction.claims import TESTS, Measured, Untestable, claims_table
from trainsize.reproduction.tables import CLAIMS
from trainsize.study.reader import load_study

SIZES = (100, 200, 400, 800)


def runs(value, models=("m",), sizes=SIZES, draws=(0,), seeds=range(5), **more) -> pd.DataFrame:
    """Return runs whose accuracy is `value(model, n, draw, seed)`."""
    grid = [(m, n, d, s) for m in models for n in sizes for d in draws for s in seeds]
    data = pd.DataFrame(grid, columns=["model", "n", "draw", "seed"])
    data["test_accuracy"] = [value(*row) for row in grid]
    return data.assign(**more)


def measure(test: str, data: pd.DataFrame, **settings) -> Measured:
    claim = Claim("", "", test, **{"metric": "test_accuracy", "model": "m", **settings})
    return TESTS[test](data, claim)


def verdict(test: str, data: pd.DataFrame, **settings) -> str:
    return measure(test, data, **settings).verdict


NOISE = np.random.default_rng(1).normal(size=1000)


def noisy(scale: float):
    """Return noise that is the same for the same run."""
    return lambda model, n, draw, seed: scale * NOISE[hash((len(model), n, draw, seed)) % 1000]


@pytest.mark.parametrize(
    ("slope", "scale", "expected"),
    [(0.1, 0.01, "holds"), (-0.1, 0.01, "does not hold"), (0.0, 0.05, "undecided")],
)
def test_rises(slope, scale, expected):
    data = runs(lambda *run: slope * np.log10(run[1]) + noisy(scale)(*run))
    assert verdict("rises", data) == expected
    opposite = {"holds": "does not hold", "does not hold": "holds"}
    assert verdict("falls", data) == opposite.get(expected, expected)


def test_folds_that_leak_rise_and_others_do_not():
    leaky = runs(lambda *run: 0.9 + 0.02 * run[2] + noisy(0.002)(*run), sizes=[100], draws=range(5), seeds=[1])
    assert verdict("rises_by_fold", leaky) == "holds"
    fresh = runs(lambda *run: 0.9 + noisy(0.002)(*run), sizes=[100], draws=range(5), seeds=[1])
    assert verdict("rises_by_fold", fresh) == "undecided"
    with pytest.raises(Untestable, match="fewer than three folds"):
        verdict("rises_by_fold", fresh[fresh["draw"] < 2])


def test_the_best_leads_its_closest_rival():
    level = {"m": 0.9, "a": 0.8, "bb": 0.86}
    data = runs(lambda *run: level[run[0]] + noisy(0.01)(*run), models=level, sizes=[100])
    found = measure("best", data, among=["a", "bb"])
    assert (found.verdict, found.remark, found.repeats) == ("holds", "the closest rival is bb", 5)
    assert found.low < 0.04 < found.high
    assert verdict("best", data, model="a", among=["m", "bb"]) == "does not hold"
    single = measure("best", data[data["seed"] == 0], among=["a"])
    assert single.verdict == "undecided"


def test_the_smallest_lead_may_be_over_a_rival_that_only_varies_more():
    leads = {"m": [0] * 5, "a": [0.0102] * 5, "b": [-0.03, 0.06, -0.01, 0.05, -0.009]}
    data = runs(lambda *run: 0.8 - leads[run[0]][run[3]], models=leads)
    assert verdict("best", data, model="m", among=["a"]) == "holds"
    assert verdict("best", data, model="m", among=["a", "b"]) == "undecided"


def test_a_claim_about_all_sizes_needs_a_repeat_that_has_them():
    data = runs(noisy(0.01))
    alternate = data[(data["n"].rank(method="dense") + data["seed"]) % 2 == 0]
    for test in ("rises", "diminishing"):
        with pytest.raises(Untestable, match="no draw or seed has runs of all sizes"):
            measure(test, alternate)


def test_returns_diminish_along_a_curve_and_not_along_a_line():
    assert verdict("diminishing", runs(lambda *run: np.log10(run[1]) / 10 + noisy(0.001)(*run))) == "holds"
    assert verdict("diminishing", runs(lambda *run: (run[1] / 1000) ** 2 + noisy(0.001)(*run))) == "does not hold"


def test_a_size_below_the_line_of_the_others():
    def bent(_, n, *__):
        return min(0.1 * np.log10(n) + 0.0005 * (n % 3), 0.25)

    assert verdict("below_line", runs(bent, sizes=(100, 150, 200, 250, 300, 800))) == "holds"
    assert verdict("below_line", runs(lambda *run: 0.1 * np.log10(run[1]) + noisy(0.02)(*run))) == "undecided"


def test_saturation_is_equivalence_within_the_margin():
    flat = runs(lambda *run: 0.8 + noisy(0.002)(*run))
    assert verdict("saturated", flat, at=0.5, margin=0.01) == "holds"
    assert verdict("saturated", flat, at=0.5, margin=0.001) == "undecided"
    rising = runs(lambda *run: 0.1 * np.log10(run[1]) + noisy(0.002)(*run))
    assert verdict("saturated", rising, at=0.5, margin=0.01) == "does not hold"


def test_one_metric_above_another():
    data = runs(lambda *run: 0.8 + noisy(0.001)(*run), train_accuracy=0.9)
    over = {"metric": "train_accuracy", "than": "test_accuracy"}
    assert verdict("above", data, **over) == "holds"
    assert verdict("not_above", data, **over, margin=0.01) == "does not hold"
    assert verdict("not_above", data, **over, margin=0.2) == "holds"
    assert verdict("not_above", data.assign(train_accuracy=0.7), **over, margin=0.01) == "holds"


def test_the_spread_of_single_runs_has_the_interval_of_a_standard_deviation():
    data = runs(noisy(0.01), seeds=range(40))
    found = measure("spread", data, margin=0.05)
    sd = np.sqrt(data.groupby("n")["test_accuracy"].var(ddof=1).mean())
    assert found.value == pytest.approx(1.96 * sd)
    assert found.low < 1.96 * 0.01 < found.high
    assert (found.verdict, found.repeats) == ("holds", 160)


def test_the_interval_of_the_draws_covers_what_they_add():
    """Searle's interval on 300 simulated designs of 5 draws with 4 seeds each: 95 % ± 4 cover."""
    rng = np.random.default_rng(7)
    covered = 0
    for _ in range(300):
        of_draw, of_run = rng.normal(0, 0.01, 5), rng.normal(0, 0.01, (5, 4))
        data = runs(lambda m, n, d, s, a=of_draw, b=of_run: a[d] + b[d, s], sizes=[100], draws=range(5), seeds=range(4))
        found = measure("draws", data, margin=0.01)
        covered += found.low <= 0.01 <= found.high
    assert 273 <= covered <= 297


def test_what_cannot_be_tested_says_why():
    data = runs(lambda *run: 0.5, sizes=[100], seeds=[0])
    for test, more, why in (
        ("rises", {}, "fewer than three sizes"),
        ("saturated", {"at": 0.75, "margin": 0.01}, "no size of 75 % of the largest"),
        ("spread", {"margin": 0.01}, "only one run of each size"),
        ("draws", {"margin": 0.01}, "fewer than two draws with several seeds each"),
        ("best", {"among": ["other"]}, "no runs of other"),
    ):
        with pytest.raises(Untestable, match=why):
            verdict(test, data, **more)


def test_every_claim_of_every_form_has_a_row():
    data = runs(lambda *run: 0.1 * np.log10(run[1]) + noisy(0.001)(*run), models=["cnn"])
    data = data.assign(test_f1_micro=data["test_accuracy"], test_loss=-data["test_accuracy"])
    table = claims_table("ga-letters", {"as published": data, "corrected": data[data["n"] == 100]})
    assert list(table.columns) == CLAIMS.schema.names
    assert len(table) == 2 * len(claims("ga-letters"))
    assert set(table.loc[table["role"] == "as published", "verdict"]) <= {"holds", "undecided"}
    assert set(table.loc[table["role"] == "corrected", "verdict"]) == {"not tested"}


@pytest.mark.parametrize("published", STUDIES)
def test_claims_name_what_is_there(published):
    """Tests, artefacts and metrics that are known, and models of the study's own versions."""
    ids = {artefact.id for artefact in artefacts(published)}
    names = [name for name, study in REPRODUCED.items() if study == published]
    models = {model for name in names for model in load_study(name, ROOT / "studies").models}
    for claim in claims(published):
        assert claim.artefact in ids
        if claim.why:
            continue
        assert claim.test in TESTS
        assert {claim.metric, claim.than or claim.metric} <= set(RUNS.schema.names)
        assert {claim.model, *claim.among} <= models
