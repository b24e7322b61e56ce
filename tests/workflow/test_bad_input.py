"""A mistake in what the user wrote stops Snakemake before any job, with one message and no traceback."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

STUDY = "studies/tiny.yaml"


def refused(project, *arguments: str) -> str:
    printed = project.snakemake("--cores", "1", *arguments, check=False)
    assert "Traceback" not in printed
    assert "Job stats" not in printed
    assert not project.results.exists()
    return printed


def test_unknown_study(project):
    printed = refused(project, "--config", "study=tny")
    assert "no study 'tny'; did you mean 'tiny'? (allowed: cifar10-cnn, digits, emnist-loss, " in printed


@pytest.mark.parametrize("name", ["2024", "1e3"])
def test_a_study_whose_name_is_read_as_a_number_or_a_date(project, name):
    project.study.rename(project.folder / "studies" / f"{name}.yaml")
    assert f"results/{name}/report.html" in project.snakemake("-n", "--config", f"study={name}")


def test_a_config_file_that_yaml_cannot_read(project):
    project.edit("config.yaml", "study: tiny", "study: [tiny")
    assert "config.yaml, line 4: not valid YAML: expected ',' or ']', but got ':' in" in refused(project)


def test_a_config_file_is_read_as_the_commands_read_it(project):
    """Snakemake itself takes 1e1 for a text, and 010 for eight."""
    project.edit("config.yaml", "runs_per_job: 5", "runs_per_job: 1e1")
    assert refused(project).endswith("config.yaml: runs_per_job: found 10.0, expected a whole number; write 10\n")


def test_no_config_file(project):
    (project.folder / "config.yaml").unlink()
    assert "config.yaml: no such file; call snakemake from the folder of the checkout" in refused(project)


def test_unknown_key_in_config(project):
    printed = refused(project, "--config", "run_per_job=2")
    assert "\n--config: unknown key 'run_per_job'; did you mean 'runs_per_job'?" in printed


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: [1, 2]", "seeds: [1, 1]", "seeds: found 1 more than once; all must be different"),
        ("seeds: [1, 2]", "sseds: [1, 2]", "unknown key 'sseds'; did you mean 'seeds'?"),
        ("sizes: [20, 40, 80]", "sizes: [20, 2000]", "sizes: found 2000, but digits has 1297 training images"),
        ("sizes: [20, 40, 80]", "sizes: [0, 20]", "sizes.0: found 0, must be at least 1"),
        ("dataset: digits", "dataset: digit", "dataset: found 'digit', allowed: digits"),
    ],
)
def test_mistakes_in_a_study(project, old, new, message):
    project.edit(STUDY, old, new)
    printed = refused(project)
    assert f"{STUDY}: " in printed
    assert message in printed


def test_a_layer_that_the_network_has_not(project):
    project.edit(STUDY, "hidden: [8]}}", "hidden: [8]}, neurons: {layer: layers.1}}")
    printed = refused(project)
    assert f"{STUDY}: models.mlp: neurons.layer: found 'layers.1', allowed: 0, 1, 2, 3, 4" in printed
    project.edit(STUDY, "layers.1", '"1"')
    assert "Job stats" in project.snakemake("-n")


def test_results_that_are_a_file(project):
    (project.folder / "results").write_text("")
    printed = project.snakemake("-n", check=False)
    assert "is a file, but a folder of this name is needed for the results" in printed
    assert "Traceback" not in printed


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become another user")
def test_results_that_cannot_be_written_to():
    """As root everything is writable, so the check runs as nobody."""
    script = (
        "import os, sys; from pathlib import Path; from trainsize.study.config import check_results; os.setuid(65534)\n"
        "check_results(Path(sys.argv[1]))"
    )
    library = str(next(p for p in sys.path if p.endswith("workflow/scripts")))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        command = [sys.executable, "-c", script, f"{folder}/results"]
        done = subprocess.run(command, env={"PYTHONPATH": library}, capture_output=True, text=True)
    assert done.returncode != 0
    assert "this folder is not writable" in done.stderr
