"""The check of the data behind a study's own runs: what was left out of them, and pixels without meaning."""

from collections.abc import Iterator

from trainsize.audit.findings import CLEAR, QUESTION, Finding
from trainsize.datasets.remarks import remarks

DATA = "data"


def check_data(manifest: dict) -> Iterator[Finding]:
    """Yield what the manifest of the study's data set says of files that were left out and pixels without meaning."""
    tested = "whether files were left out of the data set, and whether its pixels mean something"
    said = remarks(manifest)
    for remark in said:
        meaning = "the numbers hold for the images that are left: check whether that is intended"
        yield Finding(DATA, manifest["name"], QUESTION, tested, remark, meaning)
    if not said:
        images = f"{manifest['n_train']:,} training and {manifest['n_test']:,} test images"
        yield Finding(DATA, manifest["name"], CLEAR, tested, images, "no file that may be an image was left out")
