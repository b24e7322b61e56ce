"""The schema of a study file, with the metrics and the kinds of figures that there are."""

from copy import deepcopy
from functools import cache

from trainsize.common.schema import load_schema
from trainsize.figures.kinds import KINDS
from trainsize.runs.metrics import OF_STUDIES, Metric


@cache
def study_schema() -> dict:
    """Return the schema of a study file: `study.schema.yaml`, completed with the names of metrics and figures."""
    schema = deepcopy(load_schema("study"))
    schema["$defs"]["metrics"]["items"] = {"enum": list(OF_STUDIES)}
    schema["$defs"]["figures"]["items"] = {"enum": list(KINDS)}
    regressions = schema["properties"]["regressions"]["properties"]
    regressions["targets"]["properties"] = {name: _targets(metric) for name, metric in OF_STUDIES.items()}
    regressions["equivalence_margin"]["properties"] = {name: _margin(metric) for name, metric in OF_STUDIES.items()}
    return schema


def _value(metric: Metric) -> dict:
    limit = {"exclusiveMaximum": 1} if metric.is_share else {}
    return {"type": "number", "exclusiveMinimum": 0, **limit}


def _targets(metric: Metric) -> dict:
    example = ", such as `[0.95, 0.99]`" if metric.name == "accuracy" else ""
    described = {"description": f"Values of the {metric.label}{example}."}
    return {"type": "array", "minItems": 1, "uniqueItems": True, "items": _value(metric), **described}


def _margin(metric: Metric) -> dict:
    # No default: whoever states none has that of the metric, and a new metric changes nobody's settings.
    return {**_value(metric), "description": f"Of the {metric.label}; {metric.change(metric.margin)} if not stated."}
