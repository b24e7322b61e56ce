"""Tables in other layouts as one row per run: a column per seed or size, and means with their spread in one cell."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from trainsize.common.errors import UserError, listing
from trainsize.sheets.headers import KEYS, in_per_cent, plain, score_of, with_sign

_OF_ONE = re.compile(
    r"(?:(?P<score>.+)_)?(?P<key>n|seed|run|trial|repeat|repetition|replicate|rep|fold|split)_?(?P<value>\d+)"
)
_OF_SIZE = re.compile(r"(\d+)(?:_(?:training_)?images)?")
_WITH_SPREAD = re.compile(
    r"([+-]?[\d.,]+(?:e[+-]?\d+)? ?%?) ?(?:(?:±|\+/?-) ?[\d.,]+ ?%?|\( ?(?:±|\+/?-)? ?[\d.,]+ ?%? ?\)) ?%?"
)
FEWEST = 2  # columns that make a table wide


@dataclass(frozen=True)
class Wide:
    """The columns of a wide table: by header, the value of `key` (n, seed or fold) and the score that it names."""

    key: str
    values: dict[str, str]
    scores: dict[str, str]

    def score(self, stated: str, name: str) -> str:
        """Return the score in all columns: that of their headers, or else the one `stated`. Raises UserError."""
        named = {score_of(score) if score else stated for score in self.scores.values()}
        if len(named) == 1 and all(named):
            return named.pop()
        first = f"accuracy {'n=' if self.key == 'n' else ''}{next(iter(self.values))}"
        raise UserError(
            f"{name}: which score is in the columns {listing(self.values, 4)}? Begin their headers with it, such as "
            f"'{first}' (or state it with --metric, where the command has that option)"
        )


def wide_of(columns: Iterable[str]) -> Wide | None:
    """Return the columns that hold one seed, fold or size each, such as "seed 1", "acc run2", "100"; None without."""
    parts = {column: part for column in columns if (part := _part(plain(column)))}
    for key in ("seed", "fold", "n"):
        own = {column: part for column, part in parts.items() if part[0] == key}
        if len(own) >= FEWEST:
            values, scores = ({column: part[i] for column, part in own.items()} for i in (1, 2))
            return Wide(key, values, scores)
    return None


def _part(words: str) -> tuple[str, str, str] | None:
    """Return key, value and score of a plain header of a wide table's column."""
    if size := _OF_SIZE.fullmatch(words):
        return "n", size[1], ""
    match = _OF_ONE.fullmatch(words)
    return (KEYS[match["key"]], match["value"], match["score"] or "") if match else None


def melted(frame: pd.DataFrame, wide: Wide, score: str) -> pd.DataFrame:
    """Return a wide table with one row per cell of its columns, without empty ones; lines are kept as index."""
    others = [column for column in frame if column not in wide.values]
    cells = {column: frame[column].map(with_sign) for column in wide.values if in_per_cent(column)}
    long = frame.assign(**cells).melt(others, list(wide.values), wide.key, score, ignore_index=False)
    long[wide.key] = long[wide.key].map(wide.values)
    return long[long[score] != ""]


def without_spread(texts: pd.Series) -> tuple[pd.Series, bool]:
    """Return cells such as "0.853 ± 0.004" or "85.3 (0.4)" as their means, and whether there were any."""
    parts = texts.str.extract(_WITH_SPREAD.pattern.join(("^", "$")), expand=True)[0]
    percent = texts.str.endswith("%") & ~parts.fillna("").str.endswith("%")
    return parts.str.strip().where(~percent, parts.str.strip() + "%").fillna(texts), bool(parts.notna().any())
