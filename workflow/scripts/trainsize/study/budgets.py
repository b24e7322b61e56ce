"""What a budget may ask for besides an amount: training until convergence, and a check with a multiple of it."""

from collections.abc import Iterator
from dataclasses import dataclass

from trainsize.common.schema import split_choice
from trainsize.runs.budget import Batches, checkpoints

EXTRAS = ("until", "check")  # the keys of a budget besides its amount
PATIENCE = 5  # evaluations without improvement that end a run, unless its selection has a patience of its own
CHECKED_SIZES = 2


@dataclass(frozen=True)
class Check:
    """A model trained again with a multiple of its budget, at its largest sizes, to see what the budget costs it."""

    name: str
    model: str
    budget: dict
    sizes: tuple[int, ...]


def amount(budget: dict, share: float = 1) -> dict:
    """Return the amount of a budget, or a share of it, rounded to whole units and at least one."""
    return {unit: max(1, round(share * count)) for unit, count in budget.items() if unit not in EXTRAS}


def check_of(model: str, budget: dict, trained: dict, sizes: tuple[int, ...]) -> Check | None:
    """Return the check that the `budget` of a model asks for, if any; `trained` is its amount, after `budget_share`."""
    if "check" not in budget:
        return None
    asked = budget["check"]
    times, count = (asked["times"], asked["sizes"]) if isinstance(asked, dict) else (asked, CHECKED_SIZES)
    longer = {unit: times * whole for unit, whole in trained.items()}
    return Check(f"{model}-x{times}", model, longer, sizes[-count:])


def until_converged(settings: dict) -> dict:
    """Return a recipe's settings with a selection that ends a run when it has converged, unless they have another."""
    name, options = split_choice({}, settings.get("selection", "best_on_validation"))
    if name != "best_on_validation" or "until" not in settings["budget"]:
        return settings
    patience = options.get("patience") or PATIENCE
    return {**settings, "selection": {"name": name, **options, "patience": patience}}


def decays_with_budget(schedule: dict) -> bool:
    """Whether the learning rate reaches its lowest value at the end of the budget, however long that is."""
    stepwise = schedule["name"] == "step" and not schedule["every_passes"]
    return stepwise or schedule["name"] in ("cosine", "exponential")


def contradictions(recipe: dict, subset: dict) -> Iterator[tuple[tuple, str]]:
    """Yield (keys, message) for settings of a recipe that contradict its budget."""
    budget, selection, schedule = recipe["budget"], recipe["selection"], recipe["schedule"]
    if "until" not in budget:
        return
    until = "`until: converged`"
    if "check" in budget:
        message = f"found beside {until}, whose runs show by themselves whether they need more; keep one of them"
        yield ("budget", "check"), message
    if not subset["validation"]:
        message = "found 'converged', which needs validation images; hold some out, such as `subset: {validation: 10%}`"
        yield ("budget", "until"), message
    if decays_with_budget(schedule):
        message = f"found '{schedule['name']}', which decays until the budget's end, but {until} stops before"
        yield ("schedule",), f"{message}; use constant, plateau or inverse_time"
    if selection["name"] != "best_on_validation":
        message = f"found '{selection['name']}', but {until} needs best_on_validation; remove this key or use that"
        yield ("selection",), message
    elif schedule["name"] == "plateau" and selection["patience"] <= schedule["patience"] + 1:
        message = f"found {selection['patience']}, which stops a run before its rate has been reduced and tried"
        yield ("selection", "patience"), f"{message}; use more than {schedule['patience'] + 1}"


def evaluations(budget: dict, sizes: tuple[int, ...], recipe: dict, evaluation: dict) -> int:
    """Return the number of evaluations that a run has at most, at the size that has the fewest."""
    return min(len(checkpoints(Batches.of(recipe, n).updates(budget), evaluation)) for n in sizes)
