"""A study: its settings, its runs, and the part of the settings that each stage gets.

Imports nothing heavy, because every cluster job reads the Snakefile, which imports this.
"""

from dataclasses import dataclass, field
from functools import cached_property

from trainsize.datasets.catalogue import Dataset
from trainsize.figures.kinds import FEATURES, FIGURES, figures_of
from trainsize.runs.run import Run, grid_runs, settings_hash
from trainsize.study.budgets import decays_with_budget

AUDITED = {
    "last": "last",
    "best_on_validation": "validation",
    "best_on_test": "best",
}  # the auditor's names of selections


@dataclass(frozen=True)
class Study:
    """A checked study with every default filled in.

    `sizes` are numbers of training images, ascending, and `model_sizes` those of each model. `pairs` are the (draw,
    seed) combinations of every model and size. `models` are the recipes by name, and `budgets` how long each trains.
    `checks` names the models that only repeat another, whose name is the value, with a multiple of its budget. `notes`
    say which settings have no effect where they are taken over.
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
    checks: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def runs(self) -> list[Run]:
        return grid_runs(self.grid())

    @property
    def curve_models(self) -> list[str]:
        """The models that a curve is fitted to: all but the checks."""
        return [model for model in self.models if model not in self.checks]

    @property
    def draws(self) -> list[int]:
        return list(dict.fromkeys(draw for draw, _ in self.pairs))

    @property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(seed for _, seed in self.pairs))

    def subset_settings(self) -> dict:
        """Everything that determines a subset's images, except its size and draw."""
        return {"dataset": self.dataset.name, **self.subset}

    def run_settings(self, model: str) -> dict:
        """Everything that determines a run's results, except its coordinates n, draw and seed."""
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
        return {"grid": self.curve_grid(), "training": self.training_facts(), **self.regressions}

    def training_facts(self) -> dict[str, dict]:
        """Return what the verdicts on the budget need to know about each model that has a curve.

        `decays` says whether its learning rate decays with the budget, `stops_early` whether its runs end when they no
        longer improve, `softened` whether its labels are smoothed or mixed, and `check` names the model that repeats it
        with more updates, or is None.
        """
        checks = {model: check for check, model in self.checks.items()}
        recipes = {model: self.models[model] for model in self.curve_models}
        return {
            model: {
                "decays": decays_with_budget(recipe["schedule"]),
                "stops_early": recipe["selection"].get("patience") is not None,
                "softened": any(recipe[key] > 0 for key in ("label_smoothing", "mixup", "cutmix")),
                "check": checks.get(model),
            }
            for model, recipe in recipes.items()
        }

    def audit_settings(self) -> dict:
        """What the auditor needs to know about the study's runs."""
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
        """The report's description of the study."""
        return {
            "grid": self.curve_grid(),
            "title": self.title,
            "source": self.source,
            "stand_in": self.stand_in,
            "dataset": self.dataset.origin,
            "subset": self.subset,
            "budgets": self.budgets,
            "evaluation": self.evaluation,
            "models": self.models,
            "metrics": self.figures["metrics"],
            "figures": self.figure_list(),
        }

    def features(self) -> set[str]:
        """The `FEATURES` that the study has, which determine the figures it can have."""
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

    def usual_figures(self) -> set[str]:
        """The kinds of figures that a study like this one has by default."""
        has = self.features()
        return {name for name, kind in FIGURES.items() if kind.usual is not None and has >= {*kind.needs, *kind.usual}}

    def figure_list(self) -> list[dict]:
        """The study's figures, in the report's order: name, kind, and the metric, model or sweep shown."""
        chosen = (self.usual_figures() | set(self.figures["also"])) - set(self.figures["without"])
        subjects = {"model": self.figures["models"], "sweep": list(self.figures["sweeps"])}
        return list(figures_of(chosen, self.figures["metrics"], self.regressions["metrics"], subjects))

    def figure_settings(self) -> dict:
        """Everything the figures depend on, except the results."""
        return {
            "figures": self.figure_list(),
            "models": self.figures["models"],
            "sweeps": self.figures["sweeps"],
            "grid": self.curve_grid(),
            "budgets": self.budgets,
            "recipes": self.models,
        }

    def grid(self) -> dict:
        """The study's runs as the lists that `grid_runs` expands."""
        return {
            "study": self.name,
            "dataset": self.dataset.name,
            "classes": len(self.dataset.classes),
            "models": list(self.models),
            "sizes": self.sizes,
            "model_sizes": self.model_sizes,
            "pairs": self.pairs,
        }

    def curve_grid(self) -> dict:
        """The same without the checks of budgets."""
        return {**self.grid(), "models": self.curve_models}
