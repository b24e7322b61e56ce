"""The options of the command on a table: each changes what is printed or written, or is refused."""

import numpy as np
import pandas as pd
import pytest

from trainsize.regressions.__main__ import _parser, main

SIZES = (10, 20, 40, 80, 160, 320, 640)
FAST = {"families": ["log2", "pow3"], "bootstrap": ["100"]}


@pytest.fixture(scope="module")
def curves(tmp_path_factory):
    """A table of four seeds with two metrics and times, and an outlier."""
    rng = np.random.default_rng(0)
    errors = {n: 0.05 + n**-0.5 + 0.05 * (n == 40) + rng.normal(0, 0.01, 4) for n in SIZES}
    rows = [
        {"n": n, "seed": s, "seconds": n / 10, "accuracy": 1 - of_size[s], "loss": 3 * of_size[s], "lr": 0.1}
        for n, of_size in errors.items()
        for s in range(4)
    ]
    path = tmp_path_factory.mktemp("curves") / "curves.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture
def analysed(curves, tmp_path, capsys):
    """Return what the command prints and writes with options; the table is `curves` unless another is given."""

    def analysed(table=curves, **options) -> str:
        arguments = [str(table)]
        for option, values in {"metric": ["accuracy"], **FAST, **options}.items():
            for value in values if option in ("metric", "target") else [values]:
                flags = [] if value is True else value if isinstance(value, list) else [value]
                arguments += [f"--{option}", *flags]
        main([*arguments, "--output", str(tmp_path / "out")])
        written = [pd.read_parquet(path).to_csv() for path in sorted((tmp_path / "out").glob("*.parquet"))]
        return "".join([capsys.readouterr().out, *written])

    return analysed


PAIRS = {
    "metric": ({"metric": ["accuracy"]}, {"metric": ["accuracy", "loss"]}),
    "target": ({"target": ["accuracy=0.9"]}, {"target": ["accuracy=0.9", "accuracy=0.93"]}),
    "families": ({"families": ["log2"]}, {"families": ["log2", "pow3"]}),
    "leave-out": ({}, {"leave-out": ["40"]}),
    "confidence": ({"confidence": ["0.9"]}, {"confidence": ["0.8"]}),
    "bootstrap": ({"bootstrap": ["100"]}, {"bootstrap": ["101"]}),
    "extrapolation": ({}, {"extrapolation": ["chosen_family"]}),
    "robust": ({}, {"robust": True}),
    "classes": ({"families": ["m4"], "classes": ["2"]}, {"families": ["m4"], "classes": ["3"]}),
    "n-test": ({"n-test": ["100"]}, {"n-test": ["200"]}),
    "n-train": ({"hours": ["9"], "n-train": ["640"]}, {"hours": ["9"], "n-train": ["100000"]}),
    "purpose": ({"hours": ["1"]}, {"hours": ["1"], "purpose": ["curve"]}),
    "hours": ({"hours": ["1"]}, {"hours": ["2"]}),
}
OTHERWISE = {"help", "output", "allow-few-seeds"}  # the last is tried below, on two seeds


def test_every_option_is_tried():
    options = {action.option_strings[-1].removeprefix("--") for action in _parser()._actions if action.option_strings}
    assert options == set(PAIRS) | OTHERWISE


@pytest.mark.parametrize("option", PAIRS)
def test_every_option_has_an_effect(analysed, option):
    without, with_it = PAIRS[option]
    assert analysed(**without) != analysed(**with_it)


def test_two_seeds_are_too_few_unless_allowed(analysed, curves, tmp_path):
    table = pd.read_csv(curves)
    table[table["seed"] < 2].to_csv(tmp_path / "two.csv", index=False)
    plain, allowed = (analysed(tmp_path / "two.csv", **few) for few in ({}, {"allow-few-seeds": True}))
    assert plain != allowed


def test_an_option_may_be_repeated():
    """--families log2 --families pow3 is --families log2 pow3."""
    options = ["--families", "log2", "--families", "pow3", "--leave-out", "10", "--leave-out", "20", "40"]
    parsed = _parser().parse_args(["t", *options])
    assert (parsed.families, parsed.leave_out) == (["log2", "pow3"], [10, 20, 40])


def test_what_is_not_analysed_is_said(analysed, capsys, curves):
    assert analysed().startswith(
        "Not analysed: loss (not named by --metric).\nColumns that are not read: lr.\nmodel: accuracy\n"
    )
    told = "--classes 10 has no effect: of the families, only m4 needs it (--families).\n"
    assert told in analysed(classes=["10"])
    printed = analysed(metric=[])
    assert printed.startswith("Columns that are not read: lr.\n")
    assert "\nmodel: loss\n" in printed or "model: cross-entropy" in printed


def test_scores_of_other_splits_are_said(analysed, curves, tmp_path):
    table = pd.read_csv(curves).drop(columns=["loss", "lr"]).rename(columns={"accuracy": "test_accuracy"})
    table.assign(train_accuracy=1.0, validation_accuracy=0.5).to_csv(tmp_path / "splits.csv", index=False)
    reason = "test scores come first; name others with --metric"
    expected = f"Not analysed: train_accuracy, validation_accuracy ({reason}).\nmodel: accuracy\n"
    assert analysed(tmp_path / "splits.csv", metric=[]).startswith(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": ["log2", "log2"]}, "--families: found log2 twice, expected once"),
        ({"leave-out": ["10", "10"]}, "--leave-out: found 10 twice, expected once"),
        ({"target": ["accuracy=0.9", "accuracy=0.9"]}, "--target: found accuracy=0.9 twice, expected once"),
    ],
)
def test_the_same_value_twice_is_refused(analysed, options, message):
    with pytest.raises(SystemExit, match=f"^{message}$"):
        analysed(**options)


@pytest.mark.parametrize(
    ("options", "stated"), [({"hours": ["2"]}, "--hours 2"), ({"purpose": ["curve"]}, "--purpose curve")]
)
def test_options_of_the_next_runs_need_times(analysed, curves, tmp_path, options, stated):
    pd.read_csv(curves).drop(columns="seconds").to_csv(tmp_path / "t.csv", index=False)
    message = f"^{stated}: next runs need times of the measured ones, but .*t.csv has no seconds; add a column seconds"
    with pytest.raises(SystemExit, match=message):
        analysed(tmp_path / "t.csv", **options)
