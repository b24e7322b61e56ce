"""Saving figures as PNG and PDF, and their style."""

from pathlib import Path

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from trainsize.common.files import atomic_write

STYLE = Path(__file__).with_name("matplotlibrc")


def save(figure: Figure, stem: Path) -> None:
    """Write the figure as PNG and PDF. It is laid out only once, because that takes longer than drawing."""
    for extension in ("png", "pdf"):
        metadata = {"Software": None} if extension == "png" else {"CreationDate": None, "Producer": None}
        with atomic_write(stem.parent / f"{stem.name}.{extension}") as partial:
            figure.savefig(partial, format=extension, metadata=metadata)
        figure.set_layout_engine("none")
    plt.close(figure)
