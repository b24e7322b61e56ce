"""What a finished study of 10,000 runs costs after training: seconds, memory and files of the stages, and its archive.

    python benchmarks/scale.py [--runs 10000] [--keep FOLDER]

The runs are made up, not trained: five models whose errors fall with the size, histories of ten checkpoints, and the
predictions of 500 test images, written by the functions that write real ones. Snakemake then makes the rest. A folder
that was kept has its runs already, and everything else is made again.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from overhead import measured, project

from trainsize.common.files import link_or_copy
from trainsize.common.fingerprint import fingerprint
from trainsize.common.tables import write_table
from trainsize.datasets.prepared import Prepared
from trainsize.runs.record import Device, Record, checksums, write_record
from trainsize.runs.run import FILES, Run, settings_hash
from trainsize.study.reader import load_study
from trainsize.study.study import Study
from trainsize.subsets.methods import content_hash, draw_subsets
from trainsize.training.evaluation import Scores
from trainsize.training.tables import PREDICTIONS, RUN_HISTORY

STUDY = """\
title: {runs} runs that were made up
dataset: digits
sizes: {{log: {{from: 20, to: 1200, count: 10}}}}
seeds: {{count: {seeds}}}
draws: {{count: 20}}
budget: {{updates: 100}}
base: {{architecture: {{name: mlp, hidden: [4]}}, batch_size: 16, optimizer: {{name: sgd, lr: 0.1}}}}
models: {{a: {{}}, b: {{}}, c: {{}}, d: {{}}, e: {{}}}}
"""
POINTS = 10
STAGES = ("subsets", "overlap", "metrics", "regressions", "audit", "figures")  # folders that are made from the runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="a multiple of 1,000")
    parser.add_argument("--keep", type=Path, help="a folder for the study, which is kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure((options.keep or Path(folder) / "scale").resolve(), options.runs)


def measure(folder: Path, runs: int) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        project(folder, 20, 10)
        (folder / "studies" / "many.yaml").write_text(STUDY.format(runs=runs, seeds=runs // 1000))
        called(folder, "results/datasets/digits/manifest.json")
        start = time.process_time()
        make_runs(load_study("many", folder / "studies"), folder / "results")
        print(f"{runs:,} runs made up in {time.process_time() - start:.0f} s of processor time", flush=True)
    for name in STAGES:
        shutil.rmtree(folder / "results" / "many" / name, ignore_errors=True)
    (folder / "results" / "many" / "report.html").unlink(missing_ok=True)
    print(f"{'':<14}{'wall':>10}{'processor':>12}{'memory':>12}", flush=True)
    for name, (seconds, processor, gigabytes) in called(folder).items():
        print(f"{name:<14}{seconds:>8.0f} s{processor:>10.0f} s{gigabytes:>9.2f} GB", flush=True)
    for name, options in (("archive", ["many"]), ("its check", ["--check", "results/many.tar.gz"])):
        seconds, gigabytes = measured(folder, "-m", "trainsize.archive", *options)
        print(f"{name:<14}{seconds:>8.0f} s{'':>12}{gigabytes:>9.2f} GB", flush=True)
    print(f"archive: {(folder / 'results/many.tar.gz').stat().st_size / 1e9:.2f} GB", flush=True)
    paths = list((folder / "results").rglob("*"))
    inodes = {path.stat().st_ino: path.stat().st_blocks * 512 for path in paths}
    files = sum(path.is_file() for path in paths)
    print(f"{files:,} files, {len(inodes):,} inodes with folders, {sum(inodes.values()) / 1e9:.2f} GB", flush=True)


def make_runs(study: Study, results: Path) -> None:
    """Write the files of every run as training leaves them."""
    data = Prepared(results / "datasets" / "digits")
    labels, code, manifest = data.labels("test"), fingerprint("training"), data.manifest
    rng = np.random.default_rng(0)
    subsets = {
        draw: draw_subsets(data.labels("train"), study.subset_settings(), list(study.sizes), draw)
        for draw in study.draws
    }
    about = record_of(study, manifest, code)
    os.fsync = lambda file: None  # these files may be lost in a power cut, and are not what is measured
    for run in study.runs:
        rate = 0.01 + (0.5 + list(study.models).index(run.model) / 10) * run.n**-0.4
        wrong = rng.random(len(labels)) < rate * rng.uniform(0.8, 1.2)
        state = results / study.name / run.folder / "state"
        write_run(state, run, labels, wrong, about | {"subset_content": content_hash(subsets[run.draw][run.n])})
        for name in FILES:
            link_or_copy(state / name, state.parent / name)


def record_of(study: Study, manifest: dict, code: str) -> dict:
    """Return what is the same in the records of all runs."""
    settings = study.run_settings("a")
    seconds = {"load": 0.01, "build": 0.01, "train": 0.2, "evaluate": 0.1, "write": 0.02, "total": 0.34}
    return {
        **{"study": study.name, "status": "finished", "reason": "", "stopped": "", "settings": settings},
        **{"settings_hash": settings_hash(settings), "code": code, "dataset_content": manifest["content"]},
        **{"parameters": 310, "flops_per_image": 600, "updates": 100, "selected_step": 100, "images_seen": 1600},
        **{"images_evaluated": 10_000, "neurons": None, "resumed": 0, "seconds": seconds, "versions": {}},
        **{"started": "2026-01-01T00:00:00+00:00", "finished": "2026-01-01T00:00:01+00:00", "commit": None},
        **{"dirty": None, "device": Device("cpu", "none", 1), "host": "none"},
    }


def write_run(state: Path, run: Run, labels: np.ndarray, wrong: np.ndarray, about: dict) -> None:
    score = 1 - wrong.mean()
    scores = dict.fromkeys(Scores.__dataclass_fields__, float(score)) | {"n_evaluated": len(labels)}
    scores |= {"loss": float(4 * wrong.mean() + 0.01)}
    steps = [100 * (k + 1) // POINTS for k in range(POINTS)]
    rows = [(step, split) for step in steps for split in ("test", "train")]
    coordinates = {"study": about["study"], **vars(run)}
    history = {name: [value] * len(rows) for name, value in (coordinates | scores).items()}
    history |= {"step": [step for step, _ in rows], "split": [split for _, split in rows]}
    history |= {"samples_seen": [16 * step for step, _ in rows], "epoch": [16 * step / run.n for step, _ in rows]}
    history |= {"sampled": [False] * len(rows), "loss_batches": [None if split == "test" else 0.5 for _, split in rows]}
    write_table(state / "history.parquet", RUN_HISTORY, history)
    first = np.where(wrong, (labels + 1) % 10, labels)
    predictions = {"index": np.arange(len(labels)), "label": labels}
    for k in range(5):
        predictions |= {f"class_{k + 1}": (first + k) % 10, f"probability_{k + 1}": np.float32(0.5 ** (k + 1))}
    write_table(state / "predictions.parquet", PREDICTIONS, predictions)
    final = {name: value for name, value in scores.items() if name != "n_evaluated"}
    record = coordinates | about | {"final": {"test": final, "train": final}, "files": checksums(state, None)}
    write_record(state / "run.json", Record(**record))


def called(folder: Path, *targets: str) -> dict[str, tuple[float, float, float]]:
    """Call snakemake; return what it and each stage took, as seen ten times a second.

    That is seconds from a stage's first job to its last, seconds of processor time of all its jobs, and the most memory
    of one of them with its children (GB).
    """
    command = [sys.executable, "-m", "snakemake", *targets, "--cores", "2", "--quiet", "rules"]
    with (folder / "printed.txt").open("w") as log:
        running = psutil.Process(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log).pid)
        began, ended, processor, most = {}, {}, {}, {}
        while running.is_running() and running.status() != psutil.STATUS_ZOMBIE:
            for name, pid, seconds, memory in family(running):
                ended[name] = time.perf_counter()
                began.setdefault(name, ended[name])
                processor.setdefault(name, {})[pid] = seconds
                most[name] = max(memory, most.get(name, 0.0))
            time.sleep(0.1)
    if running.wait():
        raise SystemExit((folder / "printed.txt").read_text())
    return {name: (ended[name] - began[name], sum(processor[name].values()), most[name]) for name in most}


def family(running: psutil.Process) -> list[tuple[str, int, float, float]]:
    """Return name, process id, processor time (s) and memory (GB) of Snakemake and of the scripts that it runs."""
    found = []
    for process in [running, *running.children(recursive=True)]:
        try:
            words = process.cmdline()
            name = "snakemake" if process == running else Path(words[1]).stem if words[1].endswith(".py") else ""
            if name:
                own = [process] if process == running else [process, *process.children(recursive=True)]
                # Of a script, that of its children too, ended or not.
                seconds = sum(sum(each.cpu_times()[: 2 if each == running else 4]) for each in own)
                found.append((name, process.pid, seconds, sum(each.memory_info().rss for each in own) / 1e9))
        except (psutil.NoSuchProcess, IndexError):
            continue
    return found


if __name__ == "__main__":
    main()
