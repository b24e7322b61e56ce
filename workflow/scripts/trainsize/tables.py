"""The tables the workflow writes: their columns, types, units and meanings, kept in the Parquet files themselves."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from trainsize.errors import UserError
from trainsize.files import digest, unreadable, whole
from trainsize.runs import REGRESSION_TABLES

# Every page has a checksum, which is compared when it is read.
WRITING = {"compression": "zstd", "write_page_checksum": True}

_INT, _REAL, _TEXT, _FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()


@dataclass(frozen=True)
class Column:
    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A kind of table: where it lies in `results/{study}/`, one line on what a row is, and its columns."""

    path: str
    row: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema(
            pa.field(c.name, c.type, metadata={"description": c.meaning} | ({"unit": c.unit} if c.unit else {}))
            for c in self.columns
        )


_RUN = (
    Column("study", _TEXT, "name of the study"),
    Column("model", _TEXT, "name of the model"),
    Column("n", _INT, "size: training images", "images"),
    Column("draw", _INT, "which subset of that size"),
    Column("seed", _INT, "training seed"),
)
_SCORES = (
    Column("n_evaluated", _INT, "images evaluated: all there are, unless `scores: last_batch`", "images"),
    Column("loss", _REAL, "mean cross-entropy, from float64 logits", "nats"),
    Column("accuracy", _REAL, "share of images whose most probable class is the label", "fraction"),
    Column("f1_macro", _REAL, "F1 averaged over the classes that occur as label or prediction", "fraction"),
    Column(
        "f1_micro", _REAL, "F1 of all classes' counts together, which is the accuracy: published by mistake", "fraction"
    ),
    Column("accuracy_top5", _REAL, "share of images whose label is among the five most probable classes", "fraction"),
    Column("accuracy_balanced", _REAL, "recall averaged over the classes that occur as label", "fraction"),
    Column("brier", _REAL, "mean squared distance of the probabilities from the label, summed over classes"),
    Column("calibration_error", _REAL, "expected calibration error, 15 bins of equal mass", "fraction"),
    Column("margin_correct", _REAL, "mean (C1 - C2)/C1 of correct predictions, C1, C2 the largest probabilities"),
    Column("margin_wrong", _REAL, "the same of wrong predictions; empty where there is none"),
)
SCORE_NAMES = tuple(column.name for column in _SCORES)

INDEX = Table(
    "../datasets/{dataset}/{split}_index.parquet",
    "an image of a folder",
    (
        Column("path", _TEXT, "where it lies below the data set's folder"),
        Column("label", _INT, "its class, from 0"),
        Column("bytes", _INT, "size of the file", "bytes"),
        Column("sha256", _TEXT, "checksum of the file; empty unless asked for"),
    ),
)
DUPLICATES = Table(
    "../datasets/{dataset}/duplicates.parquet",
    "an image whose pixels are also another image's",
    (
        Column("group", _INT, "which group of identical images"),
        Column("split", _TEXT, "train or test"),
        Column("index", _INT, "row of the image in its split"),
        Column("label", _INT, "its class, from 0"),
    ),
)
SUBSET = Table(
    "subsets/n{n}/draw{draw}.parquet",
    "an image of the subset",
    (
        Column("index", _INT, "row of the image in the data set's training images"),
        Column("label", _INT, "its class, from 0"),
        Column("role", _TEXT, "train or validation"),
    ),
)
SUBSETS = Table(
    "subsets/subsets.parquet",
    "a subset",
    (
        Column("n", _INT, "size: training images", "images"),
        Column("draw", _INT, "which subset of that size"),
        Column("method", _TEXT, "how it was chosen"),
        Column("n_train", _INT, "training images it holds: n, or what rounding per class gives", "images"),
        Column("n_validation", _INT, "validation images held out", "images"),
        Column("smallest_class", _INT, "training images of its rarest class", "images"),
        Column("largest_class", _INT, "training images of its commonest class", "images"),
        Column("content", _TEXT, "hash of the row indices"),
    ),
)
_PAIR = (
    Column("n_a", _INT, "size of the first", "images"),
    Column("draw_a", _INT, "draw of the first"),
    Column("n_b", _INT, "size of the second", "images"),
    Column("draw_b", _INT, "draw of the second"),
)
OVERLAP = Table(
    "overlap/overlap.parquet",
    "a pair of subsets",
    (
        *_PAIR,
        Column("common", _INT, "images in both", "images"),
        Column("share_a", _REAL, "common images as a share of the first", "fraction"),
        Column("share_b", _REAL, "common images as a share of the second", "fraction"),
        Column(
            "expected", _REAL, "common images if the two were drawn independently with these class counts", "images"
        ),
        Column("sd", _REAL, "standard deviation of that number under independence", "images"),
        Column("z", _REAL, "(common - expected) / sd; empty where chance leaves no room"),
        Column("p", _REAL, "two-sided p-value of the common images under independence"),
        Column(
            "dependent", _FLAG, "whether independent draws do not give this: p times the number of pairs is below 0.01"
        ),
        Column("largest_class_share", _REAL, "the largest over the classes of the share in common", "fraction"),
        Column("expected_largest_class_share", _REAL, "its expectation under independence", "fraction"),
    ),
)
OVERLAP_CLASSES = Table(
    "overlap/overlap_classes.parquet",
    "a class of a pair of subsets",
    (
        *_PAIR,
        Column("label", _INT, "the class, from 0"),
        Column("total", _INT, "its training images in the data set", "images"),
        Column("count_a", _INT, "those in the first", "images"),
        Column("count_b", _INT, "those in the second", "images"),
        Column("common", _INT, "those in both", "images"),
        Column("share", _REAL, "common images as a share of the first's in this class", "fraction"),
        Column("expected", _REAL, "common images under independence", "images"),
        Column("sd", _REAL, "standard deviation of that number", "images"),
    ),
)
HISTORY = Table(
    "metrics/history.parquet",
    "a checkpoint of a run, and a split",
    (
        *_RUN,
        Column("step", _INT, "optimiser updates done", "updates"),
        Column("samples_seen", _INT, "training images seen, repeats counted", "images"),
        Column("epoch", _REAL, "passes over the training subset", "passes"),
        Column("split", _TEXT, "test, train (the whole subset, without augmentation or dropout) or validation"),
        *_SCORES,
        Column(
            "loss_batches", _REAL, "mean loss of the updates since the checkpoint before; in rows of train only", "nats"
        ),
    ),
)
PREDICTIONS = Table(
    "runs/{model}/n{n}/draw{draw}/seed{seed}/predictions.parquet",
    "a test image, at the selected checkpoint",
    (
        Column("index", pa.int32(), "row of the image in the test images"),
        Column("label", pa.int16(), "its class, from 0"),
        *(Column(f"class_{k}", pa.int16(), f"class ranked {k}. by probability") for k in range(1, 6)),
        *(Column(f"probability_{k}", pa.float32(), f"probability of class_{k}", "fraction") for k in range(1, 6)),
    ),
)
RUNS = Table(
    "metrics/runs.parquet",
    "a run",
    (
        *_RUN,
        Column(
            "status",
            _TEXT,
            "finished; diverged: the loss became infinite or not a number; failed: memory or a batch was too small; "
            "or missing, in interim tables",
        ),
        Column("reason", _TEXT, "why a run that is not finished ended"),
        Column("test_images", _INT, "test images that its test scores are of; empty where it has none", "images"),
        *(
            Column(f"{split}_{c.name}", c.type, f"{c.meaning}; {split} split at the selected checkpoint", c.unit)
            for split in ("test", "train", "validation")
            for c in _SCORES[1:]
        ),
        Column("stopped", _TEXT, "why training ended before its budget did; empty when it did not"),
        Column("selected_step", _INT, "the checkpoint that the scores and predictions are of", "updates"),
        Column("updates", _INT, "optimiser updates done", "updates"),
        Column("images_seen", _INT, "training images seen, repeats counted", "images"),
        Column("images_evaluated", _INT, "images evaluated over all checkpoints", "images"),
        Column("parameters", _INT, "trainable parameters of the network"),
        Column("flops_per_image", _INT, "floating-point operations of one forward pass on one image", "FLOP"),
        Column("seconds_train", _REAL, "time spent in updates", "seconds"),
        Column("seconds_evaluate", _REAL, "time spent in evaluation", "seconds"),
        Column("seconds_total", _REAL, "time of the run with loading the data, without starting Python", "seconds"),
        Column("device", _TEXT, "where it was trained"),
        Column("settings", _TEXT, "hash of the resolved settings"),
        Column("code", _TEXT, "fingerprint of the code that decides results"),
        Column("subset", _TEXT, "hash of the subset's row indices"),
    ),
)
CLASSES = Table(
    "metrics/classes.parquet",
    "a class of a finished run, over the test images at the selected checkpoint",
    (
        *_RUN,
        Column("label", _INT, "the class, from 0"),
        Column("support", _INT, "test images of the class", "images"),
        Column("predicted", _INT, "test images taken for the class", "images"),
        Column(
            "precision",
            _REAL,
            "share of those taken for the class that are of it; empty where there are none",
            "fraction",
        ),
        Column("recall", _REAL, "share of the class that is taken for it; empty where it has no images", "fraction"),
        Column("f1", _REAL, "harmonic mean of both: 2 hits / (support + predicted)", "fraction"),
    ),
)
CONFUSION = Table(
    "metrics/confusion.parquet",
    "a class and what its test images were taken for, over all finished runs of a model and size",
    (
        Column("model", _TEXT, "name of the model"),
        Column("n", _INT, "size: training images", "images"),
        Column("label", _INT, "the class, from 0"),
        Column("predicted", _INT, "the class it was taken for"),
        Column("count", _INT, "how often, all runs together; what never happened has no row", "images"),
    ),
)
NEURONS = Table(
    "metrics/neurons.parquet",
    "a finished run whose model keeps the correlations between the units of a layer",
    (
        *_RUN,
        Column("layer", _TEXT, "name of the layer in the network"),
        Column("images", _INT, "test images over which the units were compared", "images"),
        Column("units", _INT, "units of the layer"),
        Column("mean", _REAL, "mean of all correlations, those of units with themselves too"),
        Column("sd", _REAL, "their population standard deviation"),
        Column("mean_off_diagonal", _REAL, "mean of the correlations between different units"),
        Column("sd_off_diagonal", _REAL, "their population standard deviation"),
        # Parquet calls what a list holds its element.
        Column("correlations", pa.list_(pa.field("element", pa.float32())), "units × units correlations, row by row"),
    ),
)
_CURVE = (Column("model", _TEXT, "name of the model"), Column("metric", _TEXT, "name of the metric"))
_FAMILY = (
    *_CURVE,
    Column("family", _TEXT, "family of curves, or average: the families by their Akaike weights"),
    Column("chosen", _FLAG, "whether it is the family to believe"),
)
_FIT = (
    Column("model", _TEXT, "name of the model"),
    Column("split", _TEXT, "test or train"),
    Column("metric", _TEXT, "name of the metric; curves are fitted to the error, 1 - metric for a share to be high"),
    Column(
        "method",
        _TEXT,
        "a line in log10 n: published (least squares through the size means), ols_cluster, ols_hc3, wls, rlm or mixed "
        "(all over the runs), or anova (over the sizes); or a family of curves",
    ),
    Column("left_out", _TEXT, "sizes left out of the fit, as the study names them"),
)
FITS = Table(
    "regressions/fits.parquet",
    "a fit of a line or curve",
    (
        *_FIT,
        Column("status", _TEXT, "fitted, or why not"),
        Column("n_sizes", _INT, "sizes in the fit"),
        Column("n_runs", _INT, "finished runs behind it"),
        Column("runs_left_out", _TEXT, "runs that are in no fit, and why"),
        Column("r2", _REAL, "share of the variance explained"),
        Column("r2_adjusted", _REAL, "the same, adjusted for the number of parameters"),
        Column("f", _REAL, "F statistic of the slope, or of the sizes"),
        Column("p_f", _REAL, "its p-value"),
        Column("df_model", _REAL, "degrees of freedom of the model"),
        Column("df_residual", _REAL, "degrees of freedom of the residuals"),
        Column("log_likelihood", _REAL, "log-likelihood under normal errors"),
        Column("aic", _REAL, "Akaike's information criterion"),
        Column("bic", _REAL, "Bayesian information criterion; of a curve, from its weighted residuals"),
        Column("omnibus", _REAL, "D'Agostino and Pearson's statistic of normal residuals; needs 8 sizes"),
        Column("p_omnibus", _REAL, "its p-value"),
        Column("durbin_watson", _REAL, "Durbin-Watson statistic of the residuals"),
        Column("jarque_bera", _REAL, "Jarque-Bera statistic of the residuals"),
        Column("p_jarque_bera", _REAL, "its p-value"),
        Column("skew", _REAL, "skewness of the residuals"),
        Column("kurtosis", _REAL, "kurtosis of the residuals, 3 for normal ones"),
        Column(
            "condition_number",
            _REAL,
            "of the design matrix; of a curve, that of its normal equations, columns of length 1",
        ),
        Column("chosen", _FLAG, "whether it is the family to believe"),
        Column("chosen_by", _TEXT, "what decided that: hold-out, AIC, AICc, or alone"),
        Column(
            "as_good", _FLAG, "whether it does as well: within one standard error at held-out sizes, or 2 of the AIC"
        ),
        Column("p_fit", _REAL, "p-value that the means lie about the curve by chance; below 0.001 it misses them"),
        Column("start", _REAL, "smallest size in the fit of a tail", "images"),
        Column("n_parameters", _INT, "parameters of the family"),
        Column("weighted_rss", _REAL, "residual sum of squares of the size means, weighted by units / variance"),
        Column("aicc", _REAL, "AIC corrected for few sizes, from the weighted residuals"),
        Column("delta_aicc", _REAL, "the same, above the lowest of the families"),
        Column("akaike_weight", _REAL, "share of the weight of evidence among the families fitted to all sizes"),
        Column("distinguishable", _FLAG, "whether the AICc tells it from the best family: it is 2 or more above"),
        Column(
            "holdout_error", _REAL, "mean absolute error at sizes above n_max/2 and n_max/4, foretold from the others"
        ),
        Column("holdout_log_error", _REAL, "root mean square of the difference in ln error there"),
        Column("holdout_coverage", _REAL, "share of those means inside their 95 % prediction interval", "fraction"),
        Column("starts", _INT, "starts of the search"),
        Column("starts_agreeing", _INT, "those that came to the best fit, to one millionth of its cost"),
        Column("at_bound", _TEXT, "parameters at a bound of their range; they have no standard error"),
        Column("p_monotone", _REAL, "p-value that the error never rises with the size, for the whole curve"),
        Column("flat", _FLAG, "whether the largest size has less than 5 % fewer errors than the smallest"),
        Column("intervals", _TEXT, "what the curve's intervals rest on, or why there are none"),
    ),
)
PARAMETERS = Table(
    "regressions/parameters.parquet",
    "a parameter of a fit",
    (
        *_FIT,
        Column("term", _TEXT, "const, log10_n (the change per tenfold size), or a letter of the family's formula"),
        Column("estimate", _REAL, "estimate"),
        Column("standard_error", _REAL, "its standard error"),
        Column("t", _REAL, "estimate / standard error, of a line"),
        Column("p", _REAL, "two-sided p-value, of a line"),
        Column("low", _REAL, "lower end of the confidence interval"),
        Column("high", _REAL, "upper end of the confidence interval"),
        Column("errors", _TEXT, "what the standard error assumes"),
        Column("at_bound", _FLAG, "whether a curve's parameter lies at a bound of its range"),
    ),
)
PREDICTED = Table(
    "regressions/predictions.parquet",
    "a size at which a family predicts a test metric",
    (
        *_FAMILY,
        Column("n", _REAL, "size: training images", "images"),
        Column("extrapolated", _FLAG, "whether it is larger than the study's sizes"),
        Column("status", _TEXT, "predicted, or refused because the value cannot be"),
        Column("value", _REAL, "the metric"),
        Column("low", _REAL, "lower end of the interval of the curve"),
        Column("high", _REAL, "upper end"),
        Column("low_run", _REAL, "lower end of the band for one new run, on another test set of the same size"),
        Column("high_run", _REAL, "upper end"),
        Column("low_delta", _REAL, "lower end of the interval by the cluster-robust delta method, a check"),
        Column("high_delta", _REAL, "upper end"),
    ),
)
TARGETS = Table(
    "regressions/targets.parquet",
    "a target and a family",
    (
        *_FAMILY,
        Column("target", _REAL, "what the metric is to reach"),
        Column("origin", _TEXT, "stated, or how the target was set"),
        Column("status", _TEXT, "within the sizes, extrapolated, not reached; and why there is no interval"),
        Column(
            "estimate",
            _REAL,
            "images the fitted curve needs; infinite: more than 10,000 times the largest size",
            "images",
        ),
        Column("median", _REAL, "median over the resampled curves", "images"),
        Column("confidence", _REAL, "level of the interval from low to high", "fraction"),
        Column("low", _REAL, "lower end of the interval", "images"),
        Column("high", _REAL, "upper end", "images"),
        Column("low_80", _REAL, "lower end of the 80 % interval", "images"),
        Column("high_80", _REAL, "upper end", "images"),
        Column("planning", _REAL, "size to plan with: enough with 90 % confidence", "images"),
        Column("p_never", _REAL, "share of the resampled curves that never reach it", "fraction"),
        Column(
            "p_beyond", _REAL, "share that needs more than ten times the largest size, or never reaches it", "fraction"
        ),
        Column("beyond", _FLAG, "whether the median is more than ten times the largest size: a guess"),
        Column("low_delta", _REAL, "lower end of the interval by the cluster-robust delta method, a check", "images"),
        Column("high_delta", _REAL, "upper end", "images"),
    ),
)
SATURATION = Table(
    "regressions/saturation.parquet",
    "a size of a test curve",
    (
        *_CURVE,
        Column("family", _TEXT, "the chosen family, of which gain, exponent, images per point and remaining are"),
        Column("n", _REAL, "size: training images", "images"),
        Column("margin", _REAL, "what counts as no difference, in the metric's unit"),
        Column("difference", _REAL, "mean error here minus at the largest size, paired"),
        Column("difference_low_90", _REAL, "lower end of its 90 % interval"),
        Column("difference_high_90", _REAL, "upper end"),
        Column("p_tost", _REAL, "p-value of the two one-sided tests that it lies outside the margin"),
        Column("p_tost_holm", _REAL, "the same with Holm's correction over the sizes"),
        Column("equivalent", _FLAG, "whether this size and all larger ones are as good as the largest"),
        Column("gain", _REAL, "errors fewer with twice the images"),
        Column("gain_low", _REAL, "lower end of its interval"),
        Column("gain_high", _REAL, "upper end"),
        Column("gain_below_margin", _FLAG, "whether the gain is below the margin with 95 % confidence"),
        Column("exponent", _REAL, "local exponent -d ln(e - c) / d ln n"),
        Column("exponent_low", _REAL, "lower end of its interval"),
        Column("exponent_high", _REAL, "upper end"),
        Column("images_per_point", _REAL, "images more for 0.01 less error", "images"),
        Column("remaining", _REAL, "share of what there is to learn that is left, (e - c) / (chance - c)", "fraction"),
        Column("change", _REAL, "mean change of the error from the size before"),
        Column("p_worse", _REAL, "p-value that it did not rise, Holm-corrected: small where more images made it worse"),
        Column("p_concave", _REAL, "p-value that the fall does not speed up here, Holm-corrected"),
    ),
)
VARIANCE = Table(
    "regressions/variance.parquet",
    "a component of the spread between runs",
    (
        Column("model", _TEXT, "name of the model"),
        Column("split", _TEXT, "test"),
        Column("metric", _TEXT, "name of the metric"),
        Column("n", _REAL, "size: training images; empty: over all sizes, about the line in log10 n", "images"),
        Column("component", _TEXT, "runs (all the spread), draw, seed, both, the test set, or runs on any test set"),
        Column("variance", _REAL, "its variance"),
        Column("sd", _REAL, "its standard deviation"),
        Column("repeats", _REAL, "how many runs, draws, seeds or images it rests on"),
        Column("repeats_needed", _REAL, "repeats that make the 95 % interval of the mean no wider than ± the margin"),
        Column("method", _TEXT, "how it was estimated"),
    ),
)
COMPARISONS = Table(
    "regressions/comparisons.parquet",
    "two models at a size",
    (
        Column("metric", _TEXT, "name of the metric"),
        Column("n", _REAL, "size: training images", "images"),
        Column("model_a", _TEXT, "the one model"),
        Column("model_b", _TEXT, "the other"),
        Column("difference", _REAL, "mean error of a minus that of b: above 0, b is better"),
        Column("low", _REAL, "lower end of its paired bootstrap interval"),
        Column("high", _REAL, "upper end"),
        Column("p", _REAL, "two-sided p-value of the paired t-test"),
        Column("p_holm", _REAL, "the same with Holm's correction over the sizes and pairs of models"),
        Column("pairs", _INT, "pairs of the same draw or seed"),
        Column("p_improvement", _REAL, "probability that a run of b is better than one of a", "fraction"),
        Column("ratio", _REAL, "times a's images that b needs for a's error: below 1, b saves images"),
        Column("ratio_low", _REAL, "lower end of its interval"),
        Column("ratio_high", _REAL, "upper end"),
        Column("p_never", _REAL, "share of the resampled curves of b that never get there", "fraction"),
        Column("only_a", _INT, "test images that only a's run gets right, of the first pair of runs", "images"),
        Column("only_b", _INT, "those that only b's run gets right", "images"),
        Column("mcnemar_draw", _INT, "draw of that pair"),
        Column("mcnemar_seed", _INT, "seed of that pair"),
        Column("mcnemar_p", _REAL, "exact two-sided p-value of McNemar's test of that pair"),
        Column("mcnemar_pairs", _INT, "pairs of runs with predictions"),
        Column("mcnemar_different", _INT, "those that differ, at 5 % after Holm's correction over them"),
    ),
)
INFLUENCE = Table(
    "regressions/influence.parquet",
    "a size in the published line",
    (
        Column("model", _TEXT, "name of the model"),
        Column("split", _TEXT, "test or train"),
        Column("metric", _TEXT, "name of the metric"),
        Column("n", _REAL, "size: training images", "images"),
        Column("mean", _REAL, "mean of the runs"),
        Column("fitted", _REAL, "the line there"),
        Column("leverage", _REAL, "leverage, 2 / sizes on average"),
        Column("studentised", _REAL, "externally studentised residual"),
        Column("p", _REAL, "its two-sided p-value"),
        Column("p_bonferroni", _REAL, "the same with Bonferroni's correction over the sizes"),
        Column("cooks_distance", _REAL, "Cook's distance"),
        Column("slope_without", _REAL, "slope of the line without this size"),
        Column("intercept_without", _REAL, "its intercept"),
        Column("r2_without", _REAL, "its R²"),
        Column("foretold_without", _REAL, "what it foretells for this size"),
    ),
)
CLASS_CURVES = Table(
    "regressions/classes.parquet",
    "a class of a model and size",
    (
        Column("model", _TEXT, "name of the model"),
        Column("label", _INT, "the class, from 0"),
        Column("n", _REAL, "size: training images of all classes", "images"),
        Column("images", _REAL, "training images of the class, the mean of the draws", "images"),
        Column("n_test", _INT, "test images of the class", "images"),
        Column("recall", _REAL, "share of them that is recognised, the mean of the units", "fraction"),
        Column("low", _REAL, "lower end of its 95 % t-interval", "fraction"),
        Column("high", _REAL, "upper end", "fraction"),
        Column("fitted", _REAL, "1 - (c + a images^-b), fitted to the class's sizes", "fraction"),
    ),
)
PLANNING = Table(
    "regressions/planning.parquet",
    "a size to train more runs of",
    (
        *_CURVE,
        Column("purpose", _TEXT, "target: the images needed for the first target; curve: the whole curve"),
        Column("budget", _REAL, "training time to spend", "seconds"),
        Column("n", _REAL, "size: training images", "images"),
        Column("seeds", _INT, "runs to add there"),
        Column("seconds", _REAL, "what they cost", "seconds"),
        Column("width", _REAL, "width of the answer's interval after all additions, as a share of today's", "fraction"),
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
FINDINGS = Table(
    "audit/findings.parquet",
    "a check of the auditor on one subject",
    (
        Column("table", _TEXT, "what was audited: the model, or the file"),
        Column("check", _TEXT, "name of the check"),
        Column("subject", _TEXT, "columns, model or rows it was made on"),
        Column("status", _TEXT, "finding, question, clear or not tested"),
        Column("tested", _TEXT, "what was tested"),
        Column("statistic", _TEXT, "what was measured"),
        Column("p", _REAL, "p-value in an honest table; empty where the finding is exact arithmetic"),
        Column("p_adjusted", _REAL, "the same, corrected by Holm's method over all tests of the audit"),
        Column("meaning", _TEXT, "what it means; of a check that was not made, what it wants"),
    ),
)
REPRODUCTION = Table(
    "reproduction/reproduction.parquet",
    "a published number beside ours",
    (
        Column("artefact", _TEXT, "id of the table, figure or number, as in published/README.md"),
        Column("quantity", _TEXT, "which of its numbers"),
        Column("published", _REAL, "as printed, in the printed unit"),
        Column("published_error", _REAL, "its printed standard error; empty where there is none"),
        *(
            Column(f"{mode}{end}", _REAL, f"{what} {how}")
            for mode, how in (("as_published", "with the study's mistakes"), ("corrected", "without them"))
            for end, what in (("", "our value"), ("_low", "lower end of its interval"), ("_high", "upper end"))
        ),
        Column("difference", _REAL, "as_published - published"),
        Column("difference_low", _REAL, "lower end of its 95 % interval"),
        Column("difference_high", _REAL, "upper end"),
        Column("effect", _REAL, "corrected - as_published: what the study's mistakes do to the number"),
        Column("rule", _TEXT, "when the two agree"),
        Column("verdict", _TEXT, "agrees, differs or not comparable"),
        Column("why", _TEXT, "why they are not comparable, or by how much they differ"),
    ),
)
CLAIMS = Table(
    "reproduction/claims.parquet",
    "a claim of the published study, on the runs of one form",
    (
        Column("artefact", _TEXT, "id of the claims, as in published/README.md"),
        Column("claim", _TEXT, "what was claimed"),
        Column("role", _TEXT, "the form whose runs test it: as published, corrected, or the variant's name"),
        Column("model", _TEXT, "name of the model"),
        Column("metric", _TEXT, "name of the metric"),
        Column("value", _REAL, "what was measured for it, as published/README.md names the test"),
        Column("value_low", _REAL, "lower end of its 95 % interval; empty where there is one repeat"),
        Column("value_high", _REAL, "upper end"),
        Column("above", _REAL, "the claim says that the value is above this; empty: no limit"),
        Column("below", _REAL, "the claim says that the value is below this; empty: no limit"),
        Column("repeats", _INT, "draws, or seeds of a single draw, or runs, that the interval rests on"),
        Column("verdict", _TEXT, "holds, does not hold, undecided (the interval is on both sides) or not tested"),
        Column("why", _TEXT, "what is missing, or a remark"),
    ),
)
MISTAKES = Table(
    "reproduction/mistakes.parquet",
    "a mistake of the published study",
    (
        Column("mistake", _TEXT, "what is wrong"),
        Column("correct", _TEXT, "what the corrected form does instead"),
        Column("role", _TEXT, "the variant without it; empty: it has no switch of its own"),
        Column("metric", _TEXT, "the metric that shows it"),
    ),
)
EFFECTS = Table(
    "reproduction/effects.parquet",
    "a form of a published study with one mistake less, or none, and a metric",
    (
        Column("role", _TEXT, "the variant without the mistake, or corrected: without any"),
        Column("model", _TEXT, "name of the model"),
        Column("metric", _TEXT, "name of the metric"),
        Column("sizes", _INT, "sizes that both forms have, over which all is averaged"),
        Column(
            "as_published", _REAL, "mean with the mistake, of the seeds that both forms have with all sizes, if any"
        ),
        Column("without", _REAL, "mean without it"),
        Column("difference", _REAL, "without - as_published"),
        Column("difference_low", _REAL, "lower end of its 95 % t-interval, paired by seed"),
        Column("difference_high", _REAL, "upper end"),
        Column("as_published_sd", _REAL, "standard deviation between the runs of a size, with the mistake"),
        Column("without_sd", _REAL, "the same without it"),
    ),
)
SETTINGS = Table(
    "reproduction/settings.parquet",
    "a setting in which the corrected form differs from the one as published",
    (
        Column("model", _TEXT, "name of the model, or all"),
        Column("setting", _TEXT, "key in the study file"),
        Column("as_published", _TEXT, "its value, as the runs recorded it; empty: the form has not been run"),
        Column("corrected", _TEXT, "the same in the corrected form"),
    ),
)
PRINTED = Table(
    "reproduction/printed.parquet",
    "a setting as the study printed it",
    (
        Column("setting", _TEXT, "which"),
        Column("printed", _TEXT, "in the paper"),
        Column("code", _TEXT, "in its code, where that was read"),
        Column("note", _TEXT, "where it stands, and what follows or is missing"),
    ),
)
FORMS = Table(
    "reproduction/forms.parquet",
    "a form of a published study",
    (
        Column("role", _TEXT, "as published, corrected, or the variant without one mistake"),
        Column("form", _TEXT, "its name, which `snakemake --config study=` takes"),
        Column("runs", _INT, "runs in its tables; 0: it has not been run", "runs"),
        Column("finished", _TEXT, "when the last of them was finished"),
        Column("commit", _TEXT, "commits that they were trained with"),
    ),
)
PLAN = Table(
    "plan.parquet",
    "a model and size",
    (
        Column("model", _TEXT, "name of the model"),
        Column("n", _INT, "size: training images", "images"),
        Column("runs", _INT, "runs of the study"),
        Column("finished", _INT, "runs that need no training"),
        Column("to_do", _INT, "runs that will be trained"),
        Column("why", _TEXT, "reasons and how many runs have each"),
        Column("updates", _INT, "optimiser updates to do", "updates"),
        Column("images", _INT, "training images to be seen, repeats counted", "images"),
        Column("images_evaluated", _INT, "images to be evaluated", "images"),
        Column("flops", _REAL, "floating-point operations to do", "FLOP"),
        Column("hours", _REAL, "estimated time of the runs, one after another", "hours"),
        Column("hours_low", _REAL, "lower end of what nine of ten runs take", "hours"),
        Column("hours_high", _REAL, "upper end of it", "hours"),
        Column("jobs", _INT, "jobs that the runs to do are packed into"),
        Column(
            "job_minutes", _REAL, "run time that a full job asks a cluster for; empty where none is asked", "minutes"
        ),
        Column("bytes", _INT, "disk space that the runs to do will take", "bytes"),
    ),
)
TABLES = (
    INDEX,
    DUPLICATES,
    SUBSETS,
    SUBSET,
    OVERLAP,
    OVERLAP_CLASSES,
    HISTORY,
    RUNS,
    CLASSES,
    CONFUSION,
    NEURONS,
    PREDICTIONS,
    *REGRESSIONS.values(),
    FINDINGS,
    REPRODUCTION,
    CLAIMS,
    MISTAKES,
    EFFECTS,
    SETTINGS,
    PRINTED,
    FORMS,
    PLAN,
)


def write_table(path: Path, table: Table, data: pd.DataFrame | dict, notes: dict | None = None) -> None:
    """Write `data`, which must have exactly the table's columns, as Parquet; `notes` go into the file's metadata."""
    schema = placed(table.schema, path, notes)
    frame = pd.DataFrame(data)
    if set(frame.columns) != set(schema.names):
        raise ValueError(f"{path}: columns {sorted(frame.columns)}, expected {sorted(schema.names)}")
    # pandas gives a column without rows a type of its own, which need not turn into the table's.
    empty = schema.empty_table()
    arrow = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False) if len(frame) else empty
    with whole(path) as partial:
        parquet.write_table(arrow.replace_schema_metadata(schema.metadata), partial, **WRITING)


def placed(schema: pa.Schema, path: Path, notes: dict | None = None) -> pa.Schema:
    """Return the schema with metadata by which `read_table` knows a damaged head and an exchanged file, and `notes`."""
    notes = json.dumps(notes or {}, sort_keys=True)
    return schema.with_metadata({"place": _place(path), "notes": notes, "head": _head(schema, notes)})


def _place(path: Path) -> str:
    # A run's files have two places, of which one is below the other.
    return "/".join([part for part in path.absolute().parts if part != "state"][-3:])


def _head(schema: pa.Schema, notes: str) -> str:
    """Return the checksum of what the pages' checksums leave out: the names and types of columns, and the notes."""
    return digest(*(f"{field.name}:{field.type}" for field in schema), notes)


def read_arrow(path: Path, source: bytes | None = None, columns: list[str] | None = None) -> pa.Table:
    """Read the `columns` of a table, or all, from the file or, where that has been read, its bytes.

    Raises UserError naming a file that is missing or damaged, which the checksums of its pages tell.
    """
    try:
        file = path if source is None else pa.BufferReader(source)
        return parquet.ParquetFile(file, page_checksum_verification=True).read(columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise unreadable(path, error) from error


def read_table(path: Path) -> pd.DataFrame:
    """Read a table. Raises UserError naming a file that is missing, damaged, or a table written as another one."""
    return _read_placed(path)[0].to_pandas()


def read_notes(path: Path) -> dict:
    """Return the notes that `write_table` put into the file. Raises UserError as `read_table` does."""
    return _read_placed(path)[1]


def _read_placed(path: Path) -> tuple[pa.Table, dict]:
    table = read_arrow(path)
    place, notes, head = (
        (table.schema.metadata or {}).get(key, b"").decode(errors="replace") for key in (b"place", b"notes", b"head")
    )
    if head != _head(table.schema, notes):
        raise UserError(f"{path}: damaged; delete it and run snakemake again")
    if place != _place(path):
        raise UserError(f"{path}: exchanged, it was written as {place}; delete it and run snakemake again")
    return table, json.loads(notes)
