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

from trainsize.audit.columns import is_known
from trainsize.audit.facts import Facts, facts_of
from trainsize.audit.findings import CLEAR, FINDING, QUESTION, STATUSES, UNTESTED, Finding
from trainsize.audit.sheet import Sheet, read_sheet, sheet_of_texts
from trainsize.audit.stage import ALPHA, as_frame, audit
from trainsize.common.arguments import whole_number
from trainsize.common.errors import UserError
from trainsize.common.paths import user_path
from trainsize.published.printed import PrintedTable, description, read_texts, tables

HEADINGS = {
    FINDING: "Findings",
    QUESTION: "Questions",
    CLEAR: "Tested, nothing found",
    UNTESTED: "Not tested",
}


def describe(findings: Sequence[Finding], alpha: float, ignored: Sequence[str] = ()) -> str:
    """Return the findings as text."""
    counts = {status: sum(finding.status == status for finding in findings) for status in STATUSES}
    lines = [
        f"Findings: {counts[FINDING]}; questions: {counts[QUESTION]}; tested and clear: {counts[CLEAR]}. The "
        f"probability that all tests together raise a false alarm is at most {alpha:g}."
    ]
    for status in STATUSES:
        of_status = [finding for finding in findings if finding.status == status]
        lines += ["", HEADINGS[status]] if of_status else []
        if status in (FINDING, QUESTION):
            checks = dict.fromkeys(finding.check for finding in of_status)
            lines += [line for check in checks for line in _in_detail(check, of_status)]
        else:
            lines += [f"  {finding.check}{_subject(finding)}: {_in_short(finding)}" for finding in of_status]
    lines += ["", f"Columns that no check reads: {', '.join(ignored)}"] if ignored else []
    return "\n".join(lines)


def _in_detail(check: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what was tested, then each finding with its meaning; neighbours with the same meaning share one line."""
    findings = [finding for finding in findings if finding.check == check]
    yield f"  {check}: {findings[0].tested}"
    for meaning, group in groupby(findings, key=lambda finding: finding.meaning):
        for finding in group:
            p = f" (p {finding.p:.2g}, corrected {finding.p_adjusted:.2g})" if finding.p is not None else ""
            yield f"    {_subject(finding).strip()}: {finding.statistic}{p}"
        yield f"      → {meaning}"


def _subject(finding: Finding) -> str:
    return f" [{', '.join(filter(None, (finding.table, finding.subject)))}]" if finding.table or finding.subject else ""


def _in_short(finding: Finding) -> str:
    return f"{finding.meaning} ({finding.statistic})" if finding.statistic else finding.meaning


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 without findings, 1 with findings, and 2 if the input is invalid."""
    options = _parser().parse_args(arguments)
    try:
        audited = _audited(options)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    findings = audit(audited, options.alpha)
    _print(_formatted(audited, findings, options))
    return int(any(finding.status == FINDING for finding in findings))


def _formatted(audited: Sequence[tuple[Sheet, Facts]], findings: Sequence[Finding], options: argparse.Namespace) -> str:
    """Return the findings in the requested format."""
    if options.format == "json":
        return json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False)
    if options.format == "tsv":
        return as_frame(findings).to_csv(sep="\t", index=False).removesuffix("\n")
    ignored = [f"{sheet.name}: {column}" for sheet, _ in audited for column in sheet.ignored]
    if ignored and not any(sheet.scores("share", "loss") for sheet, _ in audited):
        ignored[-1] += " (and no column is a score; docs/audit.md lists the names of scores)"
    notes = "".join(f"{sheet.name}: {sheet.note}" for sheet, _ in audited if sheet.note)
    described = describe(findings, options.alpha, ignored) if audited else "This study has no table to audit."
    return notes + described


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # the reader, such as `head`, has stopped; discard the rest, also at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _audited(options: argparse.Namespace) -> list[tuple[Sheet, Facts]]:
    if bool(options.tables) == bool(options.published):
        raise UserError("give either tables to audit or a published study (--published STUDY); see --help")
    facts = {field.name: getattr(options, field.name) for field in fields(Facts)}
    if options.published:
        given = [f"--{name.replace('_', '-')}" for name, value in facts.items() if value is not None]
        if given:
            raise UserError(f"a published study has its own facts; leave out {', '.join(given)}")
        return sheets(options.published)
    facts = facts_of(**facts)
    return [(read_sheet(table, facts.n_train), facts) for table in options.tables]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainsize.audit",
        description="Look for signs of known mistakes in a table of printed numbers.",
        epilog="Exit status: 0 no findings, 1 findings, 2 invalid input. See docs/audit.md for details.",
    )
    parser.add_argument("tables", nargs="*", type=user_path, metavar="TABLE.csv", help="tables of one study")
    parser.add_argument("--published", metavar="STUDY", help="the tables of a study in published/")
    parser.add_argument("--dataset", metavar="NAME", help="a known data set, which sets the next three options")
    parser.add_argument("--n-test", type=whole_number, metavar="N", help="images in the test set")
    parser.add_argument("--n-train", type=whole_number, metavar="N", help="images in the whole training set")
    parser.add_argument("--classes", type=partial(whole_number, least=2), metavar="K", help="classes of the data set")
    parser.add_argument("--n-validation", type=whole_number, metavar="N", help="validation images")
    parser.add_argument(
        "--batch-size", type=whole_number, metavar="B", help="images in a batch of training or evaluation"
    )
    parser.add_argument("--dropout", type=_rate, metavar="RATE", help="dropout rate (default: 0.5)")
    parser.add_argument(
        "--alpha", type=_rate, default=ALPHA, metavar="RATE", help=f"false-alarm rate of all tests (default: {ALPHA})"
    )
    parser.add_argument("--format", choices=("text", "json", "tsv"), default="text", help="output format")
    return parser


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number between 0 and 1")
    return rate


def sheets(study: str) -> list[tuple[Sheet, Facts]]:
    """Return the audited tables of a published study with their facts."""
    facts = description(study).get("facts", {})
    return [(_sheet(table), facts_of(**{**facts, **table.facts})) for table in tables(study) if table.audited]


def _sheet(table: PrintedTable) -> Sheet:
    texts = read_texts(table)
    return sheet_of_texts(texts[[column for column in texts if is_known(column)]], f"{table.name}.csv")


if __name__ == "__main__":
    sys.exit(main())
