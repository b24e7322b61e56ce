"""Metrics against scikit-learn, intervals against scipy."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    top_k_accuracy_score,
)

from trainsize.statistics.intervals import mean_interval, paired_interval, ratio_interval, share_interval, size_interval
from trainsize.training.evaluation import calibration_error, score, top_predictions


def test_a_ratio_covers_the_truth_as_often_as_it_says():
    """Parts that are 30 % of wholes which vary by a fifth, in eight pairs."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        wholes = rng.normal(1, 0.2, 8)
        ratio, low, high = ratio_interval(0.3 * wholes + rng.normal(0, 0.05, 8), wholes)
        assert low < ratio < high
        inside += low < 0.3 < high
    assert 930 <= inside <= 970


def test_pairs_of_one_ratio_have_no_uncertainty():
    wholes = np.array([1.0, 2.0, 4.0])
    assert ratio_interval(wholes / 4, wholes) == (0.25, 0.25, 0.25)
    assert np.isnan(ratio_interval(wholes[:1] / 4, wholes[:1])[1:]).all()


@pytest.mark.parametrize("classes_present", [10, 4])
def test_metrics_are_scikit_learns(classes_present):
    rng = np.random.default_rng(classes_present)
    logits = rng.normal(size=(300, 10)) * 2
    labels = rng.integers(0, classes_present, 300)
    logits[np.arange(300), labels] += 1.5
    scores = score(torch.from_numpy(logits), torch.from_numpy(labels))
    probabilities = torch.from_numpy(logits).softmax(1).numpy()
    predicted = logits.argmax(1)
    assert scores.n_evaluated == 300
    assert scores.accuracy == pytest.approx(accuracy_score(labels, predicted), abs=1e-12)
    assert scores.f1_macro == pytest.approx(f1_score(labels, predicted, average="macro", zero_division=0), abs=1e-12)
    assert scores.loss == pytest.approx(log_loss(labels, probabilities, labels=range(10)), abs=1e-9)


def test_more_metrics_are_scikit_learns():
    rng = np.random.default_rng(4)
    logits, labels = rng.normal(size=(500, 8)) * 2, rng.integers(0, 8, 500)
    scores = score(torch.from_numpy(logits), torch.from_numpy(labels))
    probabilities = torch.from_numpy(logits).softmax(1).numpy()
    top5 = top_k_accuracy_score(labels, probabilities, k=5)
    assert scores.accuracy_top5 == pytest.approx(top5)
    assert scores.accuracy_balanced == pytest.approx(balanced_accuracy_score(labels, logits.argmax(1)))
    assert scores.brier == pytest.approx(brier_score_loss(labels, probabilities, scale_by_half=False))
    ranked = np.sort(probabilities)[:, ::-1]
    margin, right = (ranked[:, 0] - ranked[:, 1]) / ranked[:, 0], logits.argmax(1) == labels
    assert (scores.margin_correct, scores.margin_wrong) == pytest.approx((margin[right].mean(), margin[~right].mean()))


def test_calibration_error():
    """Fifteen bins of ten images that are never right: the error is the mean confidence."""
    confidence = torch.linspace(0.3, 0.99, 150).double()
    sure = confidence.view(15, 10).mean(1)
    correct = torch.zeros(150, dtype=torch.bool)
    expected = sum(s.item() for s in sure) / 15
    assert calibration_error(confidence, correct) == pytest.approx(expected)
    assert calibration_error(torch.ones(40).double(), torch.ones(40, dtype=torch.bool)) == 0
    assert calibration_error(torch.full((4,), 0.75).double(), torch.tensor([True, True, True, False])) > 0


def test_a_certain_network_has_a_loss_below_float32s_floor():
    """In float32 the loss of a probability of nearly one cannot be less than 2^-23; from float64 logits it can."""
    scores = score(torch.tensor([[30.0, 0.0]], dtype=torch.float64), torch.tensor([0]))
    assert 0 < scores.loss < 2**-23


def test_predictions_for_no_labels_are_refused():
    with pytest.raises(ValueError, match="3 predictions for 2 labels"):
        score(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long))


def test_top_predictions_are_ranked():
    classes, probabilities = top_predictions(torch.tensor([[0.0, 2.0, 1.0]]).double())
    assert classes.tolist() == [[1, 2, 0]]
    assert probabilities.sum().item() == pytest.approx(1)


def test_mean_interval_is_scipys():
    values = np.array([0.91, 0.93, 0.90, 0.95, 0.92])
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((values.mean(), expected.low, expected.high))
    assert np.isnan(mean_interval([0.5])[1:]).all()


def test_runs_of_one_draw_are_one_independent_value():
    """Three draws by ten seeds, spread 1 between draws and 0.5 within: the 95 % interval covers 0 about as often."""
    rng = np.random.default_rng(0)
    coordinates = pd.MultiIndex.from_product([range(3), range(10)], names=["draw", "seed"]).to_frame(index=False)
    covered = 0
    for _ in range(400):
        values = rng.normal(0, 1, 3)[coordinates["draw"]] + rng.normal(0, 0.5, 30)
        _, low, high = size_interval(coordinates.assign(n=10, a=values), "a", 10)
        covered += low <= 0 <= high
    assert 0.92 < covered / 400 < 0.98


def test_a_single_draw_leaves_the_seeds():
    runs = pd.DataFrame({"n": 10, "draw": 1, "seed": [1, 2, 3], "a": [0.1, 0.2, 0.4]})
    assert size_interval(runs, "a", 10) == mean_interval([0.1, 0.2, 0.4])


def test_a_size_with_one_draw_so_far_is_not_paired_by_its_seeds():
    """Draws 0 and 1 with three seeds each, but of the larger size only draw 0 is there yet."""
    rows = [(10, draw, seed, draw + 0.1 * seed) for draw in (0, 1) for seed in (0, 1, 2)]
    rows += [(20, 0, seed, 5 + 0.1 * seed) for seed in (0, 1, 2)]
    runs = pd.DataFrame(rows, columns=["n", "draw", "seed", "a"])
    change, low, _ = paired_interval(runs, "a", 20, 10)
    assert change == pytest.approx(5)
    assert np.isnan(low)
    assert np.isnan(size_interval(runs, "a", 20)[1])


def test_the_interval_of_a_share_ends_at_all_of_it():
    assert share_interval((0.9, 0.7, 1.2)) == (0.9, 0.7, 1.0)
    assert np.isnan(share_interval(mean_interval([0.5]))[1:]).all()


def test_changes_are_paired():
    runs = pd.DataFrame({"n": [10] * 3 + [20] * 3, "draw": [1, 2, 3] * 2, "seed": [1, 2, 3] * 2})
    runs["a"] = [0.1, 0.5, 0.9, 0.2, 0.6, 1.0]
    assert paired_interval(runs, "a", 20, 10) == pytest.approx((0.1, 0.1, 0.1))
    assert np.isnan(paired_interval(runs[:4], "a", 20, 10)[1])
