"""The check of labels: wrong numbers of classes, and lost rows."""

from collections.abc import Iterator

from trainsize.audit.facts import Facts, card_of
from trainsize.audit.findings import CLEAR, FINDING, QUESTION, Finding, untested
from trainsize.audit.sheet import Sheet
from trainsize.common.errors import did_you_mean
from trainsize.datasets.catalogue import DATASETS

LABELS = "labels"


def check_labels(sheet: Sheet, facts: Facts) -> Iterator[Finding]:
    """Compare the numbers of classes and rows with those of the data set."""
    tested = "whether the numbers of classes and rows are those of the data set"
    if not (sheet.has("classes") or sheet.has("rows")):
        yield untested(LABELS, tested, "no column classes or rows")
        return
    labels = sheet.rows.reindex(columns=["dataset", "classes", "rows"]).drop_duplicates()
    for row in labels.dropna(subset=["classes", "rows"], how="all").itertuples():
        yield from _labels_of(row, facts, tested)


def _labels_of(row: tuple, facts: Facts, tested: str) -> Iterator[Finding]:
    """Judge a row's numbers of classes and rows; a data set named in the row overrides the facts."""
    own = card_of(row.dataset) if isinstance(row.dataset, str) else None
    dataset = row.dataset if isinstance(row.dataset, str) else facts.dataset
    expected = len(own.classes) if own else facts.classes
    subject = dataset or f"row {row.Index + 1}"
    if row.classes == row.classes:
        yield _classes_finding(subject, tested, int(row.classes), expected)
    if row.rows == row.rows:
        yield _rows_finding(subject, tested, int(row.rows), dataset)


def _classes_finding(subject: str, tested: str, classes: int, expected: int | None) -> Finding:
    if classes == 1 or (expected and classes != expected):
        statistic = f"{classes} classes found, {expected or 'more than one'} expected"
        meaning = "these are not the labels of that data set: check whether labels were scaled, cut or misread"
        return Finding(LABELS, subject, FINDING, tested, statistic, meaning)
    if expected:
        return Finding(LABELS, subject, CLEAR, tested, f"{classes} classes", "as expected")
    return untested(LABELS, tested, "the expected number of classes is unknown (--classes or --dataset)", subject)


def _rows_finding(subject: str, tested: str, rows: int, dataset: str | None) -> Finding:
    cards = [card_of(dataset)] if dataset else [*DATASETS.values()]
    if None in cards:
        unknown = f"unknown data set '{dataset}'{did_you_mean(dataset.lower(), DATASETS)}"
        return untested(LABELS, tested, unknown, subject)
    counts = [(card, count) for card in cards for count in (card.n_train, card.n_test, card.n_train + card.n_test)]
    short = [f"{card.name} ({count:,})" for card, count in counts if rows == count - 1]
    statistic = f"{rows:,} rows"
    if short:
        status = FINDING if dataset else QUESTION
        statistic += f", one fewer than {' or '.join(short[:3])}"
        return Finding(LABELS, subject, status, tested, statistic, "the first row was read as a header and lost")
    return Finding(LABELS, subject, CLEAR, tested, statistic, "no known data set has exactly one row more")
