"""config.yaml: every key reaches a job, a request or a data set, and keys that others leave idle are refused."""

import re

import pytest
from schema_keys import keys_of, pair_of
from support import ROOT

from trainsize.common.errors import UserError
from trainsize.common.schema import load_schema
from trainsize.study.command_line import machine_settings
from trainsize.study.config import check_config, unknown_variables

SCHEMA = load_schema("config")
GPU = {"gpus": 1, "time_margin": 2, "stack": 1}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    monkeypatch.delenv("TRAINSIZE_MIRROR", raising=False)


@pytest.mark.parametrize("key", [key for key in keys_of(SCHEMA, SCHEMA) if key.path], ids=str)
def test_every_key_is_kept_and_read_by_the_workflow(key):
    values = {"stack": (1, 2), "time_limit": (10, 20), "time_margin": (2, 3)}.get(str(key), pair_of(key.schema, SCHEMA))
    found = []
    for value in values:
        stated = {"study": "s", "runs_per_job": 4, **({"time_margin": 2} if str(key) == "time_limit" else {})}
        settings = check_config(
            stated | ({"data": {key.path[1]: value}} if key.path[0] == "data" else {str(key): value})
        )
        found.append(settings["data"][key.path[1]] if key.path[0] == "data" else settings[str(key)])
    assert found == list(values)
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    if str(key) != "device":  # read by the estimates as well, from the whole of the settings
        assert re.search(rf"""MACHINE(\["data"\])?\[['"]{key.path[-1]}['"]\]""", rules)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stack": 4}, "stack: found 4, but a job has only 1 of runs_per_job"),
        (
            {"stack": 4, "runs_per_job": 3},
            "stack: found 4, but a job has only 3 of runs_per_job; raise that, or use at",
        ),
        ({"cuda_graphs": True, "device": "cpu"}, "cuda_graphs: found true, but device is cpu: CUDA graphs need a GPU"),
        ({"gpus": 1, "device": "cpu"}, "gpus: found 1, but device is cpu: jobs would not use what they request"),
        (
            {"time_limit": 60},
            "time_limit: found 60, but no run time is requested without time_margin; set it, or remove",
        ),
    ],
)
def test_settings_that_others_leave_without_effect(settings, message):
    with pytest.raises(UserError) as error:
        check_config({"study": "s", **settings})
    assert f"config.yaml: {message}" in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [{"stack": 4, "runs_per_job": 4}, {"cuda_graphs": True}, {"gpus": 1, "device": "cuda"}, GPU | {"time_limit": 60}],
)
def test_settings_that_go_together(settings):
    assert check_config({"study": "s", **settings}).items() >= settings.items()


def test_variables_that_nothing_reads_are_told():
    told = list(unknown_variables(["TRAINSIZE_MIROR", "TRAINSIZE_MIRROR", "TRAINSIZE_STACK", "HOME"]))
    assert told == [
        "the environment variable TRAINSIZE_MIROR has no effect; did you mean 'TRAINSIZE_MIRROR'?",
        "the environment variable TRAINSIZE_STACK has no effect; set stack in config.yaml",
    ]


def test_the_settings_of_a_profile_are_merged_as_snakemake_does(tmp_path, monkeypatch):
    """Below `data`, a profile changes only what it states."""
    (tmp_path / "config.yaml").write_text("study: s\ndata: {mirror: m, local: l}\n")
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "config.yaml").write_text("configfile: settings.yaml\n")
    (tmp_path / "settings.yaml").write_text("data: {local: other}\n")
    monkeypatch.setattr("trainsize.study.command_line.ROOT", tmp_path)
    assert machine_settings("t", "cluster")[0]["data"] == {"mirror": "m", "local": "other"}
    monkeypatch.setenv("HOME", str(tmp_path))
    assert machine_settings("t", "~/cluster") == machine_settings("t", "cluster")
