"""Data sets described in a study file: a folder of images, IDX files, an .npz file or Parquet tables.

Imports nothing heavy, because every cluster job reads the study file again.
"""

from collections.abc import Iterator
from pathlib import Path

from trainsize.common.errors import UserError, unreadable
from trainsize.common.paths import user_path
from trainsize.datasets.arrays import ARRAYS, Header, check_arrays, image_shape
from trainsize.datasets.catalogue import DATASETS, Dataset, numbered
from trainsize.datasets.class_names import check_different, composed
from trainsize.datasets.folders import list_folder, not_counted
from trainsize.datasets.headers import idx_header, npz_headers


def described(value: dict) -> Dataset:
    """Return the card of the data set described by `value`, the checked `dataset` of a study.

    The counts and shape of IDX and .npz files are read from their headers unless all are stated. The counts of folders
    and Parquet tables must be stated, because counting in every job of the study would be slow. Raises UserError
    saying what to add.
    """
    name, form = value["name"], value["format"] | {"path": str(user_path(value["format"]["path"]))}
    if name in DATASETS:
        raise UserError(f"name: '{name}' is the name of a built-in data set; choose another name")
    facts = {key: value[key] for key in ("n_train", "n_test", "shape") if key in value}
    for key, message in _idle(value):
        raise UserError(f"{key}: {message}")
    if form["name"] in ("folder", "parquet"):
        if not {"n_train", "n_test"} <= facts.keys():
            raise UserError(_missing_counts(value))
        facts["shape"] = (form["size"], form["size"], form["channels"]) if form["size"] else None
    elif len(facts) < 3:
        headers = {"idx": _idx_headers, "npz": _npz_headers}[form["name"]](form)
        classes = value["classes"]
        number = classes if isinstance(classes, int) else len(classes)
        check_arrays(headers, form["path"], number, facts.get("shape"))
        counts = {"n_train": headers["train_labels"].shape[0], "n_test": headers["test_labels"].shape[0]}
        facts = {**counts, "shape": image_shape(headers["train_images"]), **facts}
    classes = value["classes"]
    if not isinstance(classes, int):
        check_different(classes, "classes")
    return Dataset(
        name=name,
        title=value["title"] or name,
        n_train=facts["n_train"],
        n_test=facts["n_test"],
        classes=numbered(classes) if isinstance(classes, int) else tuple(map(composed, classes)),
        shape=facts["shape"] and tuple(facts["shape"]),
        source=value["source"],
        licence=value["licence"],
        format=form,
        named=form["name"] == "folder" and not isinstance(classes, int),
    )


def _idle(value: dict) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for settings that another one leaves without effect."""
    form = value["format"]
    if form["name"] in ("folder", "parquet") and "shape" in value:
        message = f"has no effect: images of a {form['name']} data set are prepared at format.size with format.channels"
        yield "shape", f"{message}; remove it"
    if form["name"] == "folder" and not form["size"]:
        for key, default in (("channels", 3), ("background", "white")):
            if form.get(key, default) != default:
                message = f"found {form[key]}, but the images are only listed, not opened, without format.size"
                yield f"format.{key}", f"{message}; set that, or remove this key"


def _idx_headers(form: dict) -> dict[str, Header]:
    return {name: idx_header(idx_path(Path(form["path"]), form[name])) for name in ARRAYS}


def idx_path(folder: Path, name: str) -> Path:
    """Return the IDX file `name` in `folder`, with or without .gz. Raises UserError if there is none."""
    other = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    for path in (folder / name, folder / other):
        if path.is_file():
            return path
    raise UserError(f"{folder / name}: no such file (paths are relative to the folder where snakemake is called)")


def _npz_headers(form: dict) -> dict[str, Header]:
    headers = npz_headers(Path(form["path"]))
    for name in ARRAYS:
        if form[name] not in headers:
            found = ", ".join(headers)
            raise UserError(f"format.{name}: {form['path']} has no array '{form[name]}', only {found}")
    return {name: headers[form[name]] for name in ARRAYS}


def _missing_counts(value: dict) -> str:
    """Return the message for missing numbers of images, with the numbers if they can be counted."""
    form = value["format"]
    lacking = [key for key in ("n_train", "n_test") if key not in value]
    message = f"a {form['name']} data set needs its numbers of images; add {' and '.join(lacking)}"
    try:
        counts, remark = _count_folder(form) if form["name"] == "folder" else (_count_parquet(form), "")
    except (UserError, OSError) as error:
        if isinstance(error, UserError) and Path(form["path"]).exists():
            raise  # what is wrong with the files comes first: the numbers would change
        return f"{message} (they could not be counted: {error})"
    return f"{message}:" + "".join(f"\n  {key}: {counts[key]}" for key in lacking) + remark


def _count_folder(form: dict) -> tuple[dict[str, int], str]:
    """Return the numbers of images, and what is not counted among them."""
    _, splits = list_folder(Path(form["path"]), form["train"], form["test"])
    return {f"n_{split}": len(index) for split, index in splits.items()}, not_counted(splits.values())


def _count_parquet(form: dict) -> dict[str, int]:
    tables = {split: parquet_paths(Path(form["path"]), form[split]) for split in ("train", "test")}
    counts = {f"n_{split}": sum(map(_rows, paths)) for split, paths in tables.items()}
    if not all(counts.values()):
        found = f"found {counts['n_train']:,} training and {counts['n_test']:,} test rows"
        raise UserError(f"{form['path']}: {found}; both need images of every class")
    return counts


def _rows(path: Path) -> int:
    """Return the number of rows of a Parquet file. Raises UserError if it is not one."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_metadata(path).num_rows
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error, form="Parquet") from error


def parquet_paths(folder: Path, pattern: str) -> list[Path]:
    """Return the files in `folder` that match `pattern`, sorted. Raises UserError if there is none."""
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise UserError(
            f"{folder / pattern}: no such file (paths are relative to the folder where snakemake is called)"
        )
    return paths
