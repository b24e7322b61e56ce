"""The tables of the subsets stage."""

from trainsize.common.tables import INT, TEXT, Column, Table

SUBSET = Table(
    "subsets/n{n}/draw{draw}.parquet",
    "an image of the subset",
    (
        Column("index", INT, "row of the image among the data set's training images, from 0"),
        Column("label", INT, "class of the image, from 0"),
        Column("role", TEXT, "train or validation"),
    ),
)
SUBSETS = Table(
    "subsets/subsets.parquet",
    "a subset",
    (
        Column("n", INT, "size: training images", "images"),
        Column("draw", INT, "number of the subset among those of its size"),
        Column("method", TEXT, "method that chose it (`subset.method`)"),
        Column(
            "n_train",
            INT,
            "actual number of training images: n, or slightly more or fewer after rounding per class",
            "images",
        ),
        Column("n_validation", INT, "validation images held out", "images"),
        Column("smallest_class", INT, "training images in its smallest class", "images"),
        Column("largest_class", INT, "training images in its largest class", "images"),
        Column("content", TEXT, "hash of its row indices"),
    ),
)
