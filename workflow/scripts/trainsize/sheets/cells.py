"""Numbers as people type them: decimal commas, grouped thousands, k and M, fractions of the data set."""

import re
from collections.abc import Iterable
from decimal import Decimal

import pandas as pd

from trainsize.common.errors import UserError, listing, plural
from trainsize.sheets.numbers import MISSING, MOST_NAMED, NUMBER, location

_NUMERIC = re.compile(r"[+-]?[\d.,]*\d(?:e[+-]?\d+)? ?%?(?: ?[(±+\-/][\d.,±+\-/%() ]*)?", re.IGNORECASE)
_COMMA, _POINT = re.compile(r"\d,\d"), re.compile(r"\d\.\d|(?<!\d)\.\d")
_GROUPED = {sign: re.compile(rf"\d{{1,3}}({sign}\d{{3}})+") for sign in (",", r"\.", "[ '’_]")}
_SHORT = re.compile(r"(\d+(?:\.\d+)?) ?([kKM])")
_UNITS = {"k": 1000, "K": 1000, "M": 1_000_000}


def has_decimal_commas(frame: pd.DataFrame, scores: Iterable[str], separator: str, name: str) -> bool:
    """Whether the numbers of a table of texts have decimal commas. Raises UserError where that is not certain.

    Between semicolons or tabs, a comma between digits is one, unless other numbers have a decimal point. Between commas
    (in quotes) one cell must show it: 0,911 or 91,2 cannot be thousands.
    """
    cells = [
        (line, column, cell) for column in scores for line, cell in frame[column].items() if _NUMERIC.fullmatch(cell)
    ]
    commas = [place for place in cells if _COMMA.search(place[2])]
    if not commas:
        return False
    points = [place for place in cells if _POINT.search(place[2])]
    if points:
        (line, column, comma), (other, other_column, point) = commas[0], points[0]
        raise UserError(
            f"{name}: line {line} has '{comma}' and line {other} has '{point}'; write all decimals with a point, and "
            f"no commas between thousands (column {column} has {plural(len(commas), 'comma')}"
            + (f", {other_column}" if other_column != column else " and")
            + f" {plural(len(points), 'point')})"
        )
    if separator == "," and all(_GROUPED[","].fullmatch(cell) and cell[0] != "0" for _, _, cell in commas):
        found = listing((f"line {line}: '{cell}'" for line, _, cell in commas), MOST_NAMED)
        columns = listing(dict.fromkeys(column for _, column, _ in commas), MOST_NAMED)
        raise UserError(
            f"{name}: {found}: decimals or thousands? Write decimals with a point, and thousands without (column "
            f"{columns})"
        )
    return True


def with_points(cell: str) -> str:
    """Return a cell in which decimal commas are points, if it is a number."""
    return _COMMA.sub(lambda found: found.group().replace(",", "."), cell) if _NUMERIC.fullmatch(cell) else cell


def sizes_of(texts: pd.Series, decimal_commas: bool, n_train: int | None, name: str) -> pd.Series:
    """Return sizes as texts without groups, k or M; fractions become counts of the `n_train` training images.

    Raises UserError for sizes that can be read in two ways, and for fractions of an unknown number.
    """
    cells = [_plain(cell, decimal_commas, location(name, line, texts.name)) for line, cell in texts.items()]
    plain = pd.Series(cells, texts.index, dtype=str, name=texts.name)
    if not _are_fractions(plain):
        return plain
    if n_train is None:
        raise UserError(
            f"{name}: column '{texts.name}' holds parts of the data set ({plain.iloc[0]}); state the number of "
            "training images with --n-train"
        )
    return as_percent(plain, name).map(lambda cell: str(round(Decimal(cell) * n_train / 100)) if cell else cell)


def as_percent(texts: pd.Series, name: str) -> pd.Series:
    """Return parts of a whole (10 %, or 0.1) as numbers in per cent, without the sign. Raises UserError for others."""
    return pd.Series([_percent(cell, location(name, line, texts.name)) for line, cell in texts.items()], texts.index)


def _percent(cell: str, where: str) -> str:
    number, scale = cell.removesuffix("%").strip(), 1 if cell.endswith("%") else 100
    if cell.lower() in MISSING:
        return ""
    if not NUMBER.fullmatch(number) or not 0 < float(number) * scale <= 100:
        raise UserError(f"{where}: '{cell}' is not a part of the data set, such as 0.1 or 10%")
    return f"{(Decimal(number) * scale).normalize():f}"


def _plain(cell: str, decimal_commas: bool, where: str) -> str:
    """Return a size without the signs between its thousands, and with k and M written out."""
    if _GROUPED["[ '’_]"].fullmatch(cell):
        return re.sub(r"\D", "", cell)
    if short := _SHORT.fullmatch(cell.replace(",", ".") if decimal_commas else cell):
        return f"{(Decimal(short[1]) * _UNITS[short[2]]).normalize():f}"
    by_comma, by_point = _GROUPED[","].fullmatch(cell), _GROUPED[r"\."].fullmatch(cell)
    if (by_comma and decimal_commas) or (by_point and not decimal_commas and cell.count(".") == 1 and cell[0] != "0"):
        raise UserError(
            f"{where}: '{cell}': thousands or decimals? Write whole numbers without a sign between thousands"
        )
    if (by_comma or by_point) and cell[0] != "0":
        return re.sub(r"\D", "", cell)
    return with_points(cell) if decimal_commas else cell


def _are_fractions(texts: pd.Series) -> bool:
    """Whether all sizes are parts of a whole: 10 %, or from 0 to 1 and not all whole."""
    filled = texts[texts != ""]
    if len(filled) and filled.str.endswith("%").all():
        return True
    numbers = pd.to_numeric(filled, errors="coerce")
    return bool(numbers.between(0, 1).all() and (numbers % 1 != 0).any())
