"""What Snakemake itself costs: seconds to the first job, per job, and for dry runs and plans of large studies.

    python benchmarks/overhead.py [--runs 100 1000 10000 50000] [--per-job 10]

Studies are made up in a copy of the project; only one of at most 100 runs is run. Memory is the most that the
process had at once.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from common import ROOT, keep, machine

SMALL = 100  # runs of a study that is run, too
STUDY = """\
title: {runs} runs
dataset: digits
sizes: {{log: {{from: 20, to: 1200, count: {sizes}}}}}
seeds: {{count: {seeds}}}
budget: {{updates: 1}}
evaluation: {{points: 1}}
base: {{architecture: {{name: mlp, hidden: [4]}}, batch_size: 16, optimizer: {{name: sgd, lr: 0.1}}}}
models: {{a: {{}}, b: {{}}}}
"""


def project(folder: Path, runs: int, per_job: int) -> None:
    """Copy the workflow to `folder`, with a study of so many runs: two models, up to 50 sizes, and seeds."""
    for name in ("Snakefile", "config.yaml", "workflow", "studies", "envs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
    sizes = min(50, max(2, runs // 20))
    (folder / "studies" / "many.yaml").write_text(STUDY.format(runs=runs, sizes=sizes, seeds=runs // (2 * sizes)))
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        config.replace("study: digits", "study: many").replace("runs_per_job: 5", f"runs_per_job: {per_job}")
    )


def measured(folder: Path, *command: str) -> tuple[float, float]:
    """Return the seconds a command took and the most memory it had, in GB."""
    start = time.perf_counter()
    path = os.environ | {"PYTHONPATH": str(folder / "workflow" / "scripts")}
    with tempfile.TemporaryFile("w+") as printed:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=folder, stdout=printed, stderr=subprocess.STDOUT, env=path
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}:\n{printed.read()}")
    return time.perf_counter() - start, usage.ru_maxrss / 1e6


def record(benchmark: str, variant: str, seconds: float, plain: float) -> dict:
    today = datetime.now(UTC).date().isoformat()
    return {
        "benchmark": benchmark,
        "variant": variant,
        "median_seconds": seconds,
        "ratio_to_plain": plain / seconds,
        "machine": machine(),
        "date": today,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1000, 10_000, 50_000], help="sizes of the studies")
    parser.add_argument("--per-job", type=int, default=10, help="runs_per_job (default: 10)")
    options = parser.parse_args()
    for runs in options.runs:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            project(folder, runs, options.per_job)
            planned, planning = measured(folder, "-m", "trainsize.plan", "many")
            dry, memory = measured(folder, "-m", "snakemake", "-n", "--quiet")
            print(f"{runs} runs: a dry run had up to {memory:.2f} GB, the plan {planning:.2f}")
            keep([record("dry run", f"{runs} runs", dry, dry), record("plan", f"{runs} runs", planned, dry)])
            if runs <= SMALL:
                keep(_first_and_each(folder, runs, options.per_job))


def _first_and_each(folder: Path, runs: int, per_job: int) -> list[dict]:
    """Measure a call that finds nothing to do, and one that trains all runs, on one core."""
    whole, _ = measured(folder, "-m", "snakemake", "--cores", "1", "--quiet", "all")
    nothing, _ = measured(folder, "-m", "snakemake", "--cores", "1", "--quiet", "all")
    jobs = len(list((folder / "results/many/benchmarks/training").rglob("*.tsv")))
    return [
        record("overhead", "nothing to be done", nothing, nothing),
        record("overhead", f"a job of {per_job} runs", (whole - nothing) / jobs, (whole - nothing) / jobs),
    ]


if __name__ == "__main__":
    main()
