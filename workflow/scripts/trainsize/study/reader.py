"""Reading a study file: checking it and filling in the defaults."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path

from trainsize.common import schema, yaml_files
from trainsize.common.errors import UserError, did_you_mean, listing, short_path
from trainsize.common.files import canonical_json
from trainsize.datasets.catalogue import DATASETS, Dataset
from trainsize.datasets.described import described
from trainsize.figures.kinds import FEATURES, FIGURES
from trainsize.study import budgets
from trainsize.study.effects import idle_settings
from trainsize.study.recipes import contradictions, dotted, ignored_options, merge, origin
from trainsize.study.schema import study_schema
from trainsize.study.study import Study
from trainsize.study.variants import repeated, unknown_names
from trainsize.training import custom

RESERVED = ("datasets", "logs")  # folders of results/ that belong to no study
LARGEST_SEED = 2**32 - 1
LONGEST_NAME = 200  # characters of a study's name with its variants; a folder's name has at most 255 bytes
MOST_RUNS = 100_000
MOST_BYTES = 100_000  # of a study's settings, which a job gets as one command-line argument; Linux allows 131,071


def load_study(name: str, folder: Path, stated: str = "") -> Study:
    """Read and check `folder/NAME.yaml`; for the name NAME+VARIANT+…, with those variants applied in order.

    `stated` says where the name was, for the message.

    Raises UserError with the file, the key, the value found and what is allowed.
    """
    name, *variants = name.split("+")
    path = folder / f"{name}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in known:
        place = f"; stated in {stated}" if stated else ""
        raise UserError(
            f"{short_path(folder)}: no study '{name}'{did_you_mean(name, known)} (allowed: {listing(known) or 'none'})"
            f"{place}"
        )
    if len("+".join([name, *variants])) > LONGEST_NAME:
        raise UserError(
            f"{short_path(path)}: the study's name with its variants is longer than {LONGEST_NAME} characters"
        )
    return _Reader(path, variants).study()


class _Reader:
    """Turns one study file into a Study, or raises UserError with what is wrong."""

    def __init__(self, path: Path, variants: list[str]):
        self.path, self.variants = path, variants
        self.left_out: set[str] = set()  # models that a variant leaves out, even if later variants change them
        self.rules = study_schema()

    def fail(self, key: str, message: str) -> None:
        raise UserError(f"{short_path(self.path)}: {key}: {message}" if key else f"{short_path(self.path)}: {message}")

    def fail_name(self, key: str, name: str, allowed: Iterable[str]) -> None:
        self.fail(key, f"found '{name}', allowed: {listing(allowed, 30) or 'none'}{did_you_mean(name, allowed)}")

    def check(self, value: object, rules: dict, named: Callable[[tuple], str]) -> None:
        """Check a value against a part of the schema. `named` turns the keys of a mistake into its path."""
        for keys, message in schema.problems(value, rules, self.rules):
            self.fail(named(keys), message)

    def study(self) -> Study:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}", self.path.stem) or self.path.stem in RESERVED:
            self.fail(
                "",
                f"a study's name must consist of letters, digits, '.' and '-', and must not be {' or '.join(RESERVED)}",
            )
        raw = self.with_variants(yaml_files.read_yaml(self.path))
        self.check(raw, self.rules, dotted)
        value = schema.with_defaults(raw, self.rules, self.rules)
        dataset = self.dataset(value["dataset"])
        subset = self.subset(value["subset"], dataset)
        sizes = self.sizes(value["sizes"], dataset, subset)
        self.check_evaluation(raw.get("evaluation", {}), value["evaluation"])
        models = {n: self.model(n, value, dataset, subset) for n in self.kept(value["models"])}
        if not models:
            self.fail("models", f"the variants {'+'.join(self.variants)} together leave no model")
        model_sizes = {
            name: self.own_sizes(name, recipe.pop("sizes", None), sizes, dataset, subset)
            for name, recipe in models.items()
        }
        full = {name: recipe.pop("budget") for name, recipe in models.items()}
        trained = {name: budgets.amount(budget, value["budget_share"]) for name, budget in full.items()}
        for size in value["regressions"]["leave_out"]:
            if size not in sizes:
                self.fail("regressions.leave_out", f"found {size}, which is not a size of the study ({listing(sizes)})")
        study = Study(
            name="+".join([self.path.stem, *self.variants]),
            title=value["title"] + (f" ({', '.join(self.variants)})" if self.variants else ""),
            source=value["source"],
            stand_in=value["stand_in"],
            dataset=dataset,
            sizes=sizes,
            pairs=self.pairs(raw.get("draws"), value, subset.get("folds")),
            subset=subset,
            budgets=trained,
            evaluation=value["evaluation"],
            models=models,
            model_sizes=model_sizes,
            regressions=value["regressions"],
            figures=self.figures(value["figures"], models),
        )
        for name in models:
            if "until" in full[name]:
                self.check_patience(study, name)
        study = self.with_checks(study, full)
        self.check_extent(study)
        self.check_figures(study)
        return self.with_notes(study, raw, {name: self.layers(name, value) for name in full}, full)

    def with_notes(self, study: Study, stated: dict, layers: dict, full: dict[str, dict]) -> Study:
        """Return the study with notes on settings without effect; reject those that must be a mistake."""
        notes = []
        for idle in idle_settings(study, stated, layers, full):
            if idle.mistake:
                self.fail(idle.key, idle.message)
            notes.append(f"{short_path(self.path)}: {idle.key}: {idle.message}")
        return replace(study, notes=tuple(dict.fromkeys(notes)))

    def check_evaluation(self, stated: dict, evaluation: dict) -> None:
        """Reject settings of the evaluation that would have no effect; `evaluation` has the defaults as well."""
        if {"points", "every"} <= set(stated):
            self.fail("evaluation", "found both points and every, expected only one of them")
        if "train_images" in stated and evaluation["images"] == "all":
            message = "no effect beside `images: all`, with which all training images are evaluated; keep one of them"
            self.fail("evaluation.train_images", message)
        sizes = (evaluation["train_images"], evaluation["images"])
        if "train_images" in stated and "all" not in sizes and sizes[0] < sizes[1]:
            message = f"found {sizes[0]}, fewer than the {sizes[1]} of a checkpoint (`images`); use at least as many"
            self.fail("evaluation.train_images", message)

    def figures(self, value: dict, models: dict) -> dict:
        """Return the figure settings with the models listed. Without sweeps, all models form one."""
        sweeps = {sweep: self.kept(names) for sweep, names in value["sweeps"].items()}
        drawn = self.kept(value["models"]) or list(models)
        for key, names, allowed in (
            ("models", drawn, models),
            *((f"sweeps.{sweep}", names, drawn) for sweep, names in sweeps.items()),
        ):
            for name in names:
                if name not in allowed:
                    self.fail_name(f"figures.{key}", name, allowed)
        return {**value, "models": drawn, "sweeps": {s: n for s, n in sweeps.items() if n} or {"models": drawn}}

    def kept(self, models: Iterable[str]) -> list[str]:
        """Return those models that no variant leaves out."""
        return [name for name in models if name not in self.left_out]

    def check_patience(self, study: Study, model: str) -> None:
        """Reject a model until it has converged whose evaluations are too few to end a run before its ceiling."""
        recipe, patience = study.models[model], study.models[model]["selection"]["patience"]
        found = budgets.evaluations(study.budgets[model], study.model_sizes[model], recipe, study.evaluation)
        if found < patience + 2:
            needs = f"a patience of {patience} needs {patience + 2} to end a run before its ceiling"
            self.fail("evaluation", f"{model} has {found}, but {needs}; set more `points`, or a smaller `every`")

    def with_checks(self, study: Study, full: dict[str, dict]) -> Study:
        """Return the study with the checks of its budgets, which are `full` as in the file, as further models."""
        asked = (budgets.check_of(m, full[m], study.budgets[m], study.model_sizes[m]) for m in study.models)
        checks = [check for check in asked if check]
        for check in checks:
            if check.name in study.models:
                self.fail(f"models.{check.name}", f"the check of {check.model} (budget.check) has this name; rename it")
        return replace(
            study,
            models=study.models | {check.name: study.models[check.model] for check in checks},
            budgets=study.budgets | {check.name: check.budget for check in checks},
            model_sizes=study.model_sizes | {check.name: check.sizes for check in checks},
            checks={check.name: check.model for check in checks},
        )

    def check_figures(self, study: Study) -> None:
        """Reject figures in `figures.also` that cannot be drawn."""
        has = study.features()
        for name in study.figures["also"]:
            missing = [FEATURES[need] for need in FIGURES[name].needs if need not in has]
            if missing:
                self.fail("figures.also", f"found '{name}', which needs {' and '.join(missing)}")
            if FIGURES[name].regressed and not set(study.figures["metrics"]) & set(study.regressions["metrics"]):
                self.fail(
                    "figures.also", f"found '{name}', but no metric is in both figures.metrics and regressions.metrics"
                )

    def check_extent(self, study: Study) -> None:
        """Reject a study that is too large to run, before its runs are listed."""
        runs = len(study.pairs) * sum(map(len, study.model_sizes.values()))
        self.check_count(runs, "models × sizes × draws and seeds")
        for settings in (study.card(), study.dataset.request):
            count = len(canonical_json(settings).encode())
            if count > MOST_BYTES:
                what = "the seeds, sizes, class names and texts"
                self.fail("", f"{what} take {count:,} bytes, but a job can get at most {MOST_BYTES:,}")

    def with_variants(self, raw: dict) -> dict:
        """Return the study with its variants applied, one after the other."""
        self.check(raw, self.rules, dotted)
        variants = raw.get("variants", {})
        for place, name, allowed in unknown_names(variants, raw["models"], self.rules["properties"]):
            self.fail_name(place, name, allowed)
        for name in repeated(self.variants):
            self.fail("variants", f"{'+'.join([self.path.stem, *self.variants])} has '{name}' twice; name it once")
        for name in self.variants:
            if name not in variants:
                self.fail_name("variants", name, variants)
            raw = self.with_variant(raw, variants[name])
        return raw

    def with_variant(self, raw: dict, changes: dict) -> dict:
        """Return the study with the changes of one variant. Models that it leaves out can still be extended."""
        rules, changed = self.rules["$defs"]["recipe"], {**raw, **changes}
        if "base" in changes:
            changed["base"] = merge(raw.get("base", {}), changes["base"], rules)
        if "models" in changes:
            models = {**raw["models"]}
            for name, settings in changes["models"].items():
                if settings is None:
                    self.left_out.add(name)
                else:
                    models[name] = merge(models.get(name) or {}, settings, rules)
            changed["models"] = models
        return changed

    def dataset(self, value: str | dict) -> Dataset:
        if isinstance(value, dict):
            try:
                return described(value)
            except UserError as error:
                self.fail("dataset", str(error))
        if value not in DATASETS:
            self.fail_name("dataset", value, DATASETS)
        return DATASETS[value]

    def subset(self, value: dict, dataset: Dataset) -> dict:
        """Return the subset settings with validation as a count; with folds, that of the largest fold."""
        if value["method"] != "kfold":
            if "folds" in value:
                self.fail("subset.folds", f"the method '{value['method']}' has no folds (kfold has)")
            return {**value, "validation": self.validation(value["validation"], dataset)}
        if "folds" not in value:
            self.fail("subset", "the method 'kfold' needs a number of folds, such as `folds: 5`")
        if value["validation"]:
            self.fail("subset.validation", "with kfold, the fold held out is the validation set; remove this key")
        if value["folds"] > dataset.n_train:
            self.fail("subset.folds", f"found {value['folds']}, but {dataset.name} has {dataset.n_train} images")
        return {**value, "validation": -(-dataset.n_train // value["folds"])}

    def validation(self, spec: int | str, dataset: Dataset) -> int:
        count = _count(spec, dataset.n_train)
        if isinstance(spec, str) and not count:
            rounded = f"which rounds to 0 of {dataset.n_train} images"
            self.fail("subset.validation", f"found {spec}, {rounded}; use a larger share, a count such as 1, or 0")
        if count >= dataset.n_train:
            self.fail("subset.validation", f"found {spec}, which leaves none of {dataset.n_train} images to train on")
        return count

    def sizes(self, spec: list | dict, dataset: Dataset, subset: dict) -> tuple[int, ...]:
        """Return the sizes as counts, ascending."""
        validation = subset["validation"]
        pool = dataset.n_train - validation - subset["header_row_lost"]
        stated = spec if isinstance(spec, list) else [spec["log"]["from"], spec["log"]["to"]]
        counts = [_count(size, pool) for size in stated]
        for count in counts:
            if count < 1:
                self.fail("sizes", f"found a size of {count} images, must be at least 1")
            if count > pool:
                held = f" after {validation} are held out for validation" if validation else ""
                self.fail("sizes", f"found {count}, but {dataset.name} has {pool} training images{held}")
        if isinstance(spec, dict):
            low, high = counts
            if low >= high:
                self.fail("sizes.log", f"found from {low} to {high}; `to` must be larger than `from`")
            steps = spec["log"]["count"] - 1
            counts = [round(low * (high / low) ** (i / steps)) for i in range(steps + 1)]
        self.check_different("sizes", counts, "after rounding of shares and log spacing")
        return tuple(sorted(counts))

    def own_sizes(
        self, model: str, spec: list | None, sizes: tuple[int, ...], dataset: Dataset, subset: dict
    ) -> tuple[int, ...]:
        """Return the sizes of a model as counts. They must be among the study's sizes."""
        if spec is None:
            return sizes
        own = self.sizes(spec, dataset, subset)
        for n in own:
            if n not in sizes:
                self.fail(
                    f"models.{model}.sizes", f"found {n}, which is not one of the study's sizes {listing(sizes, 30)}"
                )
        return own

    def check_different(self, key: str, numbers: list[int], remark: str) -> None:
        number, times = Counter(numbers).most_common(1)[0]
        if times > 1:
            self.fail(key, f"found {number} more than once; all must be different ({remark})")

    def pairs(self, stated: object, value: dict, folds: int | None) -> tuple[tuple[int, int], ...]:
        """Return the (draw, seed) pairs. With folds, a draw is a fold: all folds unless some draws are `stated`."""
        seeds = self.numbers("seeds", value["seeds"])
        if folds and stated is None:
            self.check_count(folds * len(seeds), "folds × seeds")
            return tuple(product(range(folds), seeds))
        if value["draws"] == "per_seed":
            draws, pairs = seeds, tuple((seed, seed) for seed in seeds)
        else:
            draws = self.numbers("draws", value["draws"])
            self.check_count(len(draws) * len(seeds), "draws × seeds")
            pairs = tuple(product(draws, seeds))
        if folds and max(draws) >= folds:
            self.fail("draws", f"found {max(draws)}, but with kfold a draw is a fold, from 0 to {folds - 1}")
        return pairs

    def check_count(self, runs: int, what: str) -> None:
        if runs > MOST_RUNS:
            self.fail("", f"found {runs:,} runs ({what}), must be at most {MOST_RUNS:,}")

    def numbers(self, key: str, spec: list | dict) -> list[int]:
        if isinstance(spec, dict):
            spec = [spec["start"] + i * spec["step"] for i in range(spec["count"])]
        if max(spec) > LARGEST_SEED:
            self.fail(key, f"found {max(spec)}, must be at most {LARGEST_SEED}")
        self.check_different(key, spec, "one run each")
        return spec

    def model(self, name: str, value: dict, dataset: Dataset, subset: dict) -> dict:
        """Return the model's full recipe: the base, overridden by the models it extends and by its own settings."""
        rules = self.rules["$defs"]["recipe"]
        layers = self.layers(name, value)
        merged: dict = {}
        for layer, settings in layers:
            self.check_layer(layer, settings, rules)
            merged = merge(merged, settings, rules)
        merged.pop("extends", None)
        merged = budgets.until_converged({"budget": value["budget"], **merged})
        self.check(merged, rules, lambda keys: origin(keys, layers))
        recipe = schema.with_defaults(merged, rules, self.rules)
        mistakes = (
            *budgets.contradictions(recipe, subset),
            *contradictions(recipe, dataset, subset),
            *ignored_options(recipe["schedule"], layers),
        )
        for keys, message in mistakes:
            self.fail(origin(keys, [("", value), *layers]), message)
        architecture = recipe["architecture"]
        if architecture["name"] == "custom":
            try:
                architecture["code"] = custom.code(architecture["path"], Path.cwd(), architecture["options"])
            except UserError as error:
                self.fail(origin(("architecture", "path"), layers), str(error))
        return recipe

    def check_layer(self, layer: str, settings: dict, rules: dict) -> None:
        """Check one layer of a recipe, except its choices by name, which other layers may complete."""
        if layer == "base" and "extends" in settings:
            self.fail("base.extends", "the base cannot extend a model; only models can")
        own, parts = {}, {}
        for key, value in settings.items():
            part = rules["properties"].get(key, {})
            if "named" in part and schema.split_choice(part, value)[0] is None:
                continue  # options alone, of a choice that another layer names
            own[key] = value
            if "named" in part:
                parts[key] = {**part, "named": {n: {**form, "required": []} for n, form in part["named"].items()}}
        relaxed = {**rules, "required": [], "properties": rules["properties"] | parts}
        self.check(own, relaxed, lambda keys: dotted((layer, *keys)))

    def layers(self, name: str, value: dict) -> list[tuple[str, dict]]:
        """Return (path, settings) of the base, then of each extended model, and last of the model itself."""
        layers, models = [], value["models"]
        while name is not None:
            if any(layer == f"models.{name}" for layer, _ in layers):
                self.fail(f"models.{name}.extends", "the models extend each other in a circle")
            layers.append((f"models.{name}", models[name]))
            parent = models[name].get("extends")
            if parent is not None and (not isinstance(parent, str) or parent not in models):
                self.fail_name(f"models.{name}.extends", parent, models)
            name = parent
        return [("base", value["base"]), *reversed(layers)]


def _count(spec: int | str, total: int) -> int:
    """Return the count `spec`, or the share `spec` ("5%") of `total` rounded to a count."""
    return spec if isinstance(spec, int) else round(float(spec.strip().rstrip("%")) / 100 * total)
