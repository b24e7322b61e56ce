"""What a job costs beside its runs on SLURM: waiting, starting, and being noticed when it has ended.

    python benchmarks/slurm.py [RUNS_PER_JOB ...]

Needs root and Debian's packages: it starts the tests' cluster on this host. docs/slurm.md has the results.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "slurm"))

from cluster import Cluster, check_host, unpack_packages

FILES = ("Snakefile", "config.yaml", "workflow", "studies", "envs", "slurm")
STUDY = """\
title: Sixty runs that take next to no time
dataset: digits
sizes: [20, 40, 80]
seeds: {count: 20}
budget: {updates: 6}
evaluation: {points: 1}
base: {batch_size: 16, optimizer: {name: sgd, lr: 0.1}}
models: {mlp: {architecture: {name: mlp, hidden: [8]}}}
"""
AT_ONCE = 4  # jobs; on a host that plays all nodes, more would only wait for each other


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [1, 10]
    check_host()
    os.environ["TZ"] = "UTC"
    time.tzset()
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder:
        prefix = unpack_packages(Path(folder))
        print(
            "runs per job, jobs, median s to start, to the first run, of the runs, to notice the end; s in all",
            flush=True,
        )
        for number, size in enumerate(sizes):
            cluster = Cluster(prefix, Path(folder) / f"state{number}", accounting=True)
            try:
                cluster.start()
                print(size, *measure(cluster, Path(folder) / f"project{number}", size), sep="\t", flush=True)
            finally:
                cluster.stop()


def measure(cluster: Cluster, project: Path, runs_per_job: int) -> list[float]:
    """Run the study and return the number of jobs, the medians over them, and the seconds in all."""
    project.mkdir()
    subprocess.run(["cp", "-r", *(ROOT / name for name in FILES), project], check=True)
    (project / "studies" / "sixty.yaml").write_text(STUDY)
    profile = project / "slurm" / "config.yaml"
    profile.write_text(profile.read_text().replace("# slurm_partition: NAME", "slurm_partition: gpu"))
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--profile",
        "slurm",
        "--jobs",
        str(AT_ONCE),
        "--config",
        "study=sixty",
        f"runs_per_job={runs_per_job}",
    ]
    environment = os.environ | {"PATH": f"{cluster.bin}:{os.environ['PATH']}"}
    subprocess.run(
        [*command, "results/datasets/digits/manifest.json"], cwd=project, env=environment, capture_output=True
    )
    start = time.monotonic()
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - start
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    return [*medians(cluster, project, printed), round(seconds)]


def medians(cluster: Cluster, project: Path, printed: str) -> list[float]:
    noticed = {}
    for stamp, number in re.findall(r"\[(.*?)\]\nFinished jobid: (\d+)", printed):
        noticed[number] = datetime.strptime(stamp, "%a %b %d %H:%M:%S %Y").timestamp()
    of_slurm = {
        job: number for number, job in re.findall(r"Job (\d+) has been submitted with SLURM jobid (\d+)", printed)
    }
    runs = {}
    for log in project.glob("results/sixty/logs/training/**/*.log"):
        job = re.search(r"SLURM job (\d+)", log.read_text())[1]
        folders = re.findall(r"^(runs/\S+) of sixty: training", log.read_text(), re.M)
        records = [json.loads((project / "results/sixty" / folder / "run.json").read_text()) for folder in folders]
        runs[job] = [
            [datetime.fromisoformat(record[key]).timestamp() for key in ("started", "finished")] for record in records
        ]
    rows = []
    printed = cluster.ask("sacct", "-X", "-n", "-P", "-o", "JobID,State,Submit,Start,End")
    for job, state, *times in (line.split("|") for line in printed.splitlines()):
        if state != "COMPLETED":
            continue
        submit, start, end = (datetime.fromisoformat(stamp).timestamp() for stamp in times)
        first, last = runs[job][0][0], runs[job][-1][1]
        rows.append((start - submit, first - start, last - first, noticed[of_slurm[job]] - end))
    return [len(rows), *(round(statistics.median(column), 1) for column in zip(*rows, strict=True))]


if __name__ == "__main__":
    main()
