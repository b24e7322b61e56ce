"""A finished study in one file: its settings, its results, and a checksum of every file.

python -m trainsize.archive [STUDY] [--data] [--output FILE]
python -m trainsize.archive --check FILE

The file is a tar archive with one folder, laid out like the repository. To check it without trainsize, run
`sha256sum --check SHA256SUMS` in that folder.
"""

import argparse
import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from trainsize.common.errors import UserError, absent, exit_on_user_error, listing, why
from trainsize.common.files import atomic_write, file_hash
from trainsize.common.paths import ROOT, user_path
from trainsize.runs.record import check_files, read_record
from trainsize.runs.run import FILES
from trainsize.study.command_line import named_study
from trainsize.study.study import Study

SUMS = "SHA256SUMS"


def pack(study: Study, root: Path, target: Path, data: bool) -> int:
    """Write the study, with results in `root/results`, to the archive `target`; return the number of files in it.

    With `data` the prepared images are packed too. Raises UserError when the study is not finished or one of its runs
    is damaged.
    """
    _check(study, root / "results" / study.name)
    paths = sorted(_paths(study, root, data))
    sums = "".join(f"{file_hash(path, 'sha256')}  {path.relative_to(root)}\n" for path in paths).encode()
    with atomic_write(target) as partial, tarfile.open(partial, "w:gz", compresslevel=1) as archive:
        head = tarfile.TarInfo(f"{study.name}/{SUMS}")
        head.size, head.mtime = len(sums), int(max(path.stat().st_mtime for path in paths))
        archive.addfile(head, io.BytesIO(sums))
        for path in paths:
            archive.add(path, f"{study.name}/{path.relative_to(root)}", filter=_anonymous)
    return len(paths)


def _check(study: Study, results: Path) -> None:
    for run in study.runs:
        folder = results / run.folder
        if not all((folder / name).exists() for name in FILES):
            raise UserError(f"{folder}: not finished; run snakemake first")
        check_files(folder / "state", read_record(folder, study.name, run))
    if not (results / "report.html").exists():
        raise UserError(f"{results}: no report; run snakemake first")


def _paths(study: Study, root: Path, data: bool) -> Iterator[Path]:
    yield root / "config.yaml"
    yield root / "studies" / f"{study.name.partition('+')[0]}.yaml"
    networks = [recipe["architecture"] for recipe in study.models.values()]
    yield from {
        root / f"{n['path'].rpartition('.')[0].replace('.', '/')}.py" for n in networks if n["name"] == "custom"
    }
    dataset = root / "results" / "datasets" / study.dataset.name
    for folder in (root / "results" / study.name, dataset):
        for path in folder.rglob("*"):
            packed = folder != dataset or data or path.suffix not in (".npy", ".parquet")
            if path.is_file() and packed and not path.name.startswith("."):
                yield path


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def check(archive: Path) -> int:
    """Compare every file in the archive with its checksum, without unpacking it; return the number of files.

    Raises UserError naming the files that are damaged, missing or not listed.
    """
    expected, actual = {}, {}
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as packed:
            for member in packed:
                name, linked = (path.partition("/")[2] for path in (member.name, member.linkname))
                if name == SUMS:
                    lines = packed.extractfile(member).read().decode().splitlines()
                    expected = {path: value for value, _, path in (line.partition("  ") for line in lines)}
                elif member.islnk():  # going back in a compressed file would mean reading it from the start
                    actual[name] = actual[linked]
                elif member.isfile():
                    actual[name] = hashlib.file_digest(packed.extractfile(member), "sha256").hexdigest()
            while stream.read(1 << 20):  # to its end, where gzip compares its own checksum of everything
                pass
    except FileNotFoundError as error:
        raise UserError(f"{archive}: {absent(archive)}") from error
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as error:
        raise UserError(f"{archive}: cannot be read, it is damaged or truncated ({why(error)})") from error
    wrong = sorted(name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name))
    if wrong or not expected:
        raise UserError(f"{archive}: damaged, missing or not listed: {listing(wrong) or SUMS}")
    return len(actual)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m trainsize.archive", description="Pack a finished study.")
    parser.add_argument("study", nargs="?", help="name of the study (default: the one in config.yaml)")
    parser.add_argument("--output", type=user_path, help="the archive to write (default: results/STUDY.tar.gz)")
    parser.add_argument("--data", action="store_true", help="pack the prepared images too")
    parser.add_argument(
        "--check", type=user_path, metavar="FILE", help="compare an archive's files with their checksums"
    )
    options = parser.parse_args()
    with exit_on_user_error():
        if options.check:
            if options.study or options.output or options.data:
                raise UserError("--check FILE: only reads FILE; leave out STUDY, --output and --data")
            print(f"{options.check}: {check(options.check):,} files, all match their checksums")
            return
        study = named_study(options.study)
        target = options.output or ROOT / "results" / f"{study.name}.tar.gz"
        count = pack(study, ROOT, target, options.data)
    print(f"{target}: {count:,} files, {target.stat().st_size / 1e6:,.1f} MB")


if __name__ == "__main__":
    main()
