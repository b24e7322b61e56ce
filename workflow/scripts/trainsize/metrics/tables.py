"""The tables of the metrics stage."""

import pyarrow as pa

from trainsize.common.tables import INT, REAL, TEXT, Column, Table
from trainsize.runs.metrics import DERIVED
from trainsize.training.tables import CHECKPOINT, RUN, SCORES, metric_column

_DERIVED = tuple(map(metric_column, DERIVED))
HISTORY = Table("metrics/history.parquet", "a checkpoint of a run, and a split", (*CHECKPOINT, *_DERIVED))

RUNS = Table(
    "metrics/runs.parquet",
    "a run",
    (
        *RUN,
        Column(
            "status",
            TEXT,
            "finished; diverged: the loss became infinite or not a number; failed: memory or a batch was too small; "
            "or missing, in interim tables",
        ),
        Column("reason", TEXT, "why a run that is not finished ended"),
        Column(
            "test_images", INT, "test images that its test scores are computed on; empty where it has none", "images"
        ),
        Column("train_images", INT, "the same of training images", "images"),
        *(
            Column(f"{split}_{c.name}", c.type, f"{c.meaning}; {split} split at the selected checkpoint", c.unit)
            for split in ("test", "train", "validation")
            for c in (*SCORES[1:], *_DERIVED)
        ),
        Column("stopped", TEXT, "why training ended before its budget did; empty when it did not"),
        Column("selected_step", INT, "the checkpoint of the scores and predictions", "updates"),
        Column("updates", INT, "optimiser updates done", "updates"),
        Column("images_seen", INT, "training images seen, repeats counted", "images"),
        Column("images_evaluated", INT, "images evaluated over all checkpoints", "images"),
        Column("parameters", INT, "trainable parameters of the network"),
        Column("flops_per_image", INT, "floating-point operations of one forward pass on one image", "FLOP"),
        Column("seconds_train", REAL, "time spent in updates", "seconds"),
        Column("seconds_evaluate", REAL, "time spent in evaluation", "seconds"),
        Column("seconds_total", REAL, "time of the run with loading the data, without starting Python", "seconds"),
        Column("device", TEXT, "processor or GPU that it was trained on"),
        Column("settings", TEXT, "hash of the resolved settings"),
        Column("code", TEXT, "fingerprint of the training code"),
        Column("subset", TEXT, "hash of the subset's row indices"),
    ),
)
CLASSES = Table(
    "metrics/classes.parquet",
    "a class of a finished run, over the test images at the selected checkpoint",
    (
        *RUN,
        Column("label", INT, "the class, from 0"),
        Column("support", INT, "test images of the class", "images"),
        Column("predicted", INT, "test images predicted as the class", "images"),
        Column(
            "precision",
            REAL,
            "share of the images predicted as the class that belong to it; empty where there are none",
            "fraction",
        ),
        Column(
            "recall",
            REAL,
            "share of the class that is predicted as the class; empty where it has no images",
            "fraction",
        ),
        Column("f1", REAL, "harmonic mean of both: 2 hits / (support + predicted)", "fraction"),
    ),
)
CONFUSION = Table(
    "metrics/confusion.parquet",
    "a class and a class predicted for its test images, over all finished runs of a model and size",
    (
        Column("model", TEXT, "name of the model"),
        Column("n", INT, "size: training images", "images"),
        Column("label", INT, "the class, from 0"),
        Column("predicted", INT, "the predicted class"),
        Column("count", INT, "how often, over all runs; pairs that never occur have no row", "images"),
    ),
)
NEURONS = Table(
    "metrics/neurons.parquet",
    "a finished run whose model keeps the correlations between the units of a layer",
    (
        *RUN,
        Column("layer", TEXT, "name of the layer in the network"),
        Column("images", INT, "test images over which the units were compared", "images"),
        Column("units", INT, "units of the layer"),
        Column("mean", REAL, "mean of all correlations, including those of units with themselves"),
        Column("sd", REAL, "their population standard deviation"),
        Column("mean_off_diagonal", REAL, "mean of the correlations between different units"),
        Column("sd_off_diagonal", REAL, "their population standard deviation"),
        # Parquet calls what a list holds its element.
        Column("correlations", pa.list_(pa.field("element", pa.float32())), "units × units correlations, row by row"),
    ),
)
