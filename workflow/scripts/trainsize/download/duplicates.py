"""Duplicate images: identical pixels within the training or test set, or in both."""

import hashlib

import numpy as np
import pandas as pd


def pixel_hashes(images: np.ndarray) -> np.ndarray:
    """Return a 64-bit hash (BLAKE2b) of every image's pixels; images × anything, uint8."""
    hashes = (hashlib.blake2b(np.ascontiguousarray(image), digest_size=8).digest() for image in images)
    return np.frombuffer(b"".join(hashes), dtype="<u8")


def find_duplicates(images: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return the images with duplicates, given {split: uint8 images} and {split: labels}.

    One row per image: the group of identical images it belongs to (from 0), its split, row and label.
    """
    hashes = np.concatenate([pixel_hashes(images[split]) for split in images])
    _, group, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(counts[group] > 1)
    _, group_numbers = np.unique(group[rows], return_inverse=True)
    everything = pd.DataFrame(
        {
            "split": np.repeat(list(images), [len(part) for part in images.values()]),
            "index": np.concatenate([np.arange(len(part)) for part in images.values()]),
            "label": np.concatenate([labels[split] for split in images]),
        }
    )
    return everything.iloc[rows].assign(group=group_numbers).sort_values(["group"], kind="stable", ignore_index=True)


def count_duplicates(duplicates: pd.DataFrame) -> dict[str, int]:
    """Return the counts for the manifest: groups of identical images, in total and by kind."""
    groups = duplicates.groupby("group")
    splits = groups["split"].nunique()
    return {
        "groups": len(groups),
        "images": len(duplicates),
        "groups_across_splits": int((splits > 1).sum()),
        "test_images_also_in_training": int(
            ((duplicates["group"].map(splits) > 1) & (duplicates["split"] == "test")).sum()
        ),
        "groups_with_different_labels": int((groups["label"].nunique() > 1).sum()),
        "images_with_different_labels": int((groups["label"].transform("nunique") > 1).sum()),
    }
