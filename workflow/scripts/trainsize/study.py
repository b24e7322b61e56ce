"""A study file: read, checked, and expanded into runs.

Imports nothing heavy: the Snakefile imports it, and every cluster job reads the Snakefile again.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from trainsize import custom, schema
from trainsize.catalogue import DATASETS, Dataset
from trainsize.description import described
from trainsize.errors import UserError, listing, near, nearest
from trainsize.figures_kinds import FEATURES, KINDS, figures_of
from trainsize.files import canonical_json
from trainsize.runs import Run, grid_runs, settings_hash

RESERVED = ("datasets", "logs")  # folders of results/ that are no study's
LARGEST_SEED = 2**32 - 1
LONGEST_NAME = 200  # of a study with its variants; a folder's name has at most 255 bytes
MOST_RUNS = 100_000
MOST_BYTES = 100_000  # of a study's settings, which its jobs get as one argument: Linux allows 131,071
AUDITED = {"last": "last", "best_on_validation": "validation", "best_on_test": "best"}  # selections, to the auditor


@dataclass(frozen=True)
class Study:
    """A checked study with every default written out.

    `pairs` holds the (draw, seed) combinations that every model and size is trained with; `sizes` all sizes, and
    `model_sizes` and `budgets` those of each model.
    """

    name: str
    title: str
    source: str
    stand_in: str
    dataset: Dataset
    sizes: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    subset: dict
    budgets: dict[str, dict]
    evaluation: dict
    models: dict[str, dict]
    model_sizes: dict[str, tuple[int, ...]]
    regressions: dict
    figures: dict

    @cached_property
    def runs(self) -> list[Run]:
        return grid_runs(self.grid())

    @property
    def draws(self) -> list[int]:
        return list(dict.fromkeys(draw for draw, _ in self.pairs))

    @property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(seed for _, seed in self.pairs))

    def subset_settings(self) -> dict:
        """Everything that decides which images a subset of this study holds, but its size and draw."""
        return {"dataset": self.dataset.name, **self.subset}

    def run_settings(self, model: str) -> dict:
        """Everything that decides a run's results, but its coordinates n, draw and seed."""
        return {
            "subset": self.subset_settings(),
            "budget": self.budgets[model],
            "evaluation": self.evaluation,
            "model": self.models[model],
        }

    def metrics_settings(self) -> dict:
        return {
            "grid": self.grid(),
            "settings_hashes": {model: settings_hash(self.run_settings(model)) for model in self.models},
        }

    def regressions_settings(self) -> dict:
        return {"grid": self.grid(), **self.regressions}

    def audit_settings(self) -> dict:
        """What the auditor is told of the study's runs."""
        return {
            "n_train": self.dataset.n_train,
            "n_test": self.dataset.n_test,
            "n_validation": self.subset["validation"] or None,
            "classes": len(self.dataset.classes),
            "folds": self.subset["method"] == "kfold",
            "f1": "f1_micro" if "f1_micro" in self.figures["metrics"] else "f1_macro",
            "models": {
                model: {"batch_size": recipe["batch_size"], "selection": AUDITED[recipe["selection"]["name"]]}
                for model, recipe in self.models.items()
            },
        }

    def card(self) -> dict:
        """What the report says of the study itself."""
        return {
            "grid": self.grid(),
            "title": self.title,
            "source": self.source,
            "stand_in": self.stand_in,
            "dataset": self.dataset.told,
            "subset": self.subset,
            "budgets": self.budgets,
            "evaluation": self.evaluation,
            "models": self.models,
            "metrics": self.figures["metrics"],
            "figures": self.figure_list(),
        }

    def features(self) -> set[str]:
        """What of `FEATURES` the study has, which decides what figures of it there can be."""
        sizes, points = len(self.sizes), self.evaluation["every"] or self.evaluation["points"] > 1
        recipes = [self.models[name] for name in self.figures["models"]]
        has = {
            "sizes": sizes > 1,
            "three sizes": sizes > 2,
            "one size": sizes == 1,
            "checkpoints": points,
            "repeats": len(self.pairs) > 1,
            "draws": len(self.draws) > 1,
            "subsets": sizes * len(self.draws) > 1,
            "folds": self.subset["method"] == "kfold",
            "pixels": self.dataset.shape is not None,
            "augmentation": any(r["augmentation"] or r["mixup"] or r["cutmix"] for r in recipes),
            "neurons": any(r["neurons"] for r in recipes),
            "few models": len(recipes) <= 6,
        }
        return {name for name in FEATURES if has[name]}

    def figure_list(self) -> list[dict]:
        """The study's figures, in the report's order: name, kind, and the metric, model or sweep it is of."""
        has = self.features()
        usual = {name for name, kind in KINDS.items() if kind.usual is not None and has >= {*kind.needs, *kind.usual}}
        chosen = (usual | set(self.figures["also"])) - set(self.figures["without"])
        things = {"model": self.figures["models"], "sweep": list(self.figures["sweeps"])}
        return list(figures_of(chosen, self.figures["metrics"], self.regressions["metrics"], things))

    def figure_settings(self) -> dict:
        """Everything the figures depend on, but the results."""
        return {
            "figures": self.figure_list(),
            "models": self.figures["models"],
            "sweeps": self.figures["sweeps"],
            "grid": self.grid(),
            "budgets": self.budgets,
            "recipes": self.models,
        }

    def grid(self) -> dict:
        """The study's runs, spelled short."""
        return {
            "study": self.name,
            "dataset": self.dataset.name,
            "classes": len(self.dataset.classes),
            "models": list(self.models),
            "sizes": self.sizes,
            "model_sizes": self.model_sizes,
            "pairs": self.pairs,
        }


def load_study(name: str, folder: Path) -> Study:
    """Read and check `folder/NAME.yaml`, in the form of its variants for NAME+VARIANT+….

    Raises UserError with the file, the key, what was found and what is allowed.
    """
    name, *variants = name.split("+")
    path = folder / f"{name}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in known:
        raise UserError(f"{near(folder)}: no study '{name}'{nearest(name, known)} (there: {listing(known) or 'none'})")
    if len("+".join([name, *variants])) > LONGEST_NAME:
        raise UserError(f"{near(path)}: the name with its variants is longer than {LONGEST_NAME} characters")
    return _Reader(path, variants).study()


class _Reader:
    """Turns one study file into a Study, or says what is wrong with it."""

    def __init__(self, path: Path, variants: list[str]):
        self.path, self.variants = path, variants
        self.left_out: set[str] = set()  # models that a variant leaves out, whatever later ones say of them
        self.rules = schema.load_schema("study")

    def fail(self, key: str, message: str) -> None:
        raise UserError(f"{near(self.path)}: {key}: {message}" if key else f"{near(self.path)}: {message}")

    def fail_name(self, key: str, name: str, allowed: Iterable[str]) -> None:
        self.fail(key, f"found '{name}', allowed: {listing(allowed, 30)}{nearest(name, allowed)}")

    def check(self, value: object, rules: dict, place) -> None:
        for keys, message in schema.problems(value, rules, self.rules):
            self.fail(place(keys), message)

    def study(self) -> Study:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}", self.path.stem) or self.path.stem in RESERVED:
            self.fail("", f"a study's name has letters, digits, '.' and '-' only, and is not {' or '.join(RESERVED)}")
        raw = self.varied(schema.read_yaml(self.path))
        self.check(raw, self.rules, _dotted)
        value = schema.with_defaults(raw, self.rules, self.rules)
        dataset = self.dataset(value["dataset"])
        subset = self.subset(value["subset"], dataset)
        sizes = self.sizes(value["sizes"], dataset, subset)
        if {"points", "every"} <= set(raw.get("evaluation", {})):
            self.fail("evaluation", "found points and every, expected one of them")
        models = {n: self.model(n, value, dataset, subset) for n in self.kept(value["models"])}
        if not models:
            self.fail("models", f"the variants {'+'.join(self.variants)} together leave none")
        model_sizes = {
            name: self.own_sizes(name, recipe.pop("sizes", None), sizes, dataset, subset)
            for name, recipe in models.items()
        }
        whole = {name: recipe.pop("budget", value["budget"]) for name, recipe in models.items()}
        budgets = {name: _part(budget, value["budget_share"]) for name, budget in whole.items()}
        for size in value["regressions"]["leave_out"]:
            if size not in sizes:
                self.fail("regressions.leave_out", f"found {size}, which is no size of the study ({listing(sizes)})")
        study = Study(
            name="+".join([self.path.stem, *self.variants]),
            title=value["title"] + (f" ({', '.join(self.variants)})" if self.variants else ""),
            source=value["source"],
            stand_in=value["stand_in"],
            dataset=dataset,
            sizes=sizes,
            pairs=self.pairs(raw.get("draws"), value, subset.get("folds")),
            subset=subset,
            budgets=budgets,
            evaluation=value["evaluation"],
            models=models,
            model_sizes=model_sizes,
            regressions=value["regressions"],
            figures=self.figures(value["figures"], models),
        )
        self.check_extent(study)
        self.check_figures(study)
        return study

    def figures(self, value: dict, models: dict) -> dict:
        """Return the figure settings with the models spelled out; without sweeps, all models are one."""
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
        """Return the models that no variant leaves out."""
        return [name for name in models if name not in self.left_out]

    def check_figures(self, study: Study) -> None:
        """Refuse figures asked for by name that cannot be drawn."""
        has = study.features()
        for name in study.figures["also"]:
            missing = [FEATURES[need] for need in KINDS[name].needs if need not in has]
            if missing:
                self.fail("figures.also", f"found '{name}', which needs {' and '.join(missing)}")
            if KINDS[name].regressed and not set(study.figures["metrics"]) & set(study.regressions["metrics"]):
                self.fail("figures.also", f"found '{name}', but none of figures.metrics is in regressions.metrics")

    def check_extent(self, study: Study) -> None:
        """Refuse a study that nobody could run, before its runs are listed."""
        runs = len(study.pairs) * sum(map(len, study.model_sizes.values()))
        self.few_enough(runs, "models × sizes × draws and seeds")
        for told in (study.card(), study.dataset.request):
            count = len(canonical_json(told).encode())
            if count > MOST_BYTES:
                why = "the seeds, sizes, class names and texts"
                self.fail("", f"{why} take {count:,} bytes, which must be at most {MOST_BYTES:,} to be handed to a job")

    def varied(self, raw: dict) -> dict:
        """Return the study with the changes of its variants, each laid over what came before."""
        self.check(raw, self.rules, _dotted)
        variants = raw.get("variants", {})
        for name in self.variants:
            if name not in variants:
                self.fail_name("variants", name, variants)
            for key in variants[name]:
                if key not in self.rules["properties"] or key == "variants":
                    self.fail_name(f"variants.{name}", key, sorted({*self.rules["properties"]} - {"variants"}))
            raw = self.laid_over(raw, variants[name])
        return raw

    def laid_over(self, raw: dict, changes: dict) -> dict:
        """Return the study with the changes of a variant. Models that it leaves out can still be extended."""
        rules, changed = self.rules["$defs"]["recipe"], {**raw, **changes}
        if "base" in changes:
            changed["base"] = _merge(raw.get("base", {}), changes["base"], rules)
        if "models" in changes:
            models = {**raw["models"]}
            for name, settings in changes["models"].items():
                if settings is None:
                    self.left_out.add(name)
                else:
                    models[name] = _merge(models.get(name) or {}, settings, rules)
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
        """Return the subset settings with validation as a count: with folds, the largest of them."""
        if value["method"] != "kfold":
            if "folds" in value:
                self.fail("subset.folds", f"the method '{value['method']}' has no folds (kfold has)")
            return {**value, "validation": self.validation(value["validation"], dataset)}
        if "folds" not in value:
            self.fail("subset", "the method 'kfold' needs a number of folds, such as `folds: 5`")
        if value["validation"]:
            self.fail("subset.validation", "with kfold the validation images are the fold held out; leave this out")
        if value["folds"] > dataset.n_train:
            self.fail("subset.folds", f"found {value['folds']}, but {dataset.name} has {dataset.n_train} images")
        return {**value, "validation": -(-dataset.n_train // value["folds"])}

    def validation(self, spec: int | str, dataset: Dataset) -> int:
        count = _count(spec, dataset.n_train)
        if isinstance(spec, str) and not count:
            rounded = f"which rounds to 0 of {dataset.n_train} images"
            self.fail("subset.validation", f"found {spec}, {rounded}; state a larger share, a count such as 1, or 0")
        if count >= dataset.n_train:
            self.fail("subset.validation", f"found {spec}, must leave some of {dataset.n_train} images to train on")
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
                self.fail("sizes.log", f"found from {low} to {high}, must rise")
            steps = spec["log"]["count"] - 1
            counts = [round(low * (high / low) ** (i / steps)) for i in range(steps + 1)]
        self.different("sizes", counts, "shares and log spacing count after rounding")
        return tuple(sorted(counts))

    def own_sizes(
        self, model: str, spec: list | None, sizes: tuple[int, ...], dataset: Dataset, subset: dict
    ) -> tuple[int, ...]:
        """Return the sizes of a model as counts, which must be among the study's."""
        if spec is None:
            return sizes
        own = self.sizes(spec, dataset, subset)
        for n in own:
            if n not in sizes:
                self.fail(
                    f"models.{model}.sizes", f"found {n}, which is none of the study's sizes {listing(sizes, 30)}"
                )
        return own

    def different(self, key: str, numbers: list[int], remark: str) -> None:
        number, times = Counter(numbers).most_common(1)[0]
        if times > 1:
            self.fail(key, f"found {number} twice; every one must be different ({remark})")

    def pairs(self, stated: object, value: dict, folds: int | None) -> tuple[tuple[int, int], ...]:
        """Return the (draw, seed) pairs; with folds the draws are these, all of them unless some are `stated`."""
        seeds = self.numbers("seeds", value["seeds"])
        if folds and stated is None:
            self.few_enough(folds * len(seeds), "folds × seeds")
            return tuple(product(range(folds), seeds))
        if value["draws"] == "per_seed":
            draws, pairs = seeds, tuple((seed, seed) for seed in seeds)
        else:
            draws = self.numbers("draws", value["draws"])
            self.few_enough(len(draws) * len(seeds), "draws × seeds")
            pairs = tuple(product(draws, seeds))
        if folds and max(draws) >= folds:
            self.fail("draws", f"found {max(draws)}, but with kfold a draw is a fold, here from 0 to {folds - 1}")
        return pairs

    def few_enough(self, runs: int, what: str) -> None:
        if runs > MOST_RUNS:
            self.fail("", f"found {runs:,} runs ({what}), must be at most {MOST_RUNS:,}")

    def numbers(self, key: str, spec: list | dict) -> list[int]:
        if isinstance(spec, dict):
            spec = [spec["start"] + i * spec["step"] for i in range(spec["count"])]
        if max(spec) > LARGEST_SEED:
            self.fail(key, f"found {max(spec)}, must be at most {LARGEST_SEED}")
        self.different(key, spec, "one run each")
        return spec

    def model(self, name: str, value: dict, dataset: Dataset, subset: dict) -> dict:
        """Return the model's full recipe: the base, then the models it extends, then its own settings."""
        rules = self.rules["$defs"]["recipe"]
        layers = self.layers(name, value)
        merged: dict = {}
        for place, settings in layers:
            self.check_alone(place, settings, rules)
            merged = _merge(merged, settings, rules)
        merged.pop("extends", None)
        self.check(merged, rules, lambda keys: _origin(keys, layers))
        recipe = schema.with_defaults(merged, rules, self.rules)
        for keys, message in (*_contradictions(recipe, dataset, subset), *_rivals(recipe["schedule"], layers)):
            self.fail(_origin(keys, layers), message)
        architecture = recipe["architecture"]
        if architecture["name"] == "custom":
            try:
                architecture["code"] = custom.code(architecture["path"], Path.cwd())
            except UserError as error:
                self.fail(_origin(("architecture", "path"), layers), str(error))
        return recipe

    def check_alone(self, place: str, settings: dict, rules: dict) -> None:
        """Check a part of a recipe as far as that goes: its choices by name may be completed by other parts."""
        if place == "base" and "extends" in settings:
            self.fail("base.extends", "the base starts from no model; models extend each other")
        own = {key: value for key, value in settings.items() if "named" not in rules["properties"].get(key, {})}
        self.check(own, {**rules, "required": []}, lambda keys: _dotted((place, *keys)))

    def layers(self, name: str, value: dict) -> list[tuple[str, dict]]:
        """Return (where it stands, settings) of the base and of each model from the extended to the extending."""
        layers, models = [], value["models"]
        while name is not None:
            if any(place == f"models.{name}" for place, _ in layers):
                self.fail(f"models.{name}.extends", "the models extend each other in a circle")
            layers.append((f"models.{name}", models[name]))
            parent = models[name].get("extends")
            if parent is not None and (not isinstance(parent, str) or parent not in models):
                self.fail_name(f"models.{name}.extends", parent, models)
            name = parent
        return [("base", value["base"]), *reversed(layers)]


def _contradictions(recipe: dict, dataset: Dataset, subset: dict) -> Iterator[tuple[tuple, str]]:
    """Yield (keys, message) for settings of a recipe that do not go together, or not with the data."""
    if recipe["optimizer"].get("nesterov") and not recipe["optimizer"]["momentum"]:
        yield ("optimizer", "nesterov"), "found true, which needs a momentum above 0"
    if recipe["batch_size"] % recipe["repeated_augmentation"]:
        found = recipe["repeated_augmentation"]
        yield ("repeated_augmentation",), f"found {found}, must divide the batch size {recipe['batch_size']}"
    for i, transform in enumerate(recipe["augmentation"]):
        if transform.get("smallest", 0) > transform.get("largest", 1):
            yield ("augmentation", i, "smallest"), f"found {transform['smallest']}, more than `largest`"
        if dataset.shape and (why := _idle(transform, dataset.shape)):
            yield ("augmentation", i), f"found '{transform['name']}', which would do nothing: {why}"
    for key, choice in (("selection", "best_on_validation"), ("schedule", "plateau")):
        if recipe[key]["name"] == choice and not subset["validation"]:
            yield (key,), f"found '{choice}', which needs validation images (subset.validation, or kfold)"
    if recipe["carried_through_folds"] and subset["method"] != "kfold":
        yield ("carried_through_folds",), f"found true, which needs kfold (subset.method is {subset['method']})"
    if recipe["scores"] == "last_batch" and recipe["gpus"] > 1:
        yield ("scores",), "found 'last_batch', which needs one process (gpus: 1)"
    for key in ("mean", "std") if recipe["normalisation"]["name"] == "constants" and dataset.shape else ():
        found, channels = len(recipe["normalisation"][key]), dataset.shape[2]
        if found != channels:
            message = f"found {found} numbers, but the images of {dataset.name} have {channels} channels"
            yield ("normalisation", key), message


def _rivals(schedule: dict, layers: list[tuple[str, dict]]) -> Iterator[tuple[tuple, str]]:
    """Yield (keys, message) for an option of a schedule that is stated and would be ignored for another one.

    A model that extends another may state the one that goes before: so it says which of them it means.
    """

    def stated(option: str) -> int:
        return max(
            (i for i, (_, s) in enumerate(layers) if option in schema.choice({}, s.get("schedule"))[1]), default=-1
        )

    for option, ignored in (("warmup_passes", "warmup"), ("every_passes", "times")):
        if schedule.get(option) and schedule.get(ignored) and stated(ignored) >= stated(option):
            yield ("schedule", ignored), f"found beside {option}, which would go before it; state one of them"


def _idle(transform: dict, shape: tuple[int, int, int]) -> str:
    """Return why a transform does nothing to images of a shape (height, width, channels), or nothing."""
    match transform["name"]:
        case "shift" if transform["fraction"] * max(shape[:2]) < 1:
            height, width, _ = shape
            least = math.ceil(1e4 / max(height, width)) / 1e4
            found = f"{transform['fraction']:g} of {height}×{width} pixels is less than one"
            return f"{found} (fraction: {least:g} or more moves images)"
        case "colour_jitter":
            amounts = ["brightness", "contrast", *(["saturation", "hue"] if shape[2] == 3 else [])]
            grey = "" if shape[2] == 3 else " (saturation and hue do nothing to these images)"
            return "" if any(transform[name] for name in amounts) else f"state one of {listing(amounts)}{grey}"
    return ""


def _dotted(keys: tuple) -> str:
    return ".".join(map(str, keys))


def _origin(keys: tuple, layers: list[tuple[str, dict]]) -> str:
    """Name the layer, the last that says it, in which the setting at `keys` stands."""
    for place, settings in reversed(layers):
        try:
            for key in keys:
                settings = settings[key]
        except (TypeError, KeyError, IndexError):
            continue
        return _dotted((place, *keys))
    return _dotted((layers[-1][0], *keys))


def _merge(below: dict, above: dict, rules: dict) -> dict:
    """Lay the settings `above` over those `below`; another choice by name takes over none of the old one's options."""
    merged = dict(below)
    for key, value in above.items():
        part = rules.get("properties", {}).get(key, {})
        if "named" in part and key in below:
            name, options = schema.choice(part, value)
            old_name, old_options = schema.choice(part, below[key])
            kept = old_options if name in (None, old_name) else {}
            merged[key] = {"name": name or old_name, **kept, **options}
        else:
            merged[key] = value
    return merged


def _part(budget: dict, share: float) -> dict:
    """Return a share of a budget, in whole units of it and at least one."""
    return {unit: max(1, round(share * amount)) for unit, amount in budget.items()}


def _count(spec: int | str, whole: int) -> int:
    """Return a count, or the share `spec` ("5%") of `whole` rounded to a count."""
    return spec if isinstance(spec, int) else round(float(spec.strip().rstrip("%")) / 100 * whole)
