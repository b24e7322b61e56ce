"""Shared by all stages: the study, its runs, and the values that determine whether a result is stale.

Imports only the light part of the library, because every cluster job reads this file again.
"""

import gc
import os
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.io import IOFile
from snakemake.logging import logger

# The job graph only grows while it is built. Repeated garbage collection of it takes a fifth of a dry run.
gc.set_threshold(100_000, 50, 100)

from trainsize.jobs import slurm
from trainsize.jobs.places import check_place, find_by_name
from trainsize.datasets.catalogue import LAYOUT
from trainsize.datasets.changes import compare
from trainsize.common.errors import UserError, short_path
from trainsize.plan.estimates import MISTAKE, Estimates, device_of, job_megabytes, job_minutes
from trainsize.common.files import canonical_json
from trainsize.common.fingerprint import fingerprint
from trainsize.published.versions import printed_content, reproduced, versions
from trainsize.study.config import check_config, check_results, stated_settings, unknown_variables
from trainsize.runs.run import FILES, RUN_FOLDER, packs
from trainsize.common.table_names import METRIC_TABLES, REGRESSION_TABLES, REPRODUCTION_TABLES
from trainsize.study.reader import load_study
from trainsize.study.shared import check_description, no_longer_fits, told_changes
from trainsize.jobs.screen import SHOWN, show_messages, unknown_target

USES_CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}
STUDIES = SCRIPTS.parents[1] / "studies"

try:
    check_place(SCRIPTS.parents[1], submits=workflow.resource_settings.nodes is not None)
    if not USES_CONDA:
        find_by_name(sys.executable)
    FILES_OF_CALL = {
        short_path(path).as_posix(): load_configfile(path) for path in workflow.config_settings.configfiles
    }
    OVERRIDING = workflow.config_settings.config
    STATED, PLACES = stated_settings(config, OVERRIDING, FILES_OF_CALL, Path(CONFIG))
    MACHINE = check_config(STATED, PLACES)
    STUDY = load_study(MACHINE["study"], STUDIES, PLACES.get("study", "config.yaml"))
    check_results(Path("results"))
    if workflow.is_main_process:
        check_description(STUDY, STUDIES, Path("results"))
except UserError as error:
    sys.exit(str(error))

if workflow.is_main_process:
    for note in (*STUDY.notes, *unknown_variables(os.environ)):
        print(f"NOTE: {note}", file=sys.stderr)


def escaped(path):
    """Return `path` such that Snakemake does not take its braces for wildcards."""
    return path.replace("{", "{{").replace("}", "}}")


# Commands find the scripts from any working folder, and run in Snakemake's interpreter unless conda gives each stage its
# own. None of this is part of a command's text, which Snakemake compares, so moving the checkout reruns nothing. Without
# splitting and globbing, $SCRIPTS is one word whatever the path holds.
LOCAL = f"TRAINSIZE_LOCAL_DATA={shlex.quote(MACHINE['data']['local'])} " if MACHINE["data"]["local"] else ""
FASTER = f"TRAINSIZE_STACK={MACHINE['stack']} TRAINSIZE_CUDA_GRAPHS={int(MACHINE['cuda_graphs'])} "
PREFIX = f"set -f; IFS=; export {LOCAL}{FASTER}SCRIPTS={shlex.quote(str(SCRIPTS))}; "
shell.prefix(escaped(PREFIX))


def no_target(target):
    """Return the message for a target that no rule makes; without one, for the rule on the command line that is none."""
    rules = [rule.name for rule in workflow.rules]
    targets = [rule.name for rule in workflow.rules if not rule.has_wildcards()]
    studies = {file.stem for file in STUDIES.glob("*.yaml")}
    target = target or next((argument for argument in sys.argv if argument in rules), "a rule")
    return unknown_target(target, targets, rules, STUDY.name, studies)


if workflow.is_main_process:
    show_messages(logger, no_target)
else:  # a job on a cluster, which inherits the environment
    os.environ.pop(SHOWN, None)


wildcard_constraints:
    study=re.escape(STUDY.name),
    dataset=re.escape(STUDY.dataset.name),
    model="|".join(map(re.escape, STUDY.models)),
    n=r"\d+",
    draw=r"\d+",
    seed=r"\d+",


def environment(name):
    """Return the file of a conda environment. Snakemake expands braces in its path, whether or not conda is used."""
    return escaped(f"{SCRIPTS.parents[1]}/envs/{name}.yaml")


@cache
def estimates():
    """Return the estimated cost of the study's runs. A separate process counts the operations of models never run."""
    device = device_of(MACHINE)
    costs = Estimates(STUDY, Path("results"), device)
    if costs.uncounted():
        done = subprocess.run([sys.executable, SCRIPTS / "operations.py", STUDY.name, "results"])
        if done.returncode == MISTAKE:
            sys.exit(1)
        costs = Estimates(STUDY, Path("results"), device)
    return costs


# Counting the operations builds the networks, which shows whether each has the layer of `neurons`. Without PyTorch in this
# process, or if the images are only listed, the job checks it before training.
COMPARED = any(recipe["neurons"] for recipe in STUDY.models.values())
if COMPARED and STUDY.dataset.shape and workflow.is_main_process and find_spec("torch"):
    estimates()


@cache
def time_limit():
    """Return the most minutes a job may request: the limit in config.yaml or the partition's, whichever is less; or None."""
    asked = workflow.resource_settings.default_resources or {}
    partition, account, qos = (
        getattr(asked.get(name), "raw", None) for name in ("slurm_partition", "slurm_account", "qos")
    )
    limits = slurm.limits(partition, account, qos)
    return min(filter(None, (MACHINE["time_limit"], limits and limits.minutes)), default=None)


def training_minutes(runs):
    """Return the resource function for the run time (minutes) of a job with `runs` runs; None inside a job."""

    def minutes(wildcards, attempt):
        if MACHINE["time_margin"] is None or not workflow.is_main_process:
            return None
        seconds = runs * estimates().seconds(wildcards.model, int(wildcards.n))
        return job_minutes(seconds, MACHINE["time_margin"], attempt, time_limit())

    return minutes


@cache
def own_files():
    """Return the state of the user's own files that the data set is made from, and tell what changed in them."""
    folder = Path("results/datasets") / STUDY.dataset.name
    found = compare(STUDY.dataset, folder, MACHINE["data"]["mirror"])
    if found.changes:
        print(told_changes(STUDY, found, STUDIES, Path("results")), file=sys.stderr)
        forced = workflow.dag_settings.forceall or "download" in workflow.dag_settings.forcerun
        record = workflow.persistence.metadata(IOFile(f"{folder}/manifest.json", workflow.get_rule("download")))
        if record is None and not forced:
            sys.exit(f"Snakemake has lost its record of how {folder} was made; call it with --forcerun download.")
    elif found.state and found.root is None:
        print(f"{STUDY.dataset.format['path']}: not there any more; {folder} is used as it is", file=sys.stderr)
    return found


def as_json(value):
    """Return a parameter function that gives `value` as JSON. Snakemake expands braces in plain strings."""
    return lambda wildcards: canonical_json(value)


def run_files(name):
    """Return the file `name` of every run of the study."""
    return [f"results/{STUDY.name}/{run.folder}/{name}" for run in STUDY.runs]


def subset_files():
    """Return the subset table of every size and draw of the study."""
    return expand("results/{study}/subsets/n{n}/draw{draw}.parquet", study=STUDY.name, n=STUDY.sizes, draw=STUDY.draws)


def figure_files(extension):
    """Return the files of the study's figures, with the study as a wildcard."""
    return [f"results/{{study}}/figures/{figure['name']}.{extension}" for figure in STUDY.figure_list()]


def reported_figures():
    """Return the study's figures as PNG, marked for `snakemake --report`."""
    marked = []
    for figure, file in zip(STUDY.figure_list(), figure_files("png")):
        of = ", ".join(figure[key] for key in figure if key not in ("name", "kind"))
        mark = {
            "caption": "../report/figures.rst",
            "category": "Figures",
            "labels": {"figure": figure["kind"], "of": of},
        }
        marked.append(report(file, **mark))
    return marked


def surface_page():
    """Return the interactive page of the study's surfaces, if it has any."""
    drawn = any(figure["kind"] == "surface" for figure in STUDY.figure_list())
    return ["results/{study}/figures/surface.html"] if drawn else []


def reproduction_files():
    """Return the files of the reproduction, with the study as a wildcard; none if the study reproduces nothing."""
    names = [f"{name}.parquet" for name in REPRODUCTION_TABLES] + ["reproduction.png", "reproduction.pdf"]
    return [f"results/{{study}}/reproduction/{name}" for name in names] if reproduced(STUDY.name) else []


def tables_of_versions():
    """The runs of this version and of the others that have been run: when one of these changes, this is stale."""
    others = (version.runs.as_posix() for version in versions(STUDY.name, Path("results")))
    return sorted({f"results/{STUDY.name}/metrics/runs.parquet", *others})


def final_files():
    """Return all files of a finished study, including the runs: Snakemake misses none behind a finished table itself."""
    return [
        f"results/{STUDY.name}/report.html",
        *expand([*figure_files("pdf"), *surface_page()], study=STUDY.name),
        *(file for name in FILES for file in run_files(name)),
    ]
