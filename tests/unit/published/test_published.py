"""The published numbers: every table is described, every artefact loads, and the numbers agree with each other."""

import numpy as np
import pandas as pd
import pytest

from trainsize.common.errors import UserError
from trainsize.published import printed, versions

TABLES = [(table.study, table.name) for study in printed.STUDIES for table in printed.tables(study)]
# Figures and tables by their numbers, as many as the studies printed.
IDS = [
    *(f"GA-T{i}" for i in range(1, 10)),
    *(f"GA-F{i}" for i in range(1, 15)),
    "GA-C",
    *(f"CH-T{i}" for i in range(1, 7)),
    *(f"CH-F{i}" for i in range(8, 22)),
    *("CH-M", "CH-S", "CH-C", "CH-A", "MI-T1", "MI-F1", "MI-S", "MI-X", "MI-C"),
    *(f"FM-T{i}" for i in range(6, 13)),
    *(f"FM-F{i}" for i in range(1, 7)),
    *("FM-S", "FM-C", "CF-F1", "CF-F2", "CF-S", "CF-X"),
    *(f"CF-T{i}" for i in range(1, 6)),
]


@pytest.mark.parametrize(("study", "name"), TABLES)
def test_every_column_is_described_and_marked_by_its_name(study, name):
    (table,) = [table for table in printed.tables(study) if table.name == name]
    columns = pd.read_csv(table.path, dtype=str).columns
    assert list(columns) == list(table.columns)
    assert table.numbers in ("printed", "digitised", "derived")
    assert name.startswith("derived_") == (table.numbers == "derived")
    assert name.endswith("_digitised") == (table.numbers == "digitised")


@pytest.mark.parametrize("study", printed.STUDIES)
def test_every_file_is_described(study):
    files = {path.stem for path in (versions.FOLDER / study).glob("*.csv")}
    assert files == {table.name for table in printed.tables(study)}


def test_every_artefact_is_there_and_loads():
    known = [artefact.id for study in printed.STUDIES for artefact in printed.artefacts(study)]
    assert sorted(known) == sorted(IDS)
    for name in known:
        entry = printed.artefact(name)
        assert set(printed.load(name)) == set(entry.tables)
        assert all(rule.text for rule in entry.rules)
        assert entry.kind in "PFSC"


def test_rules_are_found_by_quantity():
    loss = printed.artefact("MI-T1")
    assert loss.rule("9000").limits == {"factor": 3}
    assert loss.rule("240000").limits == {"factor": 1.1}
    assert printed.artefact("GA-T6").rule("test_accuracy slope").kind == "standard_errors"
    assert printed.artefact("GA-F2").rule("anything") is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: printed.load("GA-T66"), "did you mean 'GA-T6'"),
        (lambda: printed.load_table("ga-letters", "table2"), "did you mean 'table1'"),
        (lambda: printed.tables("ga-leters"), "did you mean 'ga-letters'"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_the_regressions_are_consistent_with_each_other():
    """t = estimate / error, F = t², AIC and BIC from the log-likelihood, the condition number from the sizes alone."""
    for fit in printed.load("GA-T6")["regressions"].itertuples():
        n = fit.n_sizes
        assert fit.slope / fit.slope_se == pytest.approx(fit.slope_t, rel=0.05)
        assert fit.slope_t**2 == pytest.approx(fit.f, rel=0.01)
        assert -2 * fit.log_likelihood + 4 == pytest.approx(fit.aic, abs=0.01)
        assert -2 * fit.log_likelihood + 2 * np.log(n) == pytest.approx(fit.bic, abs=0.01)
        sizes = np.array(fit.sizes.split(), dtype=float)
        assert len(sizes) == n
        design = np.column_stack([np.ones(n), np.log10(sizes)])
        assert np.linalg.cond(design) == pytest.approx(fit.condition_number, abs=0.05)


def test_derived_tables_follow_from_the_printed_ones():
    loss = printed.load_table("emnist-loss", "derived_floor")
    assert loss["floor_units"].to_numpy() == pytest.approx((loss["loss"] / 2.0**-23).to_numpy(), abs=1e-4)
    schedule = printed.load_table("ga-letters", "derived_schedule").set_index("n")
    table1 = printed.load_table("ga-letters", "table1").set_index("n")
    updates = table1["epochs"] * np.ceil(table1.index.to_numpy() / 72)
    assert (schedule["updates"].sort_index() == updates.sort_index()).all()
    decays = printed.load_table("imagenet-volume", "derived_schedule")
    assert (0.045 * 0.98 ** decays["mobilenet_lr_decays"]).tolist() == pytest.approx(
        decays["mobilenet_final_lr"].tolist()
    )
