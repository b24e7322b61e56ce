"""How fast a folder of ImageNet's size is listed, and its list saved and opened.

    python benchmarks/index.py FOLDER [--images 1281167]

Makes a tree of 1,000 classes of empty files below FOLDER (on a disk with that many free inodes), and removes it.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import pandas as pd

from trainsize.common.tables import read_table, write_table
from trainsize.datasets.folders import Index, list_folder
from trainsize.download.tables import INDEX

CLASSES = 1000


def make_tree(root: Path, images: int) -> None:
    for label in range(CLASSES):
        name = f"n{label:08d}"
        folder = root / "train" / name
        folder.mkdir(parents=True)
        for k in range(images * label // CLASSES, images * (label + 1) // CLASSES):
            (folder / f"{name}_{k}.JPEG").touch()
        (root / "val" / name).mkdir(parents=True)
        (root / "val" / name / f"{name}_test.JPEG").touch()


def save(index: Index, path: Path) -> None:
    columns = {"path": index.paths, "label": index.labels, "bytes": index.sizes, "sha256": [None] * len(index)}
    write_table(path, INDEX, pd.DataFrame(columns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=1_281_167)
    options = parser.parse_args()
    root = options.folder / "trainsize-index"
    try:
        make_tree(root, options.images)
        start = time.perf_counter()
        _, indexes = list_folder(root, "train", "val")
        listed = time.perf_counter()
        save(indexes["train"], root / "index.parquet")
        saved = time.perf_counter()
        table = read_table(root / "index.parquet")
        opened = time.perf_counter()
        size = (root / "index.parquet").stat().st_size
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(f"{len(table):,} images: listed in {listed - start:.1f} s, saved in {saved - listed:.1f} s,")
    print(f"opened in {opened - saved:.2f} s ({size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
