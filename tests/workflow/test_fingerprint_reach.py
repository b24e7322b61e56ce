"""What a stage's job runs is what its fingerprint covers: every function that is called in a real run is looked up."""

import json

import pytest

from trainsize.common.fingerprint import is_support, reached

# Python imports this module at its start. It notes which functions and classes of the library a process uses, but for
# what is called while a module is imported: that makes constants, and those of a table's columns do not count.
RECORDER = """
import atexit, json, os, sys, threading, uuid
from pathlib import Path

called = set()


def note(frame, event, argument):
    code = frame.f_code
    if event == "call" and "/scripts/trainsize/" in code.co_filename:
        use = (code.co_filename.partition("/scripts/")[2], code.co_qualname.partition(".")[0])
        if use not in called and not is_imported(frame):
            called.add(use)


def is_imported(frame):
    while frame := frame.f_back:
        if frame.f_code.co_name == "<module>" and "/scripts/trainsize/" in frame.f_code.co_filename:
            return True
    return False


@atexit.register
def write():
    if called:
        script = Path(sys.argv[0]).stem
        Path(os.environ["CALLED"], f"{script}-{uuid.uuid4().hex}.json").write_text(json.dumps(sorted(called)))


sys.setprofile(note)
threading.setprofile(note)
"""
STAGES = ("training", "subsets", "overlap", "metrics", "regressions", "audit", "figures", "report")


@pytest.mark.slow
def test_every_function_that_a_stage_calls_is_in_its_fingerprint(project, tmp_path):
    recorder, called = tmp_path / "recorder", tmp_path / "called"
    recorder.mkdir()
    called.mkdir()
    (recorder / "sitecustomize.py").write_text(RECORDER)
    project.environment.update(PYTHONPATH=str(recorder), CALLED=str(called))
    project.snakemake("--cores", "2")
    for stage in STAGES:
        covered = {*reached(stage, project.folder / "workflow" / "scripts")}
        uses = {
            (path.removesuffix(".py").replace("/", "."), name)
            for file in called.glob(f"{stage}-*.json")
            for path, name in json.loads(file.read_text())
            if path.endswith(".py")  # a template's functions are in its own file, which counts as it is
        }
        assert len(uses) > 3, stage
        assert {(module, name) for module, name in uses if name[0] != "<" and not is_support(module)} <= covered
