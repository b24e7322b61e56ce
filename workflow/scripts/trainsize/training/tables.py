"""The tables of the training stage."""

import pyarrow as pa

from trainsize.common.tables import INT, REAL, TEXT, Column, Table

RUN = (
    Column("study", TEXT, "name of the study"),
    Column("model", TEXT, "name of the model"),
    Column("n", INT, "size: training images", "images"),
    Column("draw", INT, "which subset of that size"),
    Column("seed", INT, "training seed"),
)
SCORES = (
    Column("n_evaluated", INT, "images evaluated: all there are, unless `scores: last_batch`", "images"),
    Column("loss", REAL, "mean cross-entropy, from float64 logits", "nats"),
    Column("accuracy", REAL, "share of images whose most probable class is the label", "fraction"),
    Column("f1_macro", REAL, "F1 averaged over the classes that occur as label or prediction", "fraction"),
    Column(
        "f1_micro", REAL, "F1 of all classes' counts together, which is the accuracy: published by mistake", "fraction"
    ),
    Column("accuracy_top5", REAL, "share of images whose label is among the five most probable classes", "fraction"),
    Column("accuracy_balanced", REAL, "recall averaged over the classes that occur as label", "fraction"),
    Column("brier", REAL, "mean squared distance of the probabilities from the label, summed over classes"),
    Column("calibration_error", REAL, "expected calibration error, 15 bins of equal mass", "fraction"),
    Column("margin_correct", REAL, "mean (C1 - C2)/C1 of correct predictions, C1, C2 the largest probabilities"),
    Column("margin_wrong", REAL, "the same of wrong predictions; empty where there is none"),
)
SCORE_NAMES = tuple(column.name for column in SCORES)
HISTORY = Table(
    "metrics/history.parquet",
    "a checkpoint of a run, and a split",
    (
        *RUN,
        Column("step", INT, "optimiser updates done", "updates"),
        Column("samples_seen", INT, "training images seen, repeats counted", "images"),
        Column("epoch", REAL, "passes over the training subset", "passes"),
        Column("split", TEXT, "test, train (the whole subset, without augmentation or dropout) or validation"),
        *SCORES,
        Column(
            "loss_batches", REAL, "mean loss of the updates since the checkpoint before; in rows of train only", "nats"
        ),
    ),
)
PREDICTIONS = Table(
    "runs/{model}/n{n}/draw{draw}/seed{seed}/predictions.parquet",
    "a test image, at the selected checkpoint",
    (
        Column("index", pa.int32(), "row of the image in the test images"),
        Column("label", pa.int16(), "its class, from 0"),
        *(Column(f"class_{k}", pa.int16(), f"class ranked {k}. by probability") for k in range(1, 6)),
        *(Column(f"probability_{k}", pa.float32(), f"probability of class_{k}", "fraction") for k in range(1, 6)),
    ),
)
