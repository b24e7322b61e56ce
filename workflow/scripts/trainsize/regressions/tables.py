"""The tables of the regressions stage."""

from trainsize.common.table_names import REGRESSION_TABLES
from trainsize.common.tables import FLAG, INT, REAL, TEXT, Column, Table

_CURVE = (Column("model", TEXT, "name of the model"), Column("metric", TEXT, "name of the metric"))
_FAMILY = (
    *_CURVE,
    Column("family", TEXT, "family of curves, or average: the families by their Akaike weights"),
    Column("chosen", FLAG, "whether this family was chosen"),
)
_FIT = (
    Column("model", TEXT, "name of the model"),
    Column("split", TEXT, "test or train"),
    Column("metric", TEXT, "name of the metric; curves are fitted to the error, 1 - metric for a share to be high"),
    Column(
        "method",
        TEXT,
        "a line in log10 n: published (least squares through the size means), ols_cluster, ols_hc3, wls, rlm or mixed "
        "(all over the runs), or anova (over the sizes); or a family of curves",
    ),
    Column("left_out", TEXT, "sizes left out of the fit, as listed in the study"),
)
FITS = Table(
    "regressions/fits.parquet",
    "a fit of a line or curve",
    (
        *_FIT,
        Column("status", TEXT, "fitted, or why not"),
        Column("n_sizes", INT, "sizes in the fit"),
        Column("n_runs", INT, "finished runs in the fit"),
        Column("runs_left_out", TEXT, "runs left out of every fit, and why"),
        Column("r2", REAL, "share of the variance explained"),
        Column("r2_adjusted", REAL, "the same, adjusted for the number of parameters"),
        Column("f", REAL, "F statistic of the slope, or of the sizes"),
        Column("p_f", REAL, "its p-value"),
        Column("df_model", REAL, "degrees of freedom of the model"),
        Column("df_residual", REAL, "degrees of freedom of the residuals"),
        Column("log_likelihood", REAL, "log-likelihood under normal errors"),
        Column("aic", REAL, "Akaike's information criterion"),
        Column("bic", REAL, "Bayesian information criterion; of a curve, from its weighted residuals"),
        Column("omnibus", REAL, "D'Agostino and Pearson's statistic of normal residuals; needs 8 sizes"),
        Column("p_omnibus", REAL, "its p-value"),
        Column("durbin_watson", REAL, "Durbin-Watson statistic of the residuals"),
        Column("jarque_bera", REAL, "Jarque-Bera statistic of the residuals"),
        Column("p_jarque_bera", REAL, "its p-value"),
        Column("skew", REAL, "skewness of the residuals"),
        Column("kurtosis", REAL, "kurtosis of the residuals, 3 for normal ones"),
        Column(
            "condition_number",
            REAL,
            "of the design matrix; of a curve, that of its normal equations, columns of length 1",
        ),
        Column("chosen", FLAG, "whether this family was chosen"),
        Column("chosen_by", TEXT, "what decided the choice: hold-out, AIC, AICc, or alone"),
        Column("as_good", FLAG, "whether it does as well: within one standard error at held-out sizes, or 2 of AIC"),
        Column(
            "p_fit", REAL, "p-value that the means deviate from the curve by chance; below 0.001 the curve misses them"
        ),
        Column("start", REAL, "smallest size in the fit of a tail", "images"),
        Column("n_parameters", INT, "parameters of the family"),
        Column("weighted_rss", REAL, "residual sum of squares of the size means, weighted by units / variance"),
        Column("aicc", REAL, "AIC corrected for few sizes, from the weighted residuals"),
        Column("delta_aicc", REAL, "AICc above the lowest of the families"),
        Column("akaike_weight", REAL, "share of the weight of evidence among the families fitted to all sizes"),
        Column("distinguishable", FLAG, "whether AICc distinguishes it from the best family: it is 2 or more above"),
        Column(
            "holdout_error", REAL, "mean absolute error at sizes above n_max/2 and n_max/4, predicted from the others"
        ),
        Column("holdout_log_error", REAL, "root mean square of the difference in ln error at those sizes"),
        Column("holdout_coverage", REAL, "share of those means inside their 95 % prediction interval", "fraction"),
        Column("starts", INT, "starts of the search"),
        Column("starts_agreeing", INT, "starts that reached the best fit, to one millionth of its cost"),
        Column("at_bound", TEXT, "parameters at a bound of their range; they have no standard error"),
        Column("p_monotone", REAL, "p-value that the error never rises with the size, for the whole curve"),
        Column("flat", FLAG, "whether the largest size has less than 5 % fewer errors than the smallest"),
        Column("intervals", TEXT, "what the curve's intervals rest on, or why there are none"),
        Column("question", TEXT, "what is odd about the repetitions of the curve, if anything"),
    ),
)
PARAMETERS = Table(
    "regressions/parameters.parquet",
    "a parameter of a fit",
    (
        *_FIT,
        Column("term", TEXT, "const, log10_n (the change per tenfold size), or a letter of the family's formula"),
        Column("estimate", REAL, "estimate"),
        Column("standard_error", REAL, "its standard error"),
        Column("t", REAL, "estimate / standard error, of a line"),
        Column("p", REAL, "two-sided p-value, of a line"),
        Column("low", REAL, "lower end of the confidence interval"),
        Column("high", REAL, "upper end of the confidence interval"),
        Column("errors", TEXT, "what the standard error assumes"),
        Column("at_bound", FLAG, "whether a curve's parameter lies at a bound of its range"),
    ),
)
PREDICTED = Table(
    "regressions/predictions.parquet",
    "a size at which a family predicts a test metric",
    (
        *_FAMILY,
        Column("n", REAL, "size: training images", "images"),
        Column("extrapolated", FLAG, "whether it is larger than the study's sizes"),
        Column("status", TEXT, "predicted, or refused because the value is impossible"),
        Column("value", REAL, "the metric"),
        Column("low", REAL, "lower end of the interval of the curve"),
        Column("high", REAL, "upper end"),
        Column("low_run", REAL, "lower end of the band for one new run, on another test set of the same size"),
        Column("high_run", REAL, "upper end"),
        Column("low_delta", REAL, "lower end of the interval by the cluster-robust delta method, a check"),
        Column("high_delta", REAL, "upper end"),
    ),
)
TARGETS = Table(
    "regressions/targets.parquet",
    "a target and a family",
    (
        *_FAMILY,
        Column("target", REAL, "value of the metric to reach"),
        Column("origin", TEXT, "stated, or how the target was set"),
        Column("status", TEXT, "within the measured sizes, extrapolated or not reached; and why there is no interval"),
        Column(
            "estimate",
            REAL,
            "images the fitted curve needs; infinite: more than 10,000 times the largest size",
            "images",
        ),
        Column("median", REAL, "median over the resampled curves", "images"),
        Column("confidence", REAL, "level of the interval from low to high", "fraction"),
        Column("low", REAL, "lower end of the interval", "images"),
        Column("high", REAL, "upper end", "images"),
        Column("low_80", REAL, "lower end of the 80 % interval", "images"),
        Column("high_80", REAL, "upper end", "images"),
        Column("planning", REAL, "size to plan with: enough with 90 % confidence", "images"),
        Column("p_never", REAL, "share of the resampled curves that never reach it", "fraction"),
        Column("p_beyond", REAL, "share that need more than ten times the largest size, or never reach it", "fraction"),
        Column("beyond", FLAG, "whether the median is more than ten times the largest size: a guess"),
        Column("low_delta", REAL, "lower end of the interval by the cluster-robust delta method, a check", "images"),
        Column("high_delta", REAL, "upper end", "images"),
    ),
)
SATURATION = Table(
    "regressions/saturation.parquet",
    "a size of a test curve",
    (
        *_CURVE,
        Column("family", TEXT, "the chosen family, from which gain, exponent, images per point and remaining follow"),
        Column("n", REAL, "size: training images", "images"),
        Column("margin", REAL, "what counts as no difference, in the metric's unit"),
        Column("difference", REAL, "mean error at this size minus that at the largest, paired"),
        Column("difference_low_90", REAL, "lower end of its 90 % interval"),
        Column("difference_high_90", REAL, "upper end"),
        Column("p_tost", REAL, "p-value of the two one-sided tests that it lies outside the margin"),
        Column("p_tost_holm", REAL, "the same with Holm's correction over the sizes"),
        Column("equivalent", FLAG, "whether this size and all larger ones are as good as the largest"),
        Column("gain", REAL, "decrease of the error with twice the images"),
        Column("gain_low", REAL, "lower end of its interval"),
        Column("gain_high", REAL, "upper end"),
        Column("gain_below_margin", FLAG, "whether the gain is below the margin with 95 % confidence"),
        Column("exponent", REAL, "local exponent -d ln(e - c) / d ln n"),
        Column("exponent_low", REAL, "lower end of its interval"),
        Column("exponent_high", REAL, "upper end"),
        Column("images_per_point", REAL, "additional images for 0.01 less error", "images"),
        Column("remaining", REAL, "share of what can be learnt that is left, (e - c) / (chance - c)", "fraction"),
        Column("change", REAL, "mean change of the error from the size before"),
        Column(
            "p_worse", REAL, "p-value that it did not rise, Holm-corrected: small where more images increased the error"
        ),
        Column("p_concave", REAL, "p-value that the error does not fall faster after this size, Holm-corrected"),
    ),
)
VARIANCE = Table(
    "regressions/variance.parquet",
    "a component of the spread between runs",
    (
        Column("model", TEXT, "name of the model"),
        Column("split", TEXT, "test"),
        Column("metric", TEXT, "name of the metric"),
        Column("n", REAL, "size: training images; empty: over all sizes, about the line in log10 n", "images"),
        Column("component", TEXT, "runs (all the spread), draw, seed, both, the test set, or runs on any test set"),
        Column("variance", REAL, "its variance"),
        Column("sd", REAL, "its standard deviation"),
        Column("repeats", REAL, "runs, draws, seeds or images that it is estimated from"),
        Column("repeats_needed", REAL, "repeats for which the 95 % interval of the mean is no wider than ± the margin"),
        Column("method", TEXT, "how it was estimated"),
    ),
)
COMPARISONS = Table(
    "regressions/comparisons.parquet",
    "two models at a size",
    (
        Column("metric", TEXT, "name of the metric"),
        Column("n", REAL, "size: training images", "images"),
        Column("model_a", TEXT, "model a"),
        Column("model_b", TEXT, "model b"),
        Column("difference", REAL, "mean error of a minus that of b: above 0, b is better"),
        Column("low", REAL, "lower end of its paired bootstrap interval"),
        Column("high", REAL, "upper end"),
        Column("p", REAL, "two-sided p-value of the paired t-test"),
        Column("p_holm", REAL, "the same with Holm's correction over the sizes and pairs of models"),
        Column("pairs", INT, "units (draws or seeds) that both models have"),
        Column("p_improvement", REAL, "probability that a run of b is better than one of a", "fraction"),
        Column("ratio", REAL, "how many times a's images b needs for a's error: below 1, b saves images"),
        Column("ratio_low", REAL, "lower end of its interval"),
        Column("ratio_high", REAL, "upper end"),
        Column("p_never", REAL, "share of the resampled curves of b that never reach it", "fraction"),
        Column("only_a", INT, "test images that only a's run gets right, of the first pair of runs", "images"),
        Column("only_b", INT, "those that only b's run gets right", "images"),
        Column("mcnemar_draw", INT, "draw of that pair"),
        Column("mcnemar_seed", INT, "seed of that pair"),
        Column("mcnemar_p", REAL, "exact two-sided p-value of McNemar's test of that pair"),
        Column("mcnemar_pairs", INT, "pairs of runs with predictions"),
        Column("mcnemar_different", INT, "pairs that differ, at 5 % after Holm's correction over the pairs"),
    ),
)
INFLUENCE = Table(
    "regressions/influence.parquet",
    "a size in the published line",
    (
        Column("model", TEXT, "name of the model"),
        Column("split", TEXT, "test or train"),
        Column("metric", TEXT, "name of the metric"),
        Column("n", REAL, "size: training images", "images"),
        Column("mean", REAL, "mean of the runs"),
        Column("fitted", REAL, "value of the line at this size"),
        Column("leverage", REAL, "leverage, 2 / sizes on average"),
        Column("studentised", REAL, "externally studentised residual"),
        Column("p", REAL, "its two-sided p-value"),
        Column("p_bonferroni", REAL, "the same with Bonferroni's correction over the sizes"),
        Column("cooks_distance", REAL, "Cook's distance"),
        Column("slope_without", REAL, "slope of the line without this size"),
        Column("intercept_without", REAL, "its intercept"),
        Column("r2_without", REAL, "its R²"),
        Column("foretold_without", REAL, "its prediction for this size"),
    ),
)
CLASS_CURVES = Table(
    "regressions/classes.parquet",
    "a class of a model and size",
    (
        Column("model", TEXT, "name of the model"),
        Column("label", INT, "the class, from 0"),
        Column("n", REAL, "size: training images of all classes", "images"),
        Column("images", REAL, "training images of the class, the mean over draws", "images"),
        Column("n_test", INT, "test images of the class", "images"),
        Column("recall", REAL, "share of them that is recognised, the mean over units", "fraction"),
        Column("low", REAL, "lower end of its 95 % t-interval", "fraction"),
        Column("high", REAL, "upper end", "fraction"),
        Column("fitted", REAL, "1 - (c + a images^-b), fitted to the class's sizes", "fraction"),
    ),
)
PLANNING = Table(
    "regressions/planning.parquet",
    "a size to train more runs of",
    (
        *_CURVE,
        Column(
            "purpose", TEXT, "answer to narrow: target (the images for the first target) or curve (the whole curve)"
        ),
        Column("budget", REAL, "training time to spend", "seconds"),
        Column("n", REAL, "size: training images", "images"),
        Column("seeds", INT, "runs to add at this size"),
        Column("seconds", REAL, "training time they take", "seconds"),
        Column(
            "width",
            REAL,
            "width of the answer's interval after all additions, as a share of the present width",
            "fraction",
        ),
    ),
)
_REGRESSION_TABLES = (
    FITS,
    PARAMETERS,
    PREDICTED,
    TARGETS,
    SATURATION,
    VARIANCE,
    COMPARISONS,
    INFLUENCE,
    CLASS_CURVES,
    PLANNING,
)
REGRESSIONS = dict(zip(REGRESSION_TABLES, _REGRESSION_TABLES, strict=True))
