"""Trains a random sample of a study's finished runs again and compares the results bit for bit.

python -m trainsize.verify [STUDY] [--runs 3] [--seed 0]
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainsize.common.arguments import whole_number
from trainsize.common.errors import UserError, exit_on_user_error, plural
from trainsize.common.fingerprint import fingerprint
from trainsize.runs.record import Record, check_files, read_record
from trainsize.runs.run import Run
from trainsize.study.command_line import named_study, study_parser
from trainsize.study.study import Study
from trainsize.training.stage import train_runs


def verify(study: Study, results: Path, count: int, seed: int) -> Iterator[tuple[Run, list[str]]]:
    """Train `count` random finished runs again in a temporary folder, and yield each with its differences.

    `results` is the folder of all studies. Raises UserError when no run is finished or one is damaged.
    """
    finished = [run for run in study.runs if (results / study.name / run.folder / "run.json").exists()]
    if not finished:
        raise UserError(f"{results / study.name}: no run is finished; run snakemake first")
    if count > len(finished):
        print(f"--runs {count}: only {plural(len(finished))} finished, all of which are trained again", flush=True)
    for run in random.Random(seed).sample(finished, min(count, len(finished))):
        record = read_record(results / study.name / run.folder, study.name, run)
        check_files(results / study.name / run.folder / "state", record)
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / study.name / run.folder
            dataset, device = results / "datasets" / study.dataset.name, record.device
            train_runs(record.settings, record.code, dataset, device.threads, device.type, [folder / "run.json"])
            yield run, list(_differences(record, read_record(folder, study.name, run)))


def _differences(before: Record, after: Record) -> Iterator[str]:
    """Yield the differences between two records of a run, results first; nothing if the results are the same."""
    files = [name for name, value in before.files.items() if after.files.get(name) != value]
    if not files:
        return
    yield f"{' and '.join(files)} differ"
    for metric, value in before.final.get("test", {}).items():
        now = after.final.get("test", {}).get(metric)
        if now != value:
            yield f"test {metric}: {value} before, {now} now"
    if before.code != (now := fingerprint("training")):
        yield f"the training code has changed since ({before.code} before, {now} now)"
    for name in ("dataset_content", "subset_content", "versions", "device"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield f"{name}: {old} before, {new} now"


def main() -> None:
    parser = study_parser("verify", "Train finished runs again and compare the results.")
    parser.add_argument("--runs", type=whole_number, default=3, help="how many (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choice (default: 0)")
    options = parser.parse_args()
    different = 0
    with exit_on_user_error():
        study = named_study(options.study)
        for run, differences in verify(study, options.results, options.runs, options.seed):
            different += bool(differences)
            print("\n  ".join([f"{run.folder}: {'NOT the same' if differences else 'the same'}", *differences]))
    if different:
        sys.exit(f"{different} of the runs gave different results; docs/reproducibility.md says when to expect that")


if __name__ == "__main__":
    main()
