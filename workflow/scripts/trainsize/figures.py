"""The figures stage. Every drawing function takes the axes it draws on and returns them.

What a study draws is chosen in `figures_kinds`; the functions below turn the study's tables into a figure of a kind.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from trainsize.figures_classes import confusion, neurons, per_class, reliability
from trainsize.figures_curves import best_last, boxes, curve, folds, gap, sweep
from trainsize.figures_data import classes, overlap, overlap_classes, samples
from trainsize.figures_regressions import families, line, residuals, spread, variance
from trainsize.figures_tables import Tables
from trainsize.figures_training import history, margins, surface, training
from trainsize.files import whole

STYLE = Path(__file__).with_name("matplotlibrc")


def draw_figures(settings: dict, results: Path, dataset: Path) -> None:
    """Draw each of `settings["figures"]` (`Study.figure_settings()`) from the tables under `results`, as PNG and PDF.

    `dataset` is the folder of the prepared data set. Surfaces are also written as a page to turn, `surface.html`.
    """
    tables = Tables(settings, results, dataset)
    with plt.rc_context(fname=STYLE):
        for figure in settings["figures"]:
            of = {key: value for key, value in figure.items() if key not in ("name", "kind")}
            save(DRAW[figure["kind"]](tables, **of), results / "figures" / figure["name"])
    surfaces = [figure["metric"] for figure in settings["figures"] if figure["kind"] == "surface"]
    if surfaces:
        from trainsize.figures_surface import write_surfaces  # plotly takes a second to import

        write_surfaces(tables, surfaces, settings["grid"]["study"], results / "figures" / "surface.html")


def save(figure: Figure, stem: Path) -> None:
    """Write the figure as PNG and PDF, laid out once, which takes longer than drawing."""
    for extension in ("png", "pdf"):
        metadata = {"Software": None} if extension == "png" else {"CreationDate": None, "Producer": None}
        with whole(stem.parent / f"{stem.name}.{extension}") as partial:
            figure.savefig(partial, format=extension, metadata=metadata)
        figure.set_layout_engine("none")
    plt.close(figure)


def schedule(tables: Tables) -> Figure:
    from trainsize import figures_recipes  # PyTorch takes seconds to import

    return figures_recipes.schedule(tables)


def augmentation(tables: Tables) -> Figure:
    from trainsize import figures_recipes

    return figures_recipes.augmentation(tables)


DRAW: dict[str, Callable[..., Figure]] = {
    "curve": curve,
    "boxes": boxes,
    "history": history,
    "sweep": sweep,
    "folds": folds,
    "surface": surface,
    "training": training,
    "best-last": best_last,
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
