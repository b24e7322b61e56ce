"""The tables of the download stage."""

from trainsize.common.tables import INT, TEXT, Column, Table

INDEX = Table(
    "../datasets/{dataset}/{split}_index.parquet",
    "an image file",
    (
        Column("path", TEXT, "path of the file below the data set's folder"),
        Column("label", INT, "its class, from 0"),
        Column("bytes", INT, "size of the file", "bytes"),
        Column("sha256", TEXT, "SHA-256 of the file; empty unless `checksum: true`"),
    ),
)
DUPLICATES = Table(
    "../datasets/{dataset}/duplicates.parquet",
    "an image with the same pixels as another image",
    (
        Column("group", INT, "number of its group of identical images, from 0"),
        Column("split", TEXT, "train or test"),
        Column("index", INT, "row of the image in its split, from 0"),
        Column("label", INT, "its class, from 0"),
    ),
)
