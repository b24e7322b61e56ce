"""What runs are expected to cost, from records and without any, and what a job asks a cluster for."""

import sys

import pytest
from support import ROOT
from support import record as record_of

from trainsize.common.errors import UserError
from trainsize.common.files import write_json
from trainsize.jobs import slurm
from trainsize.plan.__main__ import main
from trainsize.plan.estimates import Estimates, job_minutes
from trainsize.plan.plan import Machine
from trainsize.plan.rates import ASSUMED_FACTOR, Rates, Work, assumed_rates, recorded_rates
from trainsize.plan.stage import _makespan, make_plan
from trainsize.plan.text import describe
from trainsize.runs.record import Device, write_record
from trainsize.runs.run import FILES, Run, settings_hash
from trainsize.study.config import check_config, read_profile
from trainsize.study.reader import load_study

STUDY = """\
title: A study
dataset: digits
sizes: [100, 1000]
seeds: {count: 20}
budget: {epochs: 10}
base: {batch_size: 10, optimizer: {name: sgd, lr: 0.1}}
models: {mlp: {architecture: {name: mlp, hidden: [8]}}}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY)
    return load_study("s", tmp_path)


def record(train, updates=100, kind="A100", device="cuda", carried=False, images=10, run=None, **more):
    """A run of so many images an update, whose evaluation takes 2 ms an image, building and writing half a second."""
    return record_of(
        "s",
        run or Run("mlp", 100, 4, 4),
        settings={"model": {"carried_through_folds": carried}},
        updates=updates,
        images_seen=images * updates,
        images_evaluated=1000,
        device=Device(device, kind, 1),
        seconds={"train": train, "evaluate": 2.0, "build": 0.3, "write": 0.2, "load": 9.0},
        **more,
    )


def test_rates_are_the_means_of_the_recorded_runs():
    rates = recorded_rates([record(1.0), record(3.0, updates=300)], "cuda")
    assert rates.seconds(Work(1000, 0, 500, 0)) == pytest.approx(1000 * 0.01 + 500 * 0.002 + 0.5)
    assert (rates.low, rates.high) == pytest.approx((0.9, 1.1))
    assert rates.basis == "2 finished runs on A100"


def test_updates_of_all_folds_count_where_the_network_is_carried_through_them():
    assert recorded_rates([record(5.0, carried=True)], "cuda").per_update == pytest.approx(0.01)


def test_what_an_update_costs_and_what_an_image_are_told_apart():
    """Runs of 10 ms an update and 1 ms an image, all of them twice as slow the second time."""
    pairs = [(100, 16), (50, 512), (20, 100)]
    runs = [record(slow * (0.01 + 0.001 * k) * u, u, images=k) for u, k in pairs for slow in (1, 2)]
    rates = recorded_rates(runs, "cuda")
    assert (rates.per_update, rates.per_trained_image) == pytest.approx((0.015, 0.0015))
    assert rates.seconds(Work(10, 4000, 0, 0)) == pytest.approx(10 * 0.015 + 4000 * 0.0015 + 0.5)
    assert rates.interval(Work(10, 4000, 0, 0)) == (rates.low, rates.high)


@pytest.mark.parametrize(
    ("per_update", "per_image"),
    [(0.5, 0.0), (0.0, 0.01), (2.0, -0.005), (-0.1, 0.01)],
)
def test_neither_costs_less_than_nothing(per_update, per_image):
    runs = [record((per_update + per_image * k) * 10, 10, images=k) for k in (20, 50, 200)]
    rates = recorded_rates(runs, "cuda")
    assert min(rates.per_update, rates.per_trained_image) == pytest.approx(0, abs=1e-9)
    assert min(rates.per_update, rates.per_trained_image) > -1e-12
    total = sum(10 * rates.per_update + 10 * k * rates.per_trained_image for k in (20, 50, 200))
    assert total == pytest.approx(sum(run.seconds["train"] for run in runs))


def test_larger_updates_than_any_recorded_are_not_planned_as_cheap():
    """Runs on 16 images of a batch of 512: one on 1,280 images has 27 times as many in an update."""
    rates = recorded_rates([record(1.0, images=16), record(1.0, images=16)], "cuda")
    small, large, fewer = Work(60, 960, 1000, 0), Work(60, 60 * 427, 1000, 0), Work(60, 60, 1000, 0)
    other = 1000 * 0.002 + 0.5
    assert rates.seconds(small) == pytest.approx(0.6 + other)
    assert rates.seconds(large) == pytest.approx(0.6 * 427 / 16 + other)
    assert rates.interval(large)[0] == pytest.approx(0.9 * (0.6 + other) / rates.seconds(large))
    assert rates.seconds(fewer) == pytest.approx(0.6 + other)
    assert rates.interval(fewer)[0] < 0.9
    assert rates.interval(small) == pytest.approx((0.9, 1.1))


def test_only_runs_of_the_same_hardware_count():
    slow, fast = [record(100.0, kind="laptop", device="cpu")] * 5, [record(1.0), record(1.0)]
    assert recorded_rates(slow + fast, "cuda").per_update == pytest.approx(0.01)
    assert recorded_rates(slow + fast, "cpu").per_update == pytest.approx(1.0)
    assert recorded_rates(slow, "cuda").basis == "5 finished runs on laptop"
    assert recorded_rates([record(1.0, updates=0)], "cuda") is None


def test_the_interval_holds_nine_runs_in_ten():
    times = [1 + k / 100 for k in range(-50, 51)]
    rates = recorded_rates([record(100 * time) for time in times], "cuda")
    expected = rates.seconds(Work(100, 0, 1000, 0))
    inside = [rates.low <= (100 * time + 2.5) / expected <= rates.high for time in times]
    assert 0.89 <= sum(inside) / len(inside) <= 0.92


def test_without_records_the_assumption_is_stated_and_wide():
    rates = assumed_rates(10**9, 100, "cuda")
    assert "no run is recorded yet" in rates.basis
    assert rates.high / rates.low == ASSUMED_FACTOR**2
    assert assumed_rates(10**9, 100, "cpu").per_update > 10 * rates.per_update


@pytest.mark.parametrize(
    ("seconds", "attempt", "limit", "minutes"),
    [(1, 1, None, 5), (570, 1, None, 20), (570, 3, None, 60), (570, 3, 45.5, 45), (1, 1, 1, 1), (1, 1, 0.5, 1)],
)
def test_run_time_that_is_asked_for(seconds, attempt, limit, minutes):
    assert job_minutes(seconds, 2, attempt, limit) == minutes


def test_jobs_start_where_others_end():
    assert _makespan([4, 3, 2, 2], 2) == 6
    assert _makespan([1, 1], 100) == 1
    assert _makespan([], 5) == 0


def plan(study, tmp_path, limits=None, retries=3, jobs=100, **settings):
    settings = check_config({"study": "s", "gpus": 1, "time_margin": 2, **settings})
    return make_plan(study, tmp_path, "code", Machine(settings, jobs, retries, limits))


def price(monkeypatch, seconds_per_update):
    rates = Rates(seconds_per_update, 0.0, 0.0, 0.5, 2.0, "a test")
    monkeypatch.setattr("trainsize.plan.estimates.assumed_rates", lambda *_: rates)


def test_jobs_that_do_not_fit_are_told_before_they_are_sent(study, tmp_path, monkeypatch):
    """A run takes 100 s at n=100 and 1,000 s at n=1,000."""
    price(monkeypatch, 1.0)
    hour = slurm.Limits("gpu", 60, None, None)
    (warning,) = plan(study, tmp_path, hour, runs_per_job=10).warnings
    assert warning.startswith("mlp, n=1,000: a job of 10 runs takes about 2.8 h, but the limit is 1.0 h")
    assert warning.endswith("use runs_per_job=3, which fits")
    assert plan(study, tmp_path, hour, runs_per_job=3).warnings == []
    (warning,) = plan(study, tmp_path, hour, retries=1, runs_per_job=1, time_limit=11).warnings
    assert warning.endswith("but the limit is 11.0 min: it saves, stops and resumes, in 2 attempts")
    (warning,) = plan(study, tmp_path, hour, retries=3, runs_per_job=1, time_limit=4).warnings
    assert warning.endswith("it cannot finish in 4 attempts (retries: 3)")


def test_models_that_are_the_same_are_told(tmp_path):
    same = "same: {architecture: {name: mlp, hidden: [8]}, sizes: [1000], optimizer: {lr: 1e-1}}"
    models = f"models: {{{same}, other: {{architecture: mlp}}, mlp: "
    (tmp_path / "s.yaml").write_text(STUDY.replace("models: {mlp: ", models))
    (warning,) = plan(load_study("s", tmp_path), tmp_path).warnings  # of one size of two
    assert warning == "same and mlp have the same settings: 20 runs would only repeat others"


def test_runs_that_may_end_early_are_planned_as_if_they_did_not(tmp_path):
    converged = STUDY.replace("epochs: 10}", "epochs: 10, until: converged}\nsubset: {validation: 50}")
    made = []
    for text in (STUDY, converged):
        (tmp_path / "s.yaml").write_text(text)
        made.append(plan(load_study("s", tmp_path), tmp_path))
    assert list(made[0].table["updates"]) == list(made[1].table["updates"])
    told = "mlp: runs end when they no longer improve, so these are upper bounds"
    assert [told in describe(of) for of in made] == [False, True]


def test_a_layer_that_is_not_there_is_told_when_the_networks_are_counted(tmp_path):
    """And nothing is kept of the count, so that it is told again."""
    (tmp_path / "s.yaml").write_text(STUDY.replace("[8]}}}", "[8]}, neurons: {layer: hidden}}}"))
    estimates = Estimates(load_study("s", tmp_path), tmp_path, "cpu")
    with pytest.raises(UserError, match=r"studies/s.yaml: models.mlp: neurons.layer: found 'hidden', allowed: 0, 1, 2"):
        estimates.count()
    assert not estimates.file.exists()


def test_runs_on_what_was_the_data_set_are_to_do(study, tmp_path):
    folder, run = tmp_path / "s", study.runs[0]
    card = study.dataset
    facts = {"n_train": card.n_train, "n_test": card.n_test, "classes": list(card.classes), "shape": list(card.shape)}
    settings = settings_hash(study.run_settings(run.model))
    done = record(1.0, run=run, settings_hash=settings, code="code", dataset_content="c")
    write_record(folder / run.folder / "run.json", done)
    for name in FILES:
        (folder / run.folder / name).touch()

    def why(**changes):
        write_json(tmp_path / "datasets" / card.name / "manifest.json", {**facts, "content": "c", **changes})
        return plan(study, tmp_path).table["why"][0]

    assert plan(study, tmp_path).table["why"][0] == why() == "19 missing"  # not prepared yet, and prepared
    changed = "1 data set changed, 19 missing"
    assert why(content="d") == changed
    assert why(shape=[16, 16, 1]) == why(n_train=9) == why(n_test=9) == why(classes=["0"]) == changed


def test_a_network_that_does_not_fit_the_images_is_named(tmp_path):
    data = "{name: tiny, format: {name: npz, path: none.npz}, classes: 2, n_train: 2000, n_test: 9, shape: [6, 5, 1]}"
    text = STUDY.replace("digits", data).replace("models: {", "models: {small: {architecture: slides_cnn}, ")
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(
        UserError, match=r"^studies/s.yaml: models\.small: its network does not fit images of 6 × 5 × 1 \(.*too small\)"
    ):
        plan(load_study("s", tmp_path), tmp_path)


@pytest.mark.parametrize("jobs", ["0", "-1", "many", "2.5"])
def test_jobs_at_once_that_are_no_number(monkeypatch, jobs):
    monkeypatch.setattr(sys, "argv", ["plan", "digits", f"--jobs={jobs}"])
    with pytest.raises(SystemExit, match=f"jobs: found '{jobs}', must be a whole number from 1, or 'unlimited'"):
        main()


def test_packs_wall_time_and_the_queue(study, tmp_path, monkeypatch):
    price(monkeypatch, 1.0)
    found = plan(study, tmp_path, slurm.Limits("gpu", None, 2, 5), runs_per_job=3, jobs=10)
    assert list(found.table["jobs"]) == [7, 7]
    assert list(found.table["job_minutes"]) == [11, 101]
    assert found.table["hours"].sum() == pytest.approx(20 * 1100 / 3600)
    assert found.table["hours_high"].sum() == pytest.approx(2 * 20 * 1100 / 3600)
    # 7 jobs of 330 s (one of 230) and 7 of 3,030 (one of 2,030), 10 at once
    assert 3600 * found.wall_hours == pytest.approx(330 + 3030, rel=0.1)
    assert found.warnings == [
        "10 jobs at once, but the queue takes only 5: set jobs to 5",
        "only 2 of 10 jobs in the queue can run at once; the others wait",
    ]


def test_limits_are_the_strictest_of_partition_account_and_service(monkeypatch):
    answers = {
        "sinfo": "gpu|gpu|2-00:00:00\ncpu|cpu*|infinite",
        "assoc": "lab|1-00:00:00|50|200|\nother|1:00|1|1|long",
        "qos": "normal|12:00:00||100\nlong||10|\nother|1:00|1|1",
    }
    monkeypatch.setattr(slurm, "ask", lambda *command: answers["sinfo" if command[0] == "sinfo" else command[4]])
    assert slurm.limits("gpu", "lab") == slurm.Limits("gpu", 720, 50, 100)
    assert slurm.limits("gpu", "lab", "long") == slurm.Limits("gpu", 1440, 10, 200)
    assert slurm.limits(None).partition == "cpu"
    assert slurm.limits("gup") is None


def test_a_profiles_settings_are_found_however_they_are_written(tmp_path):
    (tmp_path / "cluster").mkdir()
    (tmp_path / "settings.yaml").write_text("gpus: 1\ntime_limit: 60\n")
    lines = ("configfile: settings.yaml", "config: [time_limit=30]", "default-resources: {slurm_partition: gpu}")
    (tmp_path / "cluster" / "config.yaml").write_text("\n".join(lines))
    found = read_profile(tmp_path, "cluster")
    assert found["config"] == {"gpus": 1, "time_limit": 30}
    assert found["default-resources"] == {"slurm_partition": "gpu"}
    assert read_profile(ROOT, "slurm")["config"] == {"runs_per_job": 10, "gpus": 1, "time_margin": 2}
