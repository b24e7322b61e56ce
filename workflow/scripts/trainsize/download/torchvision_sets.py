"""Data sets of torchvision: its files, checksums and readers. It is imported only to prepare one of them."""

from pathlib import Path

import numpy as np

from trainsize.datasets.catalogue import Dataset, File
from trainsize.download.unpack import unpack

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def official_files(card: Dataset) -> list[File]:
    """Return the files that torchvision would download, with its checksums and its layout below `root`."""
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
    """Return whether a member of an archive is needed. EMNIST's archive holds all its splits."""
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
    """Read a split. Its images are stored transposed, and its letter labels count from 1."""
    raw = root / "EMNIST" / "raw"
    for packed in (raw / "gzip").glob("*.gz"):
        unpack(packed, raw)
        packed.unlink()
    dataset = known(root, split=card.format["split"], train=train)
    labels = np.asarray(dataset.targets)
    return np.asarray(dataset.data).transpose(0, 2, 1), labels - 1 if card.format["split"] == "letters" else labels
