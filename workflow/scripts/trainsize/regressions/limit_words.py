"""What limits a model's sizes, in words, from the table of limits."""

from itertools import groupby

import pandas as pd

from trainsize.regressions import limits
from trainsize.runs.metrics import SCORE, Metric


def limit_sentences(frames: dict[str, pd.DataFrame], model: str, metric: Metric) -> list[str]:
    """Return what limits the largest size, what shows that, and what limits the others; nothing without histories."""
    rows = _rows(frames, model, metric)
    if not len(rows):
        return []
    last = rows.iloc[-1]
    lines = [_limit(last, metric), _check(last), _over_training(last, metric), _by_size(rows)]
    return [line for line in lines if line]


def budget_limits(frames: dict[str, pd.DataFrame], model: str, metric: Metric) -> bool:
    """Whether the training budget limits the largest size, alone or together with the images."""
    verdicts = _rows(frames, model, metric)["verdict"]
    return bool(verdicts.tail(1).isin((limits.BUDGET, limits.BOTH)).any())


def _rows(frames: dict[str, pd.DataFrame], model: str, metric: Metric) -> pd.DataFrame:
    rows = frames["limits"]
    return rows[(rows["model"] == model) & (rows["metric"] == metric.name)]


def _limit(row: pd.Series, metric: Metric) -> str:
    scores = f"with {row['updates']:,.0f} updates, {_scores(row, metric)}"
    match row["verdict"]:
        case limits.BUDGET | limits.BOTH:
            return _budget(row, metric, scores)
        case limits.DATA:
            return f"The images limit these networks: {scores}. More of them help more than longer training."
        case limits.NOISE:
            noise = metric.change(row["noise"])
            return f"Neither more images nor longer training lowers the error beyond its noise of {noise}: {scores}."
        case _:
            return f"What limits these networks is unknown: {row['why']}."


def _budget(row: pd.Series, metric: Metric, scores: str) -> str:
    alone = row["verdict"] == limits.BUDGET
    if shown := _improvement(row, metric):
        advice = "Train longer before collecting more images" if alone else "Train longer, and collect more images"
        return f"These networks were not trained to the end: {scores}; {shown}. {advice}."
    advice = f"Train longer or use a larger network {'before' if alone else 'as well as'} collecting more images"
    return f"These networks do not fit their training images: {scores}. {advice}."


def _improvement(row: pd.Series, metric: Metric) -> str:
    """Say how more updates improve the networks, if the runs show it."""
    match row["why"].partition(";")[0]:
        case limits.HELPED:
            return f"with {row['check_updates']:,.0f} updates the test error is lower"
        case limits.AT_CEILING:
            return f"{_per_cent(row['at_ceiling'])} of the runs were still improving at the ceiling"
        case limits.IMPROVING:
            saved = f"{metric.change(row['gain'])} ({metric.change(row['gain_low'], row['gain_high'])})"
            return f"the test error still falls by {saved} per doubling of the updates"
    return ""


def _scores(row: pd.Series, metric: Metric) -> str:
    """Give the metric on the training and on the test images."""
    train, test = (1 - row[name] if metric.kind == SCORE else row[name] for name in ("train_error", "error"))
    values = f"{metric.value(train)} on the training images and {metric.value(test)} on the test images"
    return f"the {metric.words} is {values}"


def _check(row: pd.Series) -> str:
    """Say which share of the remaining error a multiple of the budget saves, if that was measured."""
    if pd.isna(row["check"]):
        return ""
    interval = f" ({_per_cent(row['check_low'], row['check_high'])})" if pd.notna(row["check_low"]) else ""
    updates = f"{row['check_updates']:,.0f} instead of {row['updates']:,.0f} updates save it"
    return f"The budget's share of the remaining error is {_per_cent(row['check'])}{interval}: {updates}."


def _over_training(row: pd.Series, metric: Metric) -> str:
    """Say that the error rises at the end of the training, where no run ended by itself."""
    if not (row["gain_high"] < 0 and row["at_ceiling"] == 1):
        return ""
    better = f"{metric.change(row['over_training'])} better than the last, on the same test images"
    best = f"the best checkpoint, after {_per_cent(row['best_at'])} of the updates on average, is {better}"
    return f"Over-training: the error rises at the end of the training; {best}. Early stopping would help."


def _by_size(rows: pd.DataFrame) -> str:
    """List what limits each size, if that differs."""
    if rows["verdict"].nunique() < 2:
        return ""
    groups = groupby(zip(rows["verdict"], rows["n"], strict=True), key=lambda pair: pair[0])
    parts = [f"{verdict or 'unknown'} at {', '.join(f'{n:,.0f}' for _, n in group)}" for verdict, group in groups]
    return f"What limits each size: {'; '.join(parts)} images."


def _per_cent(*shares: float) -> str:
    return f"{' to '.join(f'{100 * share:.0f}' for share in shares)} %"
