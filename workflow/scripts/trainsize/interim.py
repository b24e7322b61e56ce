"""An interim report: tables, figures and page of the runs of a study that are finished so far.

python -m trainsize.interim [STUDY] [--results FOLDER]

Calls the functions of the stages without Snakemake. Its files are in results/{study}/interim/, which is replaced each
time. It trains nothing, changes no finished file and makes nothing stale.
"""

import shutil
from itertools import product
from pathlib import Path

from trainsize.audit.stage import audit_study
from trainsize.common.errors import UserError, exit_on_user_error, plural
from trainsize.common.files import link_or_copy
from trainsize.common.tables import read_table, write_table
from trainsize.datasets.prepared import Prepared
from trainsize.failures import failures
from trainsize.figures.stage import draw_figures
from trainsize.metrics.stage import collect
from trainsize.overlap.stage import write_overlap
from trainsize.published.versions import reproduced
from trainsize.regressions.stage import regress
from trainsize.report.stage import write_report
from trainsize.reproduction.stage import write_reproduction
from trainsize.runs.record import NEURONS, Device, Identity, Record, checksums, write_record
from trainsize.runs.run import FILES, Run
from trainsize.runs.status import MISSING, NOT_BEGUN
from trainsize.study.command_line import named_study, study_parser
from trainsize.study.records import read_records
from trainsize.study.study import Study
from trainsize.subsets.stage import list_subsets, subset_path, write_subsets
from trainsize.subsets.tables import SUBSETS
from trainsize.training.tables import PREDICTIONS, RUN_HISTORY

NAME = "interim"


def write_interim(study: Study, results: Path) -> Path:
    """Write the interim report of a study and return its page.

    Raises UserError when no run is finished, or none with the study's current settings and images.
    """
    prepared = Prepared(results / "datasets" / study.dataset.name)
    manifest, folder = prepared.folder / "manifest.json", results / study.name / NAME
    records = read_records(study, results) if manifest.exists() else {}
    if not records:
        raise UserError(f"{results / study.name}: no run is finished yet; run snakemake, and ask again later")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "logs").symlink_to(Path("..") / "logs")
    write_all_subsets(study, prepared, folder)
    missing = gather_runs(study, records, prepared.manifest["content"], results, folder)
    if missing == len(study.runs):
        why = "none of them with the study's current settings and images"
        raise UserError(f"{results / study.name}: {plural(len(records))} finished, but {why}")
    collect(**study.metrics_settings(), manifest=manifest, results=folder)
    regress(study.regressions_settings(), folder, manifest)
    audit_study(study.audit_settings(), folder, manifest)
    draw_figures(study.figure_settings(), folder, prepared.folder)
    if reproduced(study.name):
        write_reproduction(study, results, folder, f"{plural(missing)} missing" if missing else "")
    write_report(study.card(), folder, manifest, folder / "report.html")
    return folder / "report.html"


def write_all_subsets(study: Study, prepared: Prepared, folder: Path) -> None:
    """Write the subsets and their overlap."""
    labels, own = prepared.labels("train"), folder / "subsets"
    for draw in study.draws:
        paths = [subset_path(own, n, draw) for n in study.sizes]
        write_subsets(study.subset_settings(), study.sizes, draw, labels, paths)
    list_subsets(product(study.sizes, study.draws), own, own / "subsets.parquet")
    write_overlap(product(study.sizes, study.draws), labels, folder)


def gather_runs(study: Study, records: dict[Run, Record], data: str, results: Path, folder: Path) -> int:
    """Link the finished runs into `folder`, write placeholders for the others, and return the number of the others.

    `data` is the content hash of the data set.
    """
    begun = {Run(f.model, f.n, f.draw, f.seed): f.reason for f in failures(study, results)}
    content = read_table(folder / SUBSETS.path).set_index(["n", "draw"])["content"]
    expected = study.metrics_settings()["settings_hashes"]
    missing = 0
    for run in study.runs:
        identity = Identity(expected[run.model], data, content[run.n, run.draw])
        record = records.get(run)
        if record and record.identity == identity:
            link_run(results / study.name / run.folder, folder / run.folder)
            continue
        reason = "trained with other settings or images" if record else begun.get(run, NOT_BEGUN)
        write_placeholder(study.name, run, identity, reason, folder / run.folder)
        missing += 1
    return missing


def link_run(source: Path, target: Path) -> None:
    """Link the files of a finished run, from its state if its job has not yet linked them to its folder."""
    for name in FILES:
        link_or_copy(source / name if (source / name).exists() else source / "state" / name, target / name)
    neurons = source / "state" / NEURONS
    if neurons.exists():
        link_or_copy(neurons, target / "state" / NEURONS)


def write_placeholder(study: str, run: Run, identity: Identity, reason: str, target: Path) -> None:
    """Write the files of a run that is not finished: empty tables, and a record with the reason."""
    for name, table in (("history.parquet", RUN_HISTORY), ("predictions.parquet", PREDICTIONS)):
        write_table(target / name, table, {column: [] for column in table.schema.names})
    unknown = ("stopped", "code", "parameters", "flops_per_image", "updates", "images_seen", "images_evaluated")
    unknown += ("started", "finished", "commit", "dirty", "host")
    record = Record(
        study=study,
        **vars(run),
        status=MISSING,
        reason=reason,
        **identity._asdict(),
        **dict.fromkeys(unknown),
        settings={},
        final={},
        files=checksums(target, None),
        seconds={},
        versions={},
        device=Device(type="", name="", threads=None),
    )
    write_record(target / "run.json", record)


def main() -> None:
    parser = study_parser("interim", __doc__.splitlines()[0])
    options = parser.parse_args()
    with exit_on_user_error():
        study = named_study(options.study)
        print(f"The interim report: {write_interim(study, options.results)}")


if __name__ == "__main__":
    main()
