"""What all the stages use: the study, its runs, and the values that decide whether a result is stale.

Only the light part of the library is imported here, because every cluster job reads this file again.
"""

import gc
import re
import shlex
import subprocess
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# The graph of jobs only grows while it is built; searching it for garbage again and again takes a fifth of a dry run.
gc.set_threshold(100_000, 50, 100)

SCRIPTS = Path(workflow.basedir).resolve() / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from trainsize.jobs import slurm
from trainsize.datasets.catalogue import LAYOUT
from trainsize.common.errors import UserError
from trainsize.plan.estimates import MISTAKE, Estimates, device_of, job_megabytes, job_minutes
from trainsize.common.files import canonical_json
from trainsize.common.fingerprint import fingerprint
from trainsize.published.forms import forms, printed_content, reproduced
from trainsize.study.config import check_config, check_results
from trainsize.runs.run import FILES, RUN_FOLDER, packs
from trainsize.common.table_names import METRIC_TABLES, REGRESSION_TABLES, REPRODUCTION_TABLES
from trainsize.study.reader import load_study

try:
    MACHINE = check_config(config)
    STUDY = load_study(MACHINE["study"], SCRIPTS.parents[1] / "studies")
    check_results(Path("results"))
except UserError as error:
    sys.exit(str(error))

# Commands find the scripts wherever Snakemake was called from, and run in the interpreter that runs Snakemake unless conda
# gives each stage its own. None of this is part of a command's text, which Snakemake compares: a moved checkout reruns nothing.
USES_CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}
BIN = "" if USES_CONDA else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH "
LOCAL = f"TRAINSIZE_LOCAL_DATA={shlex.quote(MACHINE['data']['local'])} " if MACHINE["data"]["local"] else ""
FASTER = f"TRAINSIZE_STACK={MACHINE['stack']} TRAINSIZE_CUDA_GRAPHS={int(MACHINE['cuda_graphs'])} "
PREFIX = f"export {BIN}{LOCAL}{FASTER}SCRIPTS={shlex.quote(str(SCRIPTS))}; "
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))  # Snakemake would fill in what a path has in braces


wildcard_constraints:
    study=re.escape(STUDY.name),
    dataset=re.escape(STUDY.dataset.name),
    model="|".join(map(re.escape, STUDY.models)),
    n=r"\d+",
    draw=r"\d+",
    seed=r"\d+",


@cache
def estimates():
    """What the study's runs cost. Operations of models that nobody has run are counted in a process of their own."""
    device = device_of(MACHINE)
    found = Estimates(STUDY, Path("results"), device)
    if found.uncounted():
        done = subprocess.run([sys.executable, SCRIPTS / "operations.py", STUDY.name, "results"])
        if done.returncode == MISTAKE:
            sys.exit(1)
        found = Estimates(STUDY, Path("results"), device)
    return found


# Whether a network has the layer whose units are to be compared shows on the network, which is made to be counted. Without
# PyTorch here, or where the images are only listed, the job finds out before it trains.
COMPARED = any(recipe["neurons"] for recipe in STUDY.models.values())
if COMPARED and STUDY.dataset.shape and workflow.is_main_process and find_spec("torch"):
    estimates()


@cache
def time_limit():
    """The minutes that a job may ask for at most: config.yaml's, or less where the partition allows less."""
    asked = workflow.resource_settings.default_resources or {}
    partition, account, qos = (
        getattr(asked.get(name), "raw", None) for name in ("slurm_partition", "slurm_account", "qos")
    )
    limits = slurm.limits(partition, account, qos)
    return min(filter(None, (MACHINE["time_limit"], limits and limits.minutes)), default=None)


def training_minutes(runs):
    """The run time that a job of so many runs asks for; None in the jobs themselves, which have theirs."""

    def minutes(wildcards, attempt):
        if MACHINE["time_margin"] is None or not workflow.is_main_process:
            return None
        seconds = runs * estimates().seconds(wildcards.model, int(wildcards.n))
        return job_minutes(seconds, MACHINE["time_margin"], attempt, time_limit())

    return minutes


def as_json(value):
    """Return a parameter that is `value` as JSON; only in what a function returns are braces left alone."""
    return lambda wildcards: canonical_json(value)


def run_files(name):
    """The file `name` of every run of the study."""
    return [f"results/{STUDY.name}/{run.folder}/{name}" for run in STUDY.runs]


def subset_files():
    """The subset of every size and draw of the study."""
    return expand("results/{study}/subsets/n{n}/draw{draw}.parquet", study=STUDY.name, n=STUDY.sizes, draw=STUDY.draws)


def figure_files(extension):
    """The study's figures, with the study as a wildcard."""
    return [f"results/{{study}}/figures/{figure['name']}.{extension}" for figure in STUDY.figure_list()]


def reported_figures():
    """The study's figures as PNG, marked for `snakemake --report`."""
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
    """The page on which the study's surfaces can be turned, if it has any."""
    drawn = any(figure["kind"] == "surface" for figure in STUDY.figure_list())
    return ["results/{study}/figures/surface.html"] if drawn else []


def reproduction_files():
    """What the reproduction makes, with the study as a wildcard; nothing where the study reproduces nothing."""
    names = [f"{name}.parquet" for name in REPRODUCTION_TABLES] + ["reproduction.png", "reproduction.pdf"]
    return [f"results/{{study}}/reproduction/{name}" for name in names] if reproduced(STUDY.name) else []


def tables_of_forms():
    """The runs of this form and of the others that are there: when one of these is made or made anew, this is stale."""
    others = (form.runs.as_posix() for form in forms(STUDY.name, Path("results")))
    return sorted({f"results/{STUDY.name}/metrics/runs.parquet", *others})


def final_files():
    """Everything a finished study has. The runs are named too: Snakemake would not miss one behind a finished table."""
    return [
        f"results/{STUDY.name}/report.html",
        *expand([*figure_files("pdf"), *surface_page()], study=STUDY.name),
        *(file for name in FILES for file in run_files(name)),
    ]
