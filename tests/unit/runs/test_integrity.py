"""Files that were cut off, changed by a bit, edited or exchanged are named; they never pass for right."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from support import evaluation, recipe

from trainsize.common.errors import UserError
from trainsize.common.files import read_json, write_json, write_with_checksum
from trainsize.common.tables import read_table
from trainsize.datasets.prepared import Prepared
from trainsize.metrics.stage import collect
from trainsize.overlap.stage import write_overlap
from trainsize.runs.run import FILES, Run, settings_hash
from trainsize.subsets.stage import list_subsets, read_rows, subset_path, write_subsets
from trainsize.subsets.tables import SUBSETS
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.stage import train_runs

SUBSET = {"dataset": "digits", "method": "nested", "validation": 0, "header_row_lost": False}
SETTINGS = {
    "subset": SUBSET,
    "budget": {"updates": 4},
    "evaluation": evaluation(points=2),
    "model": recipe({"name": "mlp", "hidden": [8]}, neurons={"layer": "1", "images": 50}),
}
DRAWS = (1, 2)
GRID = {
    "study": "s",
    "dataset": "digits",
    "classes": 10,
    "models": ["m"],
    "sizes": [20],
    "model_sizes": {"m": [20]},
    "pairs": [(draw, draw) for draw in DRAWS],
}


@dataclass(frozen=True)
class Made:
    """Two finished runs and what they need, small enough to be copied for each fault."""

    results: Path
    dataset: Path

    def folder(self, draw: int) -> Path:
        return self.results / Run("m", 20, draw, draw).folder

    def collect(self) -> list[bytes]:
        collect(GRID, {"m": settings_hash(SETTINGS)}, self.dataset / "manifest.json", self.results)
        return [path.read_bytes() for path in sorted((self.results / "metrics").iterdir())]

    def list_subsets(self) -> None:
        list_subsets([(20, draw) for draw in DRAWS], self.results / "subsets", self.results / SUBSETS.path)

    def train(self) -> None:
        train_runs(SETTINGS, "c", self.dataset, 1, "cpu", [self.folder(draw) / "run.json" for draw in DRAWS])


@pytest.fixture(scope="module")
def undisturbed(digits, tmp_path_factory) -> Made:
    made = Made(tmp_path_factory.mktemp("integrity") / "s", digits)
    labels = Prepared(digits).labels("train")
    for draw in DRAWS:
        write_subsets(SUBSET, [20], draw, labels, [subset_path(made.results / "subsets", 20, draw)])
    made.list_subsets()
    made.train()
    made.collect()
    return made


@pytest.fixture
def made(undisturbed, tmp_path) -> Made:
    """A copy of it all, to be damaged."""
    shutil.copytree(undisturbed.results, tmp_path / "s")
    shutil.copytree(undisturbed.dataset, tmp_path / "digits")
    return Made(tmp_path / "s", tmp_path / "digits")


def flips(path: Path, count: int, seed: int = 0):
    """Change a random bit of the file, `count` times; it is as it was between two of them and afterwards."""
    whole = path.read_bytes()
    for bit in np.random.default_rng(seed).integers(0, 8 * len(whole), count):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        yield
    path.write_bytes(whole)


def unnoticed(call: Callable[..., object], *values: object, name: Path) -> object | None:
    """Return what the call returns, or None when it raises a UserError of one line with the name."""
    try:
        return call(*values)
    except UserError as error:
        assert str(name) in str(error)
        assert "\n" not in str(error)
        return None


@pytest.mark.parametrize("name", FILES)
def test_a_changed_bit_in_a_runs_file_is_named(made, faults, name):
    path, before = made.folder(1) / name, made.collect()
    for _ in flips(path, 60):
        # A space between two of JSON's words may be another one.
        assert unnoticed(made.collect, name=path) in (None, before if name == "run.json" else None)
        faults("bits changed", 1)
    assert made.collect() == before


@pytest.mark.parametrize("name", FILES)
def test_a_runs_file_that_is_cut_off_empty_or_gone_is_named(made, faults, name):
    path = made.folder(2) / name
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:length])
        assert unnoticed(made.collect, name=path) is None
        faults("files cut off", 1)
    path.unlink()
    assert unnoticed(made.collect, name=path) is None


def test_an_edited_record_is_named(made):
    path = made.folder(1) / "run.json"
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 0.9', 1))
    with pytest.raises(UserError, match=r"run\.json: damaged or edited: its checksum does not match; delete it"):
        made.collect()


@pytest.mark.parametrize("what", [*FILES, "."])
def test_exchanged_runs_are_named(made, faults, what):
    """A file of the other run, and the whole folder, which is right in itself."""
    one, other = (made.folder(draw) / what for draw in DRAWS)
    aside = made.results / "aside"
    one.rename(aside)
    other.rename(one)
    aside.rename(other)
    assert unnoticed(made.collect, name=made.folder(1)) is None
    faults("files exchanged", 1)


def test_the_correlations_of_units_are_vouched_for_too(made):
    path = made.folder(1) / "state" / "neurons.npy"
    for _ in flips(path, 10):
        assert unnoticed(made.collect, name=path) is None


def test_runs_on_other_images_than_the_data_set_has_now_are_named(made):
    manifest = made.dataset / "manifest.json"
    write_with_checksum(manifest, read_json(manifest) | {"content": "other"})
    with pytest.raises(UserError, match="trained with images other than the study's"):
        made.collect()


def test_a_damaged_state_is_not_taken_over_but_trained_anew(made, capsys):
    before = made.collect()
    damaged = made.folder(1) / "state" / "predictions.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    made.train()
    printed = capsys.readouterr().out
    assert f"{damaged}: damaged or exchanged, its checksum is not the one in run.json; training it again" in printed
    assert f"{made.folder(2)}: already finished, taken over" in printed
    collected = pd.read_parquet(made.results / "metrics/history.parquet")
    made.collect()
    pd.testing.assert_frame_equal(collected, pd.read_parquet(made.results / "metrics/history.parquet"))
    assert len(before) == 5


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_a_changed_bit_in_a_data_set_is_named(made, faults, split, kind):
    path = made.dataset / f"{split}_{kind}.npy"
    for _ in flips(path, 20):
        assert unnoticed(getattr(Prepared(made.dataset), kind), split, name=path) is None
        faults("bits changed", 1)


def test_exchanged_arrays_of_a_data_set_are_named(made, digits):
    shutil.copy(digits / "test_labels.npy", made.dataset / "train_labels.npy")
    with pytest.raises(UserError, match=r"train_labels\.npy: damaged or replaced.*delete .* and run snakemake again"):
        Prepared(made.dataset).labels("train")


def test_a_changed_bit_in_a_manifest_is_named_or_changes_nothing(made, faults):
    path = made.dataset / "manifest.json"
    whole = read_json(path)
    for _ in flips(path, 200):
        found = unnoticed(read_json, path, name=path)
        # When the word `checksum` is hit, a key more is all that comes of it.
        assert found is None or found | whole == found
        faults("bits changed", 1)


def test_a_changed_bit_in_a_subset_is_named_or_changes_nothing(made, faults):
    path = subset_path(made.results / "subsets", 20, 1)
    rows, seen = read_rows(made.results / "subsets", 20, 1), 0
    for _ in flips(path, 100):
        found = unnoticed(read_rows, made.results / "subsets", 20, 1, name=path)
        assert found is None or all((found[role] == rows[role]).all() for role in rows)
        seen += found is None
        faults("bits changed", 1)
    assert seen > 50


def test_exchanged_subsets_are_named(made):
    paths = [subset_path(made.results / "subsets", 20, draw) for draw in DRAWS]
    shutil.copy(paths[0], paths[1])
    for call in (made.list_subsets, lambda: write_overlap([(20, 1), (20, 2)], np.zeros(2000, int), made.results)):
        with pytest.raises(UserError, match=r"draw2\.parquet: swapped with another file, .* as .*n20/draw1\.parquet"):
            call()


def test_a_changed_bit_in_a_table_is_named_or_changes_nothing(made, faults):
    path = made.results / "metrics" / "runs.parquet"
    whole = read_table(path)
    for _ in flips(path, 150):
        found = unnoticed(read_table, path, name=path)
        if found is not None:
            pd.testing.assert_frame_equal(found, whole)
        faults("bits changed", 1)


def test_a_changed_bit_in_a_checkpoint_is_noticed_or_changes_nothing(tmp_path, faults):
    """PyTorch itself loads most of them without a word."""
    state = {"step": 7, "weights": torch.arange(500.0), "history": [{"loss": 1.5}]}
    places = [tmp_path / name for name in ("one", "other")]
    for place in places:
        place.mkdir()
    saved, other = (Checkpoints(place, {"a": 1}, 0) for place in places)
    saved.save(state)
    other.save({**state, "step": 8})
    seen = 0
    for _ in flips(tmp_path / "one" / "checkpoint.pt", 150):
        found = saved.load(torch.device("cpu"))
        if found is None:
            seen += 1
        else:
            assert (found["weights"] == state["weights"]).all()
            assert (found["step"], found["history"]) == (7, [{"loss": 1.5}])
        faults("bits changed", 1)
    assert seen > 100


def test_a_sealed_file_says_what_was_written(tmp_path):
    value = {"b": (1, 2.5), "a": {"10": None, "9": float("nan")}, "text": "ä"}
    write_with_checksum(tmp_path / "x.json", value)
    assert json.dumps(read_json(tmp_path / "x.json")) == json.dumps(value)
    write_json(tmp_path / "plain.json", {"a": 1})
    assert read_json(tmp_path / "plain.json") == {"a": 1}
