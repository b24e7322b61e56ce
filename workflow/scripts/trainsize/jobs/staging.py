"""Copies of a prepared data set on a compute node's own disk, which is faster than the shared file system."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from trainsize.common.files import read_json
from trainsize.common.paths import user_path

VARIABLE = "TRAINSIZE_LOCAL_DATA"


def staged(dataset: Path) -> Path:
    """Return the folder to read the data set from: a copy below $TRAINSIZE_LOCAL_DATA, or `dataset` itself.

    `~` and variables in it are expanded here, on the node. The copy's name contains the hash of the data set's content,
    and it appears complete or not at all, so the jobs of a node can share it. If it cannot be made, for example because
    that disk is full, `dataset` is used directly.
    """
    stated = os.environ.get(VARIABLE, "")
    if not stated:
        return dataset
    local = str(user_path(stated))
    if unset := re.findall(r"\$\{?[A-Za-z_]\w*", local):
        print(f"data.local: {stated}: {unset[0]} is not set on this node; reading {dataset} directly", flush=True)
        return dataset
    copy = Path(local) / f"{dataset.name}-{read_json(dataset / 'manifest.json')['content'][:16]}"
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
            print(f"cannot copy the data set to {copy.parent} ({error}); reading {dataset} directly", flush=True)
            return dataset
    print(f"data set copied to {copy}", flush=True)
    return copy
