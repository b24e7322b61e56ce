"""The tables of the training stage."""

import pyarrow as pa

from trainsize.common.tables import FLAG, INT, REAL, TEXT, Column, Table
from trainsize.runs.metrics import RECORDED, Metric

RUN = (
    Column("study", TEXT, "name of the study"),
    Column("model", TEXT, "name of the model"),
    Column("n", INT, "size: training images", "images"),
    Column("draw", INT, "which subset of that size"),
    Column("seed", INT, "training seed"),
)


def metric_column(metric: Metric) -> Column:
    return Column(metric.name, REAL, metric.meaning, "fraction" if metric.is_share else metric.unit)


SCORES = (
    Column("n_evaluated", INT, "images scored", "images"),
    *map(metric_column, RECORDED),
    Column("margin_correct", REAL, "mean (C1 - C2)/C1 of correct predictions, C1, C2 the largest probabilities"),
    Column("margin_wrong", REAL, "the same of wrong predictions; empty where there is none"),
)
SCORE_NAMES = tuple(column.name for column in SCORES)
CHECKPOINT = (
    *RUN,
    Column("step", INT, "optimiser updates done", "updates"),
    Column("samples_seen", INT, "training images seen, repeats counted", "images"),
    Column("epoch", REAL, "passes over the training subset", "passes"),
    Column("split", TEXT, "test, train (the subset, without augmentation or dropout) or validation"),
    Column(
        "sampled",
        FLAG,
        "whether these are the scores of the run's fixed random sample of `evaluation.images` images. Such rows are "
        "comparable along a run; the selected checkpoint has rows of its final scores beside them: of the whole test "
        "set, and of `evaluation.train_images` training images",
    ),
    *SCORES,
    Column("loss_batches", REAL, "mean loss of the updates since the checkpoint before; in rows of train only", "nats"),
)
RUN_HISTORY = Table(
    "runs/{model}/n{n}/draw{draw}/seed{seed}/history.parquet", "a checkpoint of the run, and a split", CHECKPOINT
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
