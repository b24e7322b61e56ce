"""The tables of the download stage."""

from trainsize.common.tables import INT, TEXT, Column, Table

INDEX = Table(
    "../datasets/{dataset}/{split}_index.parquet",
    "an image of a folder",
    (
        Column("path", TEXT, "where it lies below the data set's folder"),
        Column("label", INT, "its class, from 0"),
        Column("bytes", INT, "size of the file", "bytes"),
        Column("sha256", TEXT, "checksum of the file; empty unless asked for"),
    ),
)
DUPLICATES = Table(
    "../datasets/{dataset}/duplicates.parquet",
    "an image whose pixels are also another image's",
    (
        Column("group", INT, "which group of identical images"),
        Column("split", TEXT, "train or test"),
        Column("index", INT, "row of the image in its split"),
        Column("label", INT, "its class, from 0"),
    ),
)
