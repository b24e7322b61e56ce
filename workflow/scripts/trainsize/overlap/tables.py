"""The tables of the overlap stage."""

from trainsize.common.tables import FLAG, INT, REAL, Column, Table

_PAIR = (
    Column("n_a", INT, "size of the first subset", "images"),
    Column("draw_a", INT, "draw of the first subset"),
    Column("n_b", INT, "size of the second subset", "images"),
    Column("draw_b", INT, "draw of the second subset"),
)
OVERLAP = Table(
    "overlap/overlap.parquet",
    "a pair of subsets",
    (
        *_PAIR,
        Column("common", INT, "images in both subsets", "images"),
        Column("share_a", REAL, "common images as a share of the first subset", "fraction"),
        Column("share_b", REAL, "common images as a share of the second subset", "fraction"),
        Column("expected", REAL, "expected common images for independent draws with these class counts", "images"),
        Column("sd", REAL, "standard deviation of the common images for independent draws", "images"),
        Column("z", REAL, "(common - expected) / sd; empty if sd is 0"),
        Column("p", REAL, "two-sided p-value of the common images for independent draws"),
        Column("dependent", FLAG, "whether the draws are not independent: p times the number of pairs is below 0.01"),
        Column(
            "largest_class_share",
            REAL,
            "largest share of a class's images in common, over the classes of the first subset",
            "fraction",
        ),
        Column("expected_largest_class_share", REAL, "expected largest_class_share for independent draws", "fraction"),
    ),
)
OVERLAP_CLASSES = Table(
    "overlap/overlap_classes.parquet",
    "a class of a pair of subsets",
    (
        *_PAIR,
        Column("label", INT, "class, from 0"),
        Column("total", INT, "training images of the class in the data set", "images"),
        Column("count_a", INT, "images of the class in the first subset", "images"),
        Column("count_b", INT, "images of the class in the second subset", "images"),
        Column("common", INT, "images of the class in both", "images"),
        Column("share", REAL, "common images as a share of the first subset's images of this class", "fraction"),
        Column("expected", REAL, "expected common images for independent draws", "images"),
        Column("sd", REAL, "standard deviation of the common images for independent draws", "images"),
    ),
)
