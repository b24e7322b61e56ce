"""What a fitted curve predicts at any size, and how certain that is."""

import numpy as np
import pandas as pd
from scipy import stats

from trainsize.curves.bootstrap import interval
from trainsize.curves.choosing import Candidate, usable
from trainsize.curves.confidence import Confidence
from trainsize.curves.curve import Curve
from trainsize.curves.delta_method import delta_errors
from trainsize.curves.families import Array
from trainsize.curves.predictor import Predictor, units_of


def predictions(predictor: Predictor, curve: Curve, n: Array, confidence: Confidence) -> pd.DataFrame:
    """Return a row per size in `n`: the metric, its interval, and a band for one new run; impossible values are nan."""
    errors = predictor.errors(n)
    possible = (errors >= 0) & (errors <= curve.highest)
    table = pd.DataFrame(
        {
            "n": n,
            "extrapolated": n > curve.sizes[-1],
            "status": np.where(possible, "predicted", "refused: an impossible value"),
            "value": np.where(possible, curve.shown(errors), np.nan),
        }
    )
    ends = dict.fromkeys(("", "_run", "_delta"), (np.full(len(n), np.nan),) * 2)
    if confidence.allowed:
        units = units_of(predictor, confidence)
        median, low, high = interval(predictor.resampled_errors(n), units, confidence.level, log=True)
        t = stats.t.ppf(0.5 + confidence.level / 2, confidence.units - 1)
        spread = t * np.sqrt(_new_run_variance(curve, n, errors))
        ends[""] = low, high
        ends["_run"] = median - np.hypot(median - low, spread), median + np.hypot(high - median, spread)
        if isinstance(predictor, Candidate):
            ends["_delta"] = delta_errors(predictor, curve, n, confidence)
    for name, pair in ends.items():
        shown = curve.shown(np.clip(np.stack(pair), 0, curve.highest))
        table[f"low{name}"], table[f"high{name}"] = (np.where(possible, end, np.nan) for end in np.sort(shown, axis=0))
    return table


def _new_run_variance(curve: Curve, n: Array, errors: Array) -> Array:
    """Return the variance of a new run about the curve: that of single runs and that of another test set."""
    between = np.exp(np.interp(np.log(n), np.log(curve.sizes), np.log(curve.run_variances())))
    share = np.clip(errors, 0, 1)
    test = share * (1 - share) / curve.n_test if curve.n_test and curve.highest == 1 else 0.0
    return between + test


def average(candidates: list[Candidate], n: Array) -> Array:
    """Return the errors (m,) at sizes `n`, averaged over the families by their Akaike weights; nan without any."""
    weighted = [c for c in candidates if usable(c) and np.isfinite(c.weight)]
    return sum((c.weight * c.errors(n) for c in weighted), np.zeros(len(n))) if weighted else np.full(len(n), np.nan)
