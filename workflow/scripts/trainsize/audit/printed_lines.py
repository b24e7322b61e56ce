"""Regressions as papers print them: slopes and intercepts of lines in log10 n."""

import numpy as np
import pandas as pd

from trainsize.audit.columns import COLUMNS
from trainsize.common.errors import UserError
from trainsize.sheets.numbers import location

HIGHEST_LEVEL = 1.5  # of a share in the middle of a regression's sizes; a higher one was printed in per cent
LIKELY_SIZE = 1000  # stands for the sizes of a regression that does not state them


def size_words(text: str) -> list[str]:
    return [word.replace(",", "") for word in text.replace(";", " ").split()]


def sizes_of(text: str) -> tuple[int, ...]:
    """Return the sizes in a cell such as "750; 1,500 3000", ascending."""
    return tuple(sorted(map(int, size_words(text))))


def regressions(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that hold a complete regression.

    `model` is a text, `sizes` what `sizes_of` returns, and `level` the line's value in the middle of the sizes.
    """
    whole = rows.dropna(subset=["metric", "intercept", "slope"])
    texts = whole.reindex(columns=["model", "sizes"], fill_value="").fillna("")
    sizes = texts["sizes"].map(sizes_of)
    middle = [np.log10(of_fit or LIKELY_SIZE).mean() for of_fit in sizes]
    return whole.assign(model=texts["model"], sizes=sizes, level=whole["intercept"] + whole["slope"] * middle)


def check_regressions(rows: pd.DataFrame, name: str) -> None:
    """Raise UserError for two regressions with the same metric, model and sizes, by which they are matched."""
    fits = regressions(rows)
    for line in fits.index[fits.duplicated(["model", "metric", "sizes"])]:
        raise UserError(
            f"{location(name, line, 'metric')}: a second regression of {fits['metric'][line]} over the same sizes; "
            "distinguish them by the column model or sizes"
        )


def as_fractions(rows: pd.DataFrame, half: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows and half units with the regressions of shares in per cent converted to fractions."""
    fits = regressions(rows)
    shares = np.array([COLUMNS[metric].kind == "share" for metric in fits["metric"]], dtype=bool)
    percent = fits.index[shares & (fits["level"] > HIGHEST_LEVEL)]
    rows, half = rows.copy(), half.copy()
    for column in {"intercept", "slope", "slope_se"} & set(rows):
        rows.loc[percent, column] /= 100
        half.loc[percent, column] /= 100
    if "log_likelihood" in rows:
        rows.loc[percent, "log_likelihood"] += fits["sizes"][percent].map(len) * np.log(100)
    return rows, half
