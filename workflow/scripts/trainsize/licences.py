"""The licences of all packages in the lock file, as they state them: `make licences` writes docs/licences.md."""

import argparse
import re
from collections.abc import Iterator
from importlib import metadata

from trainsize.common.files import write_text
from trainsize.common.paths import ROOT

LOCK, PAGE = ROOT / "envs" / "requirements.lock", ROOT / "docs" / "licences.md"
# Licences of packages whose metadata lack a short statement, and of packages for other systems.
STATED = {
    "colorama": "BSD-3-Clause",
    "cuda-toolkit": "NVIDIA Proprietary Software",
    "cycler": "BSD-3-Clause",
    "kiwisolver": "BSD-3-Clause",
    "matplotlib": "matplotlib's own, like PSF-2.0",
    "pyreadline3": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
}
HEAD = """\
# Licences

What the packages in `envs/requirements.lock` state about themselves; made by `make licences`. trainsize itself is under
the MIT licence, contains no code of theirs, and is not distributed together with them: pip installs them from their
publishers. All but NVIDIA's are free software, and none asks for a licence of the programs that import it. NVIDIA's
libraries come with PyTorch's CUDA build, are used on GPUs only, and are under NVIDIA's own terms.

| package | licence |
|---|---|
"""


def locked() -> list[str]:
    """Return the names of the packages in the lock file."""
    return sorted(set(re.findall(r"^([a-z0-9.-]+)==", LOCK.read_text(encoding="utf-8"), re.M)))


def licence(name: str) -> str:
    """Return the licence that an installed package states, in its metadata or as the first line of its licence file.

    Raises LookupError for a package that states none or is not installed.
    """
    if name in STATED:
        return STATED[name]
    about = metadata.metadata(name)
    classes = [value.rpartition(" :: ")[2] for value in about.get_all("Classifier", []) if value.startswith("License")]
    stated = [about.get("License-Expression"), (about.get("License") or "").partition("\n")[0], " or ".join(classes)]
    files = (file for file in metadata.files(name) or [] if file.name.upper().startswith("LICENSE"))
    stated += [file.read_text().strip().partition("\n")[0] for file in files]
    first = next(filter(None, stated), None)
    if not first:
        raise LookupError(f"{name} states no licence; look it up and add it to STATED")
    return first


def rows() -> Iterator[str]:
    for name in locked():
        yield f"| {name} | {licence(name)} |"


def main() -> None:
    argparse.ArgumentParser(prog="python -m trainsize.licences", description=__doc__.splitlines()[0]).parse_args()
    write_text(PAGE, HEAD + "\n".join(rows()) + "\n")


if __name__ == "__main__":
    main()
