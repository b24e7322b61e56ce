"""Settings that would have no effect: what a study states is obeyed or refused.

A setting that no run or answer could depend on is refused. One that a model takes over from the base or another model,
where it has an effect on others, stays, and a note says on which model it has none.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from trainsize.common.errors import listing
from trainsize.common.schema import split_choice
from trainsize.runs.budget import Batches
from trainsize.study import budgets
from trainsize.study.recipes import origin
from trainsize.study.schema import study_schema
from trainsize.study.study import Study

WITHOUT_NORM_LAYERS = (
    "mlp",
    "ga_cnn",
    "two_conv_one_fc",
    "one_conv_two_fc",
    "three_fc",
    "three_conv",
    "slides_cnn",
)
ANSWERS_BY_SIZE = ("families", "targets", "leave_out", "robust", "extrapolation", "planning")
ALL_TEST_IMAGES = 1000  # the default of `neurons.images`, which stands for all images of a smaller test set
Layers = list[tuple[str, dict]]  # (path, settings) of the base, of each extended model, and of the model itself


@dataclass(frozen=True)
class Idle:
    """A setting without effect: the path of its key, why, and whether it is a mistake or may stay with a note."""

    key: str
    message: str
    mistake: bool = True


def idle_settings(study: Study, stated: dict, layers: dict[str, Layers], full: dict[str, dict]) -> Iterator[Idle]:
    """Yield what has no effect in a study whose file, with its variants, is `stated`.

    `layers` has the layers of every model's recipe, and `full` its whole budget. With variants, which change one part
    of a study at a time, most of it may stay.
    """
    alone = "+" not in study.name
    yield from _of_models(study, layers, alone)
    yield from _of_time(study, layers, full, alone)
    yield from _of_base(stated.get("base", {}) if alone else {}, layers)
    yield from _of_budgets(study, stated, layers, full, alone)
    yield from _of_subsets(study)
    yield from _of_answers(study, stated, alone)
    yield from _of_figures(study, stated, alone)


def _of_models(study: Study, layers: dict[str, Layers], alone: bool) -> Iterator[Idle]:
    idle = {model: dict(_in_recipe(study, model)) for model in layers}
    for model, found in idle.items():
        for keys, message in found.items():
            where = origin(keys, layers[model])
            own = where.startswith(f"models.{model}.")
            sharing = [other for other in layers if origin(keys, layers[other]) == where]
            mistake = own or (alone and all(keys in idle[other] for other in sharing))
            yield Idle(where, message if mistake else _noted(message, model), mistake)
        for i, ignored in _of_colours(study, model):
            where = origin(("augmentation", i), layers[model])
            message = f"{' and '.join(ignored)} have no effect on the grey images of {study.dataset.name}"
            yield Idle(where, message.replace("have", "has" if len(ignored) == 1 else "have"), mistake=False)


def _noted(message: str, model: str) -> str:
    """Return a message as a note on one model, without the advice to remove a setting that others need."""
    start, _, why = message.removesuffix("; remove it").partition(": ")
    return f"{start} on models.{model}: {why}" if start == "has no effect" else f"{message} (models.{model})"


def _of_base(base: dict, layers: dict[str, Layers]) -> Iterator[Idle]:
    """Yield the settings of the base that every model replaces, which is allowed."""
    for key, value in base.items():
        replaced = [any(_replaces(key, value, settings) for _, settings in stack[1:]) for stack in layers.values()]
        if all(replaced) and key != "budget":
            yield Idle(f"base.{key}", "has no effect: every model has its own", mistake=False)


def _replaces(key: str, value: object, settings: dict) -> bool:
    """Whether the settings of a layer leave nothing of the base's value; a choice with the same name adds to it."""
    if key not in settings:
        return False
    if "named" not in study_schema()["$defs"]["recipe"]["properties"][key]:
        return True
    name = split_choice({}, settings[key])[0]
    return name is not None and name != split_choice({}, value)[0]


def _of_colours(study: Study, model: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the place of each transform whose changes of colour are lost on grey images, and what is lost."""
    grey = study.dataset.shape is not None and study.dataset.shape[2] == 1
    for i, transform in enumerate(study.models[model]["augmentation"] if grey else ()):
        if ignored := [key for key in ("saturation", "hue") if transform.get(key)]:
            yield i, ignored


def _in_recipe(study: Study, model: str) -> Iterator[tuple[tuple, str]]:
    """Yield (keys, message) for the settings of a model's recipe that have no effect."""
    recipe = study.models[model]
    yield from _in_architecture(recipe["architecture"])
    if recipe["optimizer"]["norm_weight_decay"] is not None:
        network = recipe["architecture"]["name"]
        if network in WITHOUT_NORM_LAYERS:
            yield ("optimizer", "norm_weight_decay"), f"has no effect: {network} has no normalisation layers; remove it"
    schedule = recipe["schedule"]
    if schedule["warmup"] == 1 and schedule["name"] != "constant":
        message = f"found 1, which leaves no update for the schedule '{schedule['name']}'; use less, or constant"
        yield ("schedule", "warmup"), message
    if recipe["gpus"] > recipe["batch_size"]:
        message = f"found {recipe['gpus']}, more than the {recipe['batch_size']} images of a batch (batch_size)"
        yield ("gpus",), f"{message}: the others would have none; use at most as many"
    for key in ("mixup", "cutmix"):
        if recipe[key] and recipe["batch_size"] == 1:
            yield (key,), f"found {recipe[key]:g}, which needs two images in a batch to mix; batch_size is 1"
    if recipe["carried_through_folds"] and study.draws == [0]:
        yield ("carried_through_folds",), "found true, but no fold comes before fold 0, the only one of `draws`"
    if recipe["neurons"] and study.dataset.n_test < recipe["neurons"]["images"] != ALL_TEST_IMAGES:
        message = (
            f"found {recipe['neurons']['images']}, but {study.dataset.name} has {study.dataset.n_test} test images"
        )
        yield ("neurons", "images"), f"{message}; use at most as many"


def _in_architecture(network: dict) -> Iterator[tuple[tuple, str]]:
    if network["name"] == "mlp" and network["dropout"] and not network["hidden"]:
        yield ("architecture", "dropout"), "has no effect: dropout follows hidden layers, and `hidden` is empty"
    if network["name"] == "ga_cnn" and network["as_printed"] and network["dropout2d"] != 0.5:
        yield (
            ("architecture", "dropout2d"),
            "has no effect: with as_printed, the network has no such dropout; remove it",
        )
    if network["name"] == "ga_cnn" and network["row_dropout"] and not network["dropout"]:
        yield ("architecture", "row_dropout"), "has no effect: `dropout` is 0; set a larger one, or remove this key"


def _of_time(study: Study, layers: dict[str, Layers], full: dict[str, dict], alone: bool) -> Iterator[Idle]:
    """Yield settings that would only have an effect after the end of every run, even of the whole budget."""
    for model, stack in layers.items():
        for keys, message, mistake in _in_time(study, model, full[model], alone):
            yield Idle(origin(keys, stack), message if mistake else _noted(message, model), mistake)


def _in_time(study: Study, model: str, stated: dict, alone: bool) -> Iterator[tuple[tuple, str, bool]]:
    """Yield (keys, message, whether it is a mistake). A patience longer than a run is obeyed: a note is enough."""
    recipe, sizes, budget = study.models[model], study.model_sizes[model], budgets.amount(stated)
    selection, schedule = recipe["selection"], recipe["schedule"]
    points = max(budgets.evaluations(budget, (n,), recipe, study.evaluation) for n in sizes)
    evaluated = f"runs have {points} evaluation{'s' if points > 1 else ''}"
    patience = selection.get("patience")
    if selection["name"] != "last" and points == 1:
        message = f"found '{selection['name']}', but {evaluated} to choose from; evaluate more often, or use last"
        yield ("selection",), message, alone
    elif patience and points < patience + 2 and "until" not in stated:  # which has checked its patience
        message = f"found {patience}, which ends no run before its budget: {evaluated}, and it needs {patience + 2}"
        yield ("selection", "patience"), message, False
    if schedule["name"] == "plateau" and points < schedule["patience"] + 3:
        message = f"found {schedule['patience']}, which never reduces the rate: {evaluated}, and it needs"
        yield ("schedule", "patience"), f"{message} {schedule['patience'] + 3}", False
    if recipe["restart"] and set(study.seeds) == {recipe["restart"]["seed"]}:
        message = f"found {recipe['restart']['seed']}, which is the only seed of the study; use another one"
        yield ("restart", "seed"), message, alone
    for n in sizes if recipe["restart"] else ():
        total = Batches.of(recipe, n).updates(study.budgets[model])
        if round(recipe["restart"]["at"] * total) in (0, total):
            message = f"found {recipe['restart']['at']:g}, which is not between two of the {total} updates at n = {n}"
            yield ("restart", "at"), message, True
            return


def _of_budgets(
    study: Study, stated: dict, layers: dict[str, Layers], full: dict[str, dict], alone: bool
) -> Iterator[Idle]:
    if "budget" in stated.get("base", {}):
        yield Idle(
            "base.budget", "found beside `budget`, which no model would use; state the budget of all models there"
        )
    own = [model for model, stack in layers.items() if any("budget" in settings for _, settings in stack)]
    if alone and len(own) == len(layers):
        message = f"no model uses it, because each has its own (models.{own[0]}.budget)"
        yield Idle("budget", f"{message}; state that of one model here, and remove it there")
    used = {n for sizes in study.model_sizes.values() for n in sizes}
    if alone and (unused := [n for n in study.sizes if n not in used]):
        yield Idle("sizes", f"found {listing(unused)}, which no model is trained on; add them to a model's `sizes`")
    for model, budget in full.items():
        check, sizes = budget.get("check"), study.model_sizes[model]
        if isinstance(check, dict) and check["sizes"] > max(len(sizes), budgets.CHECKED_SIZES):
            message = f"found {check['sizes']}, but {model} has {len(sizes)} sizes; use at most as many"
            where = origin(("budget", "check", "sizes"), [("", stated), *layers[model]])
            yield Idle(where, message, where.startswith("models.") or check["sizes"] > len(study.sizes))


def _of_subsets(study: Study) -> Iterator[Idle]:
    repeated = len(study.pairs) > len(study.seeds)  # seeds with several draws
    if not repeated or study.subset["validation"]:
        return
    same = "so that runs of one seed would repeat each other"
    if study.subset["method"] == "first_n":
        message = (
            f"found {len(study.draws)}, but first_n without validation images takes the same images in all of them"
        )
        yield Idle("draws", f"{message}, {same}; use one draw, or another subset.method")
    elif study.sizes[-1] == study.dataset.n_train - study.subset["header_row_lost"]:
        message = (
            f"found {len(study.draws)}, which have the same images at n = {study.sizes[-1]}, the whole training set"
        )
        yield Idle("draws", f"{message}, {same}", mistake=False)


def _of_answers(study: Study, stated: dict, alone: bool) -> Iterator[Idle]:
    settings = study.regressions
    for key, what in (("targets", "targets"), ("equivalence_margin", "a margin")):
        for metric in settings[key]:
            if metric not in settings["metrics"]:
                message = (
                    f"found {what} of a metric that is not in regressions.metrics ({listing(settings['metrics'])})"
                )
                yield Idle(f"regressions.{key}.{metric}", f"{message}; add it there, or remove this")
    if len(study.sizes) == 1:
        for key in ANSWERS_BY_SIZE:
            if key in stated.get("regressions", {}):
                message = (
                    "has no effect: the study has one size, and curves need several; add sizes, or remove this key"
                )
                yield Idle(f"regressions.{key}", message, alone)


def _of_figures(study: Study, stated: dict, alone: bool) -> Iterator[Idle]:
    for kind in study.figures["also"]:
        if kind in study.figures["without"]:
            yield Idle("figures.without", f"found '{kind}', which is in figures.also too; remove it from one of them")
    for kind in study.figures["without"]:
        if kind not in study.usual_figures() and kind not in study.figures["also"]:
            yield Idle("figures.without", f"found '{kind}', which this study would not have anyway", mistake=False)
    drawn = {figure["kind"] for figure in study.figure_list()}
    if stated.get("figures", {}).get("sweeps") and "sweep" not in drawn:
        message = "has no effect: this study has no `sweep` figure; ask for it with `also: [sweep]`, or remove this key"
        yield Idle("figures.sweeps", message, alone)
