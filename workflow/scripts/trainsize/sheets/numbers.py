"""Numbers as papers print them: grouped digits, missing values, and how precise they are."""

import math
import re

import pandas as pd

from trainsize.common.arguments import LARGEST_COUNT
from trainsize.common.errors import UserError

FINEST = 5e-16  # smallest half unit; double precision cannot hold finer shares
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,6})?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
MISSING = {"", "-", "–", "—", "na", "n/a", "nan", "none", "null"}
_TRUE, _FALSE = {"yes", "true", "1"}, {"no", "false", "0", ""}


def words_of(texts: pd.Series, kind: str, name: str) -> pd.Series:
    plain = texts.str.strip()
    if kind == "text":
        return plain.where(~plain.str.lower().isin(MISSING))
    lower = plain.str.lower()
    for row, word in plain[~lower.isin(_TRUE | _FALSE)].items():
        raise UserError(f"{location(name, row, texts.name)}: '{word}'; allowed: yes, no")
    return lower.isin(_TRUE)


def numbers_of(texts: pd.Series, kind: str, name: str) -> tuple[pd.Series, pd.Series, bool]:
    """Return the numbers, half units of their last digits, and whether they were printed in per cent.

    `kind` is count, number, positive, share (0 to 1, or per cent) or loss. Raises UserError, naming the line, for a
    cell that is not one or that can be read in two ways.
    """
    cells = [_cell(text, location(name, line, texts.name)) for line, text in texts.items()]
    cells = pd.DataFrame(cells, index=texts.index, columns=["value", "decimals", "sign"])
    percent = bool(kind == "share" and (cells["sign"].any() or cells["value"].max() > 1))
    scale = 100 if percent else 1
    for (line, text), (value, decimals, sign) in zip(texts.items(), cells.to_numpy(), strict=True):
        wrong = _wrong(value / scale, kind) or _doubtful(value, decimals, sign, kind, texts.name, percent)
        if wrong and not math.isnan(value):
            raise UserError(f"{location(name, line, texts.name)}: '{text}' {wrong}")
    value = (cells["value"] / scale).round(15) if percent else cells["value"]  # 0.901 for 90.1 %
    return value, 0.5 * 10.0 ** -cells["decimals"] / scale, percent


def _cell(text: str, where: str) -> tuple[float, float, bool]:
    """Return value, decimals, and whether it has a per cent sign; nan for missing values."""
    plain = text.strip()
    if plain.lower() in MISSING:
        return math.nan, math.nan, False
    sign = plain.endswith("%")
    plain = plain.removesuffix("%").strip()
    if _GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    if not NUMBER.fullmatch(plain):
        comma = "; write decimals with a point" if "," in plain else ""
        raise UserError(f"{where}: '{text}' is not a number{comma}")
    if math.isinf(float(plain)):
        raise UserError(f"{where}: '{text}' is too large")
    mantissa, _, exponent = plain.lower().partition("e")
    return float(plain), len(mantissa.partition(".")[2]) - int(exponent or 0), sign


def _wrong(value: float, kind: str) -> str:
    """Return what is wrong with a number of this kind, or nothing."""
    if kind == "count" and (not 1 <= value <= LARGEST_COUNT or value != round(value)):
        return f"is not a whole number from 1 to {LARGEST_COUNT:,}"
    if kind == "positive" and value <= 0:
        return "is not above 0"
    if kind == "share" and not 0 <= value <= 1:
        return "is neither a share (0 to 1) nor a percentage (0 to 100)"
    return "is below 0, which a cross-entropy cannot be" if kind == "loss" and value < 0 else ""


def _doubtful(value: float, decimals: float, sign: bool, kind: str, column: str, percent: bool) -> str:
    """Return why a printed value is ambiguous, or nothing."""
    if sign and kind != "share" and column != "percent":
        return "has a per cent sign, which only accuracies, F1 and the column percent can have"
    if kind == "count" and decimals > 1:
        return "has decimals; group thousands with commas, in quotes, or not at all"
    if percent and not sign and 0 < value <= 1:
        return f"is in a column of per cents; write {100 * value:g}%, or {value:g}% if you mean that"
    return ""


def location(name: str, line: int, column: str) -> str:
    return f"{name}, line {line}, column {column}"
