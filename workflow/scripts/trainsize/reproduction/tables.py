"""The tables of the reproduction stage."""

from trainsize.common.tables import INT, REAL, TEXT, Column, Table

REPRODUCTION = Table(
    "reproduction/reproduction.parquet",
    "a published number beside ours",
    (
        Column("artefact", TEXT, "id of the table, figure or number, as in published/README.md"),
        Column("quantity", TEXT, "which of its numbers"),
        Column("published", REAL, "as printed, in the printed unit"),
        Column("published_error", REAL, "its printed standard error; empty where there is none"),
        *(
            Column(f"{mode}{end}", REAL, f"{what} {how}")
            for mode, how in (("as_published", "with the study's mistakes"), ("corrected", "without them"))
            for end, what in (("", "our value"), ("_low", "lower end of its interval"), ("_high", "upper end"))
        ),
        Column("difference", REAL, "as_published - published"),
        Column("difference_low", REAL, "lower end of its 95 % interval"),
        Column("difference_high", REAL, "upper end"),
        Column("effect", REAL, "corrected - as_published: what the study's mistakes do to the number"),
        Column("rule", TEXT, "when the two agree"),
        Column("verdict", TEXT, "agrees, differs or not comparable"),
        Column("why", TEXT, "why they are not comparable, or by how much they differ"),
    ),
)
CLAIMS = Table(
    "reproduction/claims.parquet",
    "a claim of the published study, on the runs of one form",
    (
        Column("artefact", TEXT, "id of the claims, as in published/README.md"),
        Column("claim", TEXT, "what was claimed"),
        Column("role", TEXT, "the form whose runs test it: as published, corrected, or the variant's name"),
        Column("model", TEXT, "name of the model"),
        Column("metric", TEXT, "name of the metric"),
        Column("value", REAL, "what was measured for it, as published/README.md names the test"),
        Column("value_low", REAL, "lower end of its 95 % interval; empty where there is one repeat"),
        Column("value_high", REAL, "upper end"),
        Column("above", REAL, "the claim says that the value is above this; empty: no limit"),
        Column("below", REAL, "the claim says that the value is below this; empty: no limit"),
        Column("repeats", INT, "draws, or seeds of a single draw, or runs, that the interval rests on"),
        Column("verdict", TEXT, "holds, does not hold, undecided (the interval is on both sides) or not tested"),
        Column("why", TEXT, "what is missing, or a remark"),
    ),
)
MISTAKES = Table(
    "reproduction/mistakes.parquet",
    "a mistake of the published study",
    (
        Column("mistake", TEXT, "what is wrong"),
        Column("correct", TEXT, "what the corrected form does instead"),
        Column("role", TEXT, "the variant without it; empty: it has no switch of its own"),
        Column("metric", TEXT, "the metric that shows it"),
    ),
)
EFFECTS = Table(
    "reproduction/effects.parquet",
    "a form of a published study with one mistake less, or none, and a metric",
    (
        Column("role", TEXT, "the variant without the mistake, or corrected: without any"),
        Column("model", TEXT, "name of the model"),
        Column("metric", TEXT, "name of the metric"),
        Column("sizes", INT, "sizes that both forms have, over which all is averaged"),
        Column("as_published", REAL, "mean with the mistake, of the seeds that both forms have with all sizes, if any"),
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
    "a setting in which the corrected form differs from the one as published",
    (
        Column("model", TEXT, "name of the model, or all"),
        Column("setting", TEXT, "key in the study file"),
        Column("as_published", TEXT, "its value, as the runs recorded it; empty: the form has not been run"),
        Column("corrected", TEXT, "the same in the corrected form"),
    ),
)
PRINTED = Table(
    "reproduction/printed.parquet",
    "a setting as the study printed it",
    (
        Column("setting", TEXT, "which"),
        Column("printed", TEXT, "in the paper"),
        Column("code", TEXT, "in its code, where that was read"),
        Column("note", TEXT, "where it stands, and what follows or is missing"),
    ),
)
FORMS = Table(
    "reproduction/forms.parquet",
    "a form of a published study",
    (
        Column("role", TEXT, "as published, corrected, or the variant without one mistake"),
        Column("form", TEXT, "its name, which `snakemake --config study=` takes"),
        Column("runs", INT, "runs in its tables; 0: it has not been run", "runs"),
        Column("finished", TEXT, "when the last of them was finished"),
        Column("commit", TEXT, "commits that they were trained with"),
    ),
)
