"""The plan measures whether bfloat16 pays, once per machine."""

import pytest

from trainsize.plan import precision
from trainsize.plan.precision import precision_notes
from trainsize.study.reader import load_study

STUDY = """\
title: A study
dataset: digits
sizes: [100]
seeds: {count: 3}
budget: {updates: 10}
base: {batch_size: 10, optimizer: {name: sgd, lr: 0.1}, architecture: {name: cnn, channels: [4]}}
models:
  plain: {}
  brief: {precision: bfloat16}
"""


@pytest.fixture
def notes(tmp_path):
    (tmp_path / "s.yaml").write_text(STUDY)
    study = load_study("s", tmp_path)
    return lambda: list(precision_notes(study, {"plain": "a", "brief": "b"}, {"plain": 1, "brief": 1}, tmp_path, 1))


def test_it_is_measured_for_models_in_bfloat16_and_remembered(notes, monkeypatch):
    first = notes()
    assert len(first) == 1 and first[0].startswith("brief: an update in bfloat16 takes ")
    monkeypatch.setattr(precision, "seconds_per_update", lambda *_: pytest.fail("measured again"))
    assert notes() == first


def test_another_machine_measures_again(notes, monkeypatch):
    monkeypatch.setattr(precision, "seconds_per_update", lambda *_: {"float32": 1.0, "bfloat16": 1.6})
    assert (
        "takes 1.60 times as long as in float32" in notes()[0] and "`precision: float32` is faster here" in notes()[0]
    )
    monkeypatch.setattr(precision, "processor", lambda: "another")
    monkeypatch.setattr(precision, "seconds_per_update", lambda *_: {"float32": 1.0, "bfloat16": 0.66})
    assert notes()[0].endswith("so it pays here")
