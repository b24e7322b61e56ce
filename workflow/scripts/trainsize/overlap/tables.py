"""The tables of the overlap stage."""

from trainsize.common.tables import FLAG, INT, REAL, Column, Table

_PAIR = (
    Column("n_a", INT, "size of the first", "images"),
    Column("draw_a", INT, "draw of the first"),
    Column("n_b", INT, "size of the second", "images"),
    Column("draw_b", INT, "draw of the second"),
)
OVERLAP = Table(
    "overlap/overlap.parquet",
    "a pair of subsets",
    (
        *_PAIR,
        Column("common", INT, "images in both", "images"),
        Column("share_a", REAL, "common images as a share of the first", "fraction"),
        Column("share_b", REAL, "common images as a share of the second", "fraction"),
        Column("expected", REAL, "common images if the two were drawn independently with these class counts", "images"),
        Column("sd", REAL, "standard deviation of that number under independence", "images"),
        Column("z", REAL, "(common - expected) / sd; empty where chance leaves no room"),
        Column("p", REAL, "two-sided p-value of the common images under independence"),
        Column(
            "dependent", FLAG, "whether independent draws do not give this: p times the number of pairs is below 0.01"
        ),
        Column("largest_class_share", REAL, "the largest over the classes of the share in common", "fraction"),
        Column("expected_largest_class_share", REAL, "its expectation under independence", "fraction"),
    ),
)
OVERLAP_CLASSES = Table(
    "overlap/overlap_classes.parquet",
    "a class of a pair of subsets",
    (
        *_PAIR,
        Column("label", INT, "the class, from 0"),
        Column("total", INT, "its training images in the data set", "images"),
        Column("count_a", INT, "those in the first", "images"),
        Column("count_b", INT, "those in the second", "images"),
        Column("common", INT, "those in both", "images"),
        Column("share", REAL, "common images as a share of the first's in this class", "fraction"),
        Column("expected", REAL, "common images under independence", "images"),
        Column("sd", REAL, "standard deviation of that number", "images"),
    ),
)
