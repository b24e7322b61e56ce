"""Budgets until convergence, and budgets that are checked with a multiple of them."""

import pytest
import yaml

from trainsize.common.errors import UserError
from trainsize.study.reader import load_study

STUDY = {
    "title": "A study",
    "dataset": "digits",
    "sizes": [20, 40, 80],
    "seeds": [1, 2],
    "budget": {"updates": 100},
    "base": {"batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1}},
    "models": {"mlp": {"architecture": "mlp"}, "cnn": {"architecture": "cnn"}},
}
CONVERGED = {"budget": {"until": "converged", "updates": 100}, "subset": {"validation": 50}}


def of_all(**settings) -> dict:
    """Return the base with more settings."""
    return {"base": STUDY["base"] | settings}


@pytest.fixture
def load(tmp_path):
    def load(**changes):
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(STUDY | changes, sort_keys=False))
        return load_study("s", tmp_path)

    return load


def test_until_converged_is_early_stopping_on_validation_images(load):
    """The settings are those of a study that states the selection, so its runs stay as they are."""
    stated = load(subset={"validation": 50}, **of_all(selection={"name": "best_on_validation", "patience": 5}))
    converged = load(**CONVERGED)
    assert converged.run_settings("mlp") == stated.run_settings("mlp")
    assert converged.budgets["mlp"] == {"updates": 100}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("best_on_validation", ("loss", 5)),
        ({"name": "best_on_validation", "patience": 3}, ("loss", 3)),
        ({"name": "best_on_validation", "metric": "accuracy", "patience": None}, ("accuracy", 5)),
    ],
)
def test_a_stated_selection_keeps_its_options(load, selection, expected):
    found = load(**CONVERGED, **of_all(selection=selection)).models["mlp"]["selection"]
    assert (found["metric"], found["patience"]) == expected


def test_one_model_alone_may_train_until_it_has_converged(load):
    models = {
        "mlp": {"architecture": "mlp", "budget": {"until": "converged", "epochs": 30}},
        "cnn": STUDY["models"]["cnn"],
    }
    study = load(models=models, subset={"validation": 50})
    assert study.models["mlp"]["selection"]["patience"] == 5
    assert study.models["cnn"]["selection"] == {"name": "last"}
    assert study.budgets == {"mlp": {"epochs": 30}, "cnn": {"updates": 100}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subset": {}}, "budget.until: found 'converged', which needs validation images; hold some out, such as"),
        (of_all(selection="last"), "base.selection: found 'last', but `until: converged` needs best_on_validation"),
        (of_all(selection="best_on_test"), "base.selection: found 'best_on_test', but"),
        (of_all(selection="last", schedule="plateau"), "base.selection: found 'last'"),
        (of_all(schedule="cosine"), "base.schedule: found 'cosine', which decays until the budget's end"),
        (of_all(schedule={"name": "step", "gamma": 0.1}), "base.schedule: found 'step', which decays"),
        (of_all(schedule={"name": "plateau", "patience": 4}), "found 5, which stops a run before its rate has been"),
        ({"evaluation": {"points": 6}}, "evaluation: mlp has 6, but a patience of 5 needs 7"),
        ({"budget": {"until": "converged"}}, "budget: found nothing, expected exactly one of updates, samples, epochs"),
        ({"budget": {"until": "convergd", "updates": 9}}, "budget.until: found 'convergd' (text), allowed: converged"),
        ({"budget": CONVERGED["budget"] | {"check": 2}}, "budget.check: found beside `until: converged`, whose runs"),
        (
            {"budget": {"updates": 9}, **of_all(budget={"until": "converged", "updates": 9}, schedule="cosine")},
            "base.schedule: found 'cosine'",
        ),
    ],
)
def test_what_contradicts_convergence(load, changes, message):
    with pytest.raises(UserError) as error:
        load(**CONVERGED | changes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "schedule",
    ["plateau", {"name": "inverse_time", "decay": 0.1}, {"name": "step", "gamma": 0.5, "every_passes": 2}],
)
def test_rates_that_do_not_depend_on_the_budget_go_with_convergence(load, schedule):
    assert load(**CONVERGED, **of_all(schedule=schedule)).models["mlp"]["schedule"]["name"] in str(schedule)


@pytest.mark.parametrize(
    ("check", "sizes", "name", "updates"),
    [
        (2, (40, 80), "mlp-x2", 200),
        ({"times": 3}, (40, 80), "mlp-x3", 300),
        ({"times": 2, "sizes": 1}, (80,), "mlp-x2", 200),
    ],
)
def test_a_check_repeats_the_largest_sizes_with_a_multiple_of_the_budget(load, check, sizes, name, updates):
    plain, study = load(), load(budget={"updates": 100, "check": check})
    assert study.checks[name] == "mlp"
    assert study.model_sizes[name] == sizes
    assert study.run_settings(name) == study.run_settings("mlp") | {"budget": {"updates": updates}}
    assert set(plain.runs) < set(study.runs)
    assert len(study.runs) == len(plain.runs) + 2 * 2 * len(sizes)
    assert all(study.run_settings(model) == plain.run_settings(model) for model in plain.models)


def test_a_check_is_no_model_of_the_curves_figures_and_report(load):
    plain, study = load(), load(budget={"updates": 100, "check": 2})
    assert study.regressions_settings()["grid"]["models"] == ["mlp", "cnn"]
    assert study.card()["grid"]["models"] == ["mlp", "cnn"]
    assert study.figure_list() == plain.figure_list()
    assert study.regressions_settings()["training"]["cnn"] == {
        "decays": False,
        "stops_early": False,
        "softened": False,
        "check": "cnn-x2",
    }
    assert {run.model for run in study.runs} == {"mlp", "cnn", "mlp-x2", "cnn-x2"}


def test_a_check_takes_a_share_of_the_budget_before_its_multiple(load):
    assert load(budget={"updates": 99, "check": 2}, budget_share=0.5).budgets == {
        "mlp": {"updates": 50},
        "cnn": {"updates": 50},
        "mlp-x2": {"updates": 100},
        "cnn-x2": {"updates": 100},
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"check": 1}, "budget.check: found 1, must be at least 2"),
        ({"check": "2"}, "budget.check: found '2' (text), expected one of: a count, keys and values"),
        ({"check": {"sizes": 1}}, "budget.check: the key 'times' is missing"),
        ({"check": {"times": 2, "sizes": 0}}, "budget.check.sizes: found 0, must be at least 1"),
    ],
)
def test_mistakes_in_a_check(load, changes, message):
    with pytest.raises(UserError) as error:
        load(budget={"updates": 100, **changes})
    assert message in str(error.value)


def test_a_model_with_the_name_of_a_check_is_refused(load):
    with pytest.raises(UserError, match=r"models\.mlp-x2: the check of mlp \(budget\.check\) has this name; rename"):
        load(models=STUDY["models"] | {"mlp-x2": {"architecture": "mlp"}}, budget={"updates": 9, "check": 2})
