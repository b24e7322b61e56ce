"""What tests share beside fixtures: where the project is, and a model's recipe."""

from pathlib import Path

from trainsize.common.schema import with_defaults
from trainsize.study.schema import study_schema

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = "workflow/scripts/trainsize"
PATIENCE = 1800  # seconds that a command may take: only one that hangs should fail, on however slow a host


def recipe(architecture="mlp", **settings) -> dict:
    """Return the recipe of a model with every default written out."""
    schema = study_schema()
    value = {"architecture": architecture, "batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1}, **settings}
    return with_defaults(value, schema["$defs"]["recipe"], schema)
