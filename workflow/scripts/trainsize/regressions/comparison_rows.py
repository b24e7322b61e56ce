"""The rows of comparisons: every two models at every size they share."""

from dataclasses import dataclass
from itertools import combinations

from trainsize.curves.comparisons import Difference, Efficiency, difference, efficiency, mcnemar, shared_sizes
from trainsize.curves.curve import Response
from trainsize.regressions.correctness import Correctness, RunPair
from trainsize.regressions.curve_rows import CurveAnalysis
from trainsize.regressions.rows import Rows
from trainsize.statistics.hypotheses import holm


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of the first pair of runs, and how many pairs differ after Holm's correction over them."""

    mcnemar_draw: int
    mcnemar_seed: int
    only_a: int
    only_b: int
    mcnemar_p: float
    mcnemar_pairs: int
    mcnemar_different: int


@dataclass(frozen=True)
class Comparison:
    """Two models at the size `n`; the efficiency needs a chosen curve of both, McNemar's test stored predictions."""

    n: float
    model_a: str
    model_b: str
    difference: Difference
    efficiency: Efficiency | None
    mcnemar: McNemar | None


def add_comparisons(
    rows: Rows, response: Response, analyses: dict[str, CurveAnalysis], correctness: Correctness | None
) -> None:
    """Add the comparisons of all models, whose `analyses` are by name, with Holm's correction over them."""
    metric = response.metric.name
    pairs = correctness.pairs if correctness and metric == "accuracy" else []
    compared = [
        comparison
        for a, b in combinations(analyses, 2)
        for comparison in _compare((a, b), (analyses[a], analyses[b]), pairs)
    ]
    for comparison, p_holm in zip(compared, holm([c.difference.p for c in compared]), strict=True):
        parts = [part for part in (comparison.efficiency, comparison.mcnemar) if part]
        of = {"metric": metric, "n": comparison.n, "model_a": comparison.model_a, "model_b": comparison.model_b}
        rows.add("comparisons", of, comparison.difference, *parts, p_holm=p_holm)


def _compare(
    models: tuple[str, str], analyses: tuple[CurveAnalysis, CurveAnalysis], pairs: list[RunPair]
) -> list[Comparison]:
    a, b = analyses
    confidence = min(a.confidence, b.confidence, key=lambda of: (of.allowed, of.units))
    compared = []
    for at in shared_sizes(a.curve, b.curve):
        n = a.curve.sizes[at[0]]
        ratio = None
        if a.chosen and b.chosen and n >= a.chosen.smallest:
            ratio = efficiency(a.chosen, b.chosen, n, (a.curve, b.curve), confidence)
        own = [pair for pair in pairs if (pair.n, pair.model_a, pair.model_b) == (n, *models)]
        gap = difference(a.curve, b.curve, at, (a.means, b.means), confidence)
        compared.append(Comparison(float(n), *models, gap, ratio, _mcnemar(own) if own else None))
    return compared


def _mcnemar(pairs: list[RunPair]) -> McNemar:
    p = [mcnemar(pair.only_a, pair.only_b) for pair in pairs]
    first, different = pairs[0], sum(value < 0.05 for value in holm(p))
    return McNemar(first.draw, first.seed, first.only_a, first.only_b, p[0], len(p), different)
