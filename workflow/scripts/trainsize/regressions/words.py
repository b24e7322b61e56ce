"""The answers of the regressions in words, from their tables: for `answers.txt` and the report."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from trainsize.curves.choosing import ALONE, HELD_OUT, KNOWN_AIC, LACK_OF_FIT
from trainsize.runs.metrics import METRICS, Metric


def images(number: float) -> str:
    """Return a number of images to three digits."""
    if not np.isfinite(number):
        return "never"
    digits = max(0, int(np.floor(np.log10(max(number, 1)))) - 2)
    return f"{round(number, -digits):,.0f}"


def between(low: float, high: float) -> str:
    """Return an interval of numbers of images."""
    if np.isinf(low):
        return "never"
    return f"{images(low)} to {images(high)}" if np.isfinite(high) else f"{images(low)} or more, perhaps never"


def tell(frames: dict[str, pd.DataFrame], metrics: Mapping[str, Metric] = METRICS) -> str:
    """Return the answers of every model and metric, and the comparison of the models, as text.

    `metrics` are the metrics by their names.
    """
    parts = []
    curves = frames["fits"][(frames["fits"]["split"] == "test")]
    for model, name in curves[["model", "metric"]].drop_duplicates().itertuples(index=False):
        lines = sentences(frames, model, name, metrics)
        parts.append("\n".join([f"{model}: {metrics[name].words}", *(f"- {line}" for line in lines)]))
    compared = comparison_sentences(frames, metrics)
    if compared:
        parts.append(
            "\n".join(["The models compared, at the largest size they share", *(f"- {line}" for line in compared)])
        )
    return "\n\n".join(parts) + "\n"


def sentences(
    frames: dict[str, pd.DataFrame], model: str, name: str, metrics: Mapping[str, Metric] = METRICS
) -> list[str]:
    """Return what is said of one model and metric, a sentence or two for each question."""
    metric = metrics[name]
    of = {table: _of(frame, model, name) for table, frame in frames.items() if {"model", "metric"} <= set(frame)}
    fits = of["fits"][of["fits"]["split"] == "test"]
    families = fits[fits["n_parameters"].notna()]
    chosen = families[families["chosen"].eq(True)]
    if not len(chosen):
        first, *others = dict.fromkeys(families.loc[families["status"] != "fitted", "status"]) or ["no family fits"]
        told = f"No curve: {first}" + ("; the table of fits has the reasons of the other families" if others else "")
        return [line for line in (f"{told}.", _uncounted(fits.iloc[0], metric), _spread(of, metric)) if line]
    fit = chosen.iloc[0]
    said = [_choice(fit, families), _now(of, metric), *_targets(of, metric), _saturation(of, metric), _shape(of, fit)]
    said += [_spread(of, metric), _next(of), _left_out(fit)]
    return [line for line in said if line]


def _of(frame: pd.DataFrame, model: str, metric: str) -> pd.DataFrame:
    return frame[(frame["model"] == model) & (frame["metric"] == metric)]


def _choice(fit: pd.Series, families: pd.DataFrame) -> str:
    """Say which family is believed, why, whether it goes through the means, and which others AICc cannot tell apart."""
    decided = fit["chosen_by"]
    if decided == HELD_OUT:
        how = f"which foretold held-out sizes with a mean error of {fit['holdout_error']:.2g}"
        baseline = families.loc[families["method"] == "last1", "holdout_error"]
        if (baseline <= fit["holdout_error"]).any():
            how += ", no better than the last of the other sizes itself"
    elif decided == ALONE:
        how = "the only family that could be fitted"
    else:
        how = f"chosen by {decided}, there being too few sizes to hold some out"
    told = f"Curve: {fit['method']}, {how}."
    if fit["method"] == "log2":
        told += " It knows no floor, so sizes ahead may take many more images than it says."
    if fit["p_fit"] < LACK_OF_FIT:
        told += " No family goes through the means of the sizes: what is said beyond them is a guess."
    alike = list(families[families["distinguishable"].eq(False) & ~(families["p_fit"] < LACK_OF_FIT)]["method"])
    if decided != KNOWN_AIC and len(alike) > 1:
        told += f" AICc does not distinguish {', '.join(alike)}."
    elif decided == HELD_OUT and alike and alike != [fit["method"]]:
        told += f" AICc prefers {alike[0]}."
    return f"{told} {_capital(fit['intervals'])}."


def _now(of: dict, metric: Metric) -> str:
    """Say the value at the largest size and what twice as many images bring."""
    last = of["saturation"].iloc[-1]
    here = of["predictions"].query("chosen and n == @last.n").iloc[0]
    told = f"At {images(last['n'])} images the curve is at {metric.value(here['value'])}"
    if np.isfinite(here["low"]):
        told += f" ({metric.value(here['low'], here['high'])})"
    return f"{told}. {_gain(last, metric)}" if np.isfinite(last["gain"]) else f"{told}."


def _gain(last: pd.Series, metric: Metric) -> str:
    """Say what doubling the largest size brings."""
    told = f"Twice as many images bring {metric.change(last['gain'])} less error"
    if np.isfinite(last["gain_low"]):
        told += f" ({metric.change(last['gain_low'], last['gain_high'])})"
    return f"{told}."


def _targets(of: dict, metric: Metric) -> list[str]:
    fits, targets = of["fits"], of["targets"]
    if not len(targets):
        return ["No target: the runs of the largest size are perfect."]
    alike = targets[targets["family"].isin(fits.loc[fits["as_good"].eq(True), "method"]) & ~targets["chosen"]]
    return [
        target_sentence(row, metric) + _others(alike[alike["target"] == row["target"]])
        for _, row in targets[targets["chosen"].eq(True)].iterrows()
    ]


def _others(rows: pd.DataFrame) -> str:
    """Say what the families that do as well as the chosen one answer."""
    told = [f"{row.family} {images(row.estimate)}" for row in rows.itertuples()]
    return f" Families that do as well say: {', '.join(told)}." if told else ""


def target_sentence(row: pd.Series, metric: Metric) -> str:
    """Say how many images a target needs, and how sure that is."""
    origin = "" if row["origin"] == "stated" else f" ({row['origin']})"
    size = row["median"] if not np.isnan(row["median"]) else row["estimate"]
    told = f"about {images(size)} images" if np.isfinite(size) else "not within 10,000 times the largest size"
    if not np.isnan(row["low"]):
        level, ends = f"{100 * row['confidence']:g}", between(row["low"], row["high"])
        told += f" ({level} % interval {ends}; 80 % {between(row['low_80'], row['high_80'])})"
        if row["p_never"] > 0:
            told += f"; {_per_cent(row['p_never'])} of the resampled curves never get there"
    return f"For {metric.value(row['target'])}{origin}: {told}. {_capital(row['status'])}."


def _per_cent(p: float) -> str:
    """Return a share in whole per cent, so that 0 % is none and 100 % is all."""
    if 0 < p < 0.01:
        return "less than 1 %"
    return "more than 99 %" if 0.99 < p < 1 else f"{100 * p:.0f} %"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def short_answers(frames: dict[str, pd.DataFrame], model: str, name: str) -> dict[str, str]:
    """Return what the curve says in a sentence each: the next doubling, the first target, saturation, how sure.

    Without a curve, `enough` says why there is none and the others are empty.
    """
    metric = METRICS[name]
    of = {table: _of(frames[table], model, name) for table in ("saturation", "targets", "fits")}
    last, fits = of["saturation"].tail(1), of["fits"][of["fits"]["chosen"].eq(True)]
    if not len(fits):
        return {"doubling": "", "enough": sentences(frames, model, name)[0], "saturation": "", "sure": ""}
    doubling = f"By the curve, {_gain(last.iloc[0], metric).replace('T', 't', 1)}"
    return {
        "doubling": doubling if np.isfinite(last["gain"].iloc[0]) else "",
        "enough": " ".join(_targets(of, metric)[:1]),
        "saturation": _saturation(of, metric),
        "sure": f"{_capital(fits['intervals'].iloc[0])}.",
    }


def _saturation(of: dict, metric: Metric) -> str:
    """Say from which size on more images make no difference."""
    rows = of["saturation"]
    margin = metric.change(rows["margin"].iloc[0])
    same = rows[rows["equivalent"].eq(True)]["n"]
    if len(same) > 1:
        return (
            f"From {images(same.iloc[0])} images on, no size differs from the largest by {margin} or more (TOST, Holm)."
        )
    if rows["p_tost"].notna().any():
        return f"No smaller size is shown to be as good as the largest to within {margin} (TOST, Holm)."
    return ""


def _shape(of: dict, fit: pd.Series) -> str:
    rows = of["saturation"]
    worse = rows[rows["p_worse"] < 0.05]["n"]
    bent = rows[rows["p_concave"] < 0.05]["n"]
    told = []
    if len(worse):
        told.append(f"The error rises up to {', '.join(map(images, worse))} images (paired t-tests, Holm)")
    if fit["p_monotone"] < 0.05:
        told.append(f"the curve is not monotone (p = {fit['p_monotone']:.2g})")
    if len(bent):
        told.append(f"the fall speeds up at {', '.join(map(images, bent))} images")
    if fit["flat"] is True or fit["flat"] == np.True_:
        told.append("the curve is flat: the largest size has less than 5 % fewer errors than the smallest")
    return f"{_capital('; '.join(told))}." if told else ""


def _spread(of: dict, metric: Metric) -> str:
    rows = of["variance"][of["variance"]["n"].notna()]
    if not len(rows):
        return ""
    last = rows[rows["n"] == rows["n"].max()].set_index("component")
    if "runs" not in last.index or not np.isfinite(last.loc["runs", "sd"]):
        return ""
    told = f"Runs of the largest size spread by {metric.change(last.loc['runs', 'sd'])} (standard deviation)"
    if "test set" in last.index:
        test = last.loc["test set"]
        told += f", the choice of {images(test['repeats'])} test images by {metric.change(test['sd'])}"
    if "runs, on any test set" in last.index:
        told += f"; with unlimited test images the runs would spread by {_lasting(last, metric)}"
    needed, margin = last.loc["runs", "repeats_needed"], of["saturation"]["margin"].iloc[0]
    if np.isfinite(needed):
        told += f". The mean of {needed:.0f} runs would be known to ± {metric.change(margin)}"
    return told + "."


def _lasting(last: pd.DataFrame, metric: Metric) -> str:
    row = last.loc["runs, on any test set"]
    return metric.change(row["sd"]) if row["variance"] > 0 else "nothing that can be told from 0"


def _next(of: dict) -> str:
    rows = of["planning"]
    if not len(rows):
        return ""
    listed = ", ".join(f"{row.seeds} × {images(row.n)}" for row in rows.itertuples())
    purpose = {"target": "the first target", "curve": "the whole curve"}[rows["purpose"].iloc[0]]
    seconds = rows["budget"].iloc[0]
    time = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
    return (
        f"Best use of {time} more for {purpose}: runs × images {listed}; the interval would be "
        f"{rows['width'].iloc[0]:.2f} times as wide."
    )


def _left_out(fit: pd.Series) -> str:
    return f"Runs left out: {fit['runs_left_out']}." if fit["runs_left_out"] else ""


def _uncounted(fit: pd.Series, metric: Metric) -> str:
    """Say which runs were left out where they left no curve, and what a run must have to count."""
    if not fit["runs_left_out"]:
        return ""
    possible = "from 0 to 1, not in per cent" if metric.is_share else "of at least 0"
    return f"{_left_out(fit)} A run counts when its status is 'finished' and its {metric.words} a number {possible}."


def comparison_sentences(frames: dict[str, pd.DataFrame], metrics: Mapping[str, Metric] = METRICS) -> list[str]:
    """Return how every two models differ at the largest size they share."""
    rows = frames["comparisons"]
    said = []
    for (name, a, b), pair in rows.groupby(["metric", "model_a", "model_b"], sort=False):
        row, metric = pair.loc[pair["n"].idxmax()], metrics[name]
        better, worse, sign = (b, a, 1) if row["difference"] >= 0 else (a, b, -1)
        less = metric.change(abs(row["difference"]))
        told = f"{metric.words}: {better} has {less} less error than {worse}"
        if np.isfinite(row["low"]):
            told += f" ({metric.change(*sorted((sign * row['low'], sign * row['high'])))})"
        if np.isfinite(row["p_holm"]):
            told += f", p = {row['p_holm']:.2g} (paired t-test, Holm)"
        if np.isfinite(row["ratio"]):
            told += f"; {b} needs {row['ratio']:.2g} times the images of {a} for the same error"
        elif np.isinf(row["ratio"]):
            told += f"; {b} does not reach the error of {a}"
        said.append(told + ".")
    return said
