"""The result of a check: a finding, a question, clear, or not tested."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainsize.statistics.hypotheses import holm

FINDING, QUESTION, CLEAR, UNTESTED = STATUSES = ("finding", "question", "clear", "not tested")


@dataclass(frozen=True)
class Finding:
    """The result of one check on one subject (columns, a model, a table).

    `statistic` is what was measured, in words and figures. `p` is the probability of a statistic at least as extreme
    in a table without mistakes; None where the finding is exact arithmetic on the printed numbers. A finding with a
    `p` holds only if `p_adjusted`, corrected by Holm's method over all tests of the audit, is below the false-alarm
    rate. Otherwise the check is clear, and its meaning becomes `otherwise`.
    """

    check: str
    subject: str
    status: str
    tested: str
    statistic: str
    meaning: str
    p: float | None = None
    p_adjusted: float | None = None
    otherwise: str = ""
    table: str = ""


def untested(check: str, tested: str, reason: str, subject: str = "") -> Finding:
    """Return the result of a check that was not made. Without a subject, the table has nothing for this check."""
    return Finding(check, subject, UNTESTED, tested, "", reason)


def summed_up(findings: Sequence[Finding]) -> list[Finding]:
    """Drop "the table has nothing for this check" if another table has; otherwise keep it once."""
    made = {finding.check for finding in findings if finding.subject or finding.status != UNTESTED}
    kept: dict[tuple, Finding] = {}
    for finding in findings:
        if finding.status == UNTESTED and not finding.subject:
            if finding.check not in made:
                kept.setdefault((finding.check,), replace(finding, table=""))
        else:
            kept[len(kept), finding.check] = finding
    return list(kept.values())


def judged(findings: Sequence[Finding], alpha: float) -> list[Finding]:
    """Apply the false-alarm rate `alpha` to all tests together by Holm's method (1979), and put findings first."""
    tests = [finding for finding in findings if finding.p is not None]
    adjusted = holm([test.p for test in tests])
    verdicts = {id(test): _verdict(test, p, alpha) for test, p in zip(tests, adjusted, strict=True)}
    return in_order([verdicts.get(id(finding), finding) for finding in findings])


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings first, then questions, clear checks, and checks that were not made."""
    return sorted(findings, key=lambda finding: STATUSES.index(finding.status))


def _verdict(test: Finding, p_adjusted: float, alpha: float) -> Finding:
    if p_adjusted < alpha:
        return replace(test, p_adjusted=p_adjusted)
    return replace(test, p_adjusted=p_adjusted, status=CLEAR, meaning=test.otherwise)
