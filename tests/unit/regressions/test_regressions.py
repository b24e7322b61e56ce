"""Lines against certified and published values, answers against planted truths, and bad input as explained rows."""

import json
import math
import re
from functools import partial

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from trainsize.common.errors import UserError
from trainsize.common.files import write_text
from trainsize.common.tables import write_table
from trainsize.curves import comparisons, next_runs, shape
from trainsize.curves.bootstrap import inflation, interval, resampled_means
from trainsize.curves.choosing import criteria, p_fit
from trainsize.curves.curve import Response, clean, make_curve
from trainsize.curves.families import CHOSEN_FAMILY, DEFAULT_FAMILIES, FAMILIES, TREND
from trainsize.curves.fitting import fit
from trainsize.curves.problem import Problem, problem_of
from trainsize.metrics.tables import HISTORY, RUNS
from trainsize.regressions import lines, variance, words
from trainsize.regressions.__main__ import main
from trainsize.regressions.correctness import Correctness, read_correctness
from trainsize.regressions.mixed_model import mixed
from trainsize.regressions.options import UNKNOWN, Data, Options
from trainsize.regressions.rows import Rows
from trainsize.regressions.run_lines import robust
from trainsize.regressions.stage import analyse, regress
from trainsize.regressions.tables import REGRESSIONS
from trainsize.regressions.words import all_answers
from trainsize.runs.metrics import LOSS, METRICS, SCORE
from trainsize.runs.run import grid_runs
from trainsize.statistics import hypotheses
from trainsize.statistics.intervals import mean_interval
from trainsize.subsets.tables import SUBSET
from trainsize.training.tables import PREDICTIONS

GA_SIZES = [12_000, 6_000, 4_000, 3_000, 2_400, 2_000, 1_500, 1_200, 1_000, 800, 750]
DOUBLING = [100 * 2**k for k in range(9)]
ACCURACY = Response("accuracy", METRICS["accuracy"])
FAST = ["--families", "log2", "pow3", "--bootstrap", "100"]
one_family = partial(Options, extrapolation=CHOSEN_FAMILY)
QUICK = Options(bootstrap=400, families=("last1", "log2", "pow3", "exp3"))


def made(errors, sizes=DOUBLING, seeds=6, noise=0.004, seed=0, model="a") -> pd.DataFrame:
    """Return runs with errors(n) plus an effect of the seed and noise, as accuracies."""
    rng = np.random.default_rng(seed)
    table = np.array([errors(n) for n in sizes]) + rng.normal(0, noise / 2, (seeds, 1))
    table = table + rng.normal(0, noise, (seeds, len(sizes)))
    rows = [
        {"model": model, "n": n, "draw": s, "seed": s, "status": "finished", "accuracy": 1 - table[s, j]}
        for s in range(seeds)
        for j, n in enumerate(sizes)
    ]
    return pd.DataFrame(rows)


def power(n: float) -> float:
    return 0.03 + 2.5 * n**-0.5


def tables(runs: pd.DataFrame, options: Options = QUICK) -> dict[str, pd.DataFrame]:
    models = list(dict.fromkeys(runs["model"]))
    return analyse(runs, models, [ACCURACY], options).frames()


# Lines


def test_longley():
    """NIST's certified coefficients and errors of the Longley data, ill-conditioned on purpose, to eight digits."""
    data = sm.datasets.longley.load_pandas()
    found = sm.OLS(data.endog, sm.add_constant(data.exog[["GNPDEFL", "GNP", "UNEMP", "ARMED", "POP", "YEAR"]])).fit()
    certified = [-3482258.63459582, 15.0618722713733, -0.358191792925910e-01, -2.02022980381683]
    certified += [-1.03322686717359, -0.511041056535807e-01, 1829.15146461355]
    errors = [890420.383607373, 84.9149257747669, 0.334910077722432e-01, 0.488399681651699]
    errors += [0.214274163161675, 0.226073200069370, 455.478499142212]
    assert found.params.to_numpy() == pytest.approx(certified, rel=1e-8)
    assert found.bse.to_numpy() == pytest.approx(errors, rel=1e-8)
    assert lines.statistics(found)["r2"] == pytest.approx(0.995479004577296, rel=1e-9)
    assert lines.goodness(found)["f"] == pytest.approx(330.285339234588, rel=1e-8)


def test_stackloss():
    """Huber's regression of the stackloss data as statsmodels documents it."""
    data = sm.datasets.stackloss.load_pandas()
    found = robust(data.endog.to_numpy(), sm.add_constant(data.exog))
    assert found.fit.params.to_numpy() == pytest.approx([-41.0265, 0.8294, 0.9261, -0.1278], abs=1e-4)


def test_the_published_line_is_scipys():
    rng = np.random.default_rng(0)
    means = pd.Series(0.4 + 0.12 * np.log10(GA_SIZES) + rng.normal(0, 0.01, 11), index=GA_SIZES)
    found, expected = lines.log_linear(means), stats.linregress(np.log10(GA_SIZES), means)
    assert found.params["log10_n"] == pytest.approx(expected.slope)
    assert found.params["const"] == pytest.approx(expected.intercept)
    assert found.bse["log10_n"] == pytest.approx(expected.stderr)
    assert found.rsquared == pytest.approx(expected.rvalue**2)


def test_published_condition_numbers():
    """33.7 with all eleven sizes of the letters study, 40.5 without the largest; they depend on the sizes alone."""
    noise = np.random.default_rng(1).random(11)
    assert lines.log_linear(pd.Series(noise, index=GA_SIZES)).condition_number == pytest.approx(33.7, abs=0.05)
    assert lines.log_linear(pd.Series(noise[1:], index=GA_SIZES[1:])).condition_number == pytest.approx(40.5, abs=0.05)


@pytest.mark.parametrize(
    ("eleven", "ten", "mean_at_12000", "mean"),
    [
        ((0.4344, 0.1188), (0.3257, 0.1533), 0.8823, 0.8302),  # test accuracy
        ((2.0592, -0.4422), (2.4980, -0.5812), 0.3949, 0.5858),  # test cross-entropy
        ((0.6113, -0.0250), (0.5764, -0.0140), 0.5000, 0.5280),  # train accuracy
        ((1.4868, 0.0362), (1.6213, -0.0064), 1.6770, 1.6074),  # train cross-entropy
    ],
)
def test_identities_of_the_published_letters_lines(eleven, ten, mean_at_12000, mean):
    """What the two published lines of each metric imply for the size that one of them leaves out.

    A line passes through the means of its points, so the eleven sizes' sum less the ten's gives the mean at 12,000; and
    the line through that mean and the ten-size line has the published eleven-size slope again.
    """
    x = np.log10(GA_SIZES)
    implied = 11 * (eleven[0] + eleven[1] * x.mean()) - 10 * (ten[0] + ten[1] * x[1:].mean())
    assert implied == pytest.approx(mean_at_12000, abs=0.006)  # of coefficients with four decimals
    assert eleven[0] + eleven[1] * x.mean() == pytest.approx(mean, abs=3e-4)
    refitted = lines.log_linear(pd.Series([implied, *(ten[0] + ten[1] * x[1:])], index=GA_SIZES))
    assert refitted.params["log10_n"] == pytest.approx(eleven[1], abs=2e-3)


def test_the_published_statistics_follow_from_each_other():
    runs = made(power)
    found = tables(runs, Options(bootstrap=400, families=("log2",), leave_out=(DOUBLING[-1],)))
    fits = found["fits"][found["fits"]["method"] == "published"]
    assert list(fits["left_out"]) == ["", str(DOUBLING[-1])]
    assert list(fits["n_sizes"]) == [9, 8]
    for _, row in fits.iterrows():
        own = found["parameters"]["left_out"].eq(row["left_out"]) & found["parameters"]["method"].eq("published")
        slope = found["parameters"][own].set_index("term").loc["log10_n"]
        m = row["n_sizes"]
        assert slope["t"] ** 2 == pytest.approx(row["f"])
        assert slope["estimate"] / slope["standard_error"] == pytest.approx(slope["t"])
        half = stats.t.ppf(0.975, m - 2) * slope["standard_error"]
        assert (slope["low"], slope["high"]) == pytest.approx((slope["estimate"] - half, slope["estimate"] + half))
        assert row["r2_adjusted"] == pytest.approx(1 - (1 - row["r2"]) * (m - 1) / (m - 2))
        assert row["aic"] == pytest.approx(4 - 2 * row["log_likelihood"])
        assert row["bic"] == pytest.approx(2 * np.log(m) - 2 * row["log_likelihood"])
        skew, excess = row["skew"], row["kurtosis"] - 3
        assert row["jarque_bera"] == pytest.approx(m / 6 * (skew**2 + excess**2 / 4))
        assert row["p_jarque_bera"] == pytest.approx(stats.chi2.sf(row["jarque_bera"], 2))


def test_lines_over_all_runs_agree_where_they_must():
    """On a balanced table the slope is that of the means; the mixed model's variances are those of the mean squares."""
    runs = made(lambda n: 0.6 - 0.1 * np.log10(n), noise=0.01, seed=3)
    table = runs.pivot(index="seed", columns="n", values="accuracy")
    x = np.log10(table.columns.to_numpy(dtype=float))
    found = tables(runs, Options(bootstrap=400, families=("log2",)))
    slopes = found["parameters"].query("term == 'log10_n'").set_index("method")
    expected = lines.log_linear(table.mean()).params["log10_n"]
    for method in ("published", "ols_cluster", "ols_hc3", "mixed"):
        assert slopes.loc[method, "estimate"] == pytest.approx(expected, abs=1e-8)
    units, sizes = table.shape
    rest = table.to_numpy() - table.mean(axis=1).to_numpy()[:, None] - expected * (x - x.mean())
    within = (rest**2).sum() / (units * (sizes - 1) - 1)
    spread = ((x - x.mean()) ** 2).sum()
    assert slopes.loc["mixed", "standard_error"] == pytest.approx(np.sqrt(within / (units * spread)), rel=1e-4)
    between = (sizes * table.mean(axis=1).var() - within) / sizes
    components = found["variance"][found["variance"]["n"].isna()].set_index("component")["variance"]
    assert components["seed, about the line"] == pytest.approx(between, rel=1e-3)
    assert components["residual, about the line"] == pytest.approx(within, rel=1e-4)


def test_the_anova_line_is_the_mixed_models():
    """On a balanced table it is what REML finds; with a run missing, REML is used and finds nearly the same."""
    runs = made(lambda n: 0.6 - 0.1 * np.log10(n), noise=0.01, seed=3)
    frame = runs.assign(y=runs["accuracy"] / runs["accuracy"].std(), log10_n=np.log10(runs["n"]))
    reml = sm.MixedLM.from_formula("y ~ log10_n", frame, groups=frame["seed"]).fit(reml=True)
    balanced = mixed(runs, "accuracy", "seed")
    assert balanced.method == "ANOVA"
    scale = runs["accuracy"].std()
    assert balanced.line.params.to_numpy() == pytest.approx(reml.fe_params.to_numpy() * scale, abs=1e-8)
    assert balanced.line.bse.to_numpy() == pytest.approx(reml.bse_fe.to_numpy() * scale, rel=1e-3)
    unbalanced = mixed(runs.drop(index=7), "accuracy", "seed")
    assert unbalanced.method == "REML"
    assert unbalanced.line.params.to_numpy() == pytest.approx(balanced.line.params.to_numpy(), rel=0.02)


def test_draws_crossed_with_seeds_are_two_random_effects():
    rng = np.random.default_rng(0)
    of_draw, of_seed = rng.normal(0, 0.03, 12), rng.normal(0, 0.01, 12)
    rows = [
        {
            "n": n,
            "draw": d,
            "seed": s,
            "accuracy": 0.5 + 0.1 * np.log10(n) + of_draw[d] + of_seed[s] + rng.normal(0, 0.002),
        }
        for n in (100, 200, 400, 800)
        for d in range(12)
        for s in range(12)
    ]
    found = mixed(pd.DataFrame(rows), "accuracy", "draw")
    assert found.method == "REML"
    assert np.sqrt(found.variances["draw"]) == pytest.approx(of_draw.std(ddof=1), rel=0.1)
    assert np.sqrt(found.variances["seed"]) == pytest.approx(of_seed.std(ddof=1), rel=0.1)
    assert np.sqrt(found.variances["residual"]) == pytest.approx(0.002, rel=0.1)


def test_influence_is_that_of_leaving_a_size_out():
    """The letters study dropped its largest size; leverage and residual follow from the lines with and without it."""
    x = np.log10(GA_SIZES)
    means = pd.Series([0.8823, *(0.3257 + 0.1533 * x[1:])], index=GA_SIZES)
    means += np.random.default_rng(2).normal(0, 0.01, 11)
    rows = pd.DataFrame(lines.influence(means)).set_index("n")
    assert rows.loc[12_000, "leverage"] == pytest.approx(0.477, abs=5e-4)
    assert rows["leverage"].sum() == pytest.approx(2)
    without = lines.log_linear(means.drop(12_000))
    assert rows.loc[12_000, "slope_without"] == pytest.approx(without.params["log10_n"])
    gap = means[12_000] - rows.loc[12_000, "foretold_without"]
    scale = np.sqrt(without.mse_resid / (1 - rows.loc[12_000, "leverage"]))
    assert rows.loc[12_000, "studentised"] == pytest.approx(gap / scale)
    assert rows.loc[12_000, "p_bonferroni"] == pytest.approx(min(1, 11 * rows.loc[12_000, "p"]))


def test_a_misspelt_column_fails_at_once():
    rows = Rows()
    with pytest.raises(ValueError, match="table 'fits' has no column metrc"):
        rows.add("fits", {"model": "a"}, metrc="accuracy")
    rows.add("fits", {"model": "a"}, metric="accuracy")
    assert rows.frames()["fits"].loc[0, ["model", "metric"]].tolist() == ["a", "accuracy"]


# Intervals and choice


def test_the_widening_of_bootstrap_intervals():
    assert inflation(10, 0.95) == pytest.approx(np.sqrt(10 / 9) * stats.t.ppf(0.975, 9) / stats.norm.ppf(0.975))
    samples = np.random.default_rng(0).normal(5, 1, 100_000)
    median, low, high = interval(samples, 10, 0.95)
    assert (high - low) / 2 == pytest.approx(1.96 * inflation(10, 0.95), rel=0.02)
    _, low, high = interval(np.exp(samples), 10, 0.95, log=True)
    assert np.log(high / low) / 2 == pytest.approx(1.96 * inflation(10, 0.95), rel=0.02)
    half_infinite = np.where(samples > 5.5, np.inf, samples)
    median, low, high = interval(half_infinite, 10, 0.95)
    assert (median, high) == (pytest.approx(5, abs=0.02), np.inf)
    assert interval(np.full(9, np.inf), 5, 0.95) == (np.inf, np.inf, np.inf)


def test_whole_units_are_resampled():
    """Values that are an effect of the seed alone keep it: resampled curves are shifted, not bent."""
    runs = made(power, noise=0.0)
    runs["accuracy"] -= 0.01 * runs["seed"]
    curve = make_curve(runs, "accuracy", SCORE)
    means = resampled_means(curve, 500)
    assert np.ptp(means - curve.means, axis=1).max() < 1e-12
    assert (means - curve.means)[:, 0].std() == pytest.approx(0.01 * np.arange(6).std() / np.sqrt(6), rel=0.1)
    assert np.array_equal(means, resampled_means(curve, 500))


def test_seeds_that_differ_between_sizes_are_resampled_within_them():
    runs = made(power)
    runs["seed"] = runs["draw"] = runs["seed"] + 100 * runs["n"].rank(method="dense")
    curve = make_curve(runs, "accuracy", SCORE)
    assert not curve.crossed
    assert curve.replicates == 6
    means = resampled_means(curve, 2000)
    assert means.std(0) == pytest.approx(np.nanstd(curve.values, axis=0) / np.sqrt(6), rel=0.1)


def test_missing_runs_leave_the_other_sizes_alone():
    runs = made(power).drop(index=[3, 20, 41])
    curve = make_curve(runs, "accuracy", SCORE)
    assert curve.counts.sum() == 9 * 6 - 3
    assert np.isfinite(resampled_means(curve, 300)).all()


def test_aicc_is_as_defined():
    aicc, bic = criteria(0.5, 11, 3)
    assert aicc == pytest.approx(11 * np.log(0.5 / 11) + 2 * 4 + 2 * 4 * 5 / (11 - 5))
    assert bic == pytest.approx(11 * np.log(0.5 / 11) + 4 * np.log(11))
    assert np.isnan(criteria(0.5, 5, 3)[0])


def test_the_family_that_made_the_curve_is_chosen():
    options = one_family(bootstrap=400, families=DEFAULT_FAMILIES)
    for errors, name in ((power, "pow3"), (lambda n: 0.05 + 0.5 * np.exp(-n / 700), "exp3")):
        fits = tables(made(errors, noise=0.002), options)["fits"].set_index("method")
        assert fits.index[fits["chosen"].eq(True)].tolist() == [name]
        assert fits["akaike_weight"].sum() == pytest.approx(1)
        assert fits.loc[name, "starts_agreeing"] > 20
        assert not fits.loc[name, "distinguishable"]
        assert fits.loc["log2", "distinguishable"]


def answers(runs: pd.DataFrame, options: Options = QUICK) -> str:
    return all_answers(tables(runs, options))


def chosen_fit(runs: pd.DataFrame, options: Options) -> pd.Series:
    fits = tables(runs, options)["fits"]
    return fits[fits["chosen"].eq(True)].iloc[0]


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_a_family_that_made_the_curve_goes_through_its_means(seeds):
    """The p-value of the lack of fit is below 0.05 in no more than about 5 of 100 curves, with few seeds too."""
    found = []
    for seed in range(100):
        curve = make_curve(made(power, DOUBLING[:6], seeds, noise=0.006, seed=seed), "accuracy", SCORE)
        problem = problem_of(curve)
        found.append(p_fit(curve, fit(FAMILIES["pow3"], problem, curve.means, np.random.default_rng(0))))
    assert sum(p < 0.05 for p in found) <= 11  # of 5 expected; 12 or more have a probability of 0.4 %
    assert min(found) > 0.0005


def test_five_sizes_are_enough_to_tell_a_floor_from_a_line():
    """Too few to hold some out: AIC decides, and four times the largest size is foretold."""
    options = one_family(bootstrap=200, families=DEFAULT_FAMILIES, targets={"accuracy": [0.9]})
    held = 0
    for seed in range(12):
        found = tables(made(lambda n: 0.05 + 3 * n**-0.4, [250 * 2**k for k in range(5)], 5, 0.008, seed), options)
        fit = found["fits"][found["fits"]["chosen"].eq(True)].iloc[0]
        assert (fit["method"], fit["chosen_by"]) == ("pow3", "AIC")
        row = found["targets"].query("chosen").iloc[0]
        held += row["low"] < 60**2.5 < row["high"]
    assert held >= 9


def test_a_tail_is_believed_where_nothing_goes_through_all_sizes():
    """Nothing is learnt up to 500 images; then errors follow a power law that families of all sizes miss."""

    def late(n: float) -> float:
        return 0.9 - 0.02 * np.log10(n) if n <= 500 else 0.02 + 20 * n**-0.55

    for seed in range(3):
        sizes = [125 * 2**k for k in range(10)]
        found = tables(made(late, sizes, noise=0.004, seed=seed), one_family(bootstrap=200, families=DEFAULT_FAMILIES))
        fits = found["fits"].set_index("method")
        assert fits.index[fits["chosen"].eq(True)].tolist() == ["pow3_tail"]
        assert fits.loc[["log2", "pow3", "pow4"], "p_fit"].max() < 0.001 < fits.loc["pow3_tail", "p_fit"]
        row = found["predictions"].query("chosen and n == @sizes[-1]").iloc[0]
        assert row["low"] < 1 - late(sizes[-1]) < row["high"]


def test_what_decided_the_choice_is_said():
    few = one_family(bootstrap=200, families=DEFAULT_FAMILIES)
    four = answers(made(power, DOUBLING[:4]), few)
    assert "Curve: log2, the only family that could be fitted. This curve has no floor, so larger targets may" in four
    assert "Curve: pow3, chosen by AIC because there are too few sizes to hold any out." in answers(
        made(power, DOUBLING[:5]), few
    )
    assert "Curve: pow3, which predicted held-out larger sizes with a mean error of" in answers(made(power), few)
    assert chosen_fit(made(power, DOUBLING[:5], seeds=1), few)["chosen_by"] == "AICc"  # no spread to judge by
    missed = answers(
        made(lambda n: 0.3 if n < 1000 else 0.1, noise=0.001), one_family(bootstrap=200, families=("log2", "exp3"))
    )
    assert "No family fits the means of the sizes: any statement beyond the measured sizes is a guess." in missed


def test_families_that_few_sizes_do_not_tell_apart_are_named():
    narrow = made(lambda n: 0.05 + 3 * n**-0.4, [1000 * k for k in range(1, 8)], 5, 0.008, seed=1)
    options = one_family(bootstrap=200, families=DEFAULT_FAMILIES, targets={"accuracy": [0.88]})
    fits = tables(narrow, options)["fits"]
    assert fits.loc[fits["as_good"].eq(True), "method"].tolist() == ["log2", "pow3"]
    assert "Families that do as well give: log2" in answers(narrow, options)


def test_a_robust_fit_has_robust_intervals():
    runs = made(power, noise=0.002)
    runs.loc[runs["n"] == 800, "accuracy"] -= 0.08
    options = Options(bootstrap=200, families=("pow3",), robust=True)
    rows = tables(runs, options)["predictions"].query("family == 'pow3' and not extrapolated")
    assert ((rows["low"] < rows["value"]) & (rows["value"] < rows["high"])).all()


def test_variances_of_few_seeds_are_not_smoothed_too_small():
    """The mean logarithm of variances of three values is 0.58 below that of the variance itself."""
    curves = [make_curve(made(power, seeds=3, noise=0.006, seed=s), "accuracy", SCORE) for s in range(100)]
    ratios = [np.log(curve.variances() / (0.006**2 + 0.003**2)).mean() for curve in curves]
    assert abs(np.mean(ratios)) < 0.15
    uneven = pd.concat([made(power, DOUBLING[:7], seeds=2), made(power, DOUBLING[7:], seeds=3)])
    assert np.ptp(make_curve(uneven, "accuracy", SCORE).variances()) == 0  # two sizes say nothing of a slope


def test_equal_means_are_no_rise():
    """Runs stuck at chance at several sizes: the distance from a falling curve is that of rounding."""
    for seed in range(4):
        runs = made(power, noise=0.002, seed=seed)
        runs.loc[runs["n"] <= 400, "accuracy"] = 0.1
        assert shape.p_monotone(make_curve(runs, "accuracy", SCORE)) == 1


def test_an_impossible_gain_is_not_reported():
    runs = made(lambda n: 0.5 - 0.118 * np.log10(n), noise=0.001)  # 1.8 % of errors left, and 3.6 points per doubling
    options = one_family(bootstrap=200, families=("log2",))
    last = tables(runs, options)["saturation"].iloc[-1]
    assert np.isnan(last["gain"]) and np.isnan(last["gain_low"])
    assert "Doubling the images" not in answers(runs, options)


def test_a_line_that_leaves_0_to_1_is_refused():
    """A line that says an accuracy above 1 within the sizes is not chosen; ahead of them its values are refused."""
    runs = made(lambda n: 0.01 + 0.6 * np.exp(-n / 200), noise=0.001)
    found = tables(runs)
    fits = found["fits"].set_index("method")
    assert fits.loc["log2", "status"] == "refused: predicts impossible values within the measured sizes"
    assert "log2" not in set(found["predictions"]["family"])
    ahead = tables(made(lambda n: 0.5 - 0.1 * np.log10(n), noise=0.001))["predictions"].query("family == 'log2'")
    outside = ahead[ahead["status"] != "predicted"]
    assert len(outside) and outside["extrapolated"].all() and outside["value"].isna().all()


# Answers


@pytest.mark.parametrize(
    ("p_never", "text"),
    [
        (0.0, ""),
        (0.003, "; with a probability of less than 1 %, 32 times the largest size are not enough"),
        (0.25, "; with a probability of 25 %, 32 times the largest size are not enough"),
        (0.997, "; with a probability of more than 99 %, 32 times the largest size are not enough"),
        (1.0, "; with a probability of 100 %, 32 times the largest size are not enough"),
    ],
)
def test_few_curves_are_not_none(p_never, text):
    row = {"target": 0.9, "origin": "stated", "median": 500.0, "low": 400.0, "high": 600.0, "confidence": 0.95}
    row |= {"low_80": 450.0, "high_80": 550.0, "p_never": p_never, "reach": 32.0, "status": "within the measured sizes"}
    interval = "95 % interval: 400 to 600; 80 % interval: 450 to 550"
    expected = f"To reach 90.00 %: about 500 images ({interval}){text}. Within the measured sizes."
    assert words.target_sentence(pd.Series(row), METRICS["accuracy"]) == expected


def test_no_errors_have_no_default_target():
    found = tables(made(lambda n: 0.0 if n == DOUBLING[-1] else 0.5 * n**-0.3, noise=0.0))
    assert not len(found["targets"])
    assert "No target: the runs of the largest size make no errors." in words.sentences(found, "a", "accuracy")
    assert words.short_answers(found, "a", "accuracy")["enough"].startswith("No target: ")


def test_images_for_a_target():
    n_for_8_percent = (2.5 / 0.05) ** 2
    options = one_family(bootstrap=400, families=("pow3",), targets={"accuracy": [0.92, 0.98]})
    found = tables(made(power, noise=0.002), options)["targets"].set_index("target")
    row = found.loc[0.92]
    assert row["low"] < n_for_8_percent < row["high"]
    assert row["low"] < row["low_80"] < row["median"] < row["high_80"] < row["high"]
    assert row["status"] == "within the measured sizes"
    assert row["p_never"] == 0
    assert row["low_delta"] == pytest.approx(row["low"], rel=0.1)
    assert row["planning"] == pytest.approx(row["high_80"])
    never = found.loc[0.98]  # the floor is 3 % of errors
    assert never["status"] == "not reached"
    assert never["p_never"] > 0.9
    assert np.isinf(never["median"]) and never["beyond"]


def test_far_targets_are_flagged():
    options = one_family(bootstrap=400, families=("pow2",), targets={"accuracy": [0.996]})
    row = tables(made(lambda n: 2.5 * n**-0.5, noise=0.001), options)["targets"].iloc[0]
    assert row["beyond"]
    assert row["p_beyond"] == 1
    assert row["status"] == "extrapolated to more than 10 times the largest size"
    assert row["low"] < (2.5 / 0.004) ** 2 < row["high"]


def test_saturation_is_recognised_and_growth_is_not():
    flat = tables(made(lambda n: 0.05 + 0.5 * np.exp(-n / 300), noise=0.001))["saturation"]
    assert flat.loc[flat["equivalent"], "n"].min() == 1600  # 0.24 points above the last, and 800 is 3.5 points above
    assert flat.loc[flat["gain_below_margin"].eq(True), "n"].min() <= 3200
    growing = tables(made(power, noise=0.001))["saturation"]
    assert growing.loc[growing["equivalent"], "n"].tolist() == [DOUBLING[-1]]
    assert not growing["gain_below_margin"].iloc[:-2].any()


def test_gain_and_exponent_are_the_curves():
    rows = tables(made(power, noise=0.0005), one_family(bootstrap=400, families=("pow3",)))["saturation"]
    for row in rows.itertuples():
        assert row.gain == pytest.approx(power(row.n) - power(2 * row.n), rel=0.05)
        assert row.exponent == pytest.approx(0.5, abs=0.05)
        assert row.images_per_point == pytest.approx(0.01 / (0.5 * 2.5 * row.n**-1.5), rel=0.1)
        assert row.gain_low < row.gain < row.gain_high


@pytest.mark.parametrize("seed", range(3))
def test_a_curve_that_rises_is_recognised_and_a_clean_one_is_not(seed):
    def peaking(n: float) -> float:
        return power(n) + (0.04 if n == 1600 else 0)

    rows = tables(made(peaking, noise=0.003, seed=seed))
    assert rows["saturation"].loc[rows["saturation"]["p_worse"] < 0.05, "n"].tolist() == [1600]
    assert rows["saturation"].loc[rows["saturation"]["p_concave"] < 0.05, "n"].tolist() == [1600]
    assert rows["fits"]["p_monotone"].dropna().max() < 0.05
    clean_rows = tables(made(power, noise=0.003, seed=seed))
    assert not (clean_rows["saturation"]["p_worse"] < 0.05).any()
    assert not (clean_rows["saturation"]["p_concave"] < 0.05).any()
    assert clean_rows["fits"]["p_monotone"].dropna().min() > 0.05
    assert not clean_rows["fits"]["flat"].eq(True).any()
    assert shape.is_flat(make_curve(made(lambda n: 0.2, seed=seed), "accuracy", SCORE))


def test_holm_is_as_published():
    assert hypotheses.holm([0.01, 0.04, float("nan"), 0.03]) == pytest.approx([0.03, 0.06, np.nan, 0.06], nan_ok=True)


def test_two_one_sided_tests():
    differences = np.array([0.001, 0.002, 0.003, 0.0, 0.002])
    one_sided = [
        stats.ttest_1samp(differences, -0.005, alternative="greater").pvalue,
        stats.ttest_1samp(differences, 0.005, alternative="less").pvalue,
    ]
    assert hypotheses.tost(differences, 0.005) == pytest.approx(max(one_sided))
    _, low, high = mean_interval(differences, 0.9)
    assert (hypotheses.tost(differences, high) == pytest.approx(0.05)) and -high < low
    assert np.isnan(hypotheses.tost(np.zeros(5), 0.005))  # no spread is no proof


# The spread and comparisons


def test_random_halves_in_closed_form():
    """The closed form is the mean over many random halves of the covariance between them."""
    rng = np.random.default_rng(0)
    right = rng.random((8, 60)) < rng.random(60)
    covariances = []
    for _ in range(4000):
        order = rng.permutation(60)
        a, b = right[:, order[:30]].mean(1), right[:, order[30:]].mean(1)
        covariances.append(np.cov(a, b)[0, 1])
    found = variance.halves_variance(right.sum(0), 8, right.mean(1))
    assert found == pytest.approx(np.mean(covariances), abs=4 * np.std(covariances) / np.sqrt(4000))


def test_runs_that_differ_by_test_noise_alone_have_no_lasting_variance():
    """Every image is right by its own coin: the runs differ on this test set, and on the distribution they do not."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        right = rng.random((5, 400)) < 0.9
        found.append(variance.halves_variance(right.sum(0), 5, right.mean(1)))
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)
    assert np.mean(found) < 0.1 * 0.9 * 0.1 / 400


def test_scores_of_the_last_batch_are_not_taken_for_those_of_all_test_images():
    runs = made(power).assign(test_images=48)
    correctness = Correctness({("a", n): np.full(1000, 3) for n in DOUBLING})
    data = Data(n_test=1000, class_counts=[100] * 10)
    found = analyse(runs, ["a"], [ACCURACY], QUICK, data, correctness).frames()["variance"]
    assert set(found.loc[found["component"] == "test set", "repeats"]) == {48}
    assert "runs, on any test set" not in set(found["component"])
    whole = analyse(runs.assign(test_images=1000), ["a"], [ACCURACY], QUICK, UNKNOWN, correctness).frames()["variance"]
    assert "runs, on any test set" in set(whole["component"])


def test_variance_of_draws_and_seeds():
    rng = np.random.default_rng(0)
    of_draw, of_seed = rng.normal(0, 0.05, 30), rng.normal(0, 0.02, 30)
    rows = [
        {"draw": d, "seed": s, "accuracy": 0.5 + of_draw[d] + of_seed[s] + rng.normal(0, 0.01)}
        for d in range(30)
        for s in range(30)
    ]
    found = {part.component: part.variance for part in variance.draw_and_seed(pd.DataFrame(rows), "accuracy")}
    assert np.sqrt(found["draw"]) == pytest.approx(of_draw.std(ddof=1), rel=0.05)
    assert np.sqrt(found["seed"]) == pytest.approx(of_seed.std(ddof=1), rel=0.05)
    assert np.sqrt(found["draw with seed"]) == pytest.approx(0.01, rel=0.05)


def test_how_many_repeats_are_enough():
    needed = variance.repeats_needed(0.01**2, 0.005)
    half = [stats.t.ppf(0.975, k - 1) * 0.01 / np.sqrt(k) for k in (needed, needed - 1)]
    assert half[0] <= 0.005 < half[1]
    assert variance.repeats_needed(0.0, 0.005) == 2
    assert np.isinf(variance.repeats_needed(100.0, 0.005))


def test_models_are_compared_in_pairs():
    """b needs half the images of a: the ratio says so, and equal models do not differ."""
    a, b = made(power, noise=0.002, model="a"), made(lambda n: power(2 * n), noise=0.002, seed=1, model="b")
    same = made(power, noise=0.002, seed=7, model="c")
    options = Options(bootstrap=400, families=("pow3",))
    found = tables(pd.concat([a, b, same]), options)["comparisons"]
    ab = found[(found["model_a"] == "a") & (found["model_b"] == "b")]
    assert (ab["p_holm"] < 0.05).iloc[:5].all()
    assert ab["ratio"].iloc[:6].to_numpy() == pytest.approx(0.5, abs=0.1)
    assert (ab["ratio_low"] < ab["ratio_high"]).all()
    assert (ab["p_improvement"].iloc[:5] == 1).all()
    assert ((ab["low"] < ab["difference"]) & (ab["difference"] < ab["high"])).all()
    ac = found[(found["model_a"] == "a") & (found["model_b"] == "c")]
    assert not (ac["p_holm"] < 0.05).any()
    assert ((ac["ratio_low"] < 1) & (ac["ratio_high"] > 1)).sum() >= 8


def test_mcnemar_and_improvement():
    assert comparisons.mcnemar(3, 12) == pytest.approx(stats.binomtest(3, 15).pvalue)
    assert comparisons.mcnemar(0, 0) == 1
    assert comparisons.p_improvement(np.array([0.2, 0.4]), np.array([0.1, 0.4])) == pytest.approx((2 + 0.5) / 4)


# Planning


def test_the_planned_runs_narrow_the_answer_most():
    """In simulated worlds the size for a target spreads less with the planned runs than with three more whole seeds."""
    sizes, spread = np.array(DOUBLING, dtype=float), 0.006
    curve = make_curve(made(power, noise=spread), "accuracy", SCORE)
    found = fit(FAMILIES["pow3"], Problem(sizes, curve.weights(), (0.0, 1.0)), curve.means, np.random.default_rng(0))
    budget = 3.0 * sizes.sum()
    steps = next_runs.best_next(found, curve, (0.0, 1.0), budget, error=0.045)
    assert sum(step.seconds for step in steps) <= budget
    assert steps[0].width < 1
    planned = dict.fromkeys(sizes, 6) | {step.n: 6 * (step.n in sizes) + step.seeds for step in steps}
    spreads = [_log_size_spread(counts, spread) for counts in (planned, dict.fromkeys(sizes, 9))]
    assert spreads[0] < 0.95 * spreads[1]


def _log_size_spread(counts: dict[float, int], noise: float) -> float:
    """Return the interquartile range over 150 worlds of ln n for 4.5 % of errors, with so many runs of each size."""
    rng = np.random.default_rng(0)
    n = np.array(sorted(counts))
    runs = np.array([counts[size] for size in n])
    found = []
    for _ in range(150):
        means = np.array([power(size) for size in n]) + rng.normal(0, noise / np.sqrt(runs))
        one = fit(FAMILIES["pow3"], Problem(n, runs / noise**2, (0.0, 1.0)), means, rng)
        c, a, b = one.reported
        found.append(np.log(a / max(0.045 - c, 1e-9)) / b)
    return float(np.subtract(*np.quantile(found, [0.75, 0.25])))


def test_seconds_of_a_run_never_fall_with_the_size():
    assert next_runs.seconds_model(np.array([10, 20, 40.0]), np.array([12, 22, 42.0])) == pytest.approx((2, 1))
    assert next_runs.seconds_model(np.array([10, 20, 40.0]), np.array([5, 4, 3.0]))[1] == 0


@pytest.mark.parametrize("odd", [math.nan, 0.0, -3.0, math.inf])
def test_runs_without_a_time_do_not_count_in_the_plan(odd):
    runs = made(power).assign(seconds_total=lambda t: t["n"] / 100)
    expected = runs["seconds_total"].iloc[2:].sum()
    runs.loc[[0, 1], "seconds_total"] = odd
    planned = tables(runs)["planning"]
    assert planned["budget"].iloc[0] == pytest.approx(expected)
    assert not len(tables(runs.assign(seconds_total=odd))["planning"])


# Bad input


def test_runs_that_are_left_out_are_counted():
    runs = made(power, seeds=4)
    runs.loc[0, "status"] = "diverged"
    runs.loc[[5, 6], "accuracy"] = np.nan
    runs.loc[9, "accuracy"] = 1.4
    good, text = clean(runs, "accuracy", SCORE)
    assert len(good) == len(runs) - 4
    places = [f"n {run.n} seed {run.seed}" for run in runs.loc[[0, 5, 6, 9]].itertuples()]
    missing = f"2 missing or not finite ({places[1]}, {places[2]})"
    assert text == f"1 diverged ({places[0]}), {missing}, 1 out of range ({places[3]}: 1.4)"
    fits = tables(runs)["fits"]
    assert set(fits["runs_left_out"]) == {text}
    assert clean(runs.assign(accuracy=2.5), "accuracy", LOSS)[1] == f"1 diverged ({places[0]})"


@pytest.mark.parametrize(
    ("runs", "method", "status"),
    [
        (made(power, sizes=DOUBLING[:4]), "pow3", "4 sizes, pow3 needs at least 5"),
        (made(power, sizes=DOUBLING[:2]), "published", "2 sizes with finished runs; at least 3 are needed"),
        (made(power).assign(accuracy=0.5), "published", "the metric is the same at every size"),
        (made(power).assign(accuracy=0.5), "pow3", "the metric is the same at every size"),
        (made(power).assign(accuracy=np.nan), "pow3", "no finished run"),
        (made(power).assign(status="diverged"), "published", "0 sizes with finished runs; at least 3 are needed"),
        (made(power, seeds=1), "ols_cluster", "a single seed; cluster-robust errors need at least two"),
        (made(power, seeds=1), "mixed", "a single seed: there is no random effect to estimate"),
        (made(power, seeds=1), "anova", "an analysis of variance needs two sizes, and a size with two runs"),
    ],
)
def test_what_cannot_be_made_says_why(runs, method, status):
    fits = tables(runs)["fits"].set_index("method")
    assert fits.loc[method, "status"] == status
    of_lines = {"published", "ols_cluster", "ols_hc3", "wls", "rlm", "mixed", "anova"}
    assert set(fits.index) - {TREND} == of_lines | set(QUICK.families)


@pytest.mark.parametrize(
    ("column", "cells", "text"),
    [
        ("accuracy", -0.1, "54 out of range"),
        ("accuracy", "", "54 missing or not finite"),
        ("status", "ok", "54 ok"),
        ("status", 1, "54 1"),
        ("status", "", "54 no status"),
    ],
)
def test_without_a_curve_the_runs_left_out_are_named(tmp_path, capsys, column, cells, text):
    path = tmp_path / "curves.csv"
    runs = made(power).assign(**{column: cells})
    runs.to_csv(path, index=False)
    main([str(path), *FAST])
    value = ": -0.1" if cells == -0.1 else ""
    of = ", ".join(f"n {run.n} seed {run.seed}{value}" for run in runs[:3].itertuples()) + " and 51 more"
    needed = "A run counts if its status is 'finished' and its accuracy is a number from 0 to 1, not in per cent."
    assert (
        capsys.readouterr().out
        == f"a: accuracy\n- No curve: no finished run.\n- Runs left out: {text} ({of}). {needed}\n"
    )


def test_errors_that_rise_are_not_called_flat(tmp_path, capsys):
    """A score in a column of errors is the likeliest reason."""
    path = tmp_path / "curves.csv"
    made(lambda n: 0.1 * np.log10(n)).to_csv(path, index=False)
    main([str(path), *FAST])
    printed = capsys.readouterr().out
    assert "the error does not fall with more images: at 25,600 images it is " in printed
    assert "flat" not in printed


ODD_CURVES = {
    "one run": lambda n, s: 0.5 if (n, s) == (10, 0) else np.nan,
    "one size": lambda n, s: 0.5 + 0.01 * s if n == 10 else np.nan,
    "perfect": lambda n, s: 1.0,
    "perfect at last": lambda n, s: 1.0 if n == 640 else 1 - n**-0.5 - 0.001 * s,
    "nearly perfect": lambda n, s: 1.0 - 0.01 * s * (n == 10),
    "getting worse": lambda n, s: 0.9 - 0.1 * np.log10(n) + 0.001 * s,
    "no curve": lambda n, s: (n * 7 + s * 11) % 13 / 13,
    "no noise": lambda n, s: 1 - n**-0.5,
    "ragged": lambda n, s: np.nan if (n * 7 + s * 3) % 5 == 0 else 1 - n**-0.5 - 0.001 * s,
}


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", ODD_CURVES)
def test_odd_curves_are_answered_without_a_crash(name, tmp_path):
    sizes = [10, 20, 40, 80, 160, 320, 640]
    runs = pd.DataFrame([{"n": n, "seed": s, "accuracy": ODD_CURVES[name](n, s)} for n in sizes for s in range(4)])
    path = tmp_path / "curves.csv"
    runs.assign(seconds=1.0).to_csv(path, index=False)
    main([str(path), "--bootstrap", "200", "--output", str(tmp_path)])
    answered = (tmp_path / "answers.txt").read_text()
    assert answered.startswith("model: accuracy\n- ")
    fits = pd.read_parquet(tmp_path / "fits.parquet")
    assert {"published", "ols_cluster", "wls", "rlm", "mixed", "anova", *DEFAULT_FAMILIES} <= set(fits["method"])
    assert fits["status"].str.len().min() > 0


@pytest.mark.parametrize(
    ("seeds", "allowed", "note"),
    [
        (1, True, "no intervals: a size with 1 seed shows no spread"),
        (2, False, "no intervals: 2 seeds, at least 3 are needed (allow_few_seeds overrides)"),
        (2, True, "intervals from 2 seeds; with fewer than 5 they are wide and uncertain"),
        (4, False, "intervals from 4 seeds; with fewer than 5 they are wide and uncertain"),
        (5, False, "intervals from 5 seeds"),
    ],
)
def test_few_seeds(seeds, allowed, note):
    found = tables(made(power, seeds=seeds), Options(bootstrap=400, families=("pow3",), allow_few_seeds=allowed))
    assert set(found["fits"]["intervals"].dropna()) == {note}
    given = not note.startswith("no")
    assert found["targets"]["low"].notna().all() == given
    assert found["predictions"].query("n <= 25600 and family == 'pow3'")["low"].notna().all() == given


COPIES = {
    "All 6 seeds gave exactly the same accuracy at every size: was the seed used?": lambda n, s: (n, 0),
    "Seeds 2 and 4 gave exactly the same accuracy at every size: was a run counted twice?": lambda n, s: (
        n,
        2 if s == 4 else s,
    ),
    "All 6 seeds gave exactly the same accuracy at 400 images: was the seed used?": lambda n, s: (n, s * (n != 400)),
    "The accuracy is 10.00 % at every size for 6 seeds: is the same class predicted for every image?": None,
}


@pytest.mark.parametrize("question", COPIES)
def test_runs_that_may_be_copies_are_a_question_and_no_certainty(question):
    runs = made(power).round(4)
    of_run = runs.set_index(["n", "seed"])["accuracy"]
    if taken := COPIES[question]:
        runs["accuracy"] = [of_run[taken(n, s)] for n, s in zip(runs["n"], runs["seed"], strict=True)]
    else:
        runs["accuracy"] = 0.1
    found = tables(pd.concat([runs, made(power, seed=1, model="b")]))
    assert f"- {question}\n" in all_answers(found)
    own = {name: frame[frame["model"] == "a"] for name, frame in found.items() if "model" in frame}
    assert set(own["fits"]["intervals"].dropna()) <= {"no intervals and no tests: the runs may be copies of each other"}
    assert own["fits"]["p_monotone"].isna().all() and own["saturation"]["p_tost"].isna().all()
    assert own["saturation"][["p_worse", "p_concave", "gain_low", "difference_low_90"]].isna().all(axis=None)
    assert own["targets"][["low", "high"]].isna().all(axis=None) and not len(own["planning"])
    assert found["comparisons"][["p", "low", "high", "ratio_low"]].isna().all(axis=None)


def test_equal_runs_of_the_whole_data_set_are_no_copies():
    runs = made(power).round(4)
    runs.loc[runs["n"] == DOUBLING[-1], "accuracy"] = 0.9134
    fits = tables(runs)["fits"]
    assert set(fits["question"].dropna()) == {""} and set(fits["intervals"].dropna()) == {"intervals from 6 seeds"}


# The stage and the command


def test_the_stage_reads_predictions(tmp_path):
    """Two models, one with fewer images right: recall by class, McNemar's counts, the spread on any test set."""
    sizes, seeds = [40, 80, 160, 320, 640], (1, 2, 3)
    every = dict.fromkeys("ab", sizes)
    grid = {"study": "s", "dataset": "d", "models": ["a", "b"], "sizes": sizes, "model_sizes": every}
    grid["pairs"] = [(s, s) for s in seeds]
    labels = np.arange(200) % 4
    rng = np.random.default_rng(0)
    rows = []
    for run in grid_runs(grid):
        share = 1 - power(run.n * 4) - (0.1 if run.model == "b" else 0)
        right = rng.random(200) < share
        diverged = run.model == "b" and run.n == 40 and run.seed == 1
        blank = dict.fromkeys(PREDICTIONS.schema.names, np.zeros(0 if diverged else 200))
        if not diverged:
            blank |= {"index": np.arange(200), "label": labels, "class_1": np.where(right, labels, (labels + 1) % 4)}
        write_table(tmp_path / run.folder / "predictions.parquet", PREDICTIONS, blank)
        status = "diverged" if diverged else "finished"
        about = {"model": run.model, "n": run.n, "draw": run.draw, "seed": run.seed, "status": status}
        accuracy = None if diverged else right.mean()
        rows.append(
            {**dict.fromkeys(RUNS.schema.names), **about, "test_accuracy": accuracy, "train_accuracy": accuracy}
        )
    write_table(tmp_path / "metrics" / "runs.parquet", RUNS, pd.DataFrame(rows).assign(seconds_total=1.0))
    write_table(tmp_path / "metrics" / "history.parquet", HISTORY, {name: [] for name in HISTORY.schema.names})
    for n in sizes:
        for s in seeds:
            images = {"index": np.arange(n), "label": np.arange(n) % 4, "role": ["train"] * n}
            write_table(tmp_path / "subsets" / f"n{n}" / f"draw{s}.parquet", SUBSET, images)
    facts = {"n_train": 1000, "n_test": 200, "class_counts": {"test": [50, 50, 50, 50]}}
    write_text(tmp_path / "manifest.json", json.dumps(facts))
    settings = {"grid": grid, "metrics": ["accuracy"], "families": ["log2", "pow3"], "targets": {}, "leave_out": []}
    settings |= {"equivalence_margin": {"accuracy": 0.005}, "confidence": 0.95, "bootstrap": 200}
    settings |= {"allow_few_seeds": False, "robust": False, "extrapolation": TREND, "planning": {"purpose": "curve"}}
    training = {"decays": False, "stops_early": False, "softened": False, "check": None}
    settings["training"] = {"a": training, "b": training}
    regress(settings, tmp_path, tmp_path / "manifest.json")
    found = {name: pd.read_parquet(tmp_path / "regressions" / f"{name}.parquet") for name in REGRESSIONS}
    assert list(found["classes"].groupby("model").size()) == [20, 20]
    assert set(found["classes"].query("n == 640")["images"]) == {160}
    assert found["classes"]["fitted"].notna().all()
    recall = found["classes"].query("model == 'a' and n == 640")["recall"].mean()
    assert recall == pytest.approx(pd.DataFrame(rows).query("model == 'a' and n == 640")["test_accuracy"].mean())
    compared = found["comparisons"].set_index("n")
    assert compared.loc[40, "mcnemar_pairs"] == 2
    assert compared.loc[640, "mcnemar_pairs"] == 3
    assert compared.loc[640, "mcnemar_p"] == pytest.approx(
        stats.binomtest(int(compared.loc[640, "only_a"]), int(compared.loc[640, ["only_a", "only_b"]].sum())).pvalue
    )
    lasting = found["variance"].query("component == 'runs, on any test set'")
    assert len(lasting) == 10
    assert set(found["planning"]["purpose"]) == {"curve"}
    assert list(found["limits"]["n"]) == 2 * sizes
    assert set(found["limits"]["verdict"]) == {"budget"}  # the training scores are no better
    assert found["planning"]["n"].max() <= 640  # there are 1,000 images
    assert set(found["fits"].query("model == 'b'")["runs_left_out"]) == {"1 diverged (n 40 seed 1)"}
    text = (tmp_path / "regressions" / "answers.txt").read_text()
    assert "Runs left out: 1 diverged (n 40 seed 1)." in text
    assert "Date:" not in (tmp_path / "regressions" / "summary.txt").read_text()
    assert "Prob (F-statistic)" in (tmp_path / "regressions" / "summary.txt").read_text()


def test_damaged_predictions_are_named(tmp_path):
    grid = {"models": ["a"], "sizes": [10], "model_sizes": {"a": [10]}, "pairs": [(0, 0)]}
    write_text(tmp_path / "runs/a/n10/draw0/seed0/predictions.parquet", "not a table")
    with pytest.raises(UserError, match=r"runs/a/n10/draw0/seed0/predictions.parquet: cannot be read"):
        read_correctness(grid, tmp_path)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_anybodys_table(tmp_path, capsys, suffix):
    table = made(power)[["n", "seed", "accuracy"]].assign(quality=lambda t: 100 * (1 - t["accuracy"]))
    path = tmp_path / f"curves.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    arguments = ["--metric", "accuracy", "--metric", "quality:loss", "--target", "accuracy=0.95", "--bootstrap", "300"]
    main([str(path), *arguments, "--families", "log2", "pow3", "--output", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "model: accuracy" in printed
    assert "To reach 95.00 %: about 1" in printed
    targets = pd.read_parquet(tmp_path / "out" / "targets.parquet")
    row = targets.query("chosen and metric == 'accuracy'").iloc[0]
    assert row["low"] < (2.5 / 0.02) ** 2 < row["high"]
    assert (tmp_path / "out" / "answers.txt").read_text() == printed


PLAIN = "n,seed,accuracy\n1,1,0.5\n"


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (None, [], "no such file"),
        ("n,sed,accuracy\n1,1,0.5\n", [], "no column 'seed'; did you mean 'sed'?"),
        ("n,seed,accuracy\n1,1,0.5\nx,1,0.5\n", [], "line 3, column 'n': found x, expected a whole number"),
        ("n,seed,accuracy\n0,1,0.5\n", [], "line 2, column 'n': found 0, expected a whole number"),
        ("n,seed,accuracy\n1,1,0.5\n1,1,0.6\n", [], "lines 2 and 3 are of the same run (n 1, seed 1); keep one row"),
        (
            "n,draw,seed,fold,accuracy\n1,4,2,0,0.5\n1,4,2,1,0.6\n",
            [],
            "lines 2 and 3 are of the same run (n 1, draw 4, seed 2); the column 'fold' tells them apart: call it draw",
        ),
        (
            "n,seed,lr,accuracy\n1,1,0.1,0.5\n1,1,0.2,0.6\n",
            [],
            "column 'lr' tells them apart: if it is a setting, call it",
        ),
        (
            "n,seed,accuracy\n1,1,0.5\n1,2,0.80*\n",
            [],
            "column accuracy: '0.80*' (line 3) is not a number; write the num",
        ),
        ("n,seed,Top-1\n1,1,0.5\n1,2,high\n1,3,?\n", [], "column Top-1: 'high' (line 3), '?' (line 4) are not numbers"),
        ("n,seed,accuracy\n1,1,0.5\n1,2,0.6\n1,3,85.2%\n", [], "line 4, column accuracy: '85.2%' is above 1 or in per"),
        ("n,seed,loss\n1,1,0.5\n1,2,85.2%\n", [], "column loss: '85.2%' (line 3) is not a number"),
        ("n,seed,score\n1,1,0.5\n", [], "no column is a known metric"),
        ("n,seed,score\n1,1,0.5\n", ["--metric", "score"], "--metric score: state its kind: score:score"),
        ("n,seed,accuracy\n1,1,0.5\n", ["--metric", "acuracy"], "no column 'acuracy'; did you mean 'accuracy'?"),
        ("n,seed,accuracy\n1,1,0.5\n", ["--target", "acc=0.9"], "--target acc=0.9: no metric 'acc'"),
        ("n,seed,accuracy\n1,1,0.5\n", ["--target", "accuracy=high"], "'high' is not a number"),
        ("n,seed,accuracy\n1,1,0.5\n", ["--confidence", "95"], "--confidence: found 95.0, must be"),
        ("n,seed,accuracy\n1,1,0.5\n", ["--hours", "-1"], "--hours: found -1.0, must be more than 0"),
        ("n,seed,accuracy\n1,1,0.5\n", ["--hours", "nan"], "--hours: found nan, must be more than 0"),
        ("", [], "curves.csv: has no rows"),
        ("n,seed,accuracy\n", [], "curves.csv: has a header but no rows"),
        ("n,seed,accuracy\n1,,0.5\n", [], "line 2, column 'seed': found nothing, expected a whole number"),
        ("n,seed,accuracy\n1,1,0.5\n1e20,1,0.5\n", [], "line 3, column 'n': found 1e+20, expected a whole number of"),
        ("n,seed,accuracy\n1,100000000000000000000,0.5\n", [], "column 'seed': found 100000000000000000000, expected"),
        ("n,seed,draw,accuracy\n1,1,1,0.5\n2,1,,0.5\n", [], "line 3, column 'draw': found nothing, expected a value"),
        ("n,seed,model,accuracy\n1,1,a,0.5\n2,1, ,0.5\n", [], "line 3, column 'model': found nothing, expected a"),
        ("n,seed,accuracy,seconds\n1,1,0.5,80\n2,1,0.5,1:20\n", [], "line 3, column 'seconds': found 1:20, expected"),
        ("n,seed,accuracy,seconds,seconds_total\n1,1,0.5,8,8\n", [], "columns 'seconds' and 'seconds_total' mean"),
        ("n,seed,accuracy,test_accuracy\n1,1,0.5,0.5\n", [], "columns 'accuracy' and 'test_accuracy' mean the same"),
        (PLAIN, ["--metric", "accuracy", "--metric", "accuracy:error"], "--metric accuracy:error: found 'accuracy' tw"),
        (PLAIN, ["--leave-out", "1", "777"], "--leave-out: found 777, which is not a size in the table (1)"),
        (PLAIN, ["--target", "accuracy=95"], "accuracy=95: found 95, must be more than 0 and less than 1; did you mea"),
        *((PLAIN, ["--target", f"accuracy={value}"], "and less than 1") for value in ("nan", "0", "1", "1.1", "-1")),
        (PLAIN, ["--metric", "accuracy:error", "--target", "accuracy=inf"], "must be more than 0 and less than 1"),
        *(
            (PLAIN, ["--metric", "accuracy:loss", "--target", f"accuracy={value}"], "must be more than 0 and finite")
            for value in ("nan", "0", "-1", "inf")
        ),
    ],
)
def test_a_table_that_is_none(tmp_path, content, arguments, message):
    path = tmp_path / "curves.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SystemExit) as stopped:
        main([str(path), *arguments])
    assert message in str(stopped.value)


@pytest.mark.parametrize(
    ("metric", "kind", "target", "difference"),
    [
        ("nll", ":loss", "To reach 0.1:", r"b has 0\.01\d? less error"),
        ("cross_entropy", "", "To reach 0.1 nats:", r"b has 0\.01\d? nats less error"),
        ("wrong", ":error", "To reach 10.00 %:", r"b has 1\.\d\d points less error"),
    ],
)
def test_a_metric_is_given_in_the_unit_of_its_kind(tmp_path, capsys, metric, kind, target, difference):
    b = made(lambda n: power(n) - 0.015, noise=0.002, seed=1, model="b")
    table = pd.concat([made(power, noise=0.002), b])
    table.assign(**{metric: 1 - table["accuracy"]}).to_csv(tmp_path / "curves.csv", index=False)
    arguments = ["--metric", f"{metric}{kind}", "--target", f"{metric}=0.1", "--output", str(tmp_path)]
    main([str(tmp_path / "curves.csv"), *arguments, *FAST])
    printed = capsys.readouterr().out
    assert printed.count(target) == 2
    assert re.search(difference, printed)
    assert (" points" in printed) == (kind == ":error")
    note, answers = "Not analysed: accuracy (not named by --metric).\n", (tmp_path / "answers.txt").read_text()
    assert printed == note + answers


def test_models_may_have_numbers_for_names(tmp_path):
    table = pd.concat([made(power, model=32), made(power, seed=1, model=64)])
    table.to_csv(tmp_path / "curves.csv", index=False)
    main([str(tmp_path / "curves.csv"), *FAST, "--output", str(tmp_path)])
    assert set(pd.read_parquet(tmp_path / "targets.parquet")["model"]) == {"32", "64"}


@pytest.mark.parametrize("folder", ["curves.csv", "curves.csv/below"])
def test_an_impossible_output_folder_is_refused_before_the_work(tmp_path, monkeypatch, folder):
    monkeypatch.setattr("trainsize.regressions.__main__.analyse", lambda *_: pytest.fail("analysed first"))
    (tmp_path / "curves.csv").write_text(PLAIN)
    with pytest.raises(SystemExit, match=re.escape(f"--output {tmp_path / folder}: cannot create this folder")):
        main([str(tmp_path / "curves.csv"), "--output", str(tmp_path / folder)])


@pytest.mark.parametrize(
    "arguments", [["--classes", "1"], ["--classes", "1,000,001"], ["--n-test", "0"], ["--n-train", "-3"]]
)
def test_a_count_that_is_none(tmp_path, capsys, arguments):
    with pytest.raises(SystemExit):
        main([str(tmp_path / "curves.csv"), *arguments])
    assert f"argument {arguments[0]}: '{arguments[1]}' is not a whole number from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("metric", "counts", "expected"),
    [
        ("accuracy", [90, 10], 0.5),
        ("accuracy_top5", [1] * 20, 0.25),
        ("accuracy_top5", [1, 1, 1], 1.0),
        ("f1_micro", [90, 10], 0.5),
        ("f1_macro", [50, 50], 0.5),
        ("f1_macro", [90, 10], (0.9 / 1.4 + 0.1 / 0.6) / 2),  # each 2 P R / (P + R), R being 1/2
        ("error", [1] * 10, 0.9),
        ("loss", [90, 10], math.log(2)),
        ("brier", [1] * 10, 0.9),  # 0.9² + 9 · 0.1²
        ("calibration_error", [1] * 10, math.nan),
        ("accuracy", None, math.nan),
    ],
)
def test_chance_is_that_of_guessing(metric, counts, expected):
    assert METRICS[metric].chance(counts) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(("metric", "error"), [("accuracy", 0.5), ("f1_macro", 1 - (0.9 / 1.4 + 0.1 / 0.6) / 2)])
def test_a_curve_knows_the_error_of_guessing(metric, error):
    runs = made(power).rename(columns={"accuracy": metric})
    assert make_curve(runs, metric, SCORE, chance=METRICS[metric].chance([90, 10])).chance == pytest.approx(error)
