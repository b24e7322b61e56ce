"""The tables of the reproduction stage."""

from trainsize.common.tables import INT, REAL, TEXT, Column, Table

REPRODUCTION = Table(
    "reproduction/reproduction.parquet",
    "a published number beside ours",
    (
        Column("artefact", TEXT, "id of the table, figure or number, as in published/README.md"),
        Column("quantity", TEXT, "name of the number in that artefact"),
        Column("published", REAL, "the printed number, in the printed unit"),
        Column("published_error", REAL, "its printed standard error; empty where there is none"),
        *(
            Column(f"{mode}{end}", REAL, f"{what} {how}")
            for mode, how in (("as_published", "with the study's mistakes"), ("corrected", "without them"))
            for end, what in (("", "our value"), ("_low", "lower end of its interval"), ("_high", "upper end"))
        ),
        Column("difference", REAL, "as_published - published"),
        Column("difference_low", REAL, "lower end of its 95 % interval"),
        Column("difference_high", REAL, "upper end"),
        Column("effect", REAL, "corrected - as_published: the effect of the study's mistakes on the number"),
        Column("rule", TEXT, "rule by which the two agree"),
        Column("verdict", TEXT, "agrees, differs or not comparable"),
        Column("why", TEXT, "why the two are not comparable, or by how much they differ"),
    ),
)
CLAIMS = Table(
    "reproduction/claims.parquet",
    "a claim of the published study, tested on the runs of one version",
    (
        Column("artefact", TEXT, "id of the claims, as in published/README.md"),
        Column("claim", TEXT, "what was claimed"),
        Column("role", TEXT, "the version whose runs test it: as published, corrected, or the variant's name"),
        Column("model", TEXT, "name of the model"),
        Column("metric", TEXT, "name of the metric"),
        Column("value", REAL, "result of the test that published/README.md names"),
        Column("value_low", REAL, "lower end of its 95 % interval; empty where there is one repeat"),
        Column("value_high", REAL, "upper end"),
        Column("above", REAL, "the claim needs a value above this; empty: no limit"),
        Column("below", REAL, "the claim needs a value below this; empty: no limit"),
        Column("repeats", INT, "number of draws, of seeds of a single draw, or of runs behind the interval"),
        Column(
            "verdict",
            TEXT,
            "holds, does not hold, undecided (only part of the interval complies) or not tested",
        ),
        Column("why", TEXT, "why it was not tested, or a remark"),
    ),
)
MISTAKES = Table(
    "reproduction/mistakes.parquet",
    "a mistake of the published study",
    (
        Column("mistake", TEXT, "what is wrong"),
        Column("correct", TEXT, "what the corrected version does instead"),
        Column("role", TEXT, "the variant without it; empty: no variant removes it alone"),
        Column("metric", TEXT, "the metric that shows it"),
    ),
)
EFFECTS = Table(
    "reproduction/effects.parquet",
    "a metric in a version of a published study that lacks one mistake, or all",
    (
        Column("role", TEXT, "the variant without the mistake, or corrected: without any mistake"),
        Column("model", TEXT, "name of the model"),
        Column("metric", TEXT, "name of the metric"),
        Column("sizes", INT, "number of sizes in both versions, over which all columns are averaged"),
        Column("as_published", REAL, "mean with the mistake, over the seeds with all sizes in both versions, if any"),
        Column("without", REAL, "mean without it"),
        Column("difference", REAL, "without - as_published"),
        Column("difference_low", REAL, "lower end of its 95 % t-interval, paired by seed"),
        Column("difference_high", REAL, "upper end"),
        Column("as_published_sd", REAL, "standard deviation between the runs of a size, with the mistake"),
        Column("without_sd", REAL, "the same without it"),
    ),
)
SETTINGS = Table(
    "reproduction/settings.parquet",
    "a setting that differs between the versions as published and corrected",
    (
        Column("model", TEXT, "name of the model, or all"),
        Column("setting", TEXT, "key in the study file"),
        Column("as_published", TEXT, "its value, as the runs recorded it; empty: this version has not been run"),
        Column("corrected", TEXT, "the same in the corrected version"),
    ),
)
PRINTED = Table(
    "reproduction/printed.parquet",
    "a setting as the study printed it",
    (
        Column("setting", TEXT, "name of the setting"),
        Column("printed", TEXT, "its value in the paper"),
        Column("code", TEXT, "its value in the study's code, where available"),
        Column("note", TEXT, "where it is printed, and what follows or is missing"),
    ),
)
VERSIONS = Table(
    "reproduction/versions.parquet",
    "a version of a published study",
    (
        Column("role", TEXT, "as published, corrected, or the variant without one mistake"),
        Column("version", TEXT, "its name, for `snakemake --config study=`"),
        Column("runs", INT, "number of runs in its tables; 0: it has not been run", "runs"),
        Column("finished", TEXT, "when the last of them finished"),
        Column("commit", TEXT, "commits with which they were trained"),
    ),
)
