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
        Column("why", TEXT, "reasons and how many runs have each"),
        Column("updates", INT, "optimiser updates to do", "updates"),
        Column("images", INT, "training images to be seen, repeats counted", "images"),
        Column("images_evaluated", INT, "images to be evaluated", "images"),
        Column("flops", REAL, "floating-point operations to do", "FLOP"),
        Column("hours", REAL, "estimated time of the runs, one after another", "hours"),
        Column("hours_low", REAL, "lower end of what nine of ten runs take", "hours"),
        Column("hours_high", REAL, "upper end of it", "hours"),
        Column("jobs", INT, "jobs that the runs to do are packed into"),
        Column(
            "job_minutes", REAL, "run time that a full job asks a cluster for; empty where none is asked", "minutes"
        ),
        Column("bytes", INT, "disk space that the runs to do will take", "bytes"),
    ),
)
