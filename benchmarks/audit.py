"""How often the auditor finds a last-batch metric, by images in the batch, printed digits and number of runs.

python benchmarks/audit.py [REPEATS]
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from trainsize.audit.facts import Facts
from trainsize.audit.findings import FINDING
from trainsize.audit.sheet import sheet_of_texts
from trainsize.audit.stage import audit

BATCHES, DIGITS, RUNS = (8, 16, 64, 100, 256), (2, 3, 4), (5, 10, 30, 100)


def found(rng: np.random.Generator, k: int, digits: int, runs: int) -> bool:
    """Whether the last batch is found in runs that were each evaluated on k of 10,000 images, batch size not given."""
    scores = rng.binomial(k, rng.uniform(0.6, 0.95, runs)) / k
    sheet = sheet_of_texts(pd.DataFrame({"accuracy": [f"{score:.{digits}f}" for score in scores]}), "runs")
    findings = audit([(sheet, Facts(n_test=10_000))])
    return any((finding.check, finding.status) == ("last-batch", FINDING) for finding in findings)


def main(repeats: int) -> None:
    rng = np.random.default_rng(1)
    print("| images | digits | " + " | ".join(f"{runs} runs" for runs in RUNS) + " |")
    print("|---|---|" + "---|" * len(RUNS))
    for k in BATCHES:
        for digits in DIGITS:
            shares = [np.mean([found(rng, k, digits, runs) for _ in range(repeats)]) for runs in RUNS]
            print(f"| {k} | {digits} | " + " | ".join(f"{100 * share:.0f} %" for share in shares) + " |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
