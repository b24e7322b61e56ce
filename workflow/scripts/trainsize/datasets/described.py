"""Data sets that a study file describes itself: a folder of images, IDX files, an .npz file or Parquet tables.

Imports nothing heavy, like the catalogue whose cards it makes.
"""

from pathlib import Path

from trainsize.common.errors import UserError
from trainsize.datasets.catalogue import DATASETS, Dataset, numbered
from trainsize.datasets.folders import list_folder
from trainsize.datasets.headers import idx_shape, npz_shapes

ARRAYS = tuple(f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels"))


def described(value: dict) -> Dataset:
    """Return the card of the data set that `value`, the checked `dataset` of a study, describes.

    The counts and shape of IDX and .npz files are read from their first bytes unless all are stated; the counts of
    folders and Parquet tables must be stated, because every job of the study reads it again. Raises UserError saying
    what to add.
    """
    name, form = value["name"], value["format"]
    if name in DATASETS:
        raise UserError(f"name: '{name}' is a data set that trainsize knows; call yours otherwise")
    facts = {key: value[key] for key in ("n_train", "n_test", "shape") if key in value}
    if form["name"] in ("folder", "parquet"):
        if not {"n_train", "n_test"} <= facts.keys():
            raise UserError(_to_add(value))
        facts["shape"] = (form["size"], form["size"], form["channels"]) if form["size"] else None
    elif len(facts) < 3:
        shapes = {"idx": _idx_shapes, "npz": _npz_shapes}[form["name"]](form)
        found = {"n_train": shapes["train_labels"][0], "n_test": shapes["test_labels"][0]}
        facts = {**found, **facts}
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
    """Return the IDX file `name` in `folder`, or the same without or with its .gz. Raises UserError."""
    other = name.removesuffix(".gz") if name.endswith(".gz") else f"{name}.gz"
    for path in (folder / name, folder / other):
        if path.is_file():
            return path
    raise UserError(f"{folder / name}: there is no such file (paths start where snakemake is called)")


def _npz_shapes(form: dict) -> dict[str, tuple[int, ...]]:
    shapes = npz_shapes(Path(form["path"]))
    for name in ARRAYS:
        if form[name] not in shapes:
            found = ", ".join(shapes)
            raise UserError(f"format.{name}: {form['path']} has no array '{form[name]}' (there: {found})")
    return _checked({name: shapes[form[name]] for name in ARRAYS}, form["path"])


def _checked(shapes: dict[str, tuple[int, ...]], path: str) -> dict[str, tuple[int, ...]]:
    for name, shape in shapes.items():
        allowed = (1,) if name.endswith("labels") else (3, 4)
        if len(shape) not in allowed:
            expected = "one number per image" if len(allowed) == 1 else "images × height × width (× channels)"
            raise UserError(f"{path}: the {name.replace('_', ' ')} have the shape {shape}, expected {expected}")
    return shapes


def _image_shape(shape: tuple[int, ...], path: str) -> tuple[int, int, int]:
    """Return height, width and channels of the images in an array; one without channels is grey.

    Raises UserError for an array whose channels seem to come first, as PyTorch has them.
    """
    if len(shape) == 4 and shape[1] <= 4 < shape[3]:
        raise UserError(
            f"{path}: the training images have the shape {shape}, which looks like channels first; transpose them to "
            f"images × height × width × channels, or state `shape: {list(shape[1:])}` if height comes first"
        )
    return (*shape[1:], 1)[:3]


def _to_add(value: dict) -> str:
    """Return the message that a study lacks the counts of its data set, with the counts where they can be found."""
    form = value["format"]
    lacking = [key for key in ("n_train", "n_test") if key not in value]
    message = f"a {form['name']} data set needs its numbers of images; add {' and '.join(lacking)}"
    try:
        counts = _count_folder(form) if form["name"] == "folder" else _count_parquet(form)
    except (UserError, OSError) as error:
        return f"{message} (they could not be counted: {error})"
    return f"{message}, which are here" + "".join(f"\n  {key}: {counts[key]}" for key in lacking)


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
    """Return the files that `pattern` names in `folder`, sorted. Raises UserError when there is none."""
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise UserError(f"{folder / pattern}: there is no such file (paths start where snakemake is called)")
    return paths
