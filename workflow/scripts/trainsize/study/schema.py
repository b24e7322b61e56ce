"""The schema of a study file, with the available metrics and kinds of figures."""

from copy import deepcopy
from functools import cache

from trainsize.common.schema import load_schema
from trainsize.figures.kinds import FIGURES
from trainsize.runs.metrics import OF_STUDIES, Metric


@cache
def study_schema() -> dict:
    """Return the schema of a study file: `study.schema.yaml`, completed with the names of metrics and figures."""
    schema = deepcopy(load_schema("study"))
    schema["$defs"]["metrics"]["items"] = {"enum": list(OF_STUDIES)}
    schema["$defs"]["figures"]["items"] = {"enum": list(FIGURES)}
    regressions = schema["properties"]["regressions"]["properties"]
    regressions["targets"]["properties"] = {name: _targets(metric) for name, metric in OF_STUDIES.items()}
    regressions["equivalence_margin"]["properties"] = {name: _margin(metric) for name, metric in OF_STUDIES.items()}
    return schema


def _value(metric: Metric) -> dict:
    limit = {"exclusiveMaximum": 1} if metric.is_share else {}
    return {"type": "number", "exclusiveMinimum": 0, **limit}


def _targets(metric: Metric) -> dict:
    example = ", such as `[0.95, 0.99]`" if metric.name == "accuracy" else ""
    description = f"Values of the {metric.label} to reach{example}."
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": _value(metric), "description": description}


def _margin(metric: Metric) -> dict:
    # No default here: unset margins are the metrics' own, so a new metric changes no study's settings.
    return {
        **_value(metric),
        "description": f"Margin for the {metric.label}; by default {metric.change(metric.margin)}.",
    }
