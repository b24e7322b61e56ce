"""A run's record is read as it was written; older records too, and others are refused in one message."""

import json

import pytest
from support import record

from trainsize.common.errors import UserError
from trainsize.common.files import read_json, write_with_checksum
from trainsize.runs.record import Device, read_record, write_record
from trainsize.runs.run import FILES, Run
from trainsize.study.reader import load_study
from trainsize.study.records import read_records

STUDY = """\
title: A study
dataset: digits
sizes: [20]
seeds: [1]
budget: {updates: 6}
base: {batch_size: 16, optimizer: {name: sgd, lr: 0.1}}
models: {m: {architecture: mlp}}
"""
RUN = Run("m", 20, 1, 1)


def rewrite(folder, change):
    """Write a record whose keys `change` has changed, with the right checksum."""
    write_record(folder / "run.json", record("s", RUN))
    value = read_json(folder / "run.json")
    change(value)
    write_with_checksum(folder / "run.json", value)


def test_a_record_is_read_as_it_was_written(tmp_path):
    written = record("s", RUN, neurons={"units": 3}, final={"test": {"loss": 0.1}}, files={"history.parquet": "ab"})
    write_record(tmp_path / "run.json", written)
    assert read_record(tmp_path, "s", RUN) == written
    assert written.is_finished
    assert not record("s", RUN, status="diverged").is_finished


def test_records_from_before_a_key_existed_are_read(tmp_path):
    def age(value):
        for key in ("stopped", "selected_step", "neurons", "files", "resumed"):
            del value[key]
        del value["device"]["processes"], value["device"]["stacked"]

    rewrite(tmp_path, age)
    old = read_record(tmp_path, "s", RUN)
    assert (old.resumed, old.files, old.neurons, old.device) == (0, {}, None, Device("cpu", "a laptop", 1))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda value: value.pop("updates"), "updates"),
        (lambda value: value.update(power=3), "power"),
        (lambda value: value["device"].update(power=3), "in device"),
        (lambda value: value["device"].pop("name"), "in device"),
        (lambda value: value.pop("device"), "device"),
    ],
)
def test_records_of_another_version_are_refused_and_count_as_not_trained(tmp_path, change, named):
    folder = tmp_path / "s" / RUN.folder
    rewrite(folder, change)
    for name in FILES[:2]:
        (folder / name).touch()
    message = (
        rf"run\.json: damaged, or written by another version .*\(missing or unknown keys: {named}\); delete .* again"
    )
    with pytest.raises(UserError, match=message):
        read_record(folder, "s", RUN)
    (tmp_path / "s.yaml").write_text(STUDY)
    study = load_study("s", tmp_path)
    assert read_records(study, tmp_path) == {}
    write_record(folder / "run.json", record("s", RUN))
    assert list(read_records(study, tmp_path)) == [RUN]
    (folder / "run.json").write_text(json.dumps([1]))
    assert read_records(study, tmp_path) == {}
