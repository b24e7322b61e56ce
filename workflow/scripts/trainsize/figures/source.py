"""What the figures are drawn from: the study's tables, each read when a figure asks for it."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from trainsize.common.tables import read_table
from trainsize.datasets.prepared import Prepared
from trainsize.runs.metrics import METRICS
from trainsize.runs.run import Run

COORDINATES = ["model", "n", "draw", "seed"]
LONGEST_NAME = 24  # characters of a class; longer names would leave no room for the figure


def run_means(history: pd.DataFrame, metric: str, at: str = "step") -> pd.Series:
    """Return the means over the runs of a model, indexed by size and update (or `at`: epoch), as long as all train.

    Beyond the first that is stopped early, a mean would be of other runs than before.
    """
    groups = history.groupby(["n", at])[metric]
    counts = groups.size()
    return groups.mean()[counts == counts.groupby(level="n").transform("max")]


class Tables:
    """The tables of a study below `results`, its data set, and `Study.figure_settings()`."""

    def __init__(self, settings: dict, results: Path, dataset: Path):
        self.settings, self.results, self.data = settings, results, Prepared(dataset)
        self.models: list[str] = settings["models"]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The finished runs of the models to draw."""
        runs = read_table(self.results / "metrics" / "runs.parquet")
        return runs[(runs["status"] == "finished") & runs["model"].isin(self.models)]

    @cached_property
    def history(self) -> pd.DataFrame:
        """The checkpoints of the finished runs."""
        rows = read_table(self.results / "metrics" / "history.parquet")
        return rows.merge(self.runs[COORDINATES], on=COORDINATES)

    def table(self, folder: str, name: str) -> pd.DataFrame:
        return read_table(self.results / folder / f"{name}.parquet")

    def metrics(self, name: str) -> pd.DataFrame:
        return self.table("metrics", name)

    def regression(self, name: str, metric: str) -> pd.DataFrame:
        """Return the rows of a table of the regressions for one metric of the models to draw, on the test set."""
        rows = self.table("regressions", name)
        rows = rows[(rows["metric"] == metric) & rows["model"].isin(self.models)]
        return rows[rows["split"] == "test"] if "split" in rows else rows

    def of_largest(self, rows: pd.DataFrame, model: str) -> pd.DataFrame:
        """Return the rows of a model's largest size with a finished run."""
        rows = rows[rows["model"] == model]
        return rows[rows["n"] == rows["n"].max()]

    def trained_on(self, model: str, n: int) -> int:
        """Return how many images a size's runs are trained on, which rounding per class may make another number than n.

        It is n where no run has finished.
        """
        rows = self.history[(self.history["model"] == model) & (self.history["n"] == n)]
        return round((rows["samples_seen"] / rows["epoch"]).iloc[0]) if len(rows) else n

    def predictions(self, runs: pd.DataFrame) -> list[pd.DataFrame]:
        """Return the predictions of each of `runs`."""
        found = runs[COORDINATES].itertuples(index=False)
        return [read_table(self.results / Run(*run).folder / "predictions.parquet") for run in found]

    @cached_property
    def scored(self) -> pd.DataFrame:
        """The finished runs with `whole`, the accuracy on all of the `n_test` test images.

        It is not that of the scores where a study scores the last batch alone, which has `test_images`.
        """
        classes = self.metrics("classes")
        hits = (classes["recall"].fillna(0) * classes["support"]).groupby([classes[c] for c in COORDINATES]).sum()
        images = classes.groupby(COORDINATES)["support"].sum()
        whole = pd.DataFrame({"whole": hits / images, "n_test": images}).reset_index()
        return self.runs.merge(whole, on=COORDINATES)

    @property
    def classes(self) -> list[str]:
        """The names of the classes, long ones cut, as matplotlib writes them, which takes $…$ for a formula."""
        names = self.data.manifest["classes"]
        cut = (name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names)
        return [name.replace("$", r"\$") for name in cut]

    def chance_of(self, metric: str) -> float:
        """Return the metric of guessing every class with the same probability."""
        return METRICS[metric].chance(self.data.manifest["class_counts"]["test"])
