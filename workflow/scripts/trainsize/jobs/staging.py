"""A prepared data set copied to a node's own disk, for jobs that read it there instead of on the shared file system."""

import os
import shutil
import tempfile
from pathlib import Path

from trainsize.common.files import read_json

VARIABLE = "TRAINSIZE_LOCAL_DATA"


def staged(dataset: Path) -> Path:
    """Return the folder to read the data set from: a copy below the folder that $TRAINSIZE_LOCAL_DATA names, or itself.

    The copy is named by the data set's content and appears whole, so that jobs of one node share it. Where it cannot be
    made, because that disk is full for one, the data set is read where it is.
    """
    place = os.path.expandvars(os.environ.get(VARIABLE, ""))
    if not place:
        return dataset
    copy = Path(place) / f"{dataset.name}-{read_json(dataset / 'manifest.json')['content'][:16]}"
    if copy.exists():
        return copy
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copy.parent, prefix=".staging-") as folder:
            partial = Path(folder) / copy.name
            shutil.copytree(dataset, partial)
            partial.rename(copy)
    except OSError as error:
        if not copy.exists():  # else another job was faster
            print(f"no copy in {copy.parent} ({error}): reading {dataset}", flush=True)
            return dataset
    print(f"data set copied to {copy}", flush=True)
    return copy
