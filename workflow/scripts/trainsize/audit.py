"""The auditor: what a table of printed numbers shows of the mistakes that made them.

python -m trainsize.audit TABLE.csv ... [--n-test N] [--batch-size B] [--classes K] [--dataset NAME]
python -m trainsize.audit --published STUDY
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import pandas as pd

from trainsize.arguments import whole_number
from trainsize.audit_design import (
    check_f1_of_regressions,
    check_labels,
    check_options,
    check_outlier,
    check_range,
    check_row_dropout_of_regressions,
    check_training,
)
from trainsize.audit_findings import CLEAR, FINDING, QUESTION, STATUSES, UNTESTED, Finding, judged, summed_up
from trainsize.audit_grid import check_grid
from trainsize.audit_input import SPLITS, Facts, Sheet, facts_of, read_sheet, sheet_of_numbers
from trainsize.audit_scores import check_best_of_many, check_f1, check_floor, check_folds, check_row_dropout
from trainsize.errors import UserError
from trainsize.tables import FINDINGS, read_table, write_table

ALPHA = 0.01
CHECKS = (
    check_grid,
    check_f1,
    check_f1_of_regressions,
    check_floor,
    check_row_dropout,
    check_row_dropout_of_regressions,
    check_folds,
    check_best_of_many,
    check_training,
    check_options,
    check_range,
    check_outlier,
    check_labels,
)
HEADINGS = {
    FINDING: "Findings",
    QUESTION: "Questions",
    CLEAR: "Tested, nothing found",
    UNTESTED: "Not tested",
}


def audit(material: Iterable[tuple[Sheet, Facts]], alpha: float = ALPHA) -> list[Finding]:
    """Make every check on every sheet with its facts; all tests together raise a false alarm with at most `alpha`.

    The findings come first, then questions, clear checks, and checks that were not made.
    """
    found = [
        replace(finding, table=sheet.name)
        for sheet, facts in material
        for check in CHECKS
        for finding in check(sheet, facts)
    ]
    return judged(summed_up(found), alpha)


def as_frame(findings: Sequence[Finding]) -> pd.DataFrame:
    """Return findings as rows of the findings table."""
    return pd.DataFrame([asdict(finding) for finding in findings], columns=FINDINGS.schema.names)


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


def audit_study(settings: dict, results: Path) -> None:
    """Audit a study's own runs, model by model, and write the findings to `audit/` in its folder, `results`.

    `settings` holds the facts of the data (`n_train`, `n_test`, `n_validation`, `classes`), whether draws are the folds
    of a cross-validation (`folds`), which `f1` the study reports, and by model its `batch_size` and its `selection`:
    best (on the test set), validation or last.
    """
    runs, history = (read_table(results / "metrics" / f"{name}.parquet") for name in ("runs", "history"))
    key = ["model", "n", "draw", "seed"]
    evaluations = history[history["split"] == "test"].groupby(key).size().rename("evaluations").reset_index()
    runs = runs[runs["status"] == "finished"].merge(evaluations, on=key)
    runs = runs.rename(columns={f"{split}_{settings['f1']}": f"{split}_f1" for split in SPLITS})
    if settings["folds"]:
        runs = runs.assign(fold=runs["draw"])
    facts = Facts(**{name: settings[name] for name in ("n_train", "n_test", "n_validation", "classes")})
    material = []
    for model, rows in runs.groupby("model", sort=False):
        recipe = settings["models"][model]
        sheet = sheet_of_numbers(rows.drop(columns="model").assign(selection=recipe["selection"]), str(model))
        material.append((sheet, replace(facts, batch_size=recipe["batch_size"])))
    write_table(results / "audit" / "findings.parquet", FINDINGS, as_frame(audit(material)))


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
        from trainsize import published  # the stage, which imports this module, has no use for it

        given = [f"--{name.replace('_', '-')}" for name, value in facts.items() if value is not None]
        if given:
            raise UserError(f"--published knows the facts of its study; leave out {', '.join(given)}")
        return published.sheets(options.published)
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
