"""A random sample of a study's finished runs, trained again and compared bit for bit.

python -m trainsize.verify [STUDY] [--runs 3] [--seed 0]
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trainsize.common.arguments import whole_number
from trainsize.common.errors import UserError
from trainsize.common.files import read_json
from trainsize.common.fingerprint import fingerprint
from trainsize.runs.record import check_files, read_record
from trainsize.runs.run import Run
from trainsize.study.command_line import mistakes_told, named_study, study_parser
from trainsize.study.study import Study
from trainsize.training.stage import train_runs


def verify(study: Study, results: Path, count: int, seed: int) -> Iterator[tuple[Run, list[str]]]:
    """Train `count` random finished runs again, elsewhere, and yield each with what came out otherwise.

    `results` is the folder of all studies. Raises UserError when no run is finished or one is damaged.
    """
    finished = [run for run in study.runs if (results / study.name / run.folder / "run.json").exists()]
    if not finished:
        raise UserError(f"{results / study.name}: no run is finished; run snakemake first")
    for run in random.Random(seed).sample(finished, min(count, len(finished))):
        record = read_record(results / study.name, study.name, run)
        check_files(results / study.name / run.folder / "state", record)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / study.name / run.folder / "run.json"
            where = record["device"]
            dataset = results / "datasets" / study.dataset.name
            train_runs(record["settings"], record["code"], dataset, where["threads"], where["type"], [path])
            yield run, list(_differences(record, read_json(path)))


def _differences(before: dict, after: dict) -> Iterator[str]:
    """Yield what differs between two records of a run, results first; nothing when these are the same."""
    files = [name for name, value in before["files"].items() if after["files"].get(name) != value]
    if not files:
        return
    yield f"{' and '.join(files)} differ"
    for metric, value in before["final"].get("test", {}).items():
        now = after["final"].get("test", {}).get(metric)
        if now != value:
            yield f"test {metric}: {value} before, {now} now"
    if before["code"] != (now := fingerprint("training")):
        yield f"the training code has changed since ({before['code']} before, {now} now)"
    for what in ("dataset_content", "subset_content", "versions", "device"):
        if before[what] != after[what]:
            yield f"{what}: {before[what]} before, {after[what]} now"


def main() -> None:
    parser = study_parser("verify", "Train finished runs again.")
    parser.add_argument("--runs", type=whole_number, default=3, help="how many (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choice (default: 0)")
    options = parser.parse_args()
    different = 0
    with mistakes_told():
        study = named_study(options.study)
        for run, differences in verify(study, options.results, options.runs, options.seed):
            different += bool(differences)
            print("\n  ".join([f"{run.folder}: {'NOT the same' if differences else 'the same'}", *differences]))
    if different:
        sys.exit(
            f"{different} of the runs came out otherwise; docs/reproducibility.md says when that is to be expected"
        )


if __name__ == "__main__":
    main()
