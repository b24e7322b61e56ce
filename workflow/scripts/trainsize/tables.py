"""The tables the workflow writes: their columns, types, units and meanings, kept in the Parquet files themselves."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from trainsize.errors import UserError
from trainsize.files import whole

_INT, _REAL, _TEXT, _FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()


@dataclass(frozen=True)
class Column:
    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A kind of table: where it lies in `results/{study}/`, one line on what a row is, and its columns."""

    path: str
    row: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(
            pa.field(c.name, c.type, metadata={"description": c.meaning} | ({"unit": c.unit} if c.unit else {}))
            for c in self.columns
        )


_RUN = (
    Column("study", _TEXT, "name of the study"),
    Column("model", _TEXT, "name of the model"),
    Column("n", _INT, "size: training images", "images"),
    Column("draw", _INT, "which subset of that size"),
    Column("seed", _INT, "training seed"),
)
_SCORES = (
    Column("n_evaluated", _INT, "images evaluated: all there are", "images"),
    Column("loss", _REAL, "mean cross-entropy, from float64 logits", "nats"),
    Column("accuracy", _REAL, "share of images whose most probable class is the label", "fraction"),
    Column("f1_macro", _REAL, "F1 averaged over the classes that occur as label or prediction", "fraction"),
    Column("accuracy_top5", _REAL, "share of images whose label is among the five most probable classes", "fraction"),
    Column("accuracy_balanced", _REAL, "recall averaged over the classes that occur as label", "fraction"),
    Column("brier", _REAL, "mean squared distance of the probabilities from the label, summed over classes"),
    Column("calibration_error", _REAL, "expected calibration error, 15 bins of equal mass", "fraction"),
    Column("margin_correct", _REAL, "mean (C1 - C2)/C1 of correct predictions, C1, C2 the largest probabilities"),
    Column("margin_wrong", _REAL, "the same of wrong predictions; empty where there is none"),
)
SCORE_NAMES = tuple(column.name for column in _SCORES)

INDEX = Table(
    "../datasets/{dataset}/{split}_index.parquet",
    "an image of a folder",
    (
        Column("path", _TEXT, "where it lies below the data set's folder"),
        Column("label", _INT, "its class, from 0"),
        Column("bytes", _INT, "size of the file", "bytes"),
        Column("sha256", _TEXT, "checksum of the file; empty unless asked for"),
    ),
)
DUPLICATES = Table(
    "../datasets/{dataset}/duplicates.parquet",
    "an image whose pixels are also another image's",
    (
        Column("group", _INT, "which group of identical images"),
        Column("split", _TEXT, "train or test"),
        Column("index", _INT, "row of the image in its split"),
        Column("label", _INT, "its class, from 0"),
    ),
)
SUBSET = Table(
    "subsets/n{n}/draw{draw}.parquet",
    "an image of the subset",
    (
        Column("index", _INT, "row of the image in the data set's training images"),
        Column("label", _INT, "its class, from 0"),
        Column("role", _TEXT, "train or validation"),
    ),
)
SUBSETS = Table(
    "subsets/subsets.parquet",
    "a subset",
    (
        Column("n", _INT, "size: training images", "images"),
        Column("draw", _INT, "which subset of that size"),
        Column("method", _TEXT, "how it was chosen"),
        Column("n_train", _INT, "training images it holds: n, or what rounding per class gives", "images"),
        Column("n_validation", _INT, "validation images held out", "images"),
        Column("smallest_class", _INT, "training images of its rarest class", "images"),
        Column("largest_class", _INT, "training images of its commonest class", "images"),
        Column("content", _TEXT, "hash of the row indices"),
    ),
)
_PAIR = (
    Column("n_a", _INT, "size of the first", "images"),
    Column("draw_a", _INT, "draw of the first"),
    Column("n_b", _INT, "size of the second", "images"),
    Column("draw_b", _INT, "draw of the second"),
)
OVERLAP = Table(
    "overlap/overlap.parquet",
    "a pair of subsets",
    (
        *_PAIR,
        Column("common", _INT, "images in both", "images"),
        Column("share_a", _REAL, "common images as a share of the first", "fraction"),
        Column("share_b", _REAL, "common images as a share of the second", "fraction"),
        Column(
            "expected", _REAL, "common images if the two were drawn independently with these class counts", "images"
        ),
        Column("sd", _REAL, "standard deviation of that number under independence", "images"),
        Column("z", _REAL, "(common - expected) / sd; empty where chance leaves no room"),
        Column("p", _REAL, "two-sided p-value of the common images under independence"),
        Column(
            "dependent", _FLAG, "whether independent draws do not give this: p times the number of pairs is below 0.01"
        ),
        Column("largest_class_share", _REAL, "the largest over the classes of the share in common", "fraction"),
        Column("expected_largest_class_share", _REAL, "its expectation under independence", "fraction"),
    ),
)
OVERLAP_CLASSES = Table(
    "overlap/overlap_classes.parquet",
    "a class of a pair of subsets",
    (
        *_PAIR,
        Column("label", _INT, "the class, from 0"),
        Column("total", _INT, "its training images in the data set", "images"),
        Column("count_a", _INT, "those in the first", "images"),
        Column("count_b", _INT, "those in the second", "images"),
        Column("common", _INT, "those in both", "images"),
        Column("share", _REAL, "common images as a share of the first's in this class", "fraction"),
        Column("expected", _REAL, "common images under independence", "images"),
        Column("sd", _REAL, "standard deviation of that number", "images"),
    ),
)
HISTORY = Table(
    "metrics/history.parquet",
    "a checkpoint of a run, and a split",
    (
        *_RUN,
        Column("step", _INT, "optimiser updates done", "updates"),
        Column("samples_seen", _INT, "training images seen, repeats counted", "images"),
        Column("epoch", _REAL, "passes over the training subset", "passes"),
        Column("split", _TEXT, "test, train (the whole subset, without augmentation or dropout) or validation"),
        *_SCORES,
    ),
)
PREDICTIONS = Table(
    "runs/{model}/n{n}/draw{draw}/seed{seed}/predictions.parquet",
    "a test image, at the end of training",
    (
        Column("index", pa.int32(), "row of the image in the test images"),
        Column("label", pa.int16(), "its class, from 0"),
        *(Column(f"class_{k}", pa.int16(), f"class ranked {k}. by probability") for k in range(1, 6)),
        *(Column(f"probability_{k}", pa.float32(), f"probability of class_{k}", "fraction") for k in range(1, 6)),
    ),
)
RUNS = Table(
    "metrics/runs.parquet",
    "a run",
    (
        *_RUN,
        Column("status", _TEXT, "finished, or diverged: the loss became infinite or not a number"),
        Column("reason", _TEXT, "why a run that is not finished ended"),
        *(
            Column(f"{split}_{c.name}", c.type, f"{c.meaning}; {split} split at the last checkpoint", c.unit)
            for split in ("test", "train", "validation")
            for c in _SCORES[1:]
        ),
        Column("updates", _INT, "optimiser updates done", "updates"),
        Column("images_seen", _INT, "training images seen, repeats counted", "images"),
        Column("images_evaluated", _INT, "images evaluated over all checkpoints", "images"),
        Column("parameters", _INT, "trainable parameters of the network"),
        Column("flops_per_image", _INT, "floating-point operations of one forward pass on one image", "FLOP"),
        Column("seconds_train", _REAL, "time spent in updates", "seconds"),
        Column("seconds_evaluate", _REAL, "time spent in evaluation", "seconds"),
        Column("seconds_total", _REAL, "time of the run with loading the data, without starting Python", "seconds"),
        Column("device", _TEXT, "where it was trained"),
        Column("settings", _TEXT, "hash of the resolved settings"),
        Column("code", _TEXT, "fingerprint of the code that decides results"),
        Column("subset", _TEXT, "hash of the subset's row indices"),
    ),
)
_FIT = (
    Column("model", _TEXT, "name of the model"),
    Column("split", _TEXT, "test or train"),
    Column("metric", _TEXT, "what was regressed on log10 n: the means over the runs of each size"),
)
FITS = Table(
    "regressions/fits.parquet",
    "a regression",
    (
        *_FIT,
        Column("n_sizes", _INT, "sizes in the fit"),
        Column("n_runs", _INT, "finished runs behind the means"),
        Column("status", _TEXT, "fitted, or why not"),
        Column("r2", _REAL, "share of the variance of the means explained"),
        Column("r2_adjusted", _REAL, "the same, adjusted for the number of parameters"),
        Column("f", _REAL, "F statistic of the slope"),
        Column("p_f", _REAL, "its p-value"),
        Column("log_likelihood", _REAL, "log-likelihood under normal errors"),
        Column("aic", _REAL, "Akaike's information criterion"),
        Column("bic", _REAL, "Bayesian information criterion"),
        Column("durbin_watson", _REAL, "Durbin-Watson statistic of the residuals"),
        Column("condition_number", _REAL, "condition number of the design matrix"),
    ),
)
PARAMETERS = Table(
    "regressions/parameters.parquet",
    "a coefficient of a regression",
    (
        *_FIT,
        Column("term", _TEXT, "const, or log10_n: the change per tenfold size"),
        Column("estimate", _REAL, "least-squares estimate"),
        Column("standard_error", _REAL, "its standard error, assuming equal and independent errors"),
        Column("t", _REAL, "estimate / standard error"),
        Column("p", _REAL, "two-sided p-value"),
        Column("low", _REAL, "lower end of the 95 % confidence interval"),
        Column("high", _REAL, "upper end of the 95 % confidence interval"),
    ),
)
PLAN = Table(
    "plan.parquet",
    "a model and size",
    (
        Column("model", _TEXT, "name of the model"),
        Column("n", _INT, "size: training images", "images"),
        Column("runs", _INT, "runs of the study"),
        Column("finished", _INT, "runs that need no training"),
        Column("to_do", _INT, "runs that will be trained"),
        Column("why", _TEXT, "reasons and how many runs have each"),
        Column("updates", _INT, "optimiser updates to do", "updates"),
        Column("images", _INT, "training images to be seen, repeats counted", "images"),
        Column("images_evaluated", _INT, "images to be evaluated", "images"),
        Column("flops", _REAL, "floating-point operations to do", "FLOP"),
        Column("hours", _REAL, "estimated time of the runs, one after another", "hours"),
    ),
)
TABLES = (
    INDEX,
    DUPLICATES,
    SUBSETS,
    SUBSET,
    OVERLAP,
    OVERLAP_CLASSES,
    HISTORY,
    RUNS,
    PREDICTIONS,
    FITS,
    PARAMETERS,
    PLAN,
)


def write_table(path: Path, table: Table, data: pd.DataFrame | dict, notes: dict | None = None) -> None:
    """Write `data`, which must have exactly the table's columns, as Parquet; `notes` go into the file's metadata."""
    schema = table.schema
    frame = pd.DataFrame(data)
    if set(frame.columns) != set(schema.names):
        raise ValueError(f"{path}: columns {sorted(frame.columns)}, expected {sorted(schema.names)}")
    if notes:
        schema = schema.with_metadata({"notes": json.dumps(notes, sort_keys=True)})
    arrow = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    with whole(path) as partial:
        parquet.write_table(arrow.replace_schema_metadata(schema.metadata), partial, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """Read a table. Raises UserError naming a file that is missing or damaged."""
    try:
        return parquet.ParquetFile(path).read().to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: cannot be read ({error}); delete it and run snakemake again") from error


def read_notes(path: Path) -> dict:
    """Return the notes that `write_table` put into the file."""
    return json.loads(parquet.read_schema(path).metadata[b"notes"])
