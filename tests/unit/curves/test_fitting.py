"""Nonlinear fits against NIST's certified values, and families of curves against themselves."""

import re

import numpy as np
import pytest
from scipy.optimize import brentq
from support import ROOT

from trainsize.curves.families import FAMILIES, predict, size_for
from trainsize.curves.fitting import fit, polish
from trainsize.curves.problem import Problem
from trainsize.curves.projection import bounded_line
from trainsize.curves.search import fit_many

NIST = ROOT / "tests" / "data" / "nist"  # Statistical Reference Datasets, public domain
GA_SIZES = np.array([750, 800, 1000, 1200, 1500, 2000, 2400, 3000, 4000, 6000, 12_000.0])
CURVED = [name for name, family in FAMILIES.items() if family.shapes]

MODELS = {
    "MGH09": lambda x, b: b[0] * (x**2 + x * b[1]) / (x**2 + x * b[2] + b[3]),
    "BoxBOD": lambda x, b: b[0] * (1 - np.exp(-b[1] * x)),
    "Misra1a": lambda x, b: b[0] * (1 - np.exp(-b[1] * x)),
    "Rat42": lambda x, b: b[0] / (1 + np.exp(b[1] - b[2] * x)),
    "Rat43": lambda x, b: b[0] / (1 + np.exp(b[1] - b[2] * x)) ** (1 / b[3]),
    "MGH17": lambda x, b: b[0] + b[1] * np.exp(-x * b[3]) + b[2] * np.exp(-x * b[4]),
    "Thurber": lambda x, b: (b[0] + b[1] * x + b[2] * x**2 + b[3] * x**3) / (1 + b[4] * x + b[5] * x**2 + b[6] * x**3),
    "Bennett5": lambda x, b: b[0] * (b[1] + x) ** (-1 / b[2]),
}


def read_nist(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return x, y, the parameters (a row each: start 1, start 2, certified, its error) and the certified squares."""
    lines = (NIST / f"{name}.dat").read_text().splitlines()
    first, last = map(int, re.search(r"^ +Data +\(lines +(\d+) to +(\d+)\)", "\n".join(lines), re.M).groups())
    y, x = np.array([line.split() for line in lines[first - 1 : last]], dtype=float).T
    parameters = [line.split("=")[1].split() for line in lines if re.match(r" +b\d+ =", line)]
    squares = next(line for line in lines if line.startswith("Residual Sum of Squares")).split()[-1]
    return x, y, np.array(parameters, dtype=float), float(squares)


def digits(values: np.ndarray, certified: np.ndarray) -> float:
    """Return the smallest number of significant digits to which the values agree."""
    return float(-np.log10(np.max(np.abs(values - certified) / np.abs(certified)) + 1e-16))


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", MODELS)
def test_certified_nonlinear_fits(name, start):
    x, y, parameters, squares = read_nist(name)
    free = np.full(len(parameters), np.inf)
    result = polish(lambda b: MODELS[name](x, b), y, np.ones(len(y)), parameters[:, start], (-free, free))
    assert digits(result.x, parameters[:, 2]) >= 4.5
    assert digits(np.array([2 * result.cost]), np.array([squares])) >= 8
    variance = squares / (len(y) - len(parameters))
    errors = np.sqrt(np.diag(np.linalg.inv(result.jac.T @ result.jac)) * variance)
    assert digits(errors, parameters[:, 3]) >= 3


def truth(name: str, problem: Problem) -> np.ndarray:
    """Return a curve of the family in the middle of its ranges."""
    family = FAMILIES[name]
    shape = {"pow2": [0.4], "pow3": [0.5], "exp3": [0.8], "pow4": [0.6, 0.3], "mmf4": [0.5, 0.9]} | {
        "wbl4": [0.7, 0.5],
        "m4": [0.05, 1.1, 0.4, 0.6],
        "bnsl1": [0.2, 0.4, 1.0, 0.3],
    }
    linear = {"zero": [0.0, 0.2]}.get(family.floor, [0.05, 0.2])
    return np.array([*(linear if not family.curve else [0.0, 0.0]), *shape[name]])


@pytest.mark.parametrize("name", CURVED)
def test_a_curve_without_noise_is_found_again(name):
    problem = Problem(GA_SIZES, np.ones(11), (0.0, 1.0), 25 / 26)
    curve = truth(name, problem)
    errors = predict(FAMILIES[name], curve, GA_SIZES, problem.n0, problem.chance)
    fitted = fit(FAMILIES[name], problem, errors, np.random.default_rng(0))
    assert fitted.predict(GA_SIZES) == pytest.approx(errors, abs=1e-5)
    if len(curve) < 6:  # of more parameters several curves fit eleven points to five digits
        assert fitted.predict(np.array([48_000.0])) == pytest.approx(
            predict(FAMILIES[name], curve, np.array([48_000.0]), problem.n0, problem.chance), abs=2e-4
        )


def test_parameters_are_reported_for_n_itself():
    """c + a n^-b with the numbers of its formula, not of the scaled sizes that the search works with."""
    problem = Problem(GA_SIZES, np.ones(11), (0.0, 1.0))
    formulas = {
        "pow3": (0.05 + 3 * GA_SIZES**-0.4, [0.05, 3, 0.4]),
        "exp3": (0.05 + 0.3 * np.exp(-5e-4 * GA_SIZES), [0.05, 0.3, 5e-4]),
        "pow4": (0.05 + 6 * (GA_SIZES + 400) ** -0.5, [0.05, 6, 0.5, 400]),
        "mmf4": (0.05 + 0.8 / (1 + (GA_SIZES / 300) ** 0.8), [0.05, 0.8, 300, 0.8]),
        "wbl4": (0.05 + 0.9 * np.exp(-0.05 * GA_SIZES**0.4), [0.05, 0.9, 0.05, 0.4]),
        "log2": (1.2 - 0.25 * np.log10(GA_SIZES), [1.2, 0.25]),
        "ilog2": (0.02 + 1.5 / np.log(GA_SIZES + 1), [0.02, 1.5]),
        "pow2": (3 * GA_SIZES**-0.4, [3, 0.4]),
    }
    for name, (errors, expected) in formulas.items():
        fitted = fit(FAMILIES[name], problem, errors, np.random.default_rng(0))
        assert fitted.reported == pytest.approx(expected, rel=2e-2), name
        assert len(fitted.reported) == len(FAMILIES[name].terms)


@pytest.mark.parametrize("name", [*CURVED, "log2", "ilog2"])
def test_the_size_for_a_target_is_where_the_curve_has_it(name):
    family, problem = FAMILIES[name], Problem(GA_SIZES, np.ones(11), (0.0, 1.0), 25 / 26)
    curve = (
        truth(name, problem) if name in CURVED else np.array([0.4, 0.2]) if name == "log2" else np.array([0.02, 1.5])
    )

    def error(n: float) -> float:
        return float(predict(family, curve, np.array([n]), problem.n0, problem.chance)[0])

    target = (error(GA_SIZES[0]) + error(20_000)) / 2
    expected = brentq(lambda n: error(n) - target, GA_SIZES[0], 1e5, xtol=1e-6)
    limits = (GA_SIZES[0], 1e4 * GA_SIZES[-1])
    fitted = size_for(family, np.stack([curve, curve]), target, problem.n0, problem.chance, limits)
    assert fitted == pytest.approx([expected] * 2, rel=1e-5)
    assert size_for(family, curve[None], 0.99, problem.n0, problem.chance, limits)[0] == GA_SIZES[0]
    below = error(limits[1]) - 1e-3
    assert np.isinf(size_for(family, curve[None], below, problem.n0, problem.chance, limits)[0])


@pytest.mark.parametrize("name", ["pow3", "exp3", "pow4", "mmf4"])
def test_resampled_curves_are_as_good_as_single_fits(name):
    """The batched search finds what the multistart and scipy's bounded least squares find."""
    rng = np.random.default_rng(5)
    errors = 0.05 + 3 * GA_SIZES**-0.4 + rng.normal(0, 0.004, (25, 11))
    problem = Problem(GA_SIZES, 1 / (0.01 + 1 / GA_SIZES), (0.0, float(errors.mean(0).max())))
    many = fit_many(FAMILIES[name], problem, errors)
    for row, curve in zip(errors, many, strict=True):
        one = fit(FAMILIES[name], problem, row, rng)
        errors_of_fit = predict(FAMILIES[name], curve, GA_SIZES, problem.n0, problem.chance)
        assert problem.weights @ (row - errors_of_fit) ** 2 <= one.cost * (1 + 1e-4)


def test_the_bounded_line_is_the_best_there_is():
    """Against every point of a fine grid of c and a, with each bound active in some of the cases."""
    rng = np.random.default_rng(1)
    weights = np.full(6, 1 / 6)
    for _ in range(50):
        g, y = np.sort(rng.random(6))[::-1], rng.normal(0.2, 0.3, 6)
        low, high = 0.0, 0.3
        centred = g - weights @ g
        parts = weights @ y, weights @ g, weights @ (centred * y), weights @ centred**2
        c, a, _ = (float(v[0]) for v in bounded_line(*(np.array([part]) for part in parts), (low, high)))
        assert low <= c <= high and a >= 0
        cs, slopes = np.meshgrid(np.linspace(low, high, 61), np.linspace(0, 4, 401))
        costs = ((y - cs[..., None] - slopes[..., None] * g) ** 2).mean(-1)
        assert ((y - c - a * g) ** 2).mean() <= costs.min() + 1e-9


def test_a_huber_fit_is_not_led_by_one_size():
    errors = 0.05 + 3 * GA_SIZES**-0.4
    errors[4] += 0.1
    problem = Problem(GA_SIZES, np.ones(11), (0.0, 1.0))
    plain, robust = (fit(FAMILIES["pow3"], problem, errors, np.random.default_rng(0), robust=r) for r in (False, True))
    truth = 0.05 + 3 * GA_SIZES**-0.4
    assert np.abs(robust.predict(GA_SIZES) - truth).max() < 0.5 * np.abs(plain.predict(GA_SIZES) - truth).max()


def test_what_cannot_be_fitted_says_why():
    problem = Problem(GA_SIZES[:4], np.ones(4), (0.0, 1.0))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="4 sizes, pow3 needs at least 5"):
        fit(FAMILIES["pow3"], problem, np.array([0.4, 0.3, 0.2, 0.1]), rng)
    with pytest.raises(ValueError, match="the metric is the same at every size"):
        fit(FAMILIES["log2"], problem, np.full(4, 0.2), rng)
    whole = Problem(GA_SIZES, np.ones(11), (0.0, 1.0), float("nan"))
    with pytest.raises(ValueError, match="m4 needs an error of guessing"):
        fit(FAMILIES["m4"], whole, 0.05 + 3 * GA_SIZES**-0.4, rng)


def test_parameters_at_a_bound_are_named():
    errors = 3 * GA_SIZES**-0.4 - 0.02  # falls below any floor: the best floor is 0
    fitted = fit(FAMILIES["pow3"], Problem(GA_SIZES, np.ones(11), (0.0, 1.0)), errors, np.random.default_rng(0))
    assert fitted.bound == ("c",)
    assert fitted.jacobian.shape == (11, 2)
    assert fitted.agreeing > 20
