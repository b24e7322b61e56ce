"""What all the stages use: the study, its runs, and the values that decide whether a result is stale.

Only the light part of the library is imported here, because every cluster job reads this file again.
"""

import re
import shlex
import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir).resolve() / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from trainsize.errors import UserError
from trainsize.files import canonical_json
from trainsize.fingerprint import fingerprint
from trainsize.machine import check_config, check_results
from trainsize.runs import FILES, RUN_FOLDER, packs, settings_hash
from trainsize.study import load_study

try:
    MACHINE = check_config(config)
    STUDY = load_study(MACHINE["study"], SCRIPTS.parents[1] / "studies")
    check_results(Path("results"))
except UserError as error:
    sys.exit(str(error))

# Commands find the scripts wherever Snakemake was called from, and run in the interpreter that runs Snakemake unless conda
# gives each stage its own. Neither is part of a command's text, which Snakemake compares: a moved checkout reruns nothing.
USES_CONDA = "conda" in {str(method) for method in workflow.deployment_settings.deployment_method}
BIN = "" if USES_CONDA else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH "
shell.prefix(f"export {BIN}SCRIPTS={shlex.quote(str(SCRIPTS))}; ")


wildcard_constraints:
    study=re.escape(STUDY.name),
    dataset=re.escape(STUDY.dataset.name),
    model="|".join(map(re.escape, STUDY.models)),
    n=r"\d+",
    draw=r"\d+",
    seed=r"\d+",


def run_files(name):
    """The file `name` of every run of the study."""
    return [f"results/{STUDY.name}/{run.folder}/{name}" for run in STUDY.runs]


def subset_files():
    """The subset of every size and draw of the study."""
    return expand("results/{study}/subsets/n{n}/draw{draw}.parquet", study=STUDY.name, n=STUDY.sizes, draw=STUDY.draws)


def figure_files(extension):
    """The study's figures, with the study as a wildcard."""
    return [f"results/{{study}}/figures/{figure['name']}.{extension}" for figure in STUDY.figure_list()]


def final_files():
    """Everything a finished study has. The runs are named too: Snakemake would not miss one behind a finished table."""
    return [
        f"results/{STUDY.name}/report.html",
        *expand(figure_files("pdf"), study=STUDY.name),
        *(file for name in FILES for file in run_files(name)),
    ]
