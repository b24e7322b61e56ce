"""Data sets described in a study file: a folder of images, IDX files, an .npz file or Parquet tables.

Imports nothing heavy, because every cluster job reads the study file again.
"""

from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.datasets.catalogue import DATASETS, Dataset, numbered
from trainsize.datasets.folders import list_folder
from trainsize.datasets.headers import idx_shape, npz_shapes

ARRAYS = tuple(f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels"))


def described(value: dict) -> Dataset:
    """Return the card of the data set described by `value`, the checked `dataset` of a study.

    The counts and shape of IDX and .npz files are read from their headers unless all are stated. The counts of folders
    and Parquet tables must be stated, because counting in every job of the study would be slow. Raises UserError
    saying what to add.
    """
    name, form = value["name"], value["format"]
    if name in DATASETS:
        raise UserError(f"name: '{name}' is the name of a built-in data set; choose another name")
    facts = {key: value[key] for key in ("n_train", "n_test", "shape") if key in value}
    if form["name"] in ("folder", "parquet"):
        if not {"n_train", "n_test"} <= facts.keys():
            raise UserError(_missing_counts(value))
        facts["shape"] = (form["size"], form["size"], form["channels"]) if form["size"] else None
    elif len(facts) < 3:
        shapes = {"idx": _idx_shapes, "npz": _npz_shapes}[form["name"]](form)
        counts = {"n_train": shapes["train_labels"][0], "n_test": shapes["test_labels"][0]}
        facts = {**counts, **facts}
        if "shape" not in facts:
            facts["shape"] = _image_shape(shapes["train_images"], form["path"])
    classes = value["classes"]
    return Dataset(
        name=name,
        title=value["title"] or name,
        n_train=facts["n_train"],
        n_test=facts["n_test"],
        classes=numbered(classes) if isinstance(classes, int) else tuple(classes),
        shape=facts["shape"] and tuple(facts["shape"]),
        source=value["source"],
        licence=value["licence"],
        format=form,
    )


def _idx_shapes(form: dict) -> dict[str, tuple[int, ...]]:
    return _checked({name: idx_shape(idx_path(Path(form["path"]), form[name])) for name in ARRAYS}, form["path"])


def idx_path(folder: Path, name: str) -> Path:
    """Return the IDX file `name` in `folder`, with or without .gz. Raises UserError if there is none."""
    other = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    for path in (folder / name, folder / other):
        if path.is_file():
            return path
    raise UserError(f"{folder / name}: no such file (paths are relative to the folder where snakemake is called)")


def _npz_shapes(form: dict) -> dict[str, tuple[int, ...]]:
    shapes = npz_shapes(Path(form["path"]))
    for name in ARRAYS:
        if form[name] not in shapes:
            found = ", ".join(shapes)
            raise UserError(f"format.{name}: {form['path']} has no array '{form[name]}', only {found}")
    return _checked({name: shapes[form[name]] for name in ARRAYS}, form["path"])


def _checked(shapes: dict[str, tuple[int, ...]], path: str) -> dict[str, tuple[int, ...]]:
    for name, shape in shapes.items():
        allowed = (1,) if name.endswith("labels") else (3, 4)
        if len(shape) not in allowed:
            expected = "one number per image" if len(allowed) == 1 else "images × height × width (× channels)"
            raise UserError(f"{path}: the {name.replace('_', ' ')} have the shape {shape}, expected {expected}")
    return shapes


def _image_shape(shape: tuple[int, ...], path: str) -> tuple[int, int, int]:
    """Return height, width and channels of an array's images. Without a channel axis they are grey.

    Raises UserError if the channels seem to come first, as in PyTorch.
    """
    if len(shape) == 4 and shape[1] <= 4 < shape[3]:
        raise UserError(
            f"{path}: the training images have the shape {shape}, which looks like channels first; transpose them to "
            f"images × height × width × channels, or set `shape: {list(shape[1:])}` if the height comes first"
        )
    return (*shape[1:], 1)[:3]


def _missing_counts(value: dict) -> str:
    """Return the message for missing numbers of images, with the numbers if they can be counted."""
    form = value["format"]
    lacking = [key for key in ("n_train", "n_test") if key not in value]
    message = f"a {form['name']} data set needs its numbers of images; add {' and '.join(lacking)}"
    try:
        counts = _count_folder(form) if form["name"] == "folder" else _count_parquet(form)
    except (UserError, OSError) as error:
        return f"{message} (they could not be counted: {error})"
    return f"{message}:" + "".join(f"\n  {key}: {counts[key]}" for key in lacking)


def _count_folder(form: dict) -> dict[str, int]:
    _, splits = list_folder(Path(form["path"]), form["train"], form["test"])
    return {f"n_{split}": len(index) for split, index in splits.items()}


def _count_parquet(form: dict) -> dict[str, int]:
    from pyarrow import parquet

    tables = {split: parquet_paths(Path(form["path"]), form[split]) for split in ("train", "test")}
    return {
        f"n_{split}": sum(parquet.read_metadata(path).num_rows for path in paths) for split, paths in tables.items()
    }


def parquet_paths(folder: Path, pattern: str) -> list[Path]:
    """Return the files in `folder` that match `pattern`, sorted. Raises UserError if there is none."""
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise UserError(
            f"{folder / pattern}: no such file (paths are relative to the folder where snakemake is called)"
        )
    return paths
