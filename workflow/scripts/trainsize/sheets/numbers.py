"""Numbers as papers print them: grouped digits, missing values, and how precise they are."""

import math
import re

import pandas as pd

from trainsize.common.arguments import LARGEST_COUNT
from trainsize.common.errors import UserError, listing

FINEST = 5e-16  # smallest half unit; double precision cannot hold finer shares
ALONE = "write the number alone, or nothing"
MOST_NAMED = 5  # lines in a message
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,6})?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
MISSING = {"", "-", "--", "---", "–", "—", "na", "n/a", "nan", "none", "null"}
_TRUE, _FALSE = {"yes", "true", "1"}, {"no", "false", "0", ""}


def words_of(texts: pd.Series, kind: str, name: str, header: str = "") -> pd.Series:
    plain = texts.str.strip()
    if kind == "text":
        return plain.where(~plain.str.lower().isin(MISSING))
    lower = plain.str.lower()
    for row, word in plain[~lower.isin(_TRUE | _FALSE)].items():
        raise UserError(f"{location(name, row, header or texts.name)}: '{word}'; allowed: yes, no")
    return lower.isin(_TRUE)


def numbers_of(texts: pd.Series, kind: str, name: str, header: str = "") -> tuple[pd.Series, pd.Series, bool]:
    """Return the numbers, half units of their last digits, and whether they were printed in per cent.

    `kind` is count, number, positive, share (0 to 1, or per cent) or loss; `header` is the column's in the file, if it
    is another than its name. Raises UserError, naming the lines, for cells that are none or that can be read in two
    ways.
    """
    header = header or str(texts.name)
    _refuse_words(texts, name, header)
    cells = [_cell(text, location(name, line, header)) for line, text in texts.items()]
    cells = pd.DataFrame(cells, index=texts.index, columns=["value", "decimals", "sign"])
    percent = bool(kind == "share" and (cells["sign"].any() or cells["value"].max() > 1))
    if percent:
        _refuse_few_per_cents(texts, cells, name, header)
    scale = 100 if percent else 1
    for (line, text), (value, decimals, sign) in zip(texts.items(), cells.to_numpy(), strict=True):
        wrong = _wrong(value / scale, kind) or _doubtful(value, decimals, sign, kind, texts.name, percent)
        if wrong and not math.isnan(value):
            raise UserError(f"{location(name, line, header)}: '{text}' {wrong}")
    value = (cells["value"] / scale).round(15) if percent else cells["value"]  # 0.901 for 90.1 %
    return value, 0.5 * 10.0 ** -cells["decimals"] / scale, percent


def is_number(text: str) -> bool:
    """Whether a cell is a number as papers print it, a per cent, or one of the signs for a missing value."""
    plain = text.strip().removesuffix("%").strip()
    return text.strip().lower() in MISSING or bool(NUMBER.fullmatch(plain) or _GROUPED.fullmatch(plain))


def not_numbers(wrong: pd.Series, header: str, what: str = "line") -> str:
    """Return the message for cells that are not numbers: in which lines (or rows) they are, and what they hold."""
    found = listing((f"'{text}' ({what} {line})" for line, text in wrong.items()), MOST_NAMED)
    are = "is not a number" if len(wrong) == 1 else "are not numbers"
    commas = wrong.astype(str).str.contains(r"\d,\d").any()
    return f"column {header}: {found} {are}; {'write decimals with a point' if commas else ALONE}"


def _refuse_words(texts: pd.Series, name: str, header: str) -> None:
    """Raise UserError for several cells that are not numbers."""
    wrong = texts[~texts.map(is_number)]
    if len(wrong) > 1:
        raise UserError(f"{name}: {not_numbers(wrong, header)}")


def _refuse_few_per_cents(texts: pd.Series, cells: pd.DataFrame, name: str, header: str) -> None:
    """Raise UserError for a few cells in per cent among more fractions, of which `_doubtful` would blame the first."""
    whole = cells["sign"].astype(bool) | (cells["value"] > 1)
    fractions = texts[~whole & (cells["value"] > 0)]
    if len(fractions) <= whole.sum():
        return
    odd = cells[whole].iloc[0]
    place, share = f"{location(name, texts.index[whole][0], header)}: '{texts[whole].iloc[0]}'", odd["value"] / 100
    if wrong := _wrong(share, "share"):
        raise UserError(f"{place} {wrong}")
    fix = f"write {share:.15g}" if odd["sign"] else f"correct it, or write {share:.15g} if it is in per cent"
    raise UserError(
        f"{place} is above 1 or in per cent, but others are fractions ('{fractions.iloc[0]}' in line "
        f"{fractions.index[0]}); {fix}"
    )


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
        advice = "write decimals with a point" if "," in plain else ALONE
        raise UserError(f"{where}: '{text}' is not a number; {advice}")
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
