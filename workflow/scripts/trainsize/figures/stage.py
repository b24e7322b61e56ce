"""The figures stage: draws each of a study's figures by the function of its kind.

`kinds` decides which figures a study has. Functions that draw on axes take the axes and return them.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from trainsize.figures.by_size import best_last, boxes, gap
from trainsize.figures.classes import confusion, neurons, per_class, reliability
from trainsize.figures.data import classes, overlap, overlap_classes, samples
from trainsize.figures.kinds import FIGURES
from trainsize.figures.learning_curve import curve
from trainsize.figures.limits import limits
from trainsize.figures.regressions import families, line, residuals, spread, variance
from trainsize.figures.saving import STYLE, save
from trainsize.figures.source import Tables
from trainsize.figures.sweeps import folds, sweep
from trainsize.figures.training import history, margins, surface, training

matplotlib.use("agg")


def draw_figures(settings: dict, results: Path, dataset: Path) -> None:
    """Draw each of `settings["figures"]` (`Study.figure_settings()`) from the tables under `results`, as PNG and PDF.

    `dataset` is the folder of the prepared data set. Surfaces are also written as an interactive page, `surface.html`.
    """
    tables = Tables(settings, results, dataset)
    with plt.rc_context(fname=STYLE):
        for figure in settings["figures"]:
            of = {key: value for key, value in figure.items() if key not in ("name", "kind")}
            drawn = DRAW[figure["kind"]](tables, **of)
            if FIGURES[figure["kind"]].during:
                drawn.supxlabel(tables.sample, x=0.99, ha="right", fontsize=7, color="0.35")
            save(drawn, results / "figures" / figure["name"])
    surfaces = [figure["metric"] for figure in settings["figures"] if figure["kind"] == "surface"]
    if surfaces:
        from trainsize.figures.surface_page import write_surfaces  # plotly takes a second to import

        title = ", ".join(filter(None, (settings["grid"]["study"], tables.sample)))
        write_surfaces(tables, surfaces, title, results / "figures" / "surface.html")


def schedule(tables: Tables) -> Figure:
    from trainsize.figures import recipes  # PyTorch takes seconds to import

    return recipes.schedule(tables)


def augmentation(tables: Tables) -> Figure:
    from trainsize.figures import recipes

    return recipes.augmentation(tables)


DRAW: dict[str, Callable[..., Figure]] = {
    "curve": curve,
    "boxes": boxes,
    "history": history,
    "sweep": sweep,
    "folds": folds,
    "surface": surface,
    "training": training,
    "best-last": best_last,
    "limits": limits,
    "families": families,
    "line": line,
    "residuals": residuals,
    "variance": variance,
    "gap": gap,
    "spread": spread,
    "reliability": reliability,
    "margins": margins,
    "schedule": schedule,
    "confusion": confusion,
    "per-class": per_class,
    "neurons": neurons,
    "overlap": overlap,
    "overlap-classes": overlap_classes,
    "classes": classes,
    "samples": samples,
    "augmentation": augmentation,
}
