"""What an edit costs: real Snakemake on a finished tiny study of 2 models × 3 sizes × 2 seeds."""

import json

import pandas as pd
from support import LIBRARY

AGGREGATES = {"metrics": 1, "regressions": 1, "audit": 1, "figures": 1, "report": 1, "all": 1}
OF_SUBSETS = {"subsets_table": 1, "overlap": 1}
TRAINER = f"{LIBRARY}/training/loop.py"


def records(project) -> dict[str, dict]:
    """Return the record of every run by its folder, with the times it was trained at."""
    files = sorted(project.results.glob("runs/*/n*/draw*/seed*/run.json"))
    return {str(path.parent.relative_to(project.results)): json.loads(path.read_text()) for path in files}


def test_nothing_to_do_after_a_run(finished):
    assert finished.planned_jobs() == {}


def test_adding_a_seed_trains_only_that_seed(finished):
    before = records(finished)
    finished.edit("studies/tiny.yaml", "seeds: [1, 2]", "seeds: [1, 2, 3]")
    finished.edit("config.yaml", "runs_per_job: 5", "runs_per_job: 2")
    assert finished.planned_jobs() == {"subsets": 1, "training": 6, **OF_SUBSETS, **AGGREGATES}
    finished.snakemake("--cores", "2")
    after = records(finished)
    assert len(after) == 18
    assert {folder: after[folder] for folder in before} == before
    runs = pd.read_parquet(finished.results / "metrics" / "runs.parquet")
    assert len(runs) == 18
    assert set(runs["status"]) == {"finished"}


def test_a_pack_that_grows_takes_over_its_finished_runs(finished):
    before = records(finished)
    finished.edit("studies/tiny.yaml", "seeds: [1, 2]", "seeds: [1, 2, 3]")
    finished.edit("studies/tiny.yaml", "  mlp: {architecture: {name: mlp, hidden: [8]}}\n", "")
    finished.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20]")
    finished.snakemake("--cores", "1", "--until", "training_draw1_seed1_to_draw3_seed3")
    after = records(finished)
    assert {folder: after[folder] for folder in before} == before
    assert "runs/cnn/n20/draw3/seed3" in after
    log = (finished.results / "logs/training/cnn/n20/draw1-seed1-to-draw3-seed3.log").read_text()
    assert log.count("already finished, taken over") == 2


def test_adding_a_size_trains_only_that_size(finished):
    finished.edit("studies/tiny.yaml", "sizes: [20, 40, 80]", "sizes: [20, 40, 80, 160]")
    assert finished.planned_jobs() == {"subsets": 2, "training": 2, **OF_SUBSETS, **AGGREGATES}


def test_adding_a_model_trains_only_that_model(finished):
    finished.edit("studies/tiny.yaml", "  mlp:", "  wide: {architecture: {name: mlp, hidden: [32]}}\n  mlp:")
    assert finished.planned_jobs() == {"training": 3, **AGGREGATES}


def test_editing_a_model_retrains_only_that_model(finished):
    finished.edit("studies/tiny.yaml", "hidden: [8]", "hidden: [9]")
    assert finished.planned_jobs() == {"training": 3, **AGGREGATES}


def test_a_new_seed_and_an_edited_model_in_one_go(finished):
    """Found on Snakemake 9.27: below a job that runs, changed params are overlooked where all inputs are ancient()."""
    finished.edit("studies/tiny.yaml", "seeds: [1, 2]", "seeds: [1, 2, 3]")
    finished.edit("studies/tiny.yaml", "hidden: [8]", "hidden: [9]")
    finished.edit("config.yaml", "runs_per_job: 5", "runs_per_job: 2")
    assert finished.planned_jobs()["training"] == 3 + 6


def test_removing_or_reordering_seeds_trains_nothing(finished):
    finished.edit("studies/tiny.yaml", "seeds: [1, 2]", "seeds: [2, 1]")
    assert "training" not in finished.planned_jobs()
    finished.edit("studies/tiny.yaml", "seeds: [2, 1]", "seeds: [1]")
    assert "training" not in finished.planned_jobs()


def test_touching_every_file_reruns_nothing(finished):
    for path in finished.folder.rglob("*"):
        if path.is_file() and "results" not in path.parts and ".snakemake" not in path.parts:
            path.touch()
    assert finished.planned_jobs() == {}


def test_rewording_comments_reruns_nothing(finished):
    for path in (finished.folder / "workflow" / "scripts").rglob("*.py"):
        path.write_text(path.read_text() + "\n# a remark\n")
    finished.study.write_text("# a remark\n" + finished.study.read_text())
    finished.edit("studies/tiny.yaml", "title: A tiny study", "title: A tiny study  # really")
    assert finished.planned_jobs() == {}


def test_editing_the_trainer_retrains_everything(finished):
    finished.edit(TRAINER, "losses.append(self.update())", "losses += [self.update()]")
    assert finished.planned_jobs() == {"training": 6, **AGGREGATES}


def test_editing_what_the_trainer_imports_retrains_everything(finished):
    finished.edit(f"{LIBRARY}/training/optimisation.py", "0.5 * (1 + math.cos", "0.25 * (2 + 2 * math.cos")
    assert finished.planned_jobs() == {"training": 6, **AGGREGATES}


def test_editing_a_figure_redraws_figures_only(finished):
    finished.edit(f"{LIBRARY}/figures/learning_curve.py", "s=9,", "s=8,")
    assert finished.planned_jobs() == {"figures": 1, "report": 1, "all": 1}


def test_editing_the_style_of_the_report_or_the_figures_counts(finished):
    finished.edit(f"{LIBRARY}/report/report.css", "max-width: 64rem", "max-width: 60rem")
    assert finished.planned_jobs() == {"report": 1, "all": 1}
    finished.edit(f"{LIBRARY}/figures/matplotlibrc", "lines.linewidth: 1.6", "lines.linewidth: 1.7")
    assert finished.planned_jobs() == {"figures": 1, "report": 1, "all": 1}


def test_packing_cores_profile_and_machine_settings_rerun_nothing(finished):
    for arguments in (
        ("--cores", "1"),
        ("--cores", "2", "--config", "runs_per_job=1"),
        ("--config", "runs_per_job=2", "threads=2", "device=cpu"),
        ("--profile", "slurm"),
    ):
        assert finished.planned_jobs(*arguments) == {}, arguments


def test_a_deleted_run_is_made_again(finished):
    for name in ("run.json", "history.parquet", "predictions.parquet"):
        (finished.results / "runs/mlp/n20/draw2/seed2" / name).unlink()
        assert finished.planned_jobs()["training"] == 1
        finished.snakemake("--cores", "1", "--until", "training_draw1_seed1_to_draw2_seed2")


def test_runs_of_other_settings_are_refused_when_snakemake_has_forgotten(finished):
    """Without its metadata Snakemake notices no changed setting: the tables must not mix the old runs in."""
    for path in (finished.folder / ".snakemake" / "metadata").iterdir():
        path.unlink()
    finished.edit("studies/tiny.yaml", "hidden: [8]", "hidden: [9]")
    printed = finished.snakemake("--cores", "1", "--forcerun", "metrics", check=False)
    assert "trained with settings other than the study's" in printed
    assert f"delete {finished.results.relative_to(finished.folder)}/runs/mlp/n" in printed
