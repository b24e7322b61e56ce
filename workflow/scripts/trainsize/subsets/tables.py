"""The tables of the subsets stage."""

from trainsize.common.tables import INT, TEXT, Column, Table

SUBSET = Table(
    "subsets/n{n}/draw{draw}.parquet",
    "an image of the subset",
    (
        Column("index", INT, "row of the image in the data set's training images"),
        Column("label", INT, "its class, from 0"),
        Column("role", TEXT, "train or validation"),
    ),
)
SUBSETS = Table(
    "subsets/subsets.parquet",
    "a subset",
    (
        Column("n", INT, "size: training images", "images"),
        Column("draw", INT, "which subset of that size"),
        Column("method", TEXT, "how it was chosen"),
        Column("n_train", INT, "training images it holds: n, or what rounding per class gives", "images"),
        Column("n_validation", INT, "validation images held out", "images"),
        Column("smallest_class", INT, "training images of its rarest class", "images"),
        Column("largest_class", INT, "training images of its commonest class", "images"),
        Column("content", TEXT, "hash of the row indices"),
    ),
)
