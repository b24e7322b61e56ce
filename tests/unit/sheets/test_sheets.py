"""Tables as people write them: both commands read the same numbers, or refuse with one message."""

import bz2
import gzip
import lzma
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainsize.audit.sheet import Sheet, read_sheet
from trainsize.common.errors import UserError
from trainsize.common.fingerprint import SCRIPTS
from trainsize.regressions.table_input import Curves, read_curves, responses_of
from trainsize.sheets.headers import heading_of

RUNS = [(1000, 0, 0.853), (1000, 1, 0.861), (20_000, 0, 0.912), (20_000, 1, 0.92)]
PLAIN = "n,seed,accuracy\n" + "".join(f"{n},{seed},{accuracy}\n" for n, seed, accuracy in RUNS)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def fitted(path: Path, *stated: str, n_train: int | None = None) -> tuple[list[tuple], Curves]:
    """Return (n, seed, score) of each row as the fit reads them, sorted, and all that it read."""
    curves = read_curves(path, stated, n_train)
    (response,) = responses_of(curves.table, list(stated), path)
    rows = curves.table[["n", "seed", response.column]]
    return sorted(rows.itertuples(index=False, name=None)), curves


def audited(path: Path, n_train: int | None = None) -> tuple[list[tuple], Sheet]:
    """Return (n, score) of each row as the auditor reads them, sorted, and all that it read."""
    sheet = read_sheet(path, n_train)
    (score,) = sheet.scores("share", "loss")
    return sorted(sheet.rows[["n", score]].itertuples(index=False, name=None)), sheet


SAME = {
    "semicolons and decimal commas": "n;seed;accuracy\n1000;0;0,853\n1000;1;0,861\n20000;0;0,912\n20000;1;0,92\n",
    "tabs": PLAIN.replace(",", "\t"),
    "tabs and decimal commas": PLAIN.replace(",", "\t").replace(".", ","),
    "German Excel": "sep=;\r\nTraining images;Seed;Test acc. (%)\r\n1.000;0;85,3\r\n1.000;1;86,1\r\n"
    "20.000;0;91,2\r\n20.000;1;92,0\r\n",
    "quoted decimal commas": 'n,seed,accuracy\n1000,0,"0,853"\n1000,1,"0,861"\n20000,0,"0,912"\n20000,1,"0,92"\n',
    "commas at the ends": PLAIN.replace("\n", ",\n"),
    "commas at the ends of the rows": PLAIN.replace("\n", ",\n").replace("accuracy,", "accuracy"),
    "per cent signs": "n,seed,acc\n1000,0,85.3%\n1000,1,86.1 %\n20000,0,91.2%\n20000,1,92%\n",
    "per cent in the header": "N,Run,Top-1 [%]\n1000,0,85.3\n1000,1,86.1\n20000,0,91.2\n20000,1,92.0\n",
    "per cent unsaid": "n,seed,accuracy\n1000,0,85.3\n1000,1,86.1\n20000,0,91.2\n20000,1,92.0\n",
    "thousands": 'Train size,Trial,Accuracy\n"1,000",0,0.853\n"1,000",1,0.861\n"20,000",0,0.912\n"20,000",1,0.92\n',
    "k": "# images,Seed,Test Accuracy\n1k,0,0.853\n1 K,1,0.861\n20k,0,0.912\n0.02M,1,0.92\n",
    "spaces in numbers": "num_samples,seed,top1\n1 000,0,0.853\n1 000,1,0.861\n20 000,0,0.912\n20\u202f000,1,0.92\n",
    "pandas' index": "Unnamed: 0,n,seed,accuracy\n" + "".join(f"{i},{n},{s},{a}\n" for i, (n, s, a) in enumerate(RUNS)),
    "R's row names": '"","n","seed","accuracy"\n' + "".join(f'"{i}",{n},{s},{a}\n' for i, (n, s, a) in enumerate(RUNS)),
    "a column per seed": "n,acc seed 0,acc seed 1\n1000,0.853,0.861\n20000,0.912,0.92\n",
    "a column per size": "seed,accuracy n=1000,accuracy n=20000\n0,85.3%,91.2%\n1,86.1%,92%\n",
    "per cent in headers of seeds": "n;Acc (%) run 0;Acc (%) run 1\n1000;85,3;86,1\n20000;91,2;92,0\n",
    "trainSize": PLAIN.replace("n,seed,accuracy", "trainSize,seed,test/acc"),
    "spread beside": "n,seed,Accuracy,Accuracy (std)\n"
    + "".join(f"{n},{seed},{accuracy},0.01\n" for n, seed, accuracy in RUNS),
}


@pytest.mark.parametrize("name", SAME)
def test_ways_of_writing_a_table(name, tmp_path):
    path = written(tmp_path, SAME[name])
    rows, _ = fitted(path)
    assert rows == RUNS
    assert audited(path)[0] == [(n, accuracy) for n, _, accuracy in RUNS]


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: (
            text.replace("seed", "seed,Größe").replace(",0,", ",0,ä,").replace(",1,", ",1,ä,").encode("cp1252")
        ),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: bz2.compress(text.encode()),
        lambda text: lzma.compress(text.encode()),
    ],
    ids=["byte-order mark", "UTF-16", "Windows-1252", "CRLF", "CR", "gzip", "bzip2", "xz"],
)
def test_encodings_and_compression(encode, tmp_path):
    path = written(tmp_path, encode(PLAIN))
    assert fitted(path)[0] == RUNS
    assert len(audited(path)[0]) == len(RUNS)


def test_a_table_with_the_names_of_the_project_is_read_as_pandas_reads_it(tmp_path):
    values = [0.1 + 0.2, 1 / 3, 0.7, 0.123456789012345678]
    path = tmp_path / "table.csv"
    pd.DataFrame({"n": [1, 2, 3, 4], "seed": 1, "accuracy": values, "images": 7, "run": "x"}).to_csv(path, index=False)
    rows, curves = fitted(path)
    assert curves.note == ""
    assert [score for _, _, score in rows] == pd.read_csv(path)["accuracy"].tolist()


NOTES = {
    "Train size,Test acc. (%)\n9,85.3\n": "Read: 'Train size' as n; 'Test acc. (%)' as test_accuracy in per cent.",
    "n,accuracy\n100,0.8\n100,0.9\n": "Read: rows of the same size as repetitions, in their order.",
    "n,fold,accuracy\n100,1,0.8\n100,2,0.9\n": "Read: folds as repetitions.",
    "n,Split,seed,accuracy\n100,fold 1,0,0.8\n100,fold 2,0,0.9\n": "Read: 'Split' as fold; folds as draws.",
    "n,run,accuracy\n100,a,0.8\n100,b,0.9\n": "Read: 'run' as seed; seeds numbered in their order.",
    "n,seed,accuracy\n100,0,85.3\n": "Read: accuracy in per cent.",
    ",accuracy\n100,0.8\n": "Read: the column without a name as n.",
    "n,seed,Val acc\n100,0,0.8\n": "Read: 'Val acc' as validation_accuracy.",
    "Name,n,accuracy\nvgg,100,0.8\nvgg,200,0.9\n": "Read: 'Name' as model.",
}


@pytest.mark.parametrize("text", NOTES)
def test_what_was_not_literal_is_said(text, tmp_path):
    assert fitted(written(tmp_path, text))[1].note == NOTES[text] + "\n"


def test_a_name_of_its_own_for_every_run_is_no_model(tmp_path):
    path = written(tmp_path, "Name,train_size,test_accuracy\nsunny-sun-1,100,0.7\ndark-sea-2,100,0.8\n")
    rows, curves = fitted(path)
    assert rows == [(100, 1, 0.7), (100, 2, 0.8)] and set(curves.table["model"]) == {"model"}


@pytest.mark.parametrize(
    "text",
    [
        "n,Top-1 (%)\n100,85.3 ± 0.4\n200,86.1+-0.3\n",
        "n,accuracy\n100,0.853 (0.004)\n200,0.861 (0.003)\n",
        "n;Accuracy\n100;0,853 ± 0,004\n200;0,861 ± 0,003\n",
        "n,acc_mean,acc_std,runs\n100,0.853,0.004,5\n200,0.861,0.003,5\n",
        "n,mean accuracy (%),sd accuracy (%)\n100,85.3,0.4\n200,86.1,0.3\n",
    ],
)
def test_means_are_no_runs(text, tmp_path):
    path = written(tmp_path, text)
    rows, curves = fitted(path)
    assert rows == [(100, 1, 0.853), (200, 1, 0.861)]
    assert "means over runs, which show no spread between runs" in curves.note
    numbers, sheet = audited(path)
    assert numbers == [(100, 0.853), (200, 0.861)] and set(sheet.texts("statistic")) == {"mean"}


def test_thousands_and_lists_are_no_decimals(tmp_path):
    path = written(tmp_path, 'n,accuracy,updates,sizes\n"1,000",0.8,"12,000","1,500 3000"\n')
    rows = read_sheet(path).rows
    assert (rows["n"][0], rows["updates"][0], rows["sizes"][0]) == (1000, 12_000, "1,500 3000")


def test_row_names_of_a_wide_table_are_its_sizes(tmp_path):
    path = written(tmp_path, '"","acc seed 1","acc seed 2"\n"100",0.7,0.71\n"200",0.8,0.81\n')
    assert fitted(path)[0] == [(100, 1, 0.7), (100, 2, 0.71), (200, 1, 0.8), (200, 2, 0.81)]


def test_parts_of_the_data_set_need_its_size(tmp_path):
    for text in ("train size,seed,accuracy\n10%,0,0.8\n50 %,0,0.9\n", "Fraction,seed,accuracy\n0.1,0,0.8\n0.5,0,0.9\n"):
        path = written(tmp_path, text)
        assert fitted(path, n_train=60_000)[0] == [(6000, 0, 0.8), (30_000, 0, 0.9)]
        with pytest.raises(UserError, match="state the number of training images with --n-train"):
            fitted(path)
    assert read_sheet(path).rows["percent"].tolist() == [10, 50]


def test_a_wide_table_without_a_score_takes_that_stated(tmp_path):
    path = written(tmp_path, "n,seed 1,seed 2\n100,0.31,0.29\n200,0.2,0.22\n")
    assert fitted(path, "error")[0] == [(100, 1, 0.31), (100, 2, 0.29), (200, 1, 0.2), (200, 2, 0.22)]


REFUSED = {
    "n,seed,loss\n100,1,2,31\n200,2,1,85\n": "line 2 has 4, line 3 has 4 fields, but the header has 3; decimal commas?",
    "n,seed,loss\n100,1,2.31\n200,2\n": "line 3 has 2 fields, but the header has 3; give every row a field",
    'n,seed,loss\n100,1,"1,731"\n': "line 2: '1,731': decimals or thousands?",
    "n;seed;loss\n100;1;1,73\n200;1;1.52\n": "line 2 has '1,73' and line 3 has '1.52'; write all decimals with a point",
    "n,seed,accuracy\n12.000,1,0.8\n": "line 2, column n: '12.000': thousands or decimals?",
    "n;seed;accuracy\n1,000;1;0,8\n": "line 2, column n: '1,000': thousands or decimals?",
    "n,seed,accuracy\n100,1,0.9\n200,1,91\n": "line 2, column accuracy: '0.9' is in a column of per cents",
    "n,seed 1,seed 2\n100,0.7,0.71\n": "which score is in the columns seed 1, seed 2?",
    "model,100,200\nA,0.7,0.71\n": "such as 'accuracy n=100'",
    "n,split,accuracy\n100,test,0.7\n": "line 2, column split: 'test' is not the number of a fold",
    "n,seed,accuracy,accuracy\n100,1,0.7,0.8\n": "two columns are called 'accuracy'",
    "n,seed,accuracy\n100,1,85%%\n": "'85%%' is not a number",
    "Fraction,accuracy\n1e999999,0.8\n": "line 2, column fraction: '1e999999' is not a part of the data set",
    "n,seed,Accuracy (%)\n100,1,850\n": "'850%' is neither a share (0 to 1) nor a percentage (0 to 100)",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_can_be_read_in_two_ways_is_refused_alike(text, tmp_path):
    path = written(tmp_path, text)
    for read in (fitted, audited):
        with pytest.raises(UserError) as refused:
            read(path)
        assert REFUSED[text] in str(refused.value).replace("test_accuracy", "accuracy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n,Test acc,Top-1 (%)\n100,0.7,71\n", "columns 'Test acc' and 'Top-1 (%)' mean the same"),
        ("n,seed,quality\n100,1,0.7\n", "no column is a known metric"),
        ("epoch,loss,val_loss\n1,0.7,0.8\n", "no column 'n', the training images"),
        ("n,epoch,seed,accuracy\n100,1,0,0.7\n100,2,0,0.8\n", "keep one row per run, such as that of its last epoch"),
        ("n,Epoch,accuracy\n100,1,0.7\n100,2,0.8\n", "rows of the same size differ in 'Epoch'; keep one row per run"),
        ("n,optimizer,accuracy\n100,a,0.7\n100,b,0.8\n200,a,0.8\n", "rows of the same size differ in 'optimizer'"),
        ("n,Accuracy\n100,0.8 ± 0.1\n100,0.9 ± 0.1\n", "line 3 has a second mean for n 100"),
    ],
)
def test_what_the_fit_cannot_do(text, message, tmp_path):
    with pytest.raises(UserError) as refused:
        fitted(written(tmp_path, text))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04...", "is a ZIP archive or an Excel workbook, not text; save it as CSV"),
        (b"\xd0\xcf\x11\xe0...", "is an Excel workbook, not text; save it as CSV"),
        (b"\x1f\x8bxxx", "cannot be read"),
        (b"\xff\xfen\x00,\x00x", "cannot be read as CSV"),
        ("n,accuracy\n100,0.7\n".encode("utf-16-le"), "is not text, or in an unknown encoding"),
        (b"\n\n", "has no rows"),
        (b"n" * 200_000, "cannot be read as CSV"),
        (b"n,accuracy\n", "has a header but no rows"),
    ],
)
def test_files_that_are_no_tables(content, message, tmp_path):
    for read in (fitted, audited):
        with pytest.raises(UserError, match=message):
            read(written(tmp_path, content))


@pytest.mark.parametrize(
    ("header", "name"),
    [("Accuracy std", "accuracy"), ("std_acc", "accuracy"), ("test F1 (sd)", "test_f1")],
)
def test_a_spread_is_told_from_its_score(header, name):
    assert (heading_of(header).name, heading_of(header).statistic) == (name, "spread")


@pytest.mark.parametrize(
    "header", ["mean", "eval_accuracy", "max accuracy", "accuracy rank", "n_test", "test", "images seen"]
)
def test_a_header_that_is_not_certain_has_no_meaning(header):
    assert heading_of(header) is None


HEADERS = [
    "n",
    "seed",
    "accuracy",
    "Accuracy (%)",
    "Train size",
    "run",
    "fold",
    "Split",
    "",
    "acc seed 1",
    "acc seed 2",
]
HEADERS += ["100", "n=200", "seed 1", "model", "Name", "loss", "Val acc", "acc_std", "mean acc", "fraction", "percent"]
HEADERS += ["status", "seconds", "epoch", "removed", "statistic", 'a "b', "command", "metric", "slope", "precision"]
CELLS = ["", "100", "1,000", "1.000", "1 000", "10k", "0.1", "0,91", "91%", "85.3 ± 0.4", "0,853 (0,004)", "nan", "inf"]
CELLS += ["-1", "1e400", "1e999999999", "2", "abc", "NA", "²", "٣", "0x10", "99999999999999999999", "5%%", "%", "true"]


@st.composite
def tables(draw):
    """Return the bytes of a table of odd headers and cells, or of anything."""
    separator = draw(st.sampled_from([",", ";", "\t"]))
    header = draw(st.lists(st.sampled_from(HEADERS), min_size=1, max_size=6, unique=draw(st.booleans())))
    cell = st.sampled_from(CELLS) | st.text(max_size=4)
    rows = draw(st.lists(st.lists(cell, min_size=len(header), max_size=len(header)), max_size=5))
    text = "\n".join(separator.join(f'"{c}"' if separator in c else c for c in row) for row in [header, *rows])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    return text.encode(encoding, errors="replace")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=tables() | st.binary(max_size=60), stated=st.sampled_from([[], ["accuracy"], ["mean acc:score"]]))
def test_whatever_the_file_there_is_a_table_or_one_message(tmp_path, content, stated):
    path = written(tmp_path, content)
    for read in (lambda: responses_of(read_curves(path, stated, 1000).table, stated, path), lambda: read_sheet(path)):
        try:
            read()
        except UserError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("command", ["regressions", "audit"])
def test_the_commands_read_and_refuse_alike(command, tmp_path):
    """From the outside: a shifted table is one message, and a trailing comma nothing special."""

    def run(text: str) -> subprocess.CompletedProcess:
        program = [sys.executable, "-m", f"trainsize.{command}", str(written(tmp_path, text))]
        environment = {"PYTHONPATH": str(SCRIPTS), "PATH": ""}
        return subprocess.run(program, capture_output=True, text=True, env=environment, check=False)

    refused = run("n,seed,loss\n100,1,2,31\n200,2,1,85\n")
    assert refused.returncode in (1, 2) and refused.stdout == "" and refused.stderr.count("\n") == 1
    assert "decimal commas?" in refused.stderr
    read = run("Train size,Seed,Acc (%)\n" + "".join(f"{100 * 2**j},0,{70 + 3 * j},\n" for j in range(6)))
    assert read.returncode == 0 and read.stderr == ""
    assert "Read: " in read.stdout.splitlines()[0] and "'Acc (%)' as accuracy in per cent" in read.stdout
