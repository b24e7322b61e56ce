"""The versions of a published study: as published, corrected, or with one mistake less; which of them have been run.

Imports nothing heavy, because the Snakefile asks it which other results a reproduction needs.
"""

from dataclasses import dataclass
from pathlib import Path

from trainsize.common.files import digest
from trainsize.common.paths import ROOT
from trainsize.common.yaml_files import read_yaml

FOLDER, STUDIES = ROOT / "published", ROOT / "studies"
AS_PUBLISHED, CORRECTED = "as published", "corrected"
# Each study file and the published study that it reproduces.
REPRODUCED = {
    "ga-letters": "ga-letters",
    "imagenet-volume": "imagenet-volume",
    "emnist-loss": "emnist-loss",
    "fashion-hyperparameters": "fashion-hyperparameters",
    "fashion-folds": "fashion-hyperparameters",
    "cifar10-cnn": "cifar10-cnn",
}


@dataclass(frozen=True)
class Version:
    """A version of a study: its full name, its folder of results, and its role among the versions.

    The role is `as published`, `corrected`, or the name of the variant that removes one mistake.
    """

    role: str
    name: str
    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "metrics" / "runs.parquet"


@dataclass(frozen=True)
class Mistake:
    """A mistake of a published study: what is wrong, what is correct, and the metric that shows the effect.

    `variant` is the variant of the study without it; empty where the mistake cannot be switched off alone.
    """

    what: str
    correct: str
    variant: str = ""
    metric: str = "test_accuracy"


def reproduced(name: str) -> str | None:
    """Return the published study that a study, in any version, reproduces."""
    return REPRODUCED.get(name.split("+")[0])


def mistakes(published: str) -> list[Mistake]:
    """Return the mistakes of a published study, as its study.yaml lists them."""
    return [Mistake(**entry) for entry in read_yaml(FOLDER / published / "study.yaml")["mistakes"]]


def printed_content(published: str) -> str:
    """Return a hash of everything that published/ holds about a study."""
    files = sorted(path for path in (FOLDER / published).iterdir() if path.is_file() and path.name[0] != ".")
    return digest(*(part for file in files for part in (file.name, file.read_bytes())))


def roles(name: str) -> dict[str, str]:
    """Return the names of all versions of the study `name`, with its own, by role. `quick` stays the last variant."""
    study, *variants = name.split("+")
    known = read_yaml(STUDIES / f"{study}.yaml").get("variants", {})
    switches = [CORRECTED, *(mistake.variant for mistake in mistakes(REPRODUCED[study]))]
    switches = [switch for switch in switches if switch in known]
    kept = [variant for variant in variants if variant not in (*switches, "quick")]
    quick = ["quick"] if "quick" in variants else []
    return {AS_PUBLISHED: "+".join([study, *kept, *quick])} | {
        switch: "+".join([study, *kept, switch, *quick]) for switch in switches
    }


def versions(name: str, results: Path) -> list[Version]:
    """Return `name` itself, run or not, and its other versions that have been run, in the order of `roles`."""
    folders = {_parts(folder.name): folder for folder in sorted(results.glob(f"{name.split('+')[0]}*"))}
    folders[_parts(name)] = results / name
    present = ((role, folders.get(_parts(version))) for role, version in roles(name).items())
    listed = [Version(role, folder.name, folder) for role, folder in present if folder is not None]
    return [version for version in listed if version.name == name or version.runs.exists()]


def _parts(name: str) -> tuple[str, frozenset[str]]:
    """Return the study and the set of its variants, whose order in a name does not matter."""
    study, *variants = name.split("+")
    return study, frozenset(variants)
