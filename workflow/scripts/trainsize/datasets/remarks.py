"""What a prepared data set's manifest tells a person before the results: what was left out, and pixels without meaning.

The log, the plan, the report and the auditor say the same sentences. Imports nothing heavy.
"""

from collections.abc import Callable, Iterator

from trainsize.common.errors import listing, plural
from trainsize.datasets.catalogue import SPLITS
from trainsize.datasets.image_files import TEXTS, conversion, files_in_words

MOST_NAMES = 3  # of files of one kind in a folder, kept in the manifest
MANY = 0.01  # share of test images that are also training images, from which that is said first
_MOST_FOLDERS = 4  # that a sentence names

# By split, folder and kind: {"files": number, "first": first names}.
LeftOut = dict[str, dict[str, dict[str, dict]]]


def remarks(manifest: dict) -> list[str]:
    """Return the sentences that every reader of a result should see first; none for a data set in order."""
    pictures = _kinds(manifest, lambda kind: kind not in TEXTS)
    return [*_files(pictures), *_unreadable(manifest), *_pixels(manifest)]


def notes(manifest: dict) -> list[str]:
    """Return the sentences on what was left out or changed as it should be, for the section on the data."""
    said = list(_files(_kinds(manifest, lambda kind: kind in TEXTS)))
    if clutter := sum(manifest.get("clutter", {}).values()):
        said.append(f"{plural(clutter, 'hidden or system file')} or folder{'' if clutter == 1 else 's'} ignored.")
    if beside := manifest.get("beside"):
        said.append(f"Not used, beside the training and test images: {listing(beside)}.")
    if transparent := manifest.get("transparent"):
        said.append(
            f"{_both(transparent)} had transparency, and were put on the background {manifest['background']} "
            "(`background`)."
        )
    if several := manifest.get("several_pictures"):
        said.append(f"{_both(several)} come from files of several pictures, of which only the first is read.")
    return said


def _kinds(manifest: dict, wanted: Callable[[str], bool]) -> dict[str, dict[str, dict]]:
    """Return the wanted kinds of files that were left out, by folder."""
    folders = {name: kinds for of_split in manifest.get("left_out", {}).values() for name, kinds in of_split.items()}
    chosen = {name: {kind: files for kind, files in kinds.items() if wanted(kind)} for name, kinds in folders.items()}
    return {name: kinds for name, kinds in chosen.items() if kinds}


def _files(folders: dict[str, dict[str, dict]]) -> Iterator[str]:
    """Yield the sentence on files that were left out because of their names."""
    if not folders:
        return
    total = sum(files["files"] for kinds in folders.values() for files in kinds.values())
    where = [
        f"in {name}: "
        + ", ".join(files_in_words(files["files"], kind, files["first"]) for kind, files in kinds.items())
        for name, kinds in folders.items()
    ]
    rest = f"; and in {plural(len(where) - _MOST_FOLDERS, 'more folder')}" if len(where) > _MOST_FOLDERS else ""
    advice = conversion({kind for kinds in folders.values() for kind in kinds})
    was = "is" if total == 1 else "are"
    yield (
        f"{plural(total, 'file')} {was} left out, not read as {'an image' if total == 1 else 'images'}: "
        f"{'; '.join(where[:_MOST_FOLDERS])}{rest}.{f' {advice[0].upper()}{advice[1:]}.' if advice else ''}"
    )


def _unreadable(manifest: dict) -> Iterator[str]:
    """Yield the sentence on images that were left out because they could not be decoded."""
    unreadable = manifest.get("unreadable", {})
    messages = [message for of_split in unreadable.values() for message in of_split]
    if messages:
        counts = {split: len(of_split) for split, of_split in unreadable.items()}
        said = f"{_both(counts)} could not be read and are left out (`unreadable: skip`)"
        yield f"{said}, the first because: {messages[0]}."


def _pixels(manifest: dict) -> Iterator[str]:
    """Yield the sentences on pixels without meaning."""
    of_one_colour = manifest.get("one_colour", {})
    if any(of_one_colour.values()):
        hidden = manifest.get("transparent") and manifest.get("background") != "none"
        advice = " Transparent images may need another `background`." if hidden else ""
        yield f"{_both(of_one_colour)} have a single colour, so they show nothing.{advice}"
    flat, channels = manifest.get("flat_channels", []), (manifest.get("shape") or [0])[-1]
    if flat and len(flat) == channels:
        yield "All pixels of all training images are the same, so nothing can be learned from them."
    elif flat:
        number = f"Channel {flat[0] + 1}" if len(flat) == 1 else f"Channels {listing(k + 1 for k in flat)}"
        yield f"{number} of {channels} has the same value in all training images, and tells nothing."
    duplicates, tested = manifest.get("duplicates", {}), manifest.get("n_test", 0)
    known = duplicates.get("test_images_also_in_training", 0)
    if known and known >= MANY * tested:
        said = f"{known:,} of {tested:,} test images are also among the training images"
        yield f"{said}, so the test scores may be too high."
    if groups := duplicates.get("groups_with_different_labels"):
        images = duplicates.get("images_with_different_labels")
        said = f"{plural(images, 'image')} in {plural(groups, 'group')}" if images else plural(groups, "group")
        yield (
            f"{said} of identical images have different labels, so no classifier can be right about all of them "
            "(duplicates.parquet lists them)."
        )


def _both(counts: dict[str, int]) -> str:
    """Return the numbers of images in both splits: "3 training and 1 test images"."""
    return " and ".join(f"{counts.get(split, 0):,} {word}" for split, word in SPLITS.items()) + " images"
