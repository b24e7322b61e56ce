"""The interactive page with the surfaces of metrics over size and update, drawn with plotly."""

from html import escape
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from trainsize.common.files import write_text
from trainsize.figures.axes import spread_out
from trainsize.figures.source import Tables
from trainsize.figures.training import SPLITS, surface_means
from trainsize.runs.metrics import METRICS

# Without plotly's button that uploads the chart: the page makes no network requests.
CONFIG = {"displaylogo": False, "responsive": True, "showSendToCloud": False}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>html, body {{ height: 100%; margin: 0; background: white; }}</style>
</head>
<body>
{body}
</body>
</html>
"""


def write_surfaces(tables: Tables, metrics: list[str], title: str, page: Path) -> None:
    """Write the page with a surface for every model, metric and split (training or test), chosen from a menu.

    A model with finished runs of only one size has none. The page includes plotly and works offline.
    """
    figure = go.Figure()
    choices = []
    for model, metric, split in product(tables.models, metrics, ("test", "train")):
        means = surface_means(tables.history, model, split, metric)
        if means.index.unique("n").size > 1:  # a surface needs at least two sizes
            label = METRICS[metric].label
            scale, unit = (100, f"{label} (%)") if METRICS[metric].is_share else (1, label)
            figure.add_trace(surface_of(means * scale, unit, visible=not choices))
            choices.append((f"{model}: {label}, {SPLITS[split]}", unit, means.index.unique("n")))
    figure.update_layout(_layout(title, choices))
    body = figure.to_html(
        full_html=False,
        include_plotlyjs=True,
        div_id="surface",
        default_height="100%",
        config=CONFIG,
    )
    write_text(page, PAGE.format(title=escape(title), body=body))


def surface_of(means: pd.Series, unit: str, visible: bool) -> go.Surface:
    """Return the surface of `means`, indexed by size and update. Sizes may have different checkpoints."""
    lines = [line for _, line in means.groupby(level="n")]
    longest = max(map(len, lines))
    sizes, steps, values = (np.full((len(lines), longest), np.nan) for _ in range(3))
    for row, line in enumerate(lines):
        sizes[row] = np.log10(line.index[0][0])
        steps[row] = line.index[-1][1]  # a row that ends early is padded with its last update
        steps[row, : len(line)], values[row, : len(line)] = line.index.get_level_values("step"), line
    hover = "%{customdata:,} images, %{x:,} updates<br>" + unit + ": %{z:.4g}<extra></extra>"
    images = np.round(10**sizes).astype(int)
    shades = {"colorscale": "Cividis", "colorbar": {"title": {"text": unit}}}
    return go.Surface(x=steps, y=sizes, z=values, customdata=images, hovertemplate=hover, visible=visible, **shades)


def _layout(title: str, choices: list[tuple]) -> dict:
    def scene(unit: str, sizes: list[int]) -> dict:
        ticks = spread_out(sorted(sizes))
        return {
            "scene.zaxis.title.text": unit,
            "scene.yaxis.tickvals": np.log10(ticks).tolist(),
            "scene.yaxis.ticktext": [f"{n:,}" for n in ticks],
        }

    buttons = [
        {
            "label": label,
            "method": "update",
            "args": [{"visible": [i == position for i in range(len(choices))]}, scene(unit, sizes)],
        }
        for position, (label, unit, sizes) in enumerate(choices)
    ]
    first = scene(*choices[0][1:]) if choices else {}
    axes = {
        "xaxis": {"title": {"text": "optimiser updates"}},
        "yaxis": {
            "title": {"text": "training images n (log scale)"},
            "tickvals": first.get("scene.yaxis.tickvals"),
            "ticktext": first.get("scene.yaxis.ticktext"),
        },
        "zaxis": {"title": {"text": first.get("scene.zaxis.title.text", "")}},
        "camera": {"eye": {"x": -1.5, "y": -1.5, "z": 1}},
    }
    menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
    heading = title if choices else f"{title}: no model with finished runs of two sizes"
    return {
        "title": {"text": escape(heading), "y": 0.98, "yanchor": "top"},
        "scene": axes,
        "updatemenus": [menu] if len(buttons) > 1 else [],
        "margin": {"l": 0, "r": 0, "t": 110, "b": 20},
    }
