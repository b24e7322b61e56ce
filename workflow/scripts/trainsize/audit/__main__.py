"""Audit tables of printed results.

python -m trainsize.audit TABLE.csv ... [--n-test N] [--batch-size B] [--classes K] [--dataset NAME]
python -m trainsize.audit --published STUDY
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from functools import partial
from itertools import groupby
from pathlib import Path

from trainsize.audit.columns import is_known
from trainsize.audit.facts import Facts, facts_of
from trainsize.audit.findings import CLEAR, FINDING, QUESTION, STATUSES, UNTESTED, Finding
from trainsize.audit.sheet import Sheet, read_sheet, sheet_of_texts
from trainsize.audit.stage import ALPHA, as_frame, audit
from trainsize.common.arguments import whole_number
from trainsize.common.errors import UserError
from trainsize.published.printed import PrintedTable, description, read_texts, tables

HEADINGS = {
    FINDING: "Findings",
    QUESTION: "Questions",
    CLEAR: "Tested, nothing found",
    UNTESTED: "Not tested",
}


def describe(findings: Sequence[Finding], alpha: float, ignored: Sequence[str] = ()) -> str:
    """Return findings as a person reads them."""
    counts = {status: sum(finding.status == status for finding in findings) for status in STATUSES}
    lines = [
        f"Findings: {counts[FINDING]}; questions: {counts[QUESTION]}; tested and clear: {counts[CLEAR]}. All tests "
        f"together raise a false alarm with a probability of at most {alpha:g}."
    ]
    for status in STATUSES:
        of_status = [finding for finding in findings if finding.status == status]
        lines += ["", HEADINGS[status]] if of_status else []
        if status in (FINDING, QUESTION):
            lines += [line for check in dict.fromkeys(f.check for f in of_status) for line in _told(check, of_status)]
        else:
            lines += [f"  {finding.check}{_place(finding)}: {_short(finding)}" for finding in of_status]
    lines += ["", f"Columns that no check reads: {', '.join(ignored)}"] if ignored else []
    return "\n".join(lines)


def _told(check: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what was tested, then each thing found with its meaning, a meaning shared by neighbours once."""
    findings = [finding for finding in findings if finding.check == check]
    yield f"  {check}: {findings[0].tested}"
    for meaning, group in groupby(findings, key=lambda finding: finding.meaning):
        for finding in group:
            p = f" (p {finding.p:.2g}, corrected {finding.p_adjusted:.2g})" if finding.p is not None else ""
            yield f"    {_place(finding).strip()}: {finding.statistic}{p}"
        yield f"      → {meaning}"


def _place(finding: Finding) -> str:
    return f" [{', '.join(filter(None, (finding.table, finding.subject)))}]" if finding.table or finding.subject else ""


def _short(finding: Finding) -> str:
    return f"{finding.meaning} ({finding.statistic})" if finding.statistic else finding.meaning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 when nothing was found, 1 with findings, 2 when the input cannot be understood."""
    options = _parser().parse_args(arguments)
    try:
        material = _material(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    findings = audit(material, options.alpha)
    _print(_shown(material, findings, options))
    return int(any(finding.status == FINDING for finding in findings))


def _shown(material: Sequence[tuple[Sheet, Facts]], findings: Sequence[Finding], options: argparse.Namespace) -> str:
    """Return the findings in the format asked for."""
    if options.format == "json":
        return json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False)
    if options.format == "tsv":
        return as_frame(findings).to_csv(sep="\t", index=False).removesuffix("\n")
    ignored = [f"{sheet.name}: {column}" for sheet, _ in material for column in sheet.ignored]
    if ignored and not any(sheet.scores("share", "loss") for sheet, _ in material):
        ignored[-1] += " (and no column is read as a score; docs/audit.md lists their names)"
    return describe(findings, options.alpha, ignored) if material else "This study has no table to audit."


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader, such as `head`, has had enough; what is left is not to be written either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _material(options: argparse.Namespace) -> list[tuple[Sheet, Facts]]:
    if bool(options.tables) == bool(options.published):
        raise UserError("name either tables to audit or a published study (--published); see --help")
    facts = {field.name: getattr(options, field.name) for field in fields(Facts)}
    if options.published:
        given = [f"--{name.replace('_', '-')}" for name, value in facts.items() if value is not None]
        if given:
            raise UserError(f"--published knows the facts of its study; leave out {', '.join(given)}")
        return sheets(options.published)
    facts = facts_of(**facts)
    return [(read_sheet(table), facts) for table in options.tables]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainsize.audit",
        description="Look for signs of known mistakes in a table of printed numbers.",
        epilog="Exit status: 0 nothing found, 1 findings, 2 bad input. docs/audit.md explains everything.",
    )
    parser.add_argument("tables", nargs="*", type=Path, metavar="TABLE.csv", help="tables of one study")
    parser.add_argument("--published", metavar="STUDY", help="the tables of a study in published/")
    parser.add_argument("--dataset", metavar="NAME", help="data set, which gives the next three if trainsize knows it")
    parser.add_argument("--n-test", type=whole_number, metavar="N", help="images in the test set")
    parser.add_argument("--n-train", type=whole_number, metavar="N", help="images in the whole training set")
    parser.add_argument("--classes", type=partial(whole_number, least=2), metavar="K", help="classes of the data set")
    parser.add_argument("--n-validation", type=whole_number, metavar="N", help="validation images")
    parser.add_argument(
        "--batch-size", type=whole_number, metavar="B", help="images in a batch of training or evaluation"
    )
    parser.add_argument("--dropout", type=_rate, metavar="RATE", help="rate of the dropout (default 0.5)")
    parser.add_argument(
        "--alpha", type=_rate, default=ALPHA, metavar="RATE", help=f"false-alarm rate of all tests (default {ALPHA})"
    )
    parser.add_argument("--format", choices=("text", "json", "tsv"), default="text", help="how findings are printed")
    return parser


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 0 and 1")
    return rate


if __name__ == "__main__":
    sys.exit(main())


def sheets(study: str) -> list[tuple[Sheet, Facts]]:
    """Return the tables of a study that are audited, with what is known of them."""
    facts = description(study).get("facts", {})
    return [(_sheet(table), facts_of(**{**facts, **table.facts})) for table in tables(study) if table.audited]


def _sheet(table: PrintedTable) -> Sheet:
    texts = read_texts(table)
    return sheet_of_texts(texts[[column for column in texts if is_known(column)]], f"{table.name}.csv")
