"""Study files: what they expand to, and what is said of mistakes in them."""

import re
from itertools import permutations
from pathlib import Path

import pytest
import yaml
from support import ROOT

from trainsize.common import yaml_files
from trainsize.common.errors import UserError
from trainsize.runs.budget import Batches
from trainsize.runs.run import Run, grid_runs, packs
from trainsize.study.reader import load_study
from trainsize.study.recipes import _idle

STUDIES = ROOT / "studies"
STUDY = {
    "title": "A study",
    "dataset": "digits",
    "sizes": [20, 40],
    "seeds": [1, 2],
    "budget": {"updates": 10},
    "base": {"batch_size": 8, "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9}},
    "models": {"mlp": {"architecture": "mlp"}, "cnn": {"architecture": {"name": "cnn", "channels": [4]}}},
}


@pytest.fixture
def load(tmp_path):
    def load(**changes):
        value = {key: value for key, value in {**STUDY, **changes}.items() if value is not None}
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
        return load_study("s", tmp_path)

    return load


def test_runs_are_the_product_of_models_sizes_and_pairs(load):
    study = load()
    assert len(study.runs) == 2 * 2 * 2
    assert study.runs[0] == Run("mlp", 20, 1, 1)
    assert study.pairs == ((1, 1), (2, 2))
    assert grid_runs(study.grid()) == study.runs


def test_draws_are_crossed_with_seeds_when_listed(load):
    study = load(draws=[7, 8], seeds=[1, 2, 3])
    assert len(study.pairs) == 6
    assert study.draws == [7, 8]
    assert study.seeds == [1, 2, 3]


def test_published_seed_formula(load):
    assert load(seeds={"count": 10, "step": 101}).seeds == [100 * i + i for i in range(10)]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([40, 20], (20, 40)),
        (["10%", "100%"], (130, 1297)),
        (["12.5 %"], (162,)),
        ({"log": {"from": 30, "to": 1290, "count": 3}}, (30, 197, 1290)),
        ({"log": {"from": "1%", "to": "100%", "count": 2}}, (13, 1297)),
    ],
)
def test_sizes(load, sizes, expected):
    assert load(sizes=sizes).sizes == expected


def test_shares_are_of_what_validation_leaves(load):
    study = load(sizes=["100%"], subset={"validation": "10%"})
    assert study.subset["validation"] == 130
    assert study.sizes == (1297 - 130,)


def test_models_take_the_base_over(load):
    study = load(
        models={
            "a": {"architecture": "mlp"},
            "b": {"extends": "a", "optimizer": {"lr": 0.5}, "architecture": {"hidden": [3]}},
            "c": {"extends": "b", "optimizer": {"name": "adamw", "lr": 0.01}},
        }
    )
    sgd = {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0, "norm_weight_decay": None}
    assert study.models["a"]["optimizer"] == sgd
    assert study.models["b"]["optimizer"] == {**sgd, "lr": 0.5}
    assert study.models["b"]["architecture"] == {"name": "mlp", "hidden": [3], "dropout": 0}
    assert study.models["c"]["optimizer"] == {"name": "adamw", "lr": 0.01, "weight_decay": 0, "norm_weight_decay": None}
    assert study.models["c"]["schedule"] == {"name": "constant", "warmup": 0}


def test_numbers_as_people_write_them(tmp_path):
    text = yaml.safe_dump(STUDY, sort_keys=False).replace("lr: 0.1", "lr: 1e-3")
    (tmp_path / "s.yaml").write_text(text)
    assert load_study("s", tmp_path).models["mlp"]["optimizer"]["lr"] == 0.001


@pytest.mark.parametrize("text", ["lr: .nan", "lr: .inf", "lr: 1e400"])
def test_numbers_that_are_not_finite(tmp_path, text):
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False).replace("lr: 0.1", text))
    with pytest.raises(UserError, match=r"models\.mlp\.optimizer\.lr|base\.optimizer\.lr"):
        load_study("s", tmp_path)


def test_a_leading_zero_is_no_octal(tmp_path):
    text = yaml.safe_dump(STUDY, sort_keys=False).replace("- 20", "- 0100")
    (tmp_path / "s.yaml").write_text(text)
    assert load_study("s", tmp_path).sizes == (40, 100)


@pytest.mark.parametrize("name", ["datasets", "logs", "a b", "x" * 65])
def test_names_that_are_no_studies(tmp_path, name):
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(STUDY))
    with pytest.raises(UserError, match="a study's name must consist of letters"):
        load_study(name, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": [3]}, "unknown key 'size'; did you mean 'sizes'?"),
        ({"title": None}, "the key 'title' is missing"),
        ({"dataset": "digit"}, "dataset: found 'digit', allowed: digits"),
        ({"sizes": [-5]}, "sizes.0: found -5, must be at least 1"),
        ({"sizes": []}, "sizes: the list is empty"),
        ({"sizes": ["5"]}, "sizes.0: found '5' (text), expected a count such as 500 or a share such as 5%"),
        ({"sizes": [0.5]}, "sizes.0: found 0.5"),
        ({"sizes": [20, 20]}, "sizes: found 20 more than once"),
        ({"sizes": ["0.01%"]}, "sizes: found a size of 0 images, must be at least 1"),
        ({"sizes": [1298]}, "sizes: found 1298, but digits has 1297 training images"),
        ({"sizes": [1200], "subset": {"validation": 100}}, "digits has 1197 training images after 100 are held out"),
        ({"subset": {"validation": 1297}}, "subset.validation: found 1297, which leaves none of 1297 images"),
        ({"subset": {"method": "nestd"}}, "subset.method: found 'nestd' (text), allowed:"),
        ({"seeds": [3, 3]}, "seeds: found 3 more than once"),
        ({"seeds": [-1]}, "seeds.0: found -1, must be at least 0"),
        ({"seeds": [True]}, "seeds.0: found true (true/false), expected a whole number"),
        ({"sizes": [1e3, 20]}, "sizes.0: found 1000.0, expected one of: a count, a share such as 5%; write 1000"),
        ({"sizes": [20, 40.5]}, "sizes.1: found 40.5, expected one of: a count, a share such as 5%"),
        (
            {"sizes": [20, "40"]},
            "sizes.1: found '40' (text), expected a count such as 500 or a share such as 5%; write it",
        ),
        (
            {"sizes": {"log": {"from": 20, "to": 1e2, "count": 3}}},
            "sizes.log.to: found 100.0, expected one of: a count",
        ),
        ({"sizes": "20, 40"}, "sizes: found '20, 40' (text), expected one of: a list, keys and values; write [20, 40]"),
        ({"budget": {"updates": 1e3}}, "budget.updates: found 1000.0, expected a whole number; write 1000"),
        ({"budget": {"updates": None}}, "budget.updates: found nothing, expected a whole number"),
        (
            {"base": {"batch_size": 8, "optimizer": {"name": "sgd", "lr": "0,1"}}},
            "found '0,1' (text), expected a number; write decim",
        ),
        ({"title": 2024}, "title: found 2024, expected text; put it in quotes to make it a text"),
        ({"subset": {"header_row_lost": "yes"}}, "found 'yes' (text), expected true or false; write true or false"),
        ({"figures": {"models": ["cnn", "cnn"]}}, "figures.models: found 'cnn' (text) twice, expected once"),
        ({"seeds": 5}, "seeds: found 5, expected one of: a list, keys and values"),
        ({"seeds": {"cuont": 5}}, "unknown key 'cuont'; did you mean 'count'?"),
        ({"draws": "per_sed"}, "draws: found 'per_sed' (text), expected one of: 'per_seed'"),
        (
            {"sizes": {"log": {"from": 100, "to": 20, "count": 3}}},
            "sizes.log: found from 100 to 20; `to` must be larger",
        ),
        ({"sizes": {"log": {"from": 10, "to": 10**400, "count": 3}}}, "but digits has 1297 training images"),
        (
            {"sizes": {"log": {"from": 10, "to": 20, "count": 10**9}}},
            "sizes.log.count: found 1000000000, must be at most",
        ),
        ({"seeds": {"count": 3, "start": 2**32 - 1}}, "seeds: found 4294967297, must be at most 4294967295"),
        ({"budget": {"updates": 10**30}}, "budget.updates: found 1000000000000000000000000000000, must be at most"),
        ({"evaluation": {"points": 10**9}}, "evaluation.points: found 1000000000, must be at most 10000"),
        ({"models": {"a" * 300: {"architecture": "mlp"}}}, "longer than 64 characters"),
        (
            {"models": {"a": {"architecture": "mlp", "extends": ["b"]}}},
            "models.a.extends: found '['b']', allowed: a",
        ),
        ({"base": {"extends": "mlp"}}, "base.extends: the base cannot extend a model"),
        ({"base": {"optimiser": {"lr": 1}}}, "base: unknown key 'optimiser'; did you mean 'optimizer'?"),
        ({"budget": {"updates": 0}}, "budget.updates: found 0, must be at least 1"),
        ({"budget": {}}, "budget: found nothing, expected exactly one of updates, samples, epochs"),
        ({"budget": {"updates": 1, "epochs": 1}}, "budget: found updates, epochs, expected exactly one of"),
        ({"models": {}}, "models: found nothing, expected at least one entry"),
        ({"models": {"a/b": {"architecture": "mlp"}}}, "models: found 'a/b' (text); use only letters, digits"),
        ({"models": {"a": {"architecture": "mpl"}}}, "models.a.architecture: found 'mpl' (text), allowed: cnn, mlp"),
        ({"models": {"a": {}}}, "models.a: the key 'architecture' is missing"),
        (
            {"models": {"a": {"architecture": {"name": "cnn", "chanels": [3]}}}},
            "models.a.architecture: unknown key 'chanels'; did you mean 'channels'?",
        ),
        ({"base": {"batch_size": 0, "optimizer": {"name": "sgd", "lr": 1}}}, "base.batch_size: found 0"),
        ({"models": {"a": {"architecture": "mlp", "extends": "b"}}}, "models.a.extends: found 'b', allowed: a"),
        ({"models": {"a": {"architecture": "mlp", "extends": "a"}}}, "extend each other in a circle"),
        (
            {"models": {"a": {"architecture": "mlp", "optimizer": {"momentum": 0, "nesterov": True}}}},
            "models.a.optimizer.nesterov: found true, which needs a momentum above 0",
        ),
        ({"figures": {"models": ["cnnn"]}}, "figures.models: found 'cnnn', allowed: mlp, cnn; did you mean 'cnn'?"),
        (
            {"regressions": {"metrics": ["acuracy"]}},
            "regressions.metrics.0: found 'acuracy' (text), allowed: loss",
        ),
        ({"regressions": {"families": ["pow5"]}}, "regressions.families.0: found 'pow5' (text), allowed: last1, log2"),
        (
            {"regressions": {"leave_out": [77]}},
            "regressions.leave_out: found 77, which is not a size of the study (20, 40)",
        ),
        ({"regressions": {"targets": {"accuracy": [95]}}}, "regressions.targets.accuracy.0: found 95, must be less"),
    ],
)
def test_mistakes(load, changes, message):
    with pytest.raises(UserError) as error:
        load(**changes)
    assert message in str(error.value)
    assert "s.yaml: " in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: [", "line 1: not valid YAML"),
        (
            "title: A: b",
            "line 1: not valid YAML: mapping values are not allowed here in 'title: A: b'; put a text with a",
        ),
        ("a: 1\ntitle: 'b\nc: 2\n", "; what it belongs to begins in line 2; a quote is not closed"),
        ("lr: !!bool abc\n", "line 1: not valid YAML: 'abc' cannot be read as true or false in 'lr: !!bool abc'"),
        ("\tlr: 1\n", "put a text that begins with this sign in quotes, and indent with spaces, not tabs"),
        ("title: a\ntitle: b\n", "line 2: not valid YAML: the key 'title' appears twice, first in line 1"),
        ("title: a\nmodels: {1: {}}\n", "line 2: not valid YAML: the key '1' needs quotes"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("- 1\n", "found '[1]' (a list), expected keys and values"),
        ("", "expected keys and values"),
    ],
)
def test_files_that_are_no_studies(tmp_path, text, message):
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(UserError, match=r"s\.yaml") as error:
        load_study("s", tmp_path)
    assert message in str(error.value)


def test_an_unknown_study(tmp_path):
    (tmp_path / "letters.yaml").write_text("")
    with pytest.raises(UserError, match="no study 'leters'; did you mean 'letters'"):
        load_study("leters", tmp_path)


def test_the_embedded_study_is_as_promised():
    study = load_study("digits", STUDIES)
    assert len(study.sizes) >= 8
    assert study.sizes[0] == 30
    assert len(study.models) == 2
    assert len(study.seeds) == 5
    assert study.subset["method"] == "nested"


@pytest.mark.parametrize(
    ("name", "runs", "sizes"),
    [
        ("ga-letters", 110, 11),
        ("ga-letters+corrected", 110, 11),
        ("ga-letters+devanagari+corrected+quick", 33, 11),
        ("imagenet-volume", 5 + 1 + 2 + 1, 6),
        ("imagenet-volume+corrected", 4 * 6 * 5, 6),
        ("imagenet-volume+tiny+repeats", 2 * 3 * 5, 1),
        ("imagenet-volume+tiny+equal-decay", 1, 6),
        ("imagenet-volume+repeats+corrected+quick", 2, 1),
        ("emnist-loss", 5, 5),
        ("emnist-loss+corrected", 2 * 5 * 5, 5),
        ("emnist-loss+fashion+corrected", 2 * 3 * 5, 3),
        ("fashion-hyperparameters", 17 * 5, 1),
        ("fashion-hyperparameters+corrected", 17 * 5, 1),
        ("fashion-hyperparameters+equal-updates", 3 * 5, 1),
        ("fashion-folds", 2 * 5 * 3, 1),
        ("cifar10-cnn", 3 * 5, 1),
        ("cifar10-cnn+sizes", 8 * 5, 8),
        ("cifar10-cnn+sizes+quick", 8, 8),
    ],
)
def test_the_published_studies_have_their_designs(name, runs, sizes):
    study = load_study(name, STUDIES)
    assert (len(study.runs), len(study.sizes)) == (runs, sizes)


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_variant_of_every_study_can_be_read_and_put_together_with_another(file):
    variants = yaml_files.read_yaml(file).get("variants", {})
    one_split = {("split-90-10", "folds")}
    one_model_each = {*permutations(["equal-decay", "own-warmup"])}
    pairs = {*permutations(variants, 2)} - one_split - one_model_each
    for names in [(), *((variant,) for variant in variants), *sorted(pairs)]:
        study = load_study("+".join([file.stem, *names]), STUDIES)
        assert study.runs


def test_the_letters_study_is_as_published():
    study = load_study("ga-letters", STUDIES)
    assert study.seeds == [101 * i for i in range(10)]
    updates = {n: Batches.of(study.models["cnn"], n).updates(study.budgets["cnn"]) for n in study.sizes}
    assert min(updates.values()) == updates[12000] == 2004
    assert max(updates.values()) == updates[800] == 2160
    corrected = load_study("ga-letters+corrected", STUDIES)
    of_sizes = [Batches.of(corrected.models["cnn"], n) for n in study.sizes]
    assert {(b.updates(corrected.budgets["cnn"]), b.images(2000)) for b in of_sizes} == {(2000, 144_000)}


def test_packs_hold_every_pair_once():
    pairs = [(seed, seed) for seed in range(1, 8)]
    folders = [folder for pack in packs(pairs, 3) for folder in pack.folders]
    assert [len(pack.folders) for pack in packs(pairs, 3)] == [3, 3, 1]
    assert folders == [f"runs/{{model}}/n{{n}}/draw{d}/seed{s}" for d, s in pairs]
    assert packs(pairs, 1)[0].folders == ("runs/{model}/n{n}/draw{draw}/seed{seed}",)


def test_a_run_is_read_back_from_its_folder():
    run = Run("wide_net-2.n30", 30, 4, 5)
    assert Run.from_folder(Path("results/x") / run.folder) == run
    with pytest.raises(UserError, match="not a run's folder"):
        Run.from_folder(Path("results/x/n30"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"base": {"selection": "best_on_validation"}},
            "base.selection: found 'best_on_validation', which needs valid",
        ),
        ({"base": {"schedule": "plateau"}}, "base.schedule: found 'plateau', which needs validation images"),
        ({"base": {"repeated_augmentation": 3}}, "base.repeated_augmentation: found 3, must divide the batch size 8"),
        ({"base": {"carried_through_folds": True}}, "base.carried_through_folds: found true, which needs kfold"),
        ({"base": {"scores": "last_batch", "gpus": 2}}, "base.scores: found 'last_batch', which needs one process"),
        (
            {"base": {"normalisation": {"name": "constants", "mean": [0.5] * 3, "std": [0.5]}}},
            "base.normalisation.mean: found 3 numbers, but the images of digits have 1 channels",
        ),
        (
            {"base": {"augmentation": ["horizontal_flip", {"name": "erasing", "smallest": 0.5}]}},
            "base.augmentation.1.smallest: found 0.5, more than `largest`",
        ),
        (
            {"base": {"augmentation": ["horizontal_flips"]}},
            "base.augmentation.0: found 'horizontal_flips' .*did you mean 'horizontal_flip'",
        ),
        (
            {"base": {"augmentation": ["horizontal_flip", "shift"]}},
            r"augmentation.1: found 'shift', .* 0.1 of 8×8 pixels is less than one \(use a fraction of 0.125 or more",
        ),
        (
            {"dataset": "cifar-10", "base": {"augmentation": ["colour_jitter"]}},
            "no effect: set at least one of bri.*, hue$",
        ),
        (
            {"base": {"augmentation": [{"name": "colour_jitter", "hue": 0.1}]}},
            r"no effect: set at least one of brightness, contrast \(saturation and hue have no effect on grey images\)",
        ),
        ({"base": {"schedule": {"name": "step", "gamma": 0.1, "times": 1}}}, "times: found 1, must be at least 2"),
        (
            {"base": {"schedule": {"name": "step", "gamma": 0.1, "times": 5, "every_passes": 3}}},
            "base.schedule.times: ignored, because every_passes takes precedence; set only one of them",
        ),
        (
            {"base": {"schedule": {"name": "cosine", "warmup": 0.1, "warmup_passes": 3}}},
            "base.schedule.warmup: ignored, because warmup_passes",
        ),
        (
            {
                "base": {"schedule": {"name": "cosine", "warmup_passes": 3}},
                "models": {"a": {"architecture": "mlp", "schedule": {"warmup": 0.1}}},
            },
            "models.a.schedule.warmup: ignored, because warmup_passes",
        ),
        (
            {"subset": {"validation": "0.01%"}},
            "validation: found 0.01%, which rounds to 0 of 1297 images; use a larg",
        ),
        ({"evaluation": {"points": 3, "every": 5}}, "evaluation: found both points and every, expected only one"),
        (
            {"evaluation": {"images": "all", "train_images": 5}},
            "evaluation.train_images: no effect beside `images",
        ),
        ({"evaluation": {"images": 300, "train_images": 5}}, "evaluation.train_images: found 5, fewer than the 300 of"),
        ({"evaluation": {"images": 0}}, "evaluation.images: found 0, must be at least 1"),
        (
            {"base": {"last_batch": "dropped"}},
            "base.last_batch: found 'dropped' .text., allowed: rollover, partial",
        ),
        ({"base": {"selection": {"name": "last", "patience": 3}}}, "base.selection: unknown key 'patience'"),
    ],
)
def test_settings_that_do_not_go_together(load, changes, message):
    base = {**STUDY["base"], **changes.pop("base", {})}
    with pytest.raises(UserError, match=message):
        load(base=base, **changes)


def test_transforms_have_their_defaults(load):
    study = load(base={**STUDY["base"], "augmentation": ["crop", {"name": "rotation", "degrees": 5}]})
    expected = [{"name": "crop", "padding": 4}, {"name": "rotation", "degrees": 5}]
    assert study.models["mlp"]["augmentation"] == expected


@pytest.mark.parametrize(
    ("base", "own"),
    [
        ({"name": "cosine", "warmup": 0.1}, {"warmup_passes": 3}),
        ({"name": "cosine", "warmup_passes": 3}, {"warmup": 0.1, "warmup_passes": None}),
        ({"name": "cosine", "warmup_passes": 3}, {"name": "step", "gamma": 0.1, "warmup": 0.1}),
        ({"name": "cosine", "warmup": 0, "warmup_passes": 3}, {}),
        ({"name": "step", "gamma": 0.1, "times": 5}, {"every_passes": 3}),
        ({"name": "step", "gamma": 0.1}, {"every_passes": 3}),
        ("constant", {"warmup": 0.1}),
    ],
)
def test_options_that_replace_others_where_it_is_said_which_are_meant(load, base, own):
    load(base={**STUDY["base"], "schedule": base}, models={"a": {"architecture": "mlp", "schedule": own}})


@pytest.mark.parametrize("side", [5, 7, 8, 10, 28, 49, 80, 224])
def test_the_fraction_that_is_named_moves_an_image_by_a_pixel(side):
    least = float(re.search(r"fraction of ([0-9.]+)", _idle({"name": "shift", "fraction": 0.001}, (side, side, 1)))[1])
    assert int(least * side) == 1
    assert int((least - 1e-4) * side) == 0
    assert not _idle({"name": "shift", "fraction": least}, (side, side, 1))


VARIANTS = {
    "quick": {"budget": {"updates": 2}, "seeds": [1]},
    "wide": {"models": {"mlp": {"architecture": {"name": "mlp", "hidden": [64]}}, "cnn": None}},
    "late": {"models": {"cnn": {"clip_norm": 1.0}}},
    "slow": {"base": {"optimizer": {"lr": 0.01}}},
}


@pytest.mark.parametrize(("share", "budgets"), [(1, [400, 3]), (0.25, [100, 1]), (0.5, [200, 2]), (1e-9, [1, 1])])
def test_a_share_of_every_budget(load, share, budgets):
    study = load(
        budget={"updates": 400},
        budget_share=share,
        models={**STUDY["models"], "cnn": {**STUDY["models"]["cnn"], "budget": {"epochs": 3}}},
    )
    assert study.budgets == {"mlp": {"updates": budgets[0]}, "cnn": {"epochs": budgets[1]}}


def test_the_quick_form_keeps_what_other_forms_say_of_the_budget():
    corrected = load_study("ga-letters+corrected+quick", ROOT / "studies").budgets
    assert corrected == load_study("ga-letters+quick+corrected", ROOT / "studies").budgets == {"cnn": {"updates": 500}}
    assert load_study("imagenet-volume+tiny+quick", ROOT / "studies").budgets["resnet-12.5"] == {"samples": 20000}


def test_variants_change_what_they_say_and_can_be_put_together(load, tmp_path):
    load(variants=VARIANTS)
    plain, quick, both = (load_study(name, tmp_path) for name in ("s", "s+quick", "s+wide+quick"))
    assert load_study("s+wide+late", tmp_path).models == both.models  # what is taken away stays away
    assert (plain.name, quick.name, both.name) == ("s", "s+quick", "s+wide+quick")
    assert (quick.title, both.title) == ("A study (quick)", "A study (wide, quick)")
    assert (len(plain.runs), len(quick.runs), len(both.runs)) == (8, 4, 2)
    assert quick.budgets == {"mlp": {"updates": 2}, "cnn": {"updates": 2}}
    assert quick.models == plain.models
    assert list(both.models) == ["mlp"]
    assert both.models["mlp"]["architecture"]["hidden"] == [64]
    slow = load_study("s+slow", tmp_path).models["mlp"]["optimizer"]
    assert (slow["lr"], slow["momentum"]) == (0.01, 0.9)


def test_a_model_that_a_variant_leaves_out_is_in_no_sweep_and_can_be_extended(load, tmp_path):
    alone = {"models": {"mlp": None, "other": {"extends": "mlp"}}}
    sweeps = {"networks": ["mlp", "cnn"], "one": ["mlp"]}
    load(variants={**VARIANTS, "alone": alone}, figures={"sweeps": sweeps, "also": ["sweep"]})
    study = load_study("s+alone+slow", tmp_path)
    assert list(study.models) == ["cnn", "other"]
    assert study.models["other"] == load_study("s+slow", tmp_path).models["mlp"]
    assert study.figures["sweeps"] == {"networks": ["cnn"]}
    with pytest.raises(UserError, match=r"models: the variants wide\+none together leave no model"):
        load(variants={**VARIANTS, "none": {"models": {"mlp": None}}})
        load_study("s+wide+none", tmp_path)


@pytest.mark.parametrize(
    ("name", "variants", "message"),
    [
        ("s+quik", VARIANTS, "variants: found 'quik', allowed: quick, wide, late, slow; did you mean 'quick'"),
        ("s+a", {"a": {"seds": [1]}}, "variants.a: found 'seds', allowed: .*did you mean 'seeds'"),
        ("s+a", {"a": {"models": {"mlp": 3}}}, "variants.a.models.mlp: found 3, expected keys and values or nothing"),
        ("s+a", {"a": {"sizes": [0]}}, "sizes.0: found 0, must be at least 1"),
        ("s", {"a b": {}}, "variants: found 'a b' "),
    ],
)
def test_mistakes_in_variants(load, tmp_path, name, variants, message):
    with pytest.raises(UserError, match=message):
        load(variants=variants)
        load_study(name, tmp_path)


def test_a_model_may_have_sizes_and_a_budget_of_its_own(load):
    models = {**STUDY["models"], "long": {"architecture": "mlp", "sizes": [40], "budget": {"epochs": 3}}}
    study = load(models=models)
    assert study.model_sizes == {"mlp": (20, 40), "cnn": (20, 40), "long": (40,)}
    assert study.run_settings("long")["budget"] == {"epochs": 3}
    assert study.run_settings("mlp")["budget"] == {"updates": 10}
    assert "sizes" not in study.models["long"]
    assert len(study.runs) == 4 + 4 + 2
    with pytest.raises(UserError, match=r"models.long.sizes: found 30, which is not one of the study's sizes 20, 40"):
        load(models={**models, "long": {"architecture": "mlp", "sizes": [30]}})
