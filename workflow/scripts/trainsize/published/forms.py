"""The forms of a published study: as published, corrected, and with one mistake less each; which of them have been run.

Imports nothing heavy: the Snakefile asks it which other results a reproduction is made with.
"""

from dataclasses import dataclass
from pathlib import Path

from trainsize.common.files import digest
from trainsize.common.places import ROOT
from trainsize.common.yaml_files import read_yaml

FOLDER, STUDIES = ROOT / "published", ROOT / "studies"
AS_PUBLISHED, CORRECTED = "as published", "corrected"
# Study files and the published study that each is a form of.
REPRODUCED = {
    "ga-letters": "ga-letters",
    "imagenet-volume": "imagenet-volume",
    "emnist-loss": "emnist-loss",
    "fashion-hyperparameters": "fashion-hyperparameters",
    "fashion-folds": "fashion-hyperparameters",
    "cifar10-cnn": "cifar10-cnn",
}


@dataclass(frozen=True)
class Form:
    """A form of a study by its full name, its folder of results, and its role: what it is beside the other forms.

    The role is `as published`, `corrected`, or the variant that takes one mistake away.
    """

    role: str
    name: str
    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "metrics" / "runs.parquet"


def reproduced(name: str) -> str | None:
    """Return the published study that a study, in whatever form, reproduces."""
    return REPRODUCED.get(name.split("+")[0])


def mistakes(published: str) -> list[dict]:
    """Return the mistakes of a published study: what and what is correct.

    Where they are stated, with the variant without the mistake and the metric that shows it.
    """
    return read_yaml(FOLDER / published / "study.yaml")["mistakes"]


def printed_content(published: str) -> str:
    """Return a hash of everything that published/ holds of a study."""
    files = sorted((FOLDER / published).iterdir())
    return digest(*(part for file in files for part in (file.name, file.read_bytes())))


def roles(name: str) -> dict[str, str]:
    """Return the name of every form beside `name`, itself among them, by role. `quick` stays the last variant."""
    study, *variants = name.split("+")
    known = read_yaml(STUDIES / f"{study}.yaml").get("variants", {})
    switches = [CORRECTED, *(m["variant"] for m in mistakes(REPRODUCED[study]) if "variant" in m)]
    switches = [switch for switch in switches if switch in known]
    kept = [variant for variant in variants if variant not in (*switches, "quick")]
    quick = ["quick"] if "quick" in variants else []
    return {AS_PUBLISHED: "+".join([study, *kept, *quick])} | {
        switch: "+".join([study, *kept, switch, *quick]) for switch in switches
    }


def forms(name: str, results: Path) -> list[Form]:
    """Return `name` itself, run or not, and the forms beside it that have been run, in the order of `roles`."""
    there = {}
    for folder in [*sorted(results.glob(f"{name.split('+')[0]}*")), results / name]:
        study, *variants = folder.name.split("+")
        there[study, frozenset(variants)] = folder
    found = []
    for role, form in roles(name).items():
        study, *variants = form.split("+")
        folder = there.get((study, frozenset(variants)))
        if folder is not None:
            found.append(Form(role, folder.name, folder))
    return [form for form in found if form.name == name or form.runs.exists()]
