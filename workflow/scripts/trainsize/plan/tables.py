"""The table of the plan."""

from trainsize.common.tables import INT, REAL, TEXT, Column, Table

PLAN = Table(
    "plan.parquet",
    "a model and size",
    (
        Column("model", TEXT, "name of the model"),
        Column("n", INT, "size: training images", "images"),
        Column("runs", INT, "runs of the study"),
        Column("finished", INT, "runs that need no training"),
        Column("to_do", INT, "runs that will be trained"),
        Column("why", TEXT, "reasons, and how many runs have each"),
        Column("updates", INT, "optimiser updates to do", "updates"),
        Column("images", INT, "training images to see, repeats counted", "images"),
        Column("images_evaluated", INT, "images to evaluate", "images"),
        Column("flops", REAL, "floating-point operations to do", "FLOP"),
        Column("hours", REAL, "estimated time of the runs, one after another", "hours"),
        Column("hours_low", REAL, "lower end of the range that nine runs in ten take", "hours"),
        Column("hours_high", REAL, "upper end of that range", "hours"),
        Column("jobs", INT, "jobs that the runs to do are packed into"),
        Column(
            "job_minutes",
            REAL,
            "run time that a full job requests from a cluster; empty where none is requested",
            "minutes",
        ),
        Column("bytes", INT, "disk space that the runs to do will need", "bytes"),
    ),
)
