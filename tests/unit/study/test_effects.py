"""What a study states is obeyed or refused: every key of the schema changes something, and idle ones are named."""

import json
from copy import deepcopy

import pandas as pd
import pytest
import yaml
from schema_keys import Key, keys_of, pair_of

from trainsize.common.errors import UserError
from trainsize.common.files import canonical_json
from trainsize.study.effects import WITHOUT_NORM_LAYERS
from trainsize.study.reader import load_study
from trainsize.study.schema import study_schema
from trainsize.training.architectures import ARCHITECTURES, build
from trainsize.training.optimisation import NORM_LAYERS
from trainsize.training.stage import train_runs

SCHEMA = study_schema()
RECIPE = SCHEMA["$defs"]["recipe"]
STUDY = {
    "title": "A study",
    "dataset": "digits",
    "sizes": [42, 84],
    "seeds": [1, 2],
    "subset": {"method": "nested", "validation": 50},
    "budget": {"updates": 12},
    "evaluation": {"points": 12},
    "base": {
        "architecture": {"name": "mlp", "hidden": [8]},
        "batch_size": 8,
        "optimizer": {"name": "sgd", "lr": 0.3, "momentum": 0.5},
    },
    "models": {"m": {}},
}


@pytest.fixture
def load(tmp_path):
    def load(study: dict, name: str = "s"):
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
        return load_study(name, tmp_path)

    return load


def changed(study: dict, path: tuple, value: object) -> dict:
    """Return the study with another value at a path of keys; None removes the key."""
    study = deepcopy(study)
    inner = study
    for key in path[:-1]:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    if value is None:
        inner.pop(path[-1], None)
    else:
        inner[path[-1]] = value
    return study


# Keys that describe and determine no number. They are in the report, or in the data set's entry there.
DESCRIPTIVE = {"title", "source", "stand_in", "dataset.title", "dataset.source", "dataset.licence"}
# Keys with tests of their own: variants in test_study, and the settings of models below.
ELSEWHERE = {"variants", "base", "models"}
# Values that the schema alone does not tell, and what they need beside them.
PAIRS = {
    "dataset": ("digits", "mnist"),
    "dataset.format": None,
    "dataset.n_train": (600, 601),
    "budget.check.sizes": (1, 2),
    "dataset.classes": (3, ["a", "b", "c"]),
    "dataset.format.folder.background": ("white", "black"),
    "dataset.format.parquet.background": ("white", "black"),
    "dataset.shape": ([8, 8, 1], [8, 9, 1]),
    "sizes": ([42], [43]),
    "sizes.log.from": (20, 30),
    "sizes.log.to": (200, 300),
    "sizes.log.count": (3, 4),
    "seeds": ([1], [2]),
    "draws": ("per_seed", [1, 2]),
    "subset.method": ("nested", "random"),
    "subset.folds": (4, 5),
    "budget": ({"updates": 24}, {"epochs": 3}),
    "budget_share": (1, 0.5),
    "regressions.leave_out": ([42], [84]),
    "regressions.confidence": (0.9, 0.95),
    "regressions.planning.hours": (1, 2),
    "figures.metrics": (["accuracy"], ["loss"]),
    "figures.models": (["m"], ["other"]),
    "figures.also": (["curve"], ["schedule"]),
    "figures.without": (["curve"], ["boxes"]),
    "figures.sweeps": ({"a": ["m"]}, {"b": ["m"]}),
}
LOG = {"from": 20, "to": 200, "count": 3}
BESIDE = {
    "sizes.log": {"sizes": {"log": LOG}},
    "seeds.": {"seeds": {"count": 3}},
    "draws.": {"draws": {"count": 3}},
    "subset.folds": {"subset": {"method": "kfold", "folds": 4}},
    "subset.header_row_lost": {"subset": {"method": "random"}},
    "budget.samples": {"budget": {}},
    "budget.epochs": {"budget": {}},
    "budget.check.": {"budget": {"updates": 24, "check": {"times": 2}}},
    "evaluation.every": {"evaluation": {}},
    "regressions.targets": {"regressions": {"metrics": None}},
    "regressions.equivalence_margin": {"regressions": {"metrics": None}},
    "figures.models": {"models": {"m": {}, "other": {"architecture": "cnn"}}},
    "figures.sweeps": {"figures": {"also": ["sweep"]}},
}
FORMATS = {
    "folder": {"path": "in", "size": 8},
    "idx": {"path": "in"},
    "npz": {"path": "in"},
    "parquet": {"path": "in", "size": 8},
}


def study_for(key: str) -> dict:
    """Return the study in which a key is changed."""
    study = deepcopy(STUDY)
    for start, beside in BESIDE.items():
        if key.startswith(start):
            study |= deepcopy(beside)
    for part in ("targets", "equivalence_margin"):
        if key.startswith(f"regressions.{part}"):
            study["regressions"] = {"metrics": [key.rpartition(".")[2]]}
    if key.startswith("dataset."):
        form = key.split(".")[2] if key.startswith("dataset.format.") else "npz"
        facts = {"n_train": 600, "n_test": 100, "classes": 3} | ({"shape": [8, 8, 1]} if form in ("idx", "npz") else {})
        study["dataset"] = {"name": "mine", **facts, "format": {"name": form, **FORMATS[form]}}
    return study


def signature(study) -> str:
    """Return all that determines the study's numbers and figures."""
    parts = [study.dataset.request, study.metrics_settings(), study.regressions_settings(), study.figure_settings()]
    return canonical_json([*parts, study.audit_settings(), [study.run_settings(model) for model in study.models]])


def is_known(key: Key) -> bool:
    return str(key) in DESCRIPTIVE or key.path[0] in ELSEWHERE


@pytest.mark.parametrize("key", [k for k in keys_of(SCHEMA, SCHEMA) if k.path and not is_known(k)], ids=str)
def test_every_key_of_a_study_changes_something(load, key):
    pair = PAIRS.get(str(key), ...)
    if pair is None:
        return  # its options are keys themselves
    path = (*key.path[:2], *key.path[3:]) if key.path[:2] == ("dataset", "format") else key.path
    one, two = (
        load(changed(study_for(str(key)), path, value))
        for value in (pair_of(key.schema, SCHEMA) if pair is ... else pair)
    )
    assert signature(one) != signature(two)


@pytest.mark.parametrize("key", sorted(DESCRIPTIVE))
def test_what_only_describes_is_in_the_report_and_changes_nothing_else(load, key):
    one, two = (load(changed(study_for(key), tuple(key.split(".")), value)) for value in ("one", "two"))
    assert signature(one) == signature(two)
    assert one.card() != two.card()


# Recipes: each setting changes what a run learns or records

OF_OTHER_TESTS = {
    "extends": "test_models_take_the_base_over",
    "sizes": "test_a_model_may_have_sizes_and_a_budget_of_its_own",
    "gpus": "test_two_processes",
}
REQUIRED = {
    "adam": {"lr": 0.01},
    "adamw": {"lr": 0.01},
    "rmsprop": {"lr": 0.01},
    "sgd": {"lr": 0.3},
    "step": {"gamma": 0.5},
    "exponential": {"final": 0.5},
    "inverse_time": {"decay": 0.1},
    "constants": {"mean": [0.3], "std": [0.3]},
    "custom": {"path": "nets.Small"},
    "erasing": {"probability": 1},
}
WILD = {"optimizer": {"name": "sgd", "lr": 8.0}}  # makes the validation loss rise and fall
WITH_NORMS = {"architecture": {"name": "cnn", "channels": [4]}}
STOPS = {**WILD, "selection": {"name": "best_on_validation", "patience": 4}}
RECIPE_PAIRS = {
    "architecture": ("mlp", "cnn"),
    "architecture.custom.path": ("nets.Small", "nets.Wide"),
    "architecture.custom.options": ({"width": 3}, {"width": 4}),
    "optimizer": ({"name": "sgd", "lr": 0.1}, {"name": "adam", "lr": 0.1}),
    "schedule": ("constant", "cosine"),
    "schedule.step.every_passes": (1, 2),
    "schedule.inverse_time.decay": (0.1, 0.2),
    "schedule.plateau.patience": (0, 1),
    "augmentation": (["horizontal_flip"], [{"name": "rotation", "degrees": 90}]),
    "normalisation": ("dataset", "none"),
    "selection": ("best_on_test", "best_on_validation"),
    "selection.best_on_validation.patience": (2, 5),
    "selection.best_on_validation.minimum_change": (0, 5),
    "repeated_augmentation": (1, 2),
    "restart": None,
    "restart.at": (0.25, 0.5),
    "neurons": None,
    "neurons.layer": ("1", "3"),
    "neurons.images": (20, 30),
    "budget": ({"updates": 12}, {"updates": 18}),
    "augmentation.colour_jitter.saturation": None,  # of colours, which the digits do not have
    "augmentation.colour_jitter.hue": None,
    "augmentation.resized_crop.widest": (1.5, 3),
    "augmentation.erasing.widest": (1.5, 3),
    "clip_value": (0.001, 0.002),
}
RECIPE_BESIDE = {
    "optimizer": WITH_NORMS,
    "optimizer.sgd.nesterov": {"optimizer": {"momentum": 0.5}},
    "schedule.plateau": WILD,
    "schedule.plateau.factor": {"schedule": {"patience": 0}, **WILD},
    "selection": WILD,
    "selection.best_on_validation.minimum_change": STOPS,
    "restart": {"restart": {"at": 0.5, "seed": 9}},
    "neurons": {"neurons": {"layer": "1"}},
    "carried_through_folds": {"subset": {"method": "kfold", "folds": 3}, "draws": [1]},
    "augmentation.erasing.smallest": {"augmentation": {"largest": 0.9}},
    "augmentation.resized_crop.smallest": {"augmentation": {"largest": 0.9}},
    "augmentation.resized_crop.narrowest": {"augmentation": {"widest": 1, "largest": 0.4}},
    "augmentation.resized_crop.widest": {"augmentation": {"narrowest": 1, "largest": 0.4}},
    "probabilities": {"optimizer": {"name": "sgd", "lr": 8.0}},
    "architecture.ga_cnn.row_dropout": {"architecture": {"dropout": 0.5}},
}
NETS = """
from torch import nn

class Small(nn.Sequential):
    def __init__(self, shape, n_classes, width=2):
        super().__init__(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, n_classes))

class Wide(Small):
    def __init__(self, shape, n_classes):
        super().__init__(shape, n_classes, 16)
"""
STUDY_KEYS = ("subset", "draws")


def with_recipe(key: str, value: object) -> dict:
    """Return the study whose models have `value` at a key of the recipe, and what the key needs beside it."""
    study, options = deepcopy(STUDY), {}
    for start, beside in RECIPE_BESIDE.items():
        if key.startswith(start):
            for name, settings in deepcopy(beside).items():
                if name in STUDY_KEYS:
                    study[name] = settings
                elif (
                    name in key
                    and name in ("augmentation", "schedule", "architecture", "optimizer")
                    and "name" not in settings
                ):
                    options |= settings
                else:
                    study["base"][name] = settings
    choice, *rest = key.split(".")
    part = RECIPE["properties"][choice]
    if rest and "named" in part:
        study["base"][choice] = {"name": rest[0], **REQUIRED.get(rest[0], {}), **options, rest[1]: value}
    elif rest and "named" in part.get("items", {}):
        study["base"][choice] = [{"name": rest[0], **REQUIRED.get(rest[0], {}), **options, rest[1]: value}]
    else:
        study = changed(study, ("base", *key.split(".")), value)
    if choice == "budget":
        study["models"] = {"m": {"budget": study["base"].pop("budget")}, "other": {}}
    return study


@pytest.fixture(scope="module")
def learned(digits, tmp_path_factory):
    """Return what a run of a study's model learns, as text; the same settings are trained once."""
    done = {}

    def learned(study) -> str:
        settings = study.run_settings("m")
        draw, seed = study.pairs[0]
        case = canonical_json([settings, draw, seed])
        if case not in done:
            folder = tmp_path_factory.mktemp("run") / "s" / "runs" / "m" / "n42" / f"draw{draw}" / f"seed{seed}"
            train_runs(settings, "code", digits, 1, "cpu", [folder / "run.json"])
            history = pd.read_parquet(folder / "history.parquet").to_csv()
            record = json.loads((folder / "run.json").read_text())
            parts = [record[name] for name in ("neurons", "status", "selected_step", "updates", "final", "stopped")]
            done[case] = history + pd.read_parquet(folder / "predictions.parquet").to_csv() + json.dumps(parts)
        return done[case]

    return learned


RECIPE_KEYS = [key for key in keys_of(RECIPE, SCHEMA) if key.path and key.path[0] not in OF_OTHER_TESTS]


@pytest.mark.parametrize("key", [k for k in RECIPE_KEYS if k.path[0] != "budget" or len(k.path) == 1], ids=str)
def test_every_setting_of_a_model_changes_what_it_learns(load, learned, key, tmp_path, monkeypatch):
    pair = RECIPE_PAIRS.get(str(key), ...)
    if pair is None:
        return  # its keys are tried themselves
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)
    values = pair_of(key.schema, SCHEMA) if pair is ... else pair
    one, two = (learned(load(with_recipe(str(key), value))) for value in values)
    assert one != two


# Settings that have no effect beside others


def base(**settings) -> dict:
    return {"base": {**STUDY["base"], **settings}}


GA = {"name": "ga_cnn"}
NORM_DECAY = {"name": "sgd", "lr": 1, "norm_weight_decay": 0}
OWN = {"budget": {"updates": 3}}
FOLDER = {"name": "mine", "n_train": 600, "n_test": 100, "classes": 3, "format": {"name": "folder", "path": "in"}}
IDLE = [
    (
        base(optimizer={"name": "sgd", "lr": 1, "norm_weight_decay": 0}),
        "base.optimizer.norm_weight_decay: has no effect",
    ),
    (base(architecture={"name": "mlp", "hidden": [], "dropout": 0.5}), "base.architecture.dropout: has no effect"),
    (
        base(architecture={**GA, "as_printed": True, "dropout2d": 0.1}),
        "base.architecture.dropout2d: has no effect: with",
    ),
    (
        base(architecture={**GA, "row_dropout": True, "dropout": 0}),
        "base.architecture.row_dropout: has no effect: `drop",
    ),
    (
        base(schedule={"name": "cosine", "warmup": 1}),
        "base.schedule.warmup: found 1, which leaves no update for the sch",
    ),
    (base(gpus=9), "base.gpus: found 9, more than the 8 images of a batch"),
    (base(batch_size=1, mixup=0.5), "base.mixup: found 0.5, which needs two images in a batch to mix; batch_size is 1"),
    (base(neurons={"layer": "1", "images": 501}), "base.neurons.images: found 501, but digits has 500 test images"),
    (base(augmentation=[{"name": "erasing", "probability": 0}]), "would have no effect: its probability is 0"),
    (base(augmentation=[{"name": "resized_crop", "smallest": 1}]), "would have no effect: `smallest` is 1, the whole"),
    (
        {**base(carried_through_folds=True), "subset": {"method": "kfold", "folds": 3}, "draws": [0]},
        "base.carried_through_folds: found true, but no fold comes before fold 0, the only one of `draws`",
    ),
    (
        {**base(restart={"at": 0.5, "seed": 3}), "seeds": [3]},
        "base.restart.seed: found 3, which is the only seed of the study; use another one",
    ),
    (base(augmentation=[{"name": "horizontal_flip", "probability": 0}]), "would have no effect: its probability is 0"),
    (
        {**base(selection="best_on_test"), "evaluation": {"points": 1}},
        "base.selection: found 'best_on_test', but runs have 1 evaluation to choose from; evaluate more often",
    ),
    (
        base(restart={"at": 0.01, "seed": 3}),
        "base.restart.at: found 0.01, which is not between two of the 12 updates at n = 42",
    ),
    (base(restart={"at": 0.99, "seed": 3}), "base.restart.at: found 0.99, which is not between two of the 12 updates"),
    (base(budget={"updates": 3}), "base.budget: found beside `budget`, which no model would use"),
    ({"models": {"a": OWN, "b": OWN}}, "budget: no model uses it, because each has its own (models.a.budget)"),
    ({"models": {"a": {"sizes": [42]}}}, "sizes: found 84, which no model is trained on"),
    (
        {"budget": {"updates": 12, "check": {"times": 2, "sizes": 3}}},
        "budget.check.sizes: found 3, but m has 2 sizes; use at most as many",
    ),
    (
        {"subset": {"method": "first_n"}, "draws": [1, 2, 3]},
        "draws: found 3, but first_n without validation images takes the same images in all of them, so that runs",
    ),
    (
        {"regressions": {"metrics": ["loss"], "targets": {"accuracy": [0.9]}}},
        "regressions.targets.accuracy: found targets of a metric that is not in regressions.metrics (loss); add it",
    ),
    (
        {"regressions": {"metrics": ["loss"], "equivalence_margin": {"error": 0.1}}},
        "regressions.equivalence_margin.error: found a margin of a metric that is not in regressions.metrics (loss)",
    ),
    *(
        ({"sizes": [42], "regressions": {key: value}}, f"regressions.{key}: has no effect: the study has one size")
        for key, value in {
            "families": ["pow3"],
            "targets": {"accuracy": [0.9]},
            "leave_out": [42],
            "robust": True,
            "extrapolation": "chosen_family",
            "planning": {"hours": 1},
        }.items()
    ),
    ({"figures": {"sweeps": {"a": ["m"]}}}, "figures.sweeps: has no effect: this study has no `sweep` figure; ask for"),
    (
        {"figures": {"also": ["schedule"], "without": ["schedule"]}},
        "figures.without: found 'schedule', which is in figures.also too; remove it from one of them",
    ),
    (
        {"dataset": {**FOLDER, "shape": [8, 8, 1]}},
        "dataset: shape: has no effect: images of a folder data set are prep",
    ),
    (
        {"dataset": {**FOLDER, "format": {**FOLDER["format"], "channels": 1}}},
        "dataset: format.channels: found 1, but the images are only listed, not opened, without format.size",
    ),
    (
        {"dataset": {**FOLDER, "format": {**FOLDER["format"], "background": "black"}}},
        "dataset: format.background: found black, but the images are only listed, not opened, without format.size",
    ),
    # A choice that every model replaces is checked too.
    (
        {**base(optimizer={"name": "sgd", "lr": 1, "momentm": 1}), "models": {"a": {"optimizer": "adam"}}},
        "base.optimizer: unknown key 'momentm'; did you mean 'momentum'?",
    ),
    ({"variants": {"a": {"sedes": [1]}}}, "variants.a: found 'sedes', allowed:"),
    ({"variants": {"a": {"models": {"n": None}}}}, "variants.a.models: found 'n', allowed: m"),
]


@pytest.mark.parametrize(("changes", "message"), IDLE, ids=[message[:40] for _, message in IDLE])
def test_a_setting_without_effect_is_refused(load, changes, message):
    with pytest.raises(UserError) as error:
        load({**STUDY, **changes})
    assert message in str(error.value)


NO_NORMS = "has no effect: mlp has no normalisation layers; remove it"


def test_a_setting_that_a_model_takes_over_stays_with_a_note(load):
    networks = {"mlp": {}, "cnn": {"architecture": "cnn"}}
    study = load({**STUDY, **base(optimizer=NORM_DECAY), "models": networks})
    (note,) = study.notes
    told = "has no effect on models.mlp: mlp has no normalisation layers"
    assert note.endswith(f"s.yaml: base.optimizer.norm_weight_decay: {told}")
    study = load({**STUDY, "models": {**networks, "wide": {"extends": "cnn", "architecture": "mlp"}}})
    assert study.notes == ()
    own = {**networks, "mlp": {"optimizer": NORM_DECAY}}
    with pytest.raises(UserError, match=rf"models.mlp.optimizer.norm_weight_decay: {NO_NORMS}"):
        load({**STUDY, "models": own})
    with pytest.raises(UserError, match=r"base.optimizer.norm_weight_decay: has no effect"):
        load({**STUDY, **base(optimizer=NORM_DECAY), "models": {"a": {}, "b": {}}})


def test_what_a_variant_leaves_without_effect_stays_with_a_note(load):
    study = {**STUDY, "regressions": {"targets": {"accuracy": [0.9]}}, "variants": {"one": {"sizes": [42]}}}
    assert load(study).notes == ()
    (note,) = load(study, "s+one").notes
    assert "regressions.targets: has no effect: the study has one size" in note
    with pytest.raises(UserError, match=r"variants: s\+one\+one has 'one' twice"):
        load(study, "s+one+one")


def test_settings_of_the_base_that_every_model_replaces_are_told(load):
    own = {"batch_size": 4, "optimizer": {"name": "adam", "lr": 0.1}, "architecture": {"hidden": [4]}}
    told = [note.partition("s.yaml: ")[2] for note in load({**STUDY, "models": {"a": own, "b": own}}).notes]
    assert told == [f"base.{key}: has no effect: every model has its own" for key in ("batch_size", "optimizer")]
    assert load({**STUDY, "models": {"a": own, "b": {"extends": "a"}, "c": {}}}).notes == ()


def test_a_patience_longer_than_every_run_is_told(load):
    plateau, stopping = {"name": "plateau", "patience": 10}, {"name": "best_on_validation", "patience": 11}
    stops, reduces = load({**STUDY, **base(schedule=plateau, selection=stopping)}).notes
    told = "found 11, which ends no run before its budget: runs have 12 evaluations, and it needs 13 (models.m)"
    assert stops.endswith(f"base.selection.patience: {told}")
    told = "found 10, which never reduces the rate: runs have 12 evaluations, and it needs 13 (models.m)"
    assert reduces.endswith(f"base.schedule.patience: {told}")
    enough = base(schedule={**plateau, "patience": 9}, selection={**stopping, "patience": 10})
    assert load({**STUDY, **enough}).notes == ()


@pytest.mark.parametrize("options", [{"hue": 0.1, "brightness": 0.1}, {"saturation": 1, "hue": 0.1, "contrast": 1}])
def test_changes_of_colour_on_grey_images_are_told(load, options):
    (note,) = load({**STUDY, **base(augmentation=[{"name": "colour_jitter", **options}])}).notes
    lost = "saturation and hue have" if "saturation" in options else "hue has"
    assert note.endswith(f"base.augmentation.0: {lost} no effect on the grey images of digits")


def test_draws_of_all_images_are_told(load):
    crossed = {"subset": {"method": "nested"}, "draws": [1, 2]}
    (note,) = load({**STUDY, **crossed, "sizes": [42, "100%"]}).notes
    assert "draws: found 2, which have the same images at n = 1297, the whole training set" in note
    assert load({**STUDY, **crossed}).notes == load({**STUDY, "draws": [1, 2], "sizes": ["100%"]}).notes == ()


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"custom"}))
def test_networks_without_normalisation_layers(load, name):
    recipe = load({**STUDY, **base(architecture=name)}).models["m"]
    model = build(recipe, (1, 16, 16), 10, 0)
    assert any(isinstance(layer, NORM_LAYERS) for layer in model.modules()) == (name not in WITHOUT_NORM_LAYERS)
