"""Figures as files: one style, PNG and PDF."""

from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from trainsize.common.files import whole

STYLE = Path(__file__).with_name("matplotlibrc")


def save(figure: Figure, stem: Path) -> None:
    """Write the figure as PNG and PDF, laid out once, which takes longer than drawing."""
    for extension in ("png", "pdf"):
        metadata = {"Software": None} if extension == "png" else {"CreationDate": None, "Producer": None}
        with whole(stem.parent / f"{stem.name}.{extension}") as partial:
            figure.savefig(partial, format=extension, metadata=metadata)
        figure.set_layout_engine("none")
    plt.close(figure)
