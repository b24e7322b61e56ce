"""How fast training is, against the loop that a user would write (plain.py).

    python benchmarks/speed.py [step run study evaluation roofline letters] [--repeats 5] [--device auto] [--threads 2]

step: one update of the letters network, batch 72.
run: a whole run of the letters study, 2,000 updates on 12,000 images and 12 evaluations on 20,800, cut by --share.
study: 8 runs of 200 updates in 8 jobs, in one, and side by side.
evaluation: 300 updates on 60,000 images with ten checkpoints, which look at all images or at samples, cut by --share.
roofline: floating-point operations per second, beside those of the machine's own convolutions and matrix products.
letters: the whole letters study, 11 sizes and 10 seeds, in one job, cut by --share; for GPUs, and only when named.
Needs torch, torchvision, pandas, pyarrow and scikit-learn, and no Snakemake.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import plain
import torch
from common import ROOT, apart, interleaved, keep, records
from torch import nn

from trainsize.common.schema import with_defaults
from trainsize.datasets.prepared import write_manifest
from trainsize.study.reader import load_study
from trainsize.study.schema import study_schema
from trainsize.training.architectures import build, flops_per_image
from trainsize.training.checkpoint import Checkpoints
from trainsize.training.images import Images
from trainsize.training.processes import ALONE
from trainsize.training.stage import set_up
from trainsize.training.trainer import Trainer

STEPS = 20  # updates of a call
SHAPE, SCRIPT = (1, 28, 28), ROOT / "workflow" / "scripts" / "training.py"


def recipe(**changes) -> dict:
    """Return the corrected recipe of the letters study."""
    schema = study_schema()
    given = {
        "architecture": "ga_cnn",
        "batch_size": plain.BATCH,
        "optimizer": {"name": "adamw", "lr": 3e-4, "weight_decay": 0.4},
        "clip_norm": 1.0,
        **changes,
    }
    return with_defaults(given, schema["$defs"]["recipe"], schema)


def everything(points: int) -> dict:
    """Return an evaluation of all images at every checkpoint, as the plain loop makes it."""
    return {"points": points, "every": None, "images": "all", "train_images": "all"}


def images(count: int, seed: int, device: torch.device) -> Images:
    pixels, labels = (torch.from_numpy(array) for array in plain.letters(count, seed))
    mean, std = (torch.full((1, 1, 1), value, device=device) for value in (plain.MEAN, plain.STD))
    return Images(pixels[:, None].to(device), labels.to(device), mean, std)


def trainer(splits: dict[str, Images], updates: int, points: int, **changes) -> Trainer:
    given = recipe(**changes)
    model = build(given, SHAPE, plain.CLASSES, 0).to(splits["train"].pixels.device)
    settings = {"model": given, "budget": {"updates": updates}, "evaluation": everything(points)}
    return Trainer(model, [splits], settings, 0, ALONE)


def _plain_network() -> nn.Module:
    """Return the letters network with PyTorch's default layout, as a user would build it."""
    return build(recipe(), SHAPE, plain.CLASSES, 0).to(memory_format=torch.contiguous_format)


VARIANTS = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
    "float32, row dropout": {"architecture": {"name": "ga_cnn", "row_dropout": True}},
}
GRAPHS = "TRAINSIZE_CUDA_GRAPHS"


def our_sides(make: Callable, device: torch.device, *given) -> dict[str, Callable[[], None]]:
    """Return a side for each variant of ours, on a GPU without and with CUDA graphs."""
    threads = torch.get_num_threads()
    sides = {name: apart(make, device, threads, *given, changes, "0") for name, changes in VARIANTS.items()}
    if device.type == "cuda":
        for name in ("float32", "bfloat16"):
            sides[f"{name}, CUDA graphs"] = apart(make, device, threads, *given, VARIANTS[name], "1")
    return sides


def step(device: torch.device, repeats: int, share: float) -> list[dict]:
    threads = torch.get_num_threads()
    sides = {"plain loop": apart(plain_step, device, threads), **our_sides(our_step, device)}
    interleaved(sides, 2)  # the first updates choose kernels and allocate
    return records("step", interleaved(sides, 4 * repeats), "plain loop", STEPS)


def plain_step(device: torch.device, threads: int) -> Callable[[], None]:
    torch.set_num_threads(threads)
    return _several(plain.updates(_plain_network(), plain.Letters(*plain.letters(6000, 0)), device), STEPS, device)


def our_step(device: torch.device, threads: int, changes: dict, graphs: str) -> Callable[[], None]:
    os.environ[GRAPHS] = graphs
    set_up(threads)
    train = images(6000, 0, device)
    return _several(_updates(trainer({"test": train, "train": train}, 10**9, 1, **changes)), STEPS, device)


def _updates(training: Trainer) -> Iterator[None]:
    while True:
        training.update()
        training.step += 1
        yield


def _several(side: Iterator, count: int, device: torch.device) -> Callable[[], None]:
    def call() -> None:
        for _ in islice(side, count):
            pass
        if device.type == "cuda":
            torch.cuda.synchronize()

    return call


def run(device: torch.device, repeats: int, share: float) -> list[dict]:
    threads = torch.get_num_threads()
    sides = {"plain loop": apart(plain_run, device, threads, share), **our_sides(our_run, device, share)}
    return records("run", interleaved(sides, repeats), "plain loop")


def _whole_run(share: float) -> tuple[int, int, int]:
    """Return the updates, training images and test images of so large a share of a letters run."""
    return tuple(max(12, int(share * whole)) for whole in (2000, 12_000, 20_800))


def plain_run(device: torch.device, threads: int, share: float) -> Callable[[], None]:
    torch.set_num_threads(threads)
    updates, n, n_test = _whole_run(share)

    def call() -> None:
        model = _plain_network()
        data, held_out = (plain.Letters(*plain.letters(count, seed)) for count, seed in ((n, 0), (n_test, 1)))
        loop = plain.updates(model, data, device)
        for _ in range(12):
            for _ in islice(loop, updates // 12):
                pass
            plain.evaluate(model, held_out, device)

    return call


def our_run(device: torch.device, threads: int, share: float, changes: dict, graphs: str) -> Callable[[], None]:
    os.environ[GRAPHS] = graphs
    set_up(threads)
    updates, n, n_test = _whole_run(share)
    train, test = images(n, 0, device), images(n_test, 1, device)

    def call() -> None:
        with tempfile.TemporaryDirectory() as folder:
            # The plain loop evaluates the test set alone, so ours is given next to nothing else to evaluate.
            training = trainer({"test": test, "train": train}, updates, 12, **changes)
            training.splits = {"test": test, "train": train.take(torch.arange(1, device=device))}
            training.run(Checkpoints(Path(folder), {}, 1e9))

    return call


def study(device: torch.device, repeats: int, share: float) -> list[dict]:
    given = {"updates": 200, "points": 4, "architecture": {"name": "cnn", "channels": [8, 16]}}
    with tempfile.TemporaryDirectory() as folder:
        data = _prepared(Path(folder) / "data", 2000, 1000)
        runs = [f"n500/draw0/seed{seed}" for seed in range(8)]
        calls = {
            "8 jobs": lambda: [_job(data, [run], device, **given) for run in runs],
            "1 job of 8 runs": lambda: _job(data, runs, device, **given),
            "the same, stacked": lambda: _job(data, runs, device, stack=8, **given),
        }
        if device.type == "cuda":
            calls["stacked, CUDA graphs"] = lambda: _job(data, runs, device, stack=8, graphs="1", **given)
        return records("study", interleaved(calls, max(1, repeats // 2)), "8 jobs")


def evaluation(device: torch.device, repeats: int, share: float) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        data = _prepared(Path(folder) / "data", *(int(share * whole) for whole in (60_000, 10_000)))
        given = {"updates": max(10, int(share * 300)), "points": 10, "architecture": {"name": "cnn"}}
        calls = {
            name: partial(_job, data, [f"n{int(share * 60_000)}/draw0/seed0"], device, sampled=sampled, **given)
            for name, sampled in (("all images", False), ("samples", True))
        }
        return records("evaluation", interleaved(calls, max(1, repeats // 2)), "all images")


def letters(device: torch.device, repeats: int, share: float) -> list[dict]:
    """Time the 110 runs from the start of the process to their last file, against 110 times a plain run of 12,000."""
    sizes = load_study("ga-letters", ROOT / "studies").sizes
    updates, largest, n_test = _whole_run(share)
    runs = [f"n{int(n * share)}/draw{seed}/seed{seed}" for n in sizes for seed in range(10)]
    given = {"updates": updates, "points": 12}
    with tempfile.TemporaryDirectory() as folder:
        data = _prepared(Path(folder) / "data", largest, n_test)
        calls = {"plain loop": apart(plain_run, device, torch.get_num_threads(), share)}
        for numbers in ("float32", "bfloat16"):
            calls |= {
                f"{numbers}, stack {stack}{', CUDA graphs' if graphs == '1' else ''}": partial(
                    _job, data, runs, device, stack, graphs, **given, precision=numbers
                )
                for stack, graphs in ((1, "0"), (10, "0"), (10, "1"))
            }
        seconds = interleaved(calls, 1)
    seconds["plain loop"] = [len(runs) * one for one in seconds["plain loop"]]
    return records("letters", seconds, "plain loop")


def _prepared(folder: Path, n_train: int, n_test: int) -> Path:
    folder.mkdir()
    for split, count in (("train", n_train), ("test", n_test)):
        pixels, labels = plain.letters(count, len(split))
        np.save(folder / f"{split}_images.npy", pixels[..., None])
        np.save(folder / f"{split}_labels.npy", labels)
    manifest = {"classes": [str(k) for k in range(plain.CLASSES)], "mean": [plain.MEAN], "std": [plain.STD]}
    arrays = [path.name for path in folder.glob("*.npy")]
    write_manifest(folder, {**manifest, "content": "random", "shape": [28, 28, 1]}, arrays)
    return folder


def _job(
    data: Path,
    runs: list[str],
    device: torch.device,
    stack: int = 1,
    graphs: str = "0",
    *,
    updates: int,
    points: int,
    sampled: bool = False,
    **changes,
) -> None:
    """Run the training script as Snakemake would; nothing is taken over."""
    settings = {
        "subset": {"dataset": "random", "method": "stratified", "validation": 0, "header_row_lost": False},
        "budget": {"updates": updates},
        "evaluation": everything(points) | ({"images": 200, "train_images": 1000} if sampled else {}),
        "model": recipe(**changes),
    }
    with tempfile.TemporaryDirectory(dir=data.parent) as folder:
        records = [str(Path(folder) / "s/runs/m" / run / "run.json") for run in runs]
        arguments = [str(Path(folder) / "log"), json.dumps(settings), "c", str(data)]
        threads = str(torch.get_num_threads())
        command = [sys.executable, str(SCRIPT), *arguments, threads, device.type, *records]
        environment = {**os.environ, "TRAINSIZE_STACK": str(stack), GRAPHS: graphs}
        subprocess.run(command, check=True, env=environment)


def roofline(device: torch.device, repeats: int, share: float) -> list[dict]:
    """Time the same number of operations as an update makes, as convolutions and as matrix products alone."""
    train = images(6000, 0, device)
    work = 3 * plain.BATCH * flops_per_image(build(recipe(), SHAPE, plain.CLASSES, 0), SHAPE)
    layer = nn.Conv2d(64, 64, 5, padding=2).to(device, memory_format=torch.channels_last)
    pictures = torch.randn(72, 64, 14, 14, device=device).contiguous(memory_format=torch.channels_last)
    pictures.requires_grad_()
    gradient = torch.randn_like(layer(pictures))
    side = 1024
    a, b = (torch.randn(side, side, device=device) for _ in range(2))
    convolutions = max(1, round(work / (3 * 2 * 72 * 14 * 14 * 64 * 64 * 25)))
    products = max(1, round(work / (2 * side**3)))

    def convolve() -> None:
        for _ in range(convolutions):
            layer(pictures).backward(gradient)

    def multiply() -> None:
        for _ in range(products):
            torch.mm(a, b)

    calls = {
        "convolutions alone": lambda: (convolve(), device.type == "cuda" and torch.cuda.synchronize()),
        "matrix products alone": lambda: (multiply(), device.type == "cuda" and torch.cuda.synchronize()),
    }
    done = {"convolutions alone": convolutions * 3 * 2 * 72 * 14 * 14 * 64 * 64 * 25}
    done["matrix products alone"] = products * 2 * side**3
    for name in ("float32", "bfloat16"):
        side_of = _updates(trainer({"test": train, "train": train}, 10**9, 1, **VARIANTS[name]))
        calls[f"update, {name}"] = _several(side_of, 1, device)
        done[f"update, {name}"] = work
    interleaved(calls, 1)
    seconds = interleaved(calls, 4 * repeats)
    # Of equal work: the ratio is the share of the convolutions' speed that is reached.
    return records("roofline", {n: [s * work / done[n] for s in t] for n, t in seconds.items()}, "convolutions alone")


ALWAYS = {"step": step, "run": run, "study": study, "evaluation": evaluation, "roofline": roofline}
BENCHMARKS = {**ALWAYS, "letters": letters}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which of {', '.join(BENCHMARKS)} (default: all but letters)"
    )
    parser.add_argument("--repeats", type=int, default=5, help="turns of each side (default: 5)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (default: 2)")
    parser.add_argument("--share", type=float, default=0.1, help="share of a whole letters run (default: 0.1)")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"found {', '.join(sorted(unknown))}, allowed: {', '.join(BENCHMARKS)}")
    set_up(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() and options.device != "cpu" else "cpu")
    for name in options.names or ALWAYS:
        keep(BENCHMARKS[name](device, options.repeats, options.share))


if __name__ == "__main__":
    main()
