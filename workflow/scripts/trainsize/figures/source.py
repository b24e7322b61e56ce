"""The data of the figures: the study's tables, each read when it is first used."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from trainsize.common.errors import listing
from trainsize.common.tables import read_table
from trainsize.datasets.prepared import Prepared
from trainsize.runs.history import read_checkpoints
from trainsize.runs.metrics import METRICS
from trainsize.runs.run import COORDINATES, Run
from trainsize.runs.status import only_finished

LONGEST_NAME = 24  # characters of a class name; longer names would leave no room for the figure


def run_means(history: pd.DataFrame, metric: str, at: str = "step") -> pd.Series:
    """Return means over a model's runs, indexed by size and update (or by the column `at`), while all runs train.

    After the first run that stopped early, a mean would cover fewer runs than before.
    """
    groups = history.groupby(["n", at])[metric]
    counts = groups.size()
    return groups.mean()[counts == counts.groupby(level="n").transform("max")]


class Tables:
    """The tables of a study below `results`, its data set, and its settings (`Study.figure_settings()`)."""

    def __init__(self, settings: dict, results: Path, dataset: Path):
        self.settings, self.results, self.data = settings, results, Prepared(dataset)
        self.models: list[str] = settings["models"]

    @cached_property
    def runs(self) -> pd.DataFrame:
        """The finished runs of the models to draw."""
        runs = read_table(self.results / "metrics" / "runs.parquet")
        finished = only_finished(runs)
        return finished[finished["model"].isin(self.models)]

    @cached_property
    def history(self) -> pd.DataFrame:
        """The checkpoints of the finished runs, each run's on the same images."""
        rows = read_checkpoints(self.results)
        return rows.merge(self.runs[COORDINATES], on=COORDINATES)

    @property
    def sample(self) -> str:
        """Which images the scores during training are of, where not all of them are scored."""
        sizes = self.history.loc[self.history["sampled"], "n_evaluated"].unique()
        return f"during training: random samples of {listing(sizes)} images" if len(sizes) else ""

    def table(self, folder: str, name: str) -> pd.DataFrame:
        return read_table(self.results / folder / f"{name}.parquet")

    def metrics(self, name: str) -> pd.DataFrame:
        return self.table("metrics", name)

    def regression(self, name: str, metric: str) -> pd.DataFrame:
        """Return the rows of a regression table for one metric on the test set and the models to draw."""
        rows = self.table("regressions", name)
        rows = rows[(rows["metric"] == metric) & rows["model"].isin(self.models)]
        return rows[rows["split"] == "test"] if "split" in rows else rows

    def of_largest(self, rows: pd.DataFrame, model: str) -> pd.DataFrame:
        """Return the rows of the largest size of a model in `rows`."""
        rows = rows[rows["model"] == model]
        return rows[rows["n"] == rows["n"].max()]

    def trained_on(self, model: str, n: int) -> int:
        """Return how many images the runs of a size train on, which can differ from n by rounding per class.

        It is n if no run has finished.
        """
        rows = self.history[(self.history["model"] == model) & (self.history["n"] == n)]
        return round((rows["samples_seen"] / rows["epoch"]).iloc[0]) if len(rows) else n

    def predictions(self, runs: pd.DataFrame) -> list[pd.DataFrame]:
        """Return the predictions of each of `runs`."""
        rows = runs[COORDINATES].itertuples(index=False)
        return [read_table(self.results / Run(*run).folder / "predictions.parquet") for run in rows]

    @cached_property
    def scored(self) -> pd.DataFrame:
        """The finished runs with `whole`, the accuracy on all `n_test` test images.

        It differs from `test_accuracy` if a study scores only the last batch, of `test_images` images.
        """
        classes = self.metrics("classes")
        hits = (classes["recall"].fillna(0) * classes["support"]).groupby([classes[c] for c in COORDINATES]).sum()
        images = classes.groupby(COORDINATES)["support"].sum()
        whole = pd.DataFrame({"whole": hits / images, "n_test": images}).reset_index()
        return self.runs.merge(whole, on=COORDINATES)

    @property
    def classes(self) -> list[str]:
        """The names of the classes, shortened, and with $ escaped, because matplotlib reads $…$ as a formula."""
        names = self.data.manifest["classes"]
        cut = (name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in names)
        return [name.replace("$", r"\$") for name in cut]

    def chance_of(self, metric: str) -> float:
        """Return the metric's value for guessing every class with the same probability."""
        return METRICS[metric].chance(self.data.manifest["class_counts"]["test"])
