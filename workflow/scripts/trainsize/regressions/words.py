"""The answers of the regressions in words, from their tables: for `answers.txt` and the report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from trainsize.common.errors import plural
from trainsize.curves.choosing import ALONE, HELD_OUT, KNOWN_AIC, LACK_OF_FIT
from trainsize.curves.families import BASELINE, TREND
from trainsize.regressions.limit_words import budget_limits, limit_sentences
from trainsize.runs.metrics import METRICS, Metric

FEW_SIZES, NARROW_RANGE = 5, 8  # sizes, and times the smallest: with less, an answer beyond them is a range


@dataclass(frozen=True)
class Answers:
    """The rows of the tables on the test curve of one model and metric."""

    metric: Metric
    fits: pd.DataFrame
    predictions: pd.DataFrame
    targets: pd.DataFrame
    saturation: pd.DataFrame
    variance: pd.DataFrame
    planning: pd.DataFrame

    @property
    def families(self) -> pd.DataFrame:
        return self.fits[self.fits["n_parameters"].notna()]

    @property
    def chosen(self) -> pd.Series | None:
        """The fit of the chosen family, if there is one."""
        rows = self.fits[self.fits["chosen"].eq(True)]
        return rows.iloc[0] if len(rows) else None

    @property
    def largest(self) -> pd.Series:
        """The row of the largest size in the table of saturation."""
        return self.saturation.iloc[-1]


def answers_of(frames: dict[str, pd.DataFrame], model: str, metric: Metric) -> Answers:
    names = [field.name for field in fields(Answers) if field.name != "metric"]
    own = {name: frames[name][lambda t: (t["model"] == model) & (t["metric"] == metric.name)] for name in names}
    return Answers(metric, **own | {"fits": own["fits"][own["fits"]["split"] == "test"]})


def all_answers(frames: dict[str, pd.DataFrame], metrics: Mapping[str, Metric] = METRICS) -> str:
    """Return the answers of every model and metric, and the comparison of the models, as text.

    `metrics` are the metrics by their names.
    """
    curves = frames["fits"].loc[frames["fits"]["split"] == "test", ["model", "metric"]].drop_duplicates()
    parts = [
        _listed(f"{model}: {metrics[name].words}", sentences(frames, model, name, metrics))
        for model, name in curves.itertuples(index=False)
    ]
    compared = comparison_sentences(frames, metrics)
    if compared:
        parts.append(_listed("The models compared, at the largest size they share", compared))
    return "\n\n".join(parts) + "\n"


def _listed(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"- {line}" for line in lines)])


def sentences(
    frames: dict[str, pd.DataFrame], model: str, name: str, metrics: Mapping[str, Metric] = METRICS
) -> list[str]:
    """Return the answers about one model and metric, a sentence or two for each question."""
    answers = answers_of(frames, model, metrics[name])
    lines = [_question(answers), *limit_sentences(frames, model, metrics[name])]
    if answers.chosen is None:
        lines += [_no_curve(answers), _why_left_out(answers), _spread(answers)]
    else:
        targets = _targets(answers, budget_limits(frames, model, metrics[name]))
        lines += [_choice(answers), _at_largest(answers), *targets, _saturation(answers), _shape(answers)]
        lines += [_spread(answers), _next_runs(answers), _left_out(answers)]
    return [line for line in lines if line]


def short_answers(frames: dict[str, pd.DataFrame], model: str, name: str) -> dict[str, str]:
    """Return a sentence each on the next doubling, the first target, saturation, and how certain these are.

    If the training budget limits the largest size, `enough` says that first. Without a curve, it says why there is none
    and the others are empty.
    """
    answers, limited = answers_of(frames, model, METRICS[name]), budget_limits(frames, model, METRICS[name])
    first = limit_sentences(frames, model, METRICS[name])[:1] if limited else []
    if answers.chosen is None:
        return {"doubling": "", "enough": " ".join([*first, _no_curve(answers)]), "saturation": "", "sure": ""}
    return {
        "doubling": f"According to the curve, {_lower(gain)}" if (gain := _gain(answers)) else "",
        "enough": " ".join([*first, *_targets(answers, limited)[:1]]),
        "saturation": _saturation(answers),
        "sure": f"{_capital(answers.chosen['intervals'])}.",
    }


def _question(answers: Answers) -> str:
    """Say what is odd about the repetitions, if anything."""
    question = answers.families["question"].dropna()
    return question.iloc[0] if len(question) else ""


def _no_curve(answers: Answers) -> str:
    statuses = answers.families["status"]
    first, *others = dict.fromkeys(statuses[statuses != "fitted"]) or ["no family fits"]
    more = "; the table of fits gives the reasons for the other families" if others else ""
    return f"No curve: {first}{more}."


def _choice(answers: Answers) -> str:
    """Say what the answers come from and what their intervals rest on; which families fit, and which fits best."""
    fit = answers.chosen
    text = _trend(answers) if fit["method"] == TREND else _family(answers)
    return f"{text} {_capital(fit['intervals'])}."


def _trend(answers: Answers) -> str:
    """Say what the intervals of the damped trend cover, and of which sizes they can say little."""
    text, ends = "Curve: a damped trend, which assumes no family of curves", answers.predictions["low"]
    certain = bool(ends[answers.predictions["chosen"].eq(True)].notna().any())
    if certain:
        text += (
            "; its intervals cover that none is known to be true (95 % intervals of error rates held in 95 to 96 % on "
            "real curves of image classifiers)"
        )
    n = answers.saturation["n"]
    if len(n) < FEW_SIZES or n.max() < NARROW_RANGE * n.min():
        span = f"{plural(len(n), 'size')} over a factor of {n.max() / n.min():.2g}"
        text += f". {span} say little about larger ones: take the answers as {'ranges' if certain else 'guesses'}"
    text += "."
    for row in answers.families[answers.families["chosen_by"].eq(HELD_OUT)].itertuples():
        text += f" Of the families, {row.method} predicts held-out sizes best, to {row.holdout_error:.2g} on average."
    return text


def _family(answers: Answers) -> str:
    """Say which family is chosen, why, whether it fits the means, and which others AICc does not distinguish."""
    fit, families = answers.chosen, answers.families
    text = _reason(fit, families)
    if fit["method"] == "log2":
        text += " This curve has no floor, so larger targets may need far more images than it predicts."
    if fit["p_fit"] < LACK_OF_FIT:
        text += " No family fits the means of the sizes: any statement beyond the measured sizes is a guess."
    alike = list(families[families["distinguishable"].eq(False) & ~(families["p_fit"] < LACK_OF_FIT)]["method"])
    if fit["chosen_by"] != KNOWN_AIC and len(alike) > 1:
        text += f" AICc does not distinguish between {_enumerated(alike)}."
    elif fit["chosen_by"] == HELD_OUT and alike and alike != [fit["method"]]:
        text += f" AICc prefers {alike[0]}."
    return f"{text} The intervals are those of this family as if it were known to be true."


def _reason(fit: pd.Series, families: pd.DataFrame) -> str:
    """Say what decided the choice of the family."""
    if fit["chosen_by"] == ALONE:
        return f"Curve: {fit['method']}, the only family that could be fitted."
    if fit["chosen_by"] != HELD_OUT:
        return f"Curve: {fit['method']}, chosen by {fit['chosen_by']} because there are too few sizes to hold any out."
    error = fit["holdout_error"]
    text = f"Curve: {fit['method']}, which predicted held-out larger sizes with a mean error of {error:.2g}"
    baseline = families.loc[families["method"] == BASELINE, "holdout_error"]
    no_better = ", no better than assuming no further improvement" if (baseline <= error).any() else ""
    return f"{text}{no_better}."


def _at_largest(answers: Answers) -> str:
    """Give the value at the largest size and the gain of doubling it."""
    last, metric = answers.largest, answers.metric
    at_last = answers.predictions.query("chosen and n == @last.n").iloc[0]
    text = f"At {images(last['n'])} images the curve gives {metric.value(at_last['value'])}"
    if np.isfinite(at_last["low"]):
        text += f" ({metric.value(at_last['low'], at_last['high'])})"
    return f"{text}. {_gain(answers)}".rstrip()


def _gain(answers: Answers) -> str:
    """Say what doubling the largest size brings, if that is known."""
    last, metric = answers.largest, answers.metric
    if not np.isfinite(last["gain"]):
        return ""
    text = f"Doubling the images would lower the error by {metric.change(last['gain'])}"
    if np.isfinite(last["gain_low"]):
        text += f" ({metric.change(last['gain_low'], last['gain_high'])})"
    return f"{text}."


def _targets(answers: Answers, budget_limited: bool = False) -> list[str]:
    """Return the images for each target; a target that a curve never reaches is unknown where the budget limits."""
    fits, targets = answers.fits, answers.targets
    if not len(targets):
        return ["No target: the runs of the largest size make no errors."]
    as_good = fits.loc[fits["as_good"].eq(True) & (answers.chosen["method"] != TREND), "method"]
    others = targets[targets["family"].isin(as_good) & ~targets["chosen"]]
    lines = []
    for _, row in targets[targets["chosen"].eq(True)].iterrows():
        also = others[others["target"] == row["target"]]
        unknown = budget_limited and np.isinf([row["estimate"], row["median"]]).any()
        sentence = _unknown_target if unknown else target_sentence
        lines.append(sentence(row, answers.metric) + ("" if unknown else _other_families(also)))
    return lines


def _unknown_target(row: pd.Series, metric: Metric) -> str:
    return f"To reach {metric.value(row['target'])}: unknown, because these networks need more training first."


def _other_families(rows: pd.DataFrame) -> str:
    """Give the sizes by the families that do as well as the chosen one."""
    sizes = ", ".join(f"{row.family} {images(row.estimate)}" for row in rows.itertuples())
    return f" Families that do as well give: {sizes}." if sizes else ""


def target_sentence(row: pd.Series, metric: Metric) -> str:
    """Say how many images a target needs, and how certain that is."""
    origin = "" if row["origin"] == "stated" else f" ({row['origin']})"
    size = row["median"] if not np.isnan(row["median"]) else row["estimate"]
    far = f"{row['reach']:,.0f} times the largest size"
    text = f"about {images(size)} images" if np.isfinite(size) else f"more than {far}"
    if np.isinf(row["low"]):
        text += f", with a probability of {_per_cent(row['p_never'])}"
    elif not np.isnan(row["low"]):
        ends, ends_80 = between(row["low"], row["high"]), between(row["low_80"], row["high_80"])
        text += f" ({100 * row['confidence']:g} % interval: {ends}; 80 % interval: {ends_80})"
        if row["p_never"] > 0:
            text += f"; with a probability of {_per_cent(row['p_never'])}, {far} are not enough"
    return f"To reach {metric.value(row['target'])}{origin}: {text}. {_capital(row['status'])}."


def _saturation(answers: Answers) -> str:
    """Say from which size on more images make no difference."""
    rows = answers.saturation
    margin = answers.metric.change(answers.largest["margin"])
    same = rows[rows["equivalent"].eq(True)]["n"]
    if len(same) > 1:
        first = images(same.iloc[0])
        return f"From {first} images on, every size is within {margin} of the largest (TOST, Holm-corrected)."
    if rows["p_tost"].notna().any():
        return f"No smaller size is shown to be within {margin} of the largest (TOST, Holm-corrected)."
    return ""


def _shape(answers: Answers) -> str:
    rows, fit = answers.saturation, answers.chosen
    worse = rows[rows["p_worse"] < 0.05]["n"]
    bent = rows[rows["p_concave"] < 0.05]["n"]
    parts = []
    if len(worse):
        sizes = _enumerated(map(images, worse))
        parts.append(f"the error is higher at {sizes} images than at the size before (paired t-tests, Holm-corrected)")
    if fit["p_monotone"] < 0.05:
        parts.append(f"the error does not fall at every size (p = {fit['p_monotone']:.2g})")
    if len(bent):
        parts.append(f"the error falls faster beyond {_enumerated(map(images, bent))} images than before")
    if fit["flat"] is True or fit["flat"] == np.True_:
        parts.append(_flat(answers))
    return f"{_capital('; '.join(parts))}." if parts else ""


def _flat(answers: Answers) -> str:
    """Say of a curve whose error does not fall whether it rises or stays."""
    rows, metric = answers.saturation, answers.metric
    paired = -rows["difference"].iloc[0]
    rise = paired if np.isfinite(paired) else rows["change"].sum()
    if rise > 0:
        sizes = f"at {images(rows['n'].iloc[-1])} images it is {metric.change(rise)} higher than at"
        return f"the error does not fall with more images: {sizes} {images(rows['n'].iloc[0])}"
    return "the curve is flat: the error of the largest size is less than 5 % below that of the smallest"


def _spread(answers: Answers) -> str:
    """Say how much runs of the largest size differ, and how many give a certain mean."""
    metric, rows = answers.metric, answers.variance[answers.variance["n"].notna()]
    components = rows[rows["n"] == rows["n"].max()].set_index("component")
    if "runs" not in components.index or not np.isfinite(components.loc["runs", "sd"]):
        return ""
    text = f"The standard deviation between runs of the largest size is {metric.change(components.loc['runs', 'sd'])}"
    if "test set" in components.index:
        test = components.loc["test set"]
        text += f"; that of choosing {images(test['repeats'])} test images is {metric.change(test['sd'])}"
    if "runs, on any test set" in components.index:
        lasting = components.loc["runs, on any test set"]
        amount = metric.change(lasting["sd"]) if lasting["variance"] > 0 else "indistinguishable from 0"
        text += f"; with unlimited test images, that between runs would be {amount}"
    needed = components.loc["runs", "repeats_needed"]
    if np.isfinite(needed):
        margin = metric.change(answers.largest["margin"])
        text += f". The mean of {needed:.0f} runs would be known to within ± {margin}"
    return f"{text}."


def _next_runs(answers: Answers) -> str:
    rows = answers.planning
    if not len(rows):
        return ""
    runs = _enumerated(f"{plural(row.seeds)} with {images(row.n)} images" for row in rows.itertuples())
    purpose = {"target": "the first target", "curve": "the whole curve"}[rows["purpose"].iloc[0]]
    seconds = rows["budget"].iloc[0]
    time = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
    width = rows["width"].iloc[0]
    return f"Best use of another {time} for {purpose}: {runs}. The interval would then be {width:.2f} times as wide."


def _left_out(answers: Answers) -> str:
    left_out = answers.fits["runs_left_out"].iloc[0]
    return f"Runs left out: {left_out}." if left_out else ""


def _why_left_out(answers: Answers) -> str:
    """Say which runs were left out where that left no curve, and what a run needs to count."""
    left_out, metric = _left_out(answers), answers.metric
    if not left_out:
        return ""
    possible = "from 0 to 1, not in per cent" if metric.is_share else "of at least 0"
    return f"{left_out} A run counts if its status is 'finished' and its {metric.words} is a number {possible}."


def comparison_sentences(frames: dict[str, pd.DataFrame], metrics: Mapping[str, Metric] = METRICS) -> list[str]:
    """Return how every two models differ at the largest size they share."""
    pairs = frames["comparisons"].groupby(["metric", "model_a", "model_b"], sort=False)
    return [
        _comparison(rows.loc[rows["n"].idxmax()], metrics[name], budget_limits(frames, b, metrics[name]))
        for (name, _, b), rows in pairs
    ]


def _comparison(row: pd.Series, metric: Metric, budget_limited: bool) -> str:
    a, b = row["model_a"], row["model_b"]
    better, worse, sign = (b, a, 1) if row["difference"] >= 0 else (a, b, -1)
    text = f"{metric.words}: {better} has {metric.change(abs(row['difference']))} less error than {worse}"
    if np.isfinite(row["low"]):
        text += f" ({metric.change(*sorted((sign * row['low'], sign * row['high'])))})"
    if np.isfinite(row["p_holm"]):
        text += f", p = {row['p_holm']:.2g} (paired t-test, Holm-corrected)"
    if np.isfinite(row["ratio"]):
        text += f"; {b} needs {row['ratio']:.2g} times as many images as {a} for the same error"
    elif np.isinf(row["ratio"]) and not budget_limited:
        text += f"; {b} never reaches the error of {a}"
    return f"{text}."


def images(number: float) -> str:
    """Return a number of images to three digits."""
    if not np.isfinite(number):
        return "never"
    digits = max(0, int(np.floor(np.log10(max(number, 1)))) - 2)
    return f"{round(number, -digits):,.0f}"


def between(low: float, high: float) -> str:
    """Return an interval of numbers of images, whose low end may be infinite too."""
    if np.isinf(low):
        return "more than all that was searched"
    return f"{images(low)} to {images(high)}" if np.isfinite(high) else f"{images(low)} or more"


def _per_cent(p: float) -> str:
    """Return a share in whole per cent, so that 0 % is none and 100 % is all."""
    if 0 < p < 0.01:
        return "less than 1 %"
    return "more than 99 %" if 0.99 < p < 1 else f"{100 * p:.0f} %"


def _enumerated(words: Iterable[str]) -> str:
    """Return words joined by commas and "and"."""
    *words, last = words
    return f"{', '.join(words)} and {last}" if words else last


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]
