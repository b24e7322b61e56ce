"""Whatever a study file or config.yaml says: a plan or one clear message, no traceback, no path out of results."""

import json
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import ROOT

from trainsize.common.errors import UserError
from trainsize.common.files import canonical_json
from trainsize.runs.run import packs
from trainsize.study.config import check_config
from trainsize.study.reader import load_study
from trainsize.study.study import Study

STUDIES = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / "studies").glob("*.yaml"))]
PATHS = [
    "../x",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/b",
    "datasets",
    "logs",
    "x\n",
    "x\0",
    "~",
    "$(touch pwned)",
    "`id`",
    "';",
]
TEXTS = st.one_of(st.sampled_from(PATHS), st.text(max_size=20), st.text("abc.-_/\\ \n\0'\"$é漢\u202e🙂", max_size=300))
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(),
    st.sampled_from([10**12, 10**30, -(10**30), 2**63, 2**32, 1.5, 1e308, float("inf"), float("nan"), -0.0]),
    st.floats(),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, st.sampled_from(["5%", "100%", "0%", "1e9%", "per_seed"])),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=8,
)


def places(value, above=()):
    """Yield the path of keys of everything in a study."""
    yield above
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(part, (*above, key))


@st.composite
def mutated(draw):
    """A real study of which a few values, or keys, are exchanged, taken out or doubled."""
    study = json.loads(json.dumps(draw(st.sampled_from(STUDIES))))
    for _ in range(draw(st.integers(0, 3))):
        *above, last = draw(st.sampled_from([place for place in places(study) if place]))
        holder = study
        for key in above:
            holder = holder[key]
        match draw(st.sampled_from(["value", "value", "value", "drop", "key", "twice"])):
            case "value":
                holder[last] = draw(VALUES)
            case "drop":
                del holder[last]
            case "key" if isinstance(holder, dict):
                holder[draw(TEXTS)] = holder.pop(last)
            case "twice" if isinstance(holder, list):
                holder.append(holder[last])
    return study


def outcome(text: str, name: str = "x") -> Study | str:
    """Return the study that a file of this text is, or the message why it is none."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"{name}.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            return load_study(name, Path(folder))
        except UserError as error:
            return str(error)


def check(study: Study) -> None:
    """See that a study that was taken for valid can be planned, and stays where it belongs."""
    results = Path("/somewhere/results")
    for run in study.runs[:50]:
        assert (results / study.name / run.folder).resolve().is_relative_to(results / study.name)
    data = results / "datasets" / study.dataset.name
    assert data.resolve() == data != results / "datasets"
    assert sum(len(pack.folders) for pack in packs(study.pairs, 7)) == len(study.pairs)
    assert len(study.runs) <= 100_000
    for told in (study.card(), study.dataset.request, *map(study.run_settings, study.models)):
        text = canonical_json(told)
        assert "\0" not in text
        assert len(text.encode()) < 131_072


def judge(text: str, faults, name: str = "x") -> None:
    found = outcome(text, name)
    faults("study files and settings tried")
    if isinstance(found, Study):
        check(found)
    else:
        assert len(found) < 3000
        assert name in found


QUICK = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@QUICK
@given(mutated(), st.booleans())
def test_mutated_studies(faults, study, flow):
    judge(yaml.safe_dump(study, allow_unicode=True, default_flow_style=flow, sort_keys=False), faults)


@QUICK
@given(st.one_of(VALUES.map(lambda value: yaml.safe_dump(value, allow_unicode=True)), st.text(), TEXTS))
def test_any_text_at_all(faults, text):
    judge(text, faults)


@pytest.mark.slow
@settings(QUICK, max_examples=8000)
@given(mutated())
def test_very_many_mutated_studies(faults, study):
    judge(yaml.safe_dump(study, allow_unicode=True), faults)


@QUICK
@given(TEXTS.filter(lambda name: name.isprintable() and "/" not in name and 0 < len(name.encode()) < 200))
def test_names_of_studies(faults, name):
    judge(yaml.safe_dump(STUDIES[0]), faults, name)


@QUICK
@given(st.dictionaries(st.sampled_from(["study", "threads", "device", "data", "memory", "x", "\0"]), VALUES))
def test_settings_of_the_machine(faults, config):
    faults("study files and settings tried")
    try:
        found = check_config(config)
    except UserError as error:
        assert str(error).startswith("config.yaml: ")
    else:
        assert "\0" not in json.dumps(found, ensure_ascii=False)


VALID = "title: x\ndataset: digits\nsizes: [20]\nseeds: [1]\nbudget: {updates: 6}\nmodels: {m: {architecture: mlp, batch_size: 8, optimizer: {name: sgd, lr: 0.1}}}\n"  # noqa: E501


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # A billion values in nine lines.
        ("a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + b] * 10)}]\n" for b, c in zip("abcdefgh", "bcdefghi", strict=True)), "more than 100,000 values"),  # noqa: E501
        ("a: &a {b: *a}\n", "more than 20 deep"),
        ("a: &a [*a, *a]\n", "more than 20 deep"),
        (VALID.replace("title: x", 'title: "a\\0b"'), "'title': contains a control character"),
        (VALID.replace("title: x", 'title: "\\ud83d"'), "'title': contains a control character or half a Unicode"),
        (VALID.replace("{m:", '{"m\\n":'), "found 'm\\n'" ),
        (VALID.replace("{m:", "{../m:"), "use only letters, digits, '.' and '-'"),
        (VALID.replace("seeds: [1]", "seeds: {count: 100000}\ndraws: {count: 100000}"), "10,000,000,000 runs (draws × seeds)"),  # noqa: E501
        (VALID.replace("seeds: [1]", "seeds: {count: 20000, start: 4000000000}"), "but a job can get at most 100,000"),
        (VALID.replace("[20]", f"[{'9' * 5000}]"), "not valid YAML: '999999999999999999999999999999…' cannot be read as a whole number"),  # noqa: E501
        (VALID.replace("architecture: mlp", "architecture: {name: custom, path: ../../evil.Net}"), "expected a path such as my_models.Wide"),  # noqa: E501
        (VALID.replace("architecture: mlp", "architecture: {name: custom, path: /tmp/evil.Net}"), "expected a path such as my_models.Wide"),  # noqa: E501
    ],
)  # fmt: skip
def test_known_tricks(text, message):
    found = outcome(text)
    assert isinstance(found, str)
    assert message.replace("\\n", "\n") in found


def test_anchors_are_allowed():
    assert isinstance(outcome(VALID.replace("[20]", "&s [20]").replace("seeds: [1]", "seeds: *s")), Study)
