"""Figures: what is drawn equals the tables, and a study without results has figures that say so."""

import math
from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from PIL import Image
from scipy import stats

from trainsize.common.errors import UserError
from trainsize.common.tables import write_table
from trainsize.datasets.prepared import write_manifest
from trainsize.figures.axes import (
    DASHES,
    line_styles,
    log_axis,
    mark_every,
    metric_axis,
    panels,
    run_range,
    size_axis,
    spread_out,
)
from trainsize.figures.by_size import box_row, box_statistics, mean_curve, size_intervals
from trainsize.figures.classes import (
    calibration_bins,
    class_scores,
    class_ticks,
    confusion_shares,
    matrix,
    pooled_scores,
)
from trainsize.figures.data import mosaic, sorted_shares
from trainsize.figures.kinds import FEATURES, FIGURES
from trainsize.figures.learning_curve import band_title, chance_level, extrapolation_zone, fitted_curve, target_interval
from trainsize.figures.limits import end_scores, gains_by_verdict
from trainsize.figures.recipes import augmented, learning_rates
from trainsize.figures.regressions import family_errors, family_weights, leverages, published_line, spreads
from trainsize.figures.saving import STYLE
from trainsize.figures.source import Tables, run_means
from trainsize.figures.stage import DRAW, draw_figures
from trainsize.figures.surface_page import surface_of, write_surfaces
from trainsize.figures.sweeps import run_column
from trainsize.figures.training import by_size, mark_selected, run_lines, surface_map
from trainsize.metrics.tables import CLASSES, CONFUSION, HISTORY, NEURONS, RUNS
from trainsize.overlap.tables import OVERLAP, OVERLAP_CLASSES
from trainsize.regressions.tables import REGRESSIONS
from trainsize.reproduction.figure import differences, reproduction
from trainsize.reproduction.tables import REPRODUCTION
from trainsize.statistics.intervals import mean_interval
from trainsize.study.reader import load_study

STYLED = {"color": "red", "marker": "o", "linestyle": "-"}
STUDY = """\
title: Made up
dataset: digits
sizes: [20, 40, 80]
seeds: [1, 2]
draws: [0, 1]
subset: {method: random, validation: 50}
budget: {updates: 8}
evaluation: {points: 2}
base: {batch_size: 16, optimizer: {name: sgd, lr: 0.1}}
models:
  plain: {architecture: mlp, schedule: {name: plateau, factor: 0.5, patience: 0}}
  other:
    architecture: mlp
    schedule: {name: cosine}
    augmentation: [horizontal_flip]
    mixup: 0.5
    restart: {at: 0.5, seed: 0}
    selection: {name: best_on_validation, metric: loss, patience: 1}
    neurons: {layer: "0", images: 10}
"""


@pytest.fixture
def ax():
    with plt.rc_context(fname=STYLE):
        figure, axes = plt.subplots()
        yield axes
        plt.close(figure)


def study(tmp_path, text=STUDY, **figures):
    """Return the study of `text` with figure settings of its own."""
    listed = "".join(f"\n  {key}: {value}" for key, value in figures.items())
    (tmp_path / "made.yaml").write_text(text + (f"figures:{listed}\n" if figures else ""))
    return load_study("made", tmp_path)


def runs_of(values: dict[int, list[float]], column="test_accuracy") -> pd.DataFrame:
    """Return runs with a draw and seed each, of sizes with their values."""
    rows = [
        {"model": "a", "n": n, "draw": i, "seed": i, column: value}
        for n, of_size in values.items()
        for i, value in enumerate(of_size)
    ]
    return pd.DataFrame(rows)


def crossed(values: list[list[float]], column="test_accuracy", n=10) -> pd.DataFrame:
    """Return runs of one size: a list of values per draw, one for each of its seeds."""
    rows = [(n, draw, seed, value) for draw, seeds in enumerate(values) for seed, value in enumerate(seeds)]
    return pd.DataFrame(rows, columns=["n", "draw", "seed", column])


def line(ax, place=-1):
    return [list(map(float, data)) for data in ax.lines[place].get_data()]


# What is drawn


def test_means_dots_and_intervals_are_those_of_the_runs(ax):
    values = {10: [0.5, 0.6, 0.7], 100: [0.8, 0.9, 0.85]}
    mean_curve(ax, runs_of(values), "test_accuracy", "a", STYLED)
    assert line(ax) == [[10, 100], pytest.approx([0.6, 0.85])]
    dots, band = ax.collections[1], ax.collections[0]
    assert dots.get_offsets().data.tolist() == [[n, value] for n, of_size in values.items() for value in of_size]
    ends = {(x, round(y, 9)) for x, y in band.get_paths()[0].vertices}
    for n, of_size in values.items():
        _, low, high = mean_interval(of_size)
        assert {(n, round(low, 9)), (n, round(high, 9))} <= ends


@pytest.mark.parametrize(
    ("others", "segments"), [({}, 1), ({20: [0.5], 40: [0.6]}, 1), ({20: [0.5, 0.6], 40: [0.6]}, 0)]
)
def test_an_interval_without_neighbours_is_a_line(ax, others, segments):
    mean_curve(ax, runs_of({10: [0.5, 0.6, 0.7], **others}), "test_accuracy", "a", STYLED)
    _, low, high = mean_interval([0.5, 0.6, 0.7])
    drawn_lines = [segment.tolist() for segment in ax.collections[-1].get_segments()]
    assert drawn_lines == [[[10, pytest.approx(low)], [10, pytest.approx(high)]]] * segments


@pytest.mark.parametrize(
    ("column", "ends"),
    [("test_accuracy", (0, 1)), ("best_f1_macro", (0, 1)), ("gap", (-1, 2)), ("test_loss", (-1, 2))],
)
def test_only_intervals_of_shares_end_at_0_and_1(column, ends):
    found = size_intervals(runs_of({10: [0.1, 0.9]}, column), column).loc[10]
    assert (found["low"] < -1, found["high"] > 2) == (ends == (-1, 2), ends == (-1, 2))
    assert ends == (-1, 2) or (found["low"], found["high"]) == ends


@pytest.mark.parametrize(
    ("low", "joined", "told"),
    [
        (0.5, {}, "; band: interval of the curve"),
        (math.nan, {}, ""),
        (math.nan, {10: [0.5], 20: [0.6]}, ""),
        (math.nan, {10: [0.5, 0.6]}, "; band: interval of the mean"),
        (0.5, {10: [0.5, 0.6]}, "; band: interval of the curve or the mean"),
    ],
)
def test_bands_are_named_by_what_is_drawn(low, joined, told):
    runs = runs_of(joined) if joined else runs_of({10: [0.5]}).iloc[:0]
    assert band_title(pd.DataFrame({"low": [low]}), runs, "test_accuracy") == told


def test_means_beside_a_curve_are_over_draws_as_its_own(ax):
    fitted = pd.DataFrame({"n": [10.0], "value": 0.5, "low": 0.4, "high": 0.6, "extrapolated": False})
    runs = crossed([[0.2, 0.4], [0.9]])
    fitted_curve(ax, runs, fitted, "test_accuracy", "a: pow3", {**STYLED, "linestyle": "--"})
    assert line(ax, 0) == [[10], [pytest.approx((0.3 + 0.9) / 2)]]
    assert [ax.lines[place].get_linestyle() for place in (1, -1)] == ["--", "--"]  # the curve and its legend


def test_a_fitted_curve_is_solid_within_the_sizes_and_dashed_beyond(ax):
    fitted = pd.DataFrame({"n": [10, 50, 100, 150, 200], "value": [0.5, 0.7, 0.8, 0.82, 0.83]})
    fitted = fitted.assign(low=fitted["value"] - 0.1, high=fitted["value"] + 0.1, extrapolated=fitted["n"] > 100)
    fitted_curve(ax, runs_of({10: [0.4, 0.6], 100: [0.8]}), fitted, "test_accuracy", "a: pow3", STYLED)
    assert line(ax, 0) == [[10, 100], [0.5, 0.8]]
    assert line(ax, 1) == [[10, 50, 100], [0.5, 0.7, 0.8]]
    assert line(ax, 2) == [[100, 150, 200], [0.8, 0.82, 0.83]]
    assert ax.lines[1].get_linestyle() == "-" != ax.lines[2].get_linestyle()
    assert ax.get_legend_handles_labels()[1] == ["a: pow3"]


@pytest.mark.parametrize(
    ("estimate", "low", "high", "bar", "arrow", "star"),
    [
        (150, 100, 180, [100, 180], False, True),
        (150, 100, math.inf, [100, 200], True, True),
        (900, 300, math.inf, None, True, False),
        (150, math.nan, math.nan, None, False, True),
        (900, math.nan, math.nan, None, True, False),
        (math.inf, math.nan, math.nan, None, True, False),
    ],
)
def test_a_target_has_the_interval_of_its_images(ax, estimate, low, high, bar, arrow, star):
    target_interval(ax, 0.9, estimate, low, high, 200, "red")
    drawn = {str(mark.get_marker()): [float(x) for x in mark.get_xdata()] for mark in ax.lines}
    assert drawn.get("|") == bar
    assert drawn.get(">") == ([200] if arrow else None)
    assert drawn.get("*") == ([estimate] if star else None)
    assert all(set(mark.get_ydata()) == {0.9} for mark in ax.lines)


def test_chance_is_drawn_where_it_is_near_and_told_where_it_is_not(ax):
    ax.plot([1, 2], [0.2, 0.9])
    chance_level(ax, 0.1, "accuracy")
    assert set(ax.lines[-1].get_ydata()) == {0.1}
    assert ax.texts[-1].get_text() == "chance: 10 %"
    ax.set_ylim(0.8, 0.9)
    chance_level(ax, 0.1, "accuracy")
    assert ax.texts[-1].get_text() == "chance: 10 % ↓"
    assert len(ax.lines) == 2


def test_chance_is_within_the_axis_of_a_curve(diverged):
    diverged.__dict__["runs"] = runs_of({20: [0.2], 80: [0.9]}).assign(model="plain")
    ax = drawn_one(diverged, "curve", metric="accuracy").axes[0]
    low, high = ax.get_ylim()
    assert low < 0.1 < high
    assert [text.get_text() for text in ax.texts] == ["chance: 10 %"]


def test_chance_is_of_the_test_images(tmp_path):
    write_manifest(tmp_path, {"classes": ["a", "b"], "class_counts": {"train": [1, 1], "test": [90, 10]}}, [])
    assert Tables({"models": []}, tmp_path, tmp_path).chance_of("f1_macro") == pytest.approx(
        (0.9 / 1.4 + 0.1 / 0.6) / 2
    )


def test_only_what_lies_beyond_the_sizes_is_shaded(ax):
    ax.plot([1, 110], [0, 1])
    extrapolation_zone(ax, 100)
    assert not ax.patches and not ax.texts
    ax.plot([1, 200], [0, 1])
    extrapolation_zone(ax, 100)
    assert ax.patches[0].get_x() == 100
    assert ax.texts[0].get_text() == "extrapolated"


def test_boxes_have_the_quartiles_that_plotly_calls_linear(ax):
    """Of ten runs the third and the eighth; whiskers end at the last within 1.5 times their distance."""
    values = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 30.0])
    found = box_statistics(values)
    assert (found["q1"], found["med"], found["q3"]) == (3.0, 5.5, 8.0)
    assert (found["whislo"], found["whishi"], found["fliers"].tolist()) == (1.0, 9.0, [30.0])
    box_row(ax, runs_of({10: list(values), 100: [0.5]}), "test_accuracy", 1, "red", "test")
    box = ax.patches[0].get_path().vertices
    assert (box[:, 1].min(), box[:, 1].max()) == (3.0, 8.0)
    assert 10 < box[:, 0].min() < box[:, 0].max() < 100
    assert box_statistics(pd.Series([2.0]))["whishi"] == 2.0


def test_a_box_without_height_has_its_colour(ax):
    box_row(ax, runs_of({10: [0.5], 100: [0.5, 0.7]}), "test_accuracy", 1, "red", "test")
    medians = ax.lines[4::6]  # after two whiskers and two caps, before the outliers
    assert [median.get_color() for median in medians] == ["red", "black"]


def test_models_of_a_sweep_at_another_size_are_named_with_it(diverged):
    runs = pd.concat([runs_of({80: [0.5, 0.6]}).assign(model="plain"), runs_of({40: [0.7]}).assign(model="other")])
    diverged.__dict__["runs"] = runs
    checkpoints = [runs.assign(split="test", epoch=epoch, accuracy=0.5) for epoch in (1.0, 2.0)]
    diverged.__dict__["history"] = pd.concat(checkpoints)
    figure = drawn_one(diverged, "sweep", metric="accuracy", sweep="models")
    during, final = figure.axes
    assert (during.get_title("left"), final.get_title("left")) == ("models (n = 80)", "as scored (1-2 runs each)")
    named = ["plain", "other (n = 40)"]
    assert [text.get_text() for text in during.get_legend().get_texts()] == named
    assert [label.get_text() for label in final.get_xticklabels()] == named


def test_folds_tell_size_and_runs(diverged):
    runs = crossed([[0.5, 0.6], [0.7]], "validation_accuracy", 40)
    diverged.__dict__["runs"] = runs.assign(model="plain")
    figure = drawn_one(diverged, "folds", metric="accuracy")
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "plain, n = 40 (1-2 runs per fold)"


def test_runs_of_a_sweep_have_their_mean_and_interval(ax):
    runs = runs_of({10: [0.5, 0.6, 0.7]})
    run_column(ax, 3, runs, "test_accuracy", STYLED)
    _, low, high = mean_interval([0.5, 0.6, 0.7])
    assert ax.collections[1].get_segments()[0].tolist() == [[3, pytest.approx(low)], [3, pytest.approx(high)]]
    assert line(ax) == [[3], [pytest.approx(0.6)]]


def test_lines_during_training_are_the_runs_and_their_mean(ax):
    rows = pd.DataFrame({"draw": [0, 0, 1, 1], "n": 10, "seed": 0, "step": [4, 8, 4, 8], "loss": [1.0, 0.5, 2.0, 1.5]})
    run_lines(ax, rows, "loss", {"color": "red"})
    assert [line(ax, i) for i in range(3)] == [[[4, 8], y] for y in ([1.0, 0.5], [2.0, 1.5], [1.5, 1.0])]
    runs = pd.DataFrame({"draw": [0, 1], "seed": 0, "selected_step": [4, 8], "updates": 8, "stopped": ["early", ""]})
    mark_selected(ax, rows, runs, "loss", {"name": "best_on_validation"})
    assert (line(ax, -2), line(ax, -1)) == ([[4, 8], [1.0, 1.5]], [[8], [0.5]])
    mark_selected(ax, rows, runs, "loss", {"name": "last"})
    assert line(ax, -2) == [[], []]


def test_a_mean_ends_where_the_first_run_is_stopped():
    rows = pd.DataFrame({"n": [10] * 3 + [20], "step": [4, 4, 8, 4], "loss": [1.0, 2.0, 0.1, 5.0]})
    assert run_means(rows, "loss").to_dict() == {(10, 4): 1.5, (20, 4): 5.0}


def test_a_line_per_size(ax):
    means = pd.Series({(10, 1): 0.1, (10, 2): 0.2, (30, 1): 0.3}).rename_axis(["n", "step"])
    by_size(ax, means, [10, 30])
    assert [line(ax, i) for i in range(2)] == [[[1, 2], [0.1, 0.2]], [[1], [0.3]]]


def test_a_surface_has_a_row_per_size_with_its_own_checkpoints(ax):
    means = pd.Series({(10, 5): 0.1, (10, 9): 0.2, (100, 4): 0.3, (100, 8): 0.4}).rename_axis(["n", "step"])
    surface_map(ax, means, matplotlib.colors.Normalize(0, 1))
    rows = ax.collections
    assert [row.get_array().ravel().tolist() for row in rows] == [[0.1, 0.2], [0.3, 0.4]]
    assert [sorted(set(row.get_coordinates()[..., 0].ravel().tolist())) for row in rows] == [[0, 5, 9], [0, 4, 8]]
    edges = [sorted(set(row.get_coordinates()[..., 1].ravel().tolist())) for row in rows]
    assert edges[0][1] == edges[1][0] == pytest.approx(math.sqrt(1000))


def test_bins_of_the_reliability_diagram_hold_equally_many_images():
    sure = np.linspace(0.2, 1, 20)
    right = np.arange(20) % 4 == 0
    table = pd.DataFrame({"probability_1": sure, "class_1": 1, "label": np.where(right, 1, 0)}).sample(frac=1)
    means, shares = calibration_bins(table, bins=5)
    assert means == pytest.approx(sure.reshape(5, 4).mean(1))
    assert shares.tolist() == [0.25] * 5


def test_confusions_are_shares_of_each_class(ax):
    rows = pd.DataFrame({"label": [0, 0, 1], "predicted": [0, 1, 1], "count": [3, 1, 4]})
    shares = confusion_shares(rows, 3)
    assert shares[:2].tolist() == [[0.75, 0.25, 0], [0, 1, 0]]
    assert np.isnan(shares[2]).all()
    matrix(ax, shares, matplotlib.colors.Normalize(0, 1), "{:.0%}")
    assert [text.get_text() for text in ax.texts] == ["75", "25", "100"]


def test_dollars_in_the_names_of_classes_are_dollars(ax, tmp_path):
    write_manifest(tmp_path, {"classes": [r"$(touch \x) $HOME", "b"]}, [])
    class_ticks(ax, Tables({"models": []}, tmp_path, tmp_path).classes)
    ax.figure.draw_without_rendering()


@pytest.mark.parametrize("length", [24, 25, 77])
def test_long_names_of_classes_are_cut(tmp_path, length):
    write_manifest(tmp_path, {"classes": ["$" * length]}, [])
    (name,) = Tables({"models": []}, tmp_path, tmp_path).classes
    assert name == r"\$" * 24 if length == 24 else name == r"\$" * 23 + "…"


def test_scores_per_class_are_of_all_runs_together():
    """Only the first run takes an image for class 0, rightly; class 1 has no test images."""
    runs = {"support": [10, 10, 0, 0], "predicted": [1, 0, 9, 10], "recall": [0.1, 0.0, np.nan, np.nan]}
    scores = pooled_scores(pd.DataFrame({"label": [0, 0, 1, 1], "precision": [1.0, np.nan, 0.0, 0.0], **runs}))
    assert scores.loc[0].tolist() == pytest.approx([1.0, 1 / 20, 2 / 21])
    assert scores.loc[1].tolist() == pytest.approx([0.0, np.nan, 0.0], nan_ok=True)


def test_scores_per_class(ax):
    means = pd.DataFrame({"precision": [0.1, 0.2], "recall": [0.3, 0.4], "f1": [0.5, 0.6]}, index=[7, 2])
    class_scores(ax, means)
    assert [line(ax, i) for i in range(3)] == [[[0.1, 0.2], [0, 1]], [[0.3, 0.4], [0, 1]], [[0.5, 0.6], [0, 1]]]


def test_families_have_their_hold_out_error_and_weight(ax):
    fits = pd.DataFrame(
        {
            "method": ["pow3", "exp3"],
            "holdout_error": [0.1, 0.2],
            "akaike_weight": [0.7, np.nan],
            "chosen_by": ["hold-out", None],
        }
    )
    family_errors(ax, fits, "accuracy")
    assert [line(ax, i)[0] for i in range(2)] == [[0.1], [0.2]]
    assert [mark.get_markerfacecolor() == "white" for mark in ax.lines] == [False, True]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["pow3", "exp3"]
    family_weights(ax, fits)
    assert [bar.get_width() for bar in ax.patches] == [0.7, 0]
    family_errors(ax, fits.assign(holdout_error=np.nan), "accuracy")
    assert ax.texts[-1].get_text() == "too few sizes to hold any out"


def test_limits_have_a_look_each_and_their_gain(ax):
    rows = pd.DataFrame(
        {
            "n": [10, 20, 40],
            "verdict": ["data", "budget", ""],
            "error": [0.4, 0.3, 0.2],
            "train_error": [0.0, 0.1, 0.2],
            "gain": [0.0, 0.02, 0.03],
            "gain_low": [-0.01, 0.01, np.nan],
            "gain_high": [0.01, 0.03, np.nan],
        }
    )
    end_scores(ax, rows, "accuracy")
    assert line(ax, 0) == [[10, 20, 40], [1.0, 0.9, 0.8]]
    assert line(ax, 1) == [[10, 20, 40], [0.6, 0.7, 0.8]]
    ax.clear()
    gains_by_verdict(ax, rows, "accuracy")
    drawn = {mark.get_label(): list(mark.get_ydata()) for mark in ax.lines[1:]}
    assert drawn == {"limit: data": [0.0], "limit: budget": [0.02], "limit: unknown": [0.03]}
    segments = [bars.get_segments()[0][:, 1].tolist() for bars in ax.collections[:2]]
    assert segments == [[-0.01, 0.01], [0.01, 0.03]]


def test_sizes_that_pull_at_the_line_are_named(ax):
    rows = pd.DataFrame(
        {"n": [10.0, 1000.0], "leverage": [0.2, 0.6], "studentised": [0.5, -2.5], "cooks_distance": 0.1}
    )
    leverages(ax, rows, {**STYLED, "linestyle": ""})
    assert line(ax) == [[0.2, 0.6], [0.5, -2.5]]
    assert [text.get_text() for text in ax.texts] == ["1,000"]


def test_the_published_line_is_drawn_from_its_coefficients(ax):
    published_line(ax, np.array([10.0, 1000.0]), SimpleNamespace(const=0.5, log10_n=0.1, r2=0.9, left_out="1000"))
    assert line(ax) == [[10, 1000], pytest.approx([0.6, 0.8])]
    assert ax.lines[0].get_label() == "without 1000: R² = 0.900"


def test_a_model_without_a_published_line_says_why(diverged):
    why = "2 sizes with finished runs, at least 3 are needed"
    fits = pd.DataFrame({"model": ["plain"], "method": "published", "left_out": "", "status": why, "r2": math.nan})
    parameters = pd.DataFrame(columns=["model", "left_out", "method", "term", "estimate"]).astype({"estimate": float})
    frames = {"fits": fits, "parameters": parameters}
    diverged.regression = lambda name, metric: frames[name]
    diverged.__dict__["runs"] = runs_of({20: [0.5], 40: [0.6]}).assign(model="plain")
    figure = drawn_one(diverged, "line", metric="accuracy")
    assert figure.axes[0].get_legend().get_title().get_text() == f"no line: {why}"


def test_a_line_through_three_sizes_has_no_studentised_residuals(diverged):
    rows = pd.DataFrame({"n": [20.0, 40.0, 80.0], "mean": [0.5, 0.7, 0.8], "fitted": [0.52, 0.67, 0.81]})
    rows = rows.assign(model="plain", leverage=0.5, studentised=math.nan, cooks_distance=math.nan)
    diverged.regression = lambda name, metric: rows
    figure = drawn_one(diverged, "residuals", metric="accuracy")
    by_size, by_leverage = figure.axes
    assert (by_size.axison, by_leverage.axison) == (True, False)
    assert "four sizes" in by_leverage.texts[0].get_text() and not by_leverage.patches


def test_the_interval_of_the_spread_counts_draws():
    """Runs of one draw are not independent: of 3 draws with 5 seeds each, 3 count."""
    runs = crossed([[0.90, 0.91, 0.92, 0.93, 0.94], [0.80, 0.81, 0.82, 0.83, 0.84], [0.70, 0.71, 0.72, 0.73, 0.74]])
    row = spreads(runs.assign(images=64), "test_accuracy", "images").loc[10]
    assert row["sd"] == pytest.approx(100 * runs["test_accuracy"].std())
    ends = [row["sd"] * math.sqrt(2 / stats.chi2.ppf(q, 2)) for q in (0.975, 0.025)]
    assert [row["low"], row["high"]] == pytest.approx(ends)


def test_the_spread_between_runs_beside_the_binomial():
    runs = runs_of({10: [0.5, 0.7], 100: [0.8, 0.8]}).assign(images=64)
    rows = spreads(runs, "test_accuracy", "images")
    assert list(rows.index) == [10]  # no spread, no place on a log axis
    assert rows.loc[10, "sd"] == pytest.approx(100 * np.std([0.5, 0.7], ddof=1))
    assert rows.loc[10, "expected"] == pytest.approx(100 * math.sqrt(0.6 * 0.4 / 64))
    assert rows.loc[10, "low"] < rows.loc[10, "sd"] < rows.loc[10, "high"]


def test_shares_in_common_are_sorted(ax):
    counts = {"count_a": [10, 10], "count_b": [10, 10], "total": [100, 100]}
    sorted_shares(ax, pd.DataFrame({"draw_a": 0, "draw_b": 1, "share": [0.1, 0.3], **counts}))
    assert line(ax) == [[1, 2], [0.3, 0.1]]


def test_images_lie_side_by_side(ax):
    tiles = np.arange(2 * 3).reshape(2, 3, 1, 1, 1) / 10 * np.ones((1, 1, 4, 4, 3))
    mosaic(ax, tiles, ["first", "second"])
    shown = ax.images[0].get_array()
    assert shown.shape == (10, 15, 3)
    assert shown[6, 11].tolist() == [0.5] * 3
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]


@pytest.mark.parametrize(("channels", "shown"), [(1, 1), (2, 1), (3, 3), (4, 3), (13, 3)])
def test_of_other_channels_than_those_of_colours_the_first_are_shown(ax, channels, shown):
    tiles = np.arange(channels) / channels * np.ones((2, 3, 4, 4, channels))
    mosaic(ax, tiles, ["first", "second"])
    assert ax.images[0].get_array().shape == ((10, 15, 3) if shown == 3 else (10, 15))
    assert ax.images[0].get_array()[0, 0].tolist() == (tiles[0, 0, 0, 0, :3].tolist() if shown == 3 else 0)
    assert ax.get_xlabel() == ("" if shown == channels else f"{shown} of {channels} channels")


# Axes


@pytest.mark.parametrize("wide", [1.05, 1.3, 1.5, 2, 3, 5, 10, 1000])
@pytest.mark.parametrize("low", [0.011, 0.22, 0.55, 2.3])
def test_a_logarithmic_axis_has_two_numbers_or_more(ax, low, wide):
    ax.plot([0, 1], [low, low * wide])
    log_axis(ax)
    bottom, top = ax.get_ylim()
    assert sum(bottom <= tick <= top for tick in ax.get_yticks()) >= 2


@pytest.mark.parametrize(("second", "scale"), [([0.5, 0.0], "linear"), ([0.5, 0.2], "log"), ([], "log")])
def test_a_loss_of_0_in_any_panel_makes_the_shared_axis_linear(second, scale):
    figure, (first, other) = panels(2)
    first.plot([1, 2], [0.5, 0.1])
    other.plot(range(len(second)), second)
    metric_axis(first, "loss")
    assert other.get_yscale() == scale
    plt.close(figure)


def test_ticks_at_the_sizes_reckon_with_the_whole_axis(ax):
    sizes = [500, 1250, 2500, 5000, 7500, 10000]
    ax.plot(sizes, sizes)
    assert len(size_axis(ax, sizes).get_xticks()) == 6
    ax.plot(40000, 500)
    size_axis(ax, sizes)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["500", "1,250", "2,500", "5,000", "7,500"]


@pytest.mark.parametrize(("counts", "told"), [([1, 1], "1 run"), ([3], "3 runs"), ([5, 2, 3], "2-5 runs")])
def test_numbers_of_runs_are_told_as_a_span(counts, told):
    assert run_range(counts) == told


def test_axes_have_ticks_at_the_sizes_and_units(ax):
    ax.plot([10, 12, 100], [0.5, 0.6, 0.7])
    size_axis(ax, [10, 12, 100], 4)
    metric_axis(ax, "accuracy", "test")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "100"]
    assert ax.get_xscale() == "log"
    assert ax.yaxis.get_major_formatter()(0.5) == "50.0%"
    assert spread_out([7]) == [7]
    ax.cla()
    ax.plot([1, 2], [0.1, 2.0])
    metric_axis(ax, "loss", "test")
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "test cross-entropy (nats)")


def test_lines_differ_in_more_than_colour():
    with plt.rc_context(fname=STYLE):
        looks = line_styles([str(i) for i in range(28)])
    assert len({(look["marker"], look["linestyle"]) for look in looks.values()}) == 7 * len(DASHES)
    assert len({(look["marker"], look["color"]) for look in looks.values()}) == 28


@pytest.mark.parametrize(("points", "every"), [(1, 1), (30, 1), (31, 2), (1000, 34)])
def test_long_lines_keep_some_of_their_markers(points, every):
    assert mark_every(points) == every


# The study's choice


def test_a_study_has_the_usual_figures_and_those_it_asks_for(tmp_path):
    def kinds(**figures):
        return {figure["kind"] for figure in study(tmp_path, **figures).figure_list()}

    usual = kinds()
    assert {"curve", "boxes", "history", "spread", "overlap-classes", "neurons"} <= usual
    assert not {"sweep", "folds", "surface"} & usual
    assert kinds(also="[surface, boxes]", without="[neurons]") == (usual | {"surface"}) - {"neurons"}
    one_size = STUDY.replace("[20, 40, 80]", "[20]")
    assert "sweep" in {figure["kind"] for figure in study(tmp_path, one_size).figure_list()}
    names = [figure["name"] for figure in study(tmp_path, also="[training]", metrics="[loss]").figure_list()]
    assert names[:5] == ["curve-loss", "boxes-loss", "history-loss", "training-loss-plain", "training-loss-other"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("text", "figures", "message"),
    [
        (STUDY, {"also": "[folds]"}, "figures.also: found 'folds', which needs folds (subset.method: kfold)"),
        (STUDY.replace("points: 2", "points: 1"), {"also": "[surface]"}, "which needs at least two checkpoints"),
        (STUDY, {"also": "[curves]"}, "figures.also.0: found 'curves' (text), allowed: curve, boxes"),
        (STUDY, {"sweeps": "{a: [pain]}"}, "figures.sweeps.a: found 'pain', allowed: plain, other; did you mean"),
        (STUDY, {"models": "[plain]", "sweeps": "{a: [other]}"}, "figures.sweeps.a: found 'other', allowed: plain"),
        (
            STUDY + "regressions: {metrics: [accuracy]}\n",
            {"metrics": "[loss]", "also": "[line]"},
            "found 'line', but no metric is in both figures.metrics and regressions.metrics",
        ),
    ],
)
def test_figures_that_cannot_be_drawn_are_refused(tmp_path, text, figures, message):
    with pytest.raises(UserError) as error:
        study(tmp_path, text, **figures)
    assert message in str(error.value)


def test_every_kind_is_drawn_described_and_allowed():
    assert set(FIGURES) == set(DRAW)
    for kind in FIGURES.values():
        assert {*kind.needs, *(kind.usual or ())} <= set(FEATURES)
        assert kind.caption.format(metric="accuracy")[0].isupper()


# Whole figures


def all_figures(made) -> dict:
    """Return the figure settings of a study with every kind there can be of it."""
    has = made.features()
    made.figures["also"] = [name for name, kind in FIGURES.items() if has >= set(kind.needs)]
    return made.figure_settings()


def drawn_one(tables: Tables, kind: str, **of):
    """Return a figure of `kind`, drawn in the style and closed."""
    with plt.rc_context(fname=STYLE):
        figure = DRAW[kind](tables, **of)
    plt.close(figure)
    return figure


def drawn(tables: Tables) -> dict:
    """Return every figure of the settings by name."""
    figures = {figure["name"]: dict(figure) for figure in tables.settings["figures"]}
    return {figure.pop("name"): drawn_one(tables, **figure) for figure in figures.values()}


@pytest.fixture
def diverged(tmp_path, digits):
    """Tables of a study of which no run has finished."""
    made = study(tmp_path)
    rows = [{"study": "made", **vars(run), "status": "diverged"} for run in made.runs]
    frame = pd.DataFrame(rows).reindex(columns=RUNS.schema.names)
    write_table(tmp_path / RUNS.path, RUNS, frame)
    empty = (HISTORY, CLASSES, CONFUSION, NEURONS, OVERLAP, OVERLAP_CLASSES, *REGRESSIONS.values())
    for table in empty:
        write_table(tmp_path / table.path, table, {name: [] for name in table.schema.names})
    return Tables(all_figures(made), tmp_path, digits)


def test_a_study_without_a_finished_run_has_figures_that_say_so(diverged, tmp_path):
    figures = drawn(diverged)
    assert {figure["kind"] for figure in diverged.settings["figures"]} == set(FIGURES) - {"folds"}
    of_data = {"overlap", "overlap-classes", "classes", "samples", "augmentation", "schedule"}
    for name, figure in figures.items():
        told = [text.get_text() for ax in figure.axes for text in ax.texts]
        reasons = ("no finished run", "no size with", "no family", "no line", "none finished")
        assert name in of_data or any(reason in text for text in told for reason in reasons), name
    write_surfaces(diverged, ["accuracy"], "made", tmp_path / "surface.html")
    assert "made: no model with finished runs of two sizes" in (tmp_path / "surface.html").read_text()


def test_every_kind_is_drawn_from_real_runs(finished_project):
    """All kinds that the tiny study can have, from its own tables; the axes have labels."""
    made = load_study("tiny", finished_project.folder / "studies")
    tables = Tables(
        all_figures(made), finished_project.results, finished_project.results.parent / "datasets" / "digits"
    )
    figures = drawn(tables)
    assert {figure["kind"] for figure in tables.settings["figures"]} == set(FIGURES) - {
        "folds",
        "augmentation",
        "neurons",
    }
    for name, figure in figures.items():
        for ax in (ax for ax in figure.axes if ax.axison and name != "samples"):
            shared = not ax.get_subplotspec() or ax.get_subplotspec().is_first_col()
            assert not shared or ax.get_ylabel() or "famil" in name, name
    curve = figures["curve-accuracy"].axes[0]
    means = tables.runs[tables.runs["model"] == "cnn"].groupby("n")["test_accuracy"].mean()
    assert any(
        line.get_ydata().tolist() == pytest.approx(means.tolist()) for line in curve.lines if len(line.get_xdata()) == 3
    )
    assert "(2 runs per size)" in curve.get_legend().get_texts()[0].get_text()


def test_figures_are_written_as_png_and_pdf_and_the_same_twice(diverged, tmp_path, digits):
    settings = {**diverged.settings, "figures": [{"name": "classes", "kind": "classes"}]}
    draw_figures(settings, tmp_path, digits)
    files = {path.suffix: path.read_bytes() for path in sorted((tmp_path / "figures").iterdir())}
    assert set(files) == {".png", ".pdf"}
    assert Image.open(tmp_path / "figures" / "classes.png").size == (1040, 720)
    draw_figures(settings, tmp_path, digits)
    assert files == {path.suffix: path.read_bytes() for path in sorted((tmp_path / "figures").iterdir())}


# Recipes


def test_learning_rates_are_those_of_the_updates(diverged):
    steps, rates = learning_rates(diverged, "other", 80)
    assert steps.tolist() == list(range(8))
    assert rates == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 8)) for step in range(8)])
    losses = pd.DataFrame({"model": "plain", "n": 80, "draw": 0, "seed": 1, "split": "validation"}, index=range(2))
    diverged.__dict__["history"] = losses.assign(step=[4, 8], loss=[1.0, 1.0], samples_seen=[64, 128], epoch=[0.8, 1.6])
    diverged.__dict__["history"].loc[2] = diverged.history.loc[0].to_dict() | {"step": 2, "loss": 0.5}
    _, rates = learning_rates(diverged, "plain", 80)
    assert rates.tolist() == [0.1] * 4 + [0.05] * 4


def test_updates_are_those_of_the_images_that_runs_are_trained_on(diverged):
    """Rounding per class gives a size of 80 images 81, whose two passes fill ten batches and begin an eleventh."""
    diverged.settings["budgets"]["other"] = {"epochs": 2}
    assert len(learning_rates(diverged, "other", 80)[0]) == 10
    diverged.__dict__["history"] = pd.DataFrame(
        {"model": "other", "n": 80, "split": "test", "step": [5, 11], "samples_seen": [81, 162], "epoch": [1.0, 2.0]}
    )
    assert diverged.trained_on("other", 80) == 81
    assert len(learning_rates(diverged, "other", 80)[0]) == 11


def test_rates_of_models_differ_in_their_markers(diverged):
    figure = drawn_one(diverged, "schedule")
    markers = [rates.get_marker() for rates in figure.axes[0].lines]
    assert len(set(markers)) == len(markers) > 1 and "" not in markers


def test_augmented_images_are_what_the_recipe_makes(diverged):
    import torch

    images = torch.rand(2, 1, 4, 4)
    flipped = {"augmentation": [{"name": "horizontal_flip", "probability": 1.0}], "mixup": 0, "cutmix": 0}
    versions = augmented(flipped, images)
    assert versions.shape == (7, 2, 1, 4, 4)
    assert all(torch.equal(version, images.flip(3)) for version in versions)


# The page to turn


def test_a_surface_to_turn_has_the_means():
    means = pd.Series({(10, 5): 0.1, (10, 9): 0.2, (100, 4): 0.3}).rename_axis(["n", "step"])
    surface = surface_of(means, "accuracy (%)", visible=True)
    assert np.array(surface.z)[0].tolist() == [0.1, 0.2]
    assert np.array(surface.z)[1, 0] == 0.3 and np.isnan(np.array(surface.z)[1, 1])
    assert np.array(surface.x).tolist() == [[5, 9], [4, 4]]
    assert np.array(surface.y)[:, 0].tolist() == [1, 2]
    assert np.array(surface.customdata)[:, 0].tolist() == [10, 100]


def test_the_page_stands_alone_and_text_stays_text(diverged, tmp_path):
    sizes = [("plain", 20), ("plain", 40), ("other", 20)]  # of one size there is no surface
    rows = [(*run, step, split, 0.5) for run in sizes for step in (4, 8) for split in ("train", "test")]
    diverged.__dict__["history"] = pd.DataFrame(rows, columns=["model", "n", "step", "split", "accuracy"])
    write_surfaces(diverged, ["accuracy"], "a </title><script>alert(1)</script>", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script>alert" not in page
    assert "plain: accuracy, test images" in page
    assert "other: accuracy" not in page
    tags = [part.split(">")[0] for part in page.split("<script")[1:] if part.split(">")[0].strip()]
    assert all("src=" not in tag for tag in tags)
    assert '"showSendToCloud": false' in page
    assert len(page) < 6e6


# The reproduction


def test_our_numbers_beside_the_published_ones(ax):
    table = pd.DataFrame(
        {
            "quantity": ["slope", "intercept"],
            "published": [0.1, 2.0],
            "as_published": [0.12, 2.0],
            "corrected": [0.11, np.nan],
            "difference": [0.02, 0.0],
            "difference_low": [-0.01, np.nan],
            "difference_high": [0.05, np.nan],
            "verdict": ["differs", "agrees"],
        }
    )
    differences(ax, table)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["slope", "intercept"]
    marks = {mark.get_label(): [data.tolist() for data in map(np.asarray, mark.get_data())] for mark in ax.lines}
    assert marks["as published: agrees"] == [[0.0], [0]]
    assert marks["as published: differs"] == [[pytest.approx(20)], [1]]
    assert marks["corrected"][0][0] == pytest.approx(10)
    assert ax.collections[1].get_segments()[0][:, 0].tolist() == pytest.approx([-10, 50])


def test_numbers_off_the_axis_and_intervals_that_go_on_are_marked(ax):
    table = pd.DataFrame(
        {
            "quantity": ["far", "below", "wide", "near"],
            "published": 1.0,
            "as_published": [5.0, -3.0, 1.5, 1.0],
            "corrected": np.nan,
            "difference": [4.0, -4.0, 0.5, 0.0],
            "difference_low": [-3.0, -5.0, -0.5, -0.1],
            "difference_high": [9.0, -3.0, 2.0, 0.1],
            "verdict": ["differs", "agrees", "differs", "agrees"],
        }
    )
    differences(ax, table)
    marks = {mark.get_marker(): mark for mark in ax.lines if len(mark.get_xdata()) == 1}
    ends = {marker: (*mark.get_data()[0], *mark.get_data()[1]) for marker, mark in marks.items() if marker != "o"}
    assert ends == {">": (100, 3), "<": (-100, 2), "$>$": (100, 1)} | {"$<$": (-100, 3)}
    numbers = {mark.get_label(): mark for mark in ax.lines}
    for marker, verdict in ((">", "differs"), ("<", "agrees")):
        same = numbers[f"as published: {verdict}"]
        assert marks[marker].get_color() == same.get_color()
        assert marks[marker].get_markerfacecolor() == same.get_markerfacecolor()
    assert "corrected" not in numbers


def test_a_reproduction_without_numbers_of_ours_says_so():
    empty = pd.DataFrame(columns=REPRODUCTION.schema.names)
    figure = reproduction(empty)
    assert figure.axes[0].texts[0].get_text() == "no numbers to compare"
    plt.close(figure)
