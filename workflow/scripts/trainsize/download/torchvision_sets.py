"""Data sets that torchvision knows: its files, checksums and readers. It is imported only when one is prepared."""

from pathlib import Path

import numpy as np

from trainsize.datasets.catalogue import Dataset, File
from trainsize.download.unpack import unpack

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def official_files(card: Dataset) -> list[File]:
    """Return the files torchvision would download, with its checksums, in the layout below its `root`."""
    from torchvision import datasets

    name = card.format["dataset"]
    known = getattr(datasets, name)
    if name == "EMNIST":
        return [File("EMNIST/raw/gzip.zip", f"md5:{known.md5}", (known.url,))]
    if name.startswith("CIFAR"):
        members = [*known.train_list, *known.test_list, (known.meta["filename"], known.meta["md5"])]
        holds = tuple((f"{known.base_folder}/{member}", f"md5:{md5}") for member, md5 in members)
        return [File(known.filename, f"md5:{known.tgz_md5}", (known.url,), holds)]
    if name in ("USPS", "SVHN"):
        listed = (known.split_list[split] for split in ("train", "test"))
        return [File(file, f"md5:{md5}", (url,)) for url, file, md5 in listed]
    return [
        File(f"{name}/raw/{file}", f"md5:{md5}", tuple(f"{mirror}{file}" for mirror in known.mirrors))
        for file, md5 in known.resources
    ]


def wanted_member(card: Dataset, member: str) -> bool:
    """Tell whether an archive's member is needed: EMNIST's holds all its splits."""
    return "split" not in card.format or f"emnist-{card.format['split']}-" in member


def read_official(card: Dataset, root: Path) -> tuple[tuple[str, ...], Arrays]:
    """Return the classes, and images (uint8, N × H × W × C) and labels of both splits, read by torchvision."""
    from torchvision import datasets

    name = card.format["dataset"]
    known = getattr(datasets, name)
    if name == "EMNIST":
        return card.classes, {split: _read_emnist(known, card, root, split == "train") for split in ("train", "test")}
    if name == "SVHN":
        sets = {split: known(root, split=split) for split in ("train", "test")}
        return card.classes, {split: (s.data.transpose(0, 2, 3, 1), s.labels) for split, s in sets.items()}
    sets = {split: known(root, train=split == "train") for split in ("train", "test")}
    arrays = {split: (np.asarray(s.data), np.asarray(s.targets)) for split, s in sets.items()}
    return tuple(sets["train"].classes) if name.startswith("CIFAR") else card.classes, arrays


def _read_emnist(known: type, card: Dataset, root: Path, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Read a split; its images are stored with rows and columns exchanged, and its letters count from 1."""
    raw = root / "EMNIST" / "raw"
    for packed in (raw / "gzip").glob("*.gz"):
        unpack(packed, raw)
        packed.unlink()
    found = known(root, split=card.format["split"], train=train)
    labels = np.asarray(found.targets)
    return np.asarray(found.data).transpose(0, 2, 1), labels - 1 if card.format["split"] == "letters" else labels
