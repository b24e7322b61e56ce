"""Analyse any table of learning curves, CSV or Parquet.

python -m trainsize.regressions TABLE       (--help says more)
"""

import argparse
import math
from functools import partial

from trainsize.common.arguments import whole_number
from trainsize.common.errors import UserError, exit_on_user_error
from trainsize.common.paths import user_path
from trainsize.curves.families import ALL_FAMILIES, CHOSEN_FAMILY, DEFAULT_FAMILIES, TREND
from trainsize.regressions.given import (
    check_left_out,
    check_once,
    check_timed,
    note_of_classes,
    note_of_skipped,
    stated_targets,
)
from trainsize.regressions.options import Data, Options
from trainsize.regressions.stage import analyse, write
from trainsize.regressions.table_input import check_numbers, make_folder, read_curves, responses_of
from trainsize.regressions.words import all_answers

MOST_CLASSES = 10**6


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainsize.regressions",
        description="Fit learning curves; report the images a target needs, what more bring, and how certain that is.",
    )
    parser.add_argument(
        "table",
        type=user_path,
        help="text or Parquet with columns n, seed and metrics; optional: model, draw, fold, seconds",
    )
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        help="NAME, or NAME:score, NAME:error or NAME:loss (default: all known metrics)",
    )
    parser.add_argument("--target", action="append", default=[], help="METRIC=VALUE, for example accuracy=0.95")
    parser.add_argument("--families", nargs="+", action="extend", choices=ALL_FAMILIES, help="families to fit")
    parser.add_argument(
        "--leave-out",
        nargs="+",
        action="extend",
        type=int,
        default=[],
        help="sizes to leave out of a second straight line",
    )
    parser.add_argument("--confidence", type=float, default=0.95, help="level of the intervals (default: 0.95)")
    parser.add_argument("--bootstrap", type=int, default=2000, help="resamples (default: 2000)")
    parser.add_argument("--allow-few-seeds", action="store_true", help="give intervals with only two seeds as well")
    parser.add_argument(
        "--extrapolation",
        choices=(TREND, CHOSEN_FAMILY),
        default=TREND,
        help="what answers beyond the measured sizes come from (default: damped_trend)",
    )
    parser.add_argument("--robust", action="store_true", help="fit the curves with Huber's loss")
    parser.add_argument(
        "--classes",
        type=partial(whole_number, least=2, most=MOST_CLASSES),
        help="number of classes, assumed to be of equal size, for the error of guessing (which the family m4 needs)",
    )
    parser.add_argument("--n-test", type=whole_number, help="number of test images, for their part in the spread")
    parser.add_argument("--n-train", type=whole_number, help="number of training images available, for the next runs")
    parser.add_argument(
        "--purpose", choices=("target", "curve"), default="target", help="the answer that the next runs should narrow"
    )
    parser.add_argument(
        "--hours", type=float, help="training time for the next runs (default: as long as the given runs took)"
    )
    parser.add_argument(
        "--output", type=user_path, help="folder for the tables and texts (default: only print the answers)"
    )
    return parser


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    with exit_on_user_error():
        if not 0.5 <= given.confidence < 1:
            raise UserError(f"--confidence: found {given.confidence}, must be at least 0.5 and less than 1")
        if given.bootstrap < 100:
            raise UserError(f"--bootstrap: found {given.bootstrap}, must be at least 100")
        if given.hours is not None and not 0 < given.hours < math.inf:
            raise UserError(f"--hours: found {given.hours}, must be more than 0")
        for option in ("families", "leave_out", "target"):
            check_once(f"--{option.replace('_', '-')}", getattr(given, option) or [])
        curves = read_curves(given.table, given.metric, given.n_train)
        table = curves.table
        responses = responses_of(table, given.metric, given.table)
        check_numbers(curves, responses, given.table)
        metrics = {response.metric.name: response.metric for response in responses}
        check_left_out(given.leave_out, table)
        check_timed(given.hours, given.purpose, table, given.table)
        options = Options(
            families=tuple(given.families or DEFAULT_FAMILIES),
            targets=stated_targets(given.target, metrics),
            leave_out=tuple(given.leave_out),
            confidence=given.confidence,
            bootstrap=given.bootstrap,
            allow_few_seeds=given.allow_few_seeds,
            robust=given.robust,
            extrapolation=given.extrapolation,
            purpose=given.purpose,
            hours=given.hours,
        )
        if given.output:
            make_folder(given.output)
        models = list(dict.fromkeys(table["model"]))
        per_class = [1] * given.classes if given.classes else None
        rows = analyse(table, models, responses, options, Data(given.n_test, per_class, given.n_train))
        if given.output:
            write(rows, given.output, metrics)
        notes = note_of_skipped(table, responses, bool(given.metric)) + note_of_classes(given.classes, options.families)
        print(curves.note + notes + all_answers(rows.frames(), metrics), end="")


if __name__ == "__main__":
    main()
