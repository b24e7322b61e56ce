"""The names of the tables that the stages write."""

METRIC_TABLES = ("history", "runs", "classes", "confusion", "neurons")
REGRESSION_TABLES = (
    "fits",
    "parameters",
    "predictions",
    "targets",
    "saturation",
    "variance",
    "comparisons",
    "influence",
    "classes",
    "planning",
    "limits",
)
REPRODUCTION_TABLES = ("reproduction", "claims", "mistakes", "effects", "settings", "printed", "versions")
