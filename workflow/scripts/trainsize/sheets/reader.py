"""A table of results with the names, the layout and the numbers that the commands expect, whoever wrote it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from trainsize.common.errors import UserError
from trainsize.runs.metrics import metric_of
from trainsize.sheets.cells import as_percent, has_decimal_commas, sizes_of, with_points
from trainsize.sheets.files import Grid, read_grid
from trainsize.sheets.headers import KEYS, MEAN, SPREAD, Heading, heading_of, plain, score_of, with_sign
from trainsize.sheets.layout import melted, wide_of, without_spread
from trainsize.sheets.numbers import location

ROW_NAMES = ("", "Unnamed: 0")  # headers that R and pandas give to the names of rows
_FOLD = re.compile(r"(?:fold|split)?[ _]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Texts:
    """A table of texts with plain numbers; its index are the lines of the file.

    `notes` say what was not read literally. Cells in per cent end with the sign where the header has it. `means`:
    whether a score is a mean over runs. `headers` are those of the file, by the names that columns have here.
    """

    name: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    means: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def note_of(notes: Sequence[str]) -> str:
    """Say in a line what was not read literally; nothing if everything was."""
    return f"Read: {'; '.join(notes)}.\n" if notes else ""


def read_texts(
    path: Path, is_known: Callable[[str], bool], stated: Sequence[str] = (), n_train: int | None = None
) -> Texts:
    """Read a table whose columns are to have names that `is_known` accepts; columns with such names keep them.

    `stated` are scores that the user names; a single one also names the cells of a wide table whose headers do not.
    `n_train` is the number of images that parts of the data set refer to. Raises UserError for a file that cannot be
    read, and for what can be read in two ways.
    """
    grid = read_grid(path)
    frame, notes = _without_row_names(_frame(grid))
    wide = wide_of(frame)
    scores = [c for c in frame if c in stated or _is_score(c) or (wide and c in wide.values)]
    commas = has_decimal_commas(frame, scores, grid.separator, grid.name)
    if commas:
        others = [column for column in frame if _name(column) != "n"]
        frame[others] = frame[others].map(with_points)
        notes.append("commas as decimal points")
    frame, renamed = _renamed(frame, is_known, grid.name)
    frame, widened = _long(frame, is_known, stated, grid.name)
    frame, spread = _without_spread(frame)
    frame, sized = _with_sizes(frame, commas, n_train, grid.name)
    means = any(heading.statistic == MEAN for heading in renamed.values())
    notes += [*_told(renamed), *widened, *spread, *sized]
    headers = {heading.name: column for column, heading in renamed.items()}
    return Texts(grid.name, frame, tuple(notes), means or bool(spread), headers)


def _frame(grid: Grid) -> pd.DataFrame:
    twice = next((column for column in grid.header if grid.header.count(column) > 1), None)
    if twice is not None:
        raise UserError(f"{grid.name}: two columns are called '{twice}'; rename or remove one of them")
    return pd.DataFrame(grid.rows, columns=grid.header, index=grid.lines, dtype=str)


def _without_row_names(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Drop the names of rows, or take them for the sizes if no other column holds those."""
    first = frame.columns[0]
    if first not in ROW_NAMES:
        return frame, []
    named = f"column '{first}'" if first else "the column without a name"
    wide = wide_of(frame)
    if any(_name(column) in ("n", "fraction", "percent") for column in frame) or (wide and wide.key == "n"):
        return frame.iloc[:, 1:].copy(), [f"{named} is ignored"]
    return frame.set_axis(["n", *frame.columns[1:]], axis=1), [f"{named} as n"]


def _name(column: str) -> str:
    """Return the name that a header means; empty if it is not certain."""
    heading = heading_of(column)
    return heading.name if heading else ""


def _is_score(column: str) -> bool:
    return _name(column) not in ("", *KEYS.values())


def _same(name: str) -> str:
    """Return what columns that mean the same have in common: a score without a split is a test score."""
    words = plain(name)
    return KEYS.get(words) or (score_of(words) or name).removeprefix("test_")


def _renamed(
    frame: pd.DataFrame, is_known: Callable[[str], bool], name: str
) -> tuple[pd.DataFrame, dict[str, Heading]]:
    """Give columns the names that their headers mean, unless others have these names literally.

    Returns the headings of the columns that were renamed. Raises UserError for two columns of the same meaning.
    """
    taken = {_same(column) for column in frame if is_known(column)}
    found: dict[str, Heading] = {}
    for column in frame:
        heading = None if is_known(column) else _heading(frame, column)
        if not heading or heading.statistic == SPREAD or _same(heading.name) in taken:
            continue
        if not is_known(heading.name) and heading.name != "fraction":
            continue
        for other, before in found.items():
            if _same(before.name) == _same(heading.name):
                raise UserError(
                    f"{name}: columns '{other}' and '{column}' mean the same ({heading.name}); keep one of them, or "
                    f"rename the right one to '{heading.name}'"
                )
        found[column] = heading
        if heading.percent:
            frame[column] = frame[column].map(with_sign)
        if heading.name == "fold":
            frame[column] = _folds(frame[column], name)
    return frame.rename(columns={column: heading.name for column, heading in found.items()}), found


def _heading(frame: pd.DataFrame, column: str) -> Heading | None:
    """Return the meaning of a column. `Name` is a model if it repeats; W&B gives each run a name of its own."""
    if plain(column) == "name" and frame[column].duplicated().any():
        return Heading("model")
    return heading_of(column)


def _folds(texts: pd.Series, name: str) -> pd.Series:
    """Return numbers of folds. Raises UserError for words, which say what a score was measured on."""
    numbers = texts.str.extract(f"^{_FOLD.pattern}$", flags=_FOLD.flags)[0]
    for line in texts.index[numbers.isna()]:
        raise UserError(
            f"{location(name, line, texts.name)}: '{texts[line]}' is not the number of a fold; if the column says what "
            "a score was measured on, keep the rows of the test set and remove it"
        )
    return numbers


def _told(renamed: dict[str, Heading]) -> list[str]:
    """Say as what columns were read whose headers differ from their names by more than capitals and spaces."""
    return [
        f"'{column}' as {heading.name}{' in per cent' if heading.percent else ''}"
        for column, heading in renamed.items()
        if heading.percent or plain(column) != heading.name
    ]


def _long(
    frame: pd.DataFrame, is_known: Callable[[str], bool], stated: Sequence[str], name: str
) -> tuple[pd.DataFrame, list[str]]:
    """Return a wide table with one row per run."""
    if any(metric_of(column) and is_known(column) for column in frame):
        return frame, []
    wide = wide_of(column for column in frame if not is_known(column))
    if wide is None or wide.key in frame:
        return frame, []
    score, columns = wide.score(stated[0] if len(stated) == 1 else "", name), [*wide.values]
    return melted(frame, wide, score), [f"'{columns[0]}' to '{columns[-1]}' as {score} by {wide.key}"]


def _without_spread(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return scores such as 0.853 ± 0.004 without their spread."""
    notes = []
    for column in frame:
        if metric_of(column) or _is_score(column):
            frame[column], any_spread = without_spread(frame[column])
            notes += [f"means of '{column}', without their ±"] if any_spread else []
    return frame, notes


def _with_sizes(frame: pd.DataFrame, commas: bool, n_train: int | None, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the table with sizes as plain numbers, and fractions of the data set in per cent."""
    notes = []
    if "fraction" in frame and "percent" not in frame:
        frame = frame.assign(fraction=as_percent(frame["fraction"], name)).rename(columns={"fraction": "percent"})
    for column in [column for column in frame if _name(column) == "n"]:
        sizes = sizes_of(frame[column], commas, n_train, name)
        changed = (sizes != frame[column]).to_numpy().nonzero()[0]
        if len(changed):
            notes.append(f"{column} {frame[column].iloc[changed[0]]} as {sizes.iloc[changed[0]]}")
            frame = frame.assign(**{column: sizes})
    return frame, notes
