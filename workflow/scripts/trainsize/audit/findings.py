"""What a check says: a finding, a question, the all-clear, or that it was not made and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trainsize.statistics.hypotheses import holm

FINDING, QUESTION, CLEAR, UNTESTED = STATUSES = ("finding", "question", "clear", "not tested")


@dataclass(frozen=True)
class Finding:
    """The result of one check on one subject (columns, a model, a table).

    `statistic` is what was measured, in words and figures. `p` is the probability of a statistic at least as extreme
    in an honest table; None where the finding is exact arithmetic on the printed numbers. A finding with a `p` holds
    only if `p_adjusted`, Holm's over all tests of the audit, is below the false-alarm rate; else the check is clear
    and its meaning becomes `otherwise`.
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


def untested(check: str, tested: str, wants: str, subject: str = "") -> Finding:
    """Return the remark that a check was not made, and what it wants. Without a subject, the table has none for it."""
    return Finding(check, subject, UNTESTED, tested, "", wants)


def summed_up(findings: Sequence[Finding]) -> list[Finding]:
    """Leave out that a table has nothing for a check which was made on another, and say the rest of them once."""
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
    """Hold all tests together to the false-alarm rate `alpha` by Holm's method (1979); findings come first."""
    tests = [finding for finding in findings if finding.p is not None]
    adjusted = holm([test.p for test in tests])
    verdicts = {id(test): _verdict(test, p, alpha) for test, p in zip(tests, adjusted, strict=True)}
    return sorted((verdicts.get(id(finding), finding) for finding in findings), key=lambda f: STATUSES.index(f.status))


def _verdict(test: Finding, p_adjusted: float, alpha: float) -> Finding:
    if p_adjusted < alpha:
        return replace(test, p_adjusted=p_adjusted)
    return replace(test, p_adjusted=p_adjusted, status=CLEAR, meaning=test.otherwise)
