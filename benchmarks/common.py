"""What the benchmarks share: interleaved timing, and one list of results."""

import json
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results.json"
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))


def interleaved(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each side, called in turns, so that whatever else the machine does hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def apart(make: Callable[..., Callable[[], object]], *arguments) -> Callable[[], None]:
    """Return a call of what `make(*arguments)` returns, in a process of its own.

    So the sides share no allocator, threads or settings. The process ends with this one.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=_serve, args=(theirs, make, arguments), daemon=True).start()
    ours.recv()

    def call() -> None:
        ours.send(None)
        ours.recv()

    return call


def _serve(pipe: Connection, make: Callable, arguments: tuple) -> None:
    call = make(*arguments)
    pipe.send(None)
    with suppress(EOFError):  # the other end is gone
        while True:
            pipe.recv()
            call()
            pipe.send(None)


def records(benchmark: str, seconds: dict[str, list[float]], plain: str, per: float = 1.0) -> list[dict]:
    """Return a record per side: its median of `seconds` / `per`, and how many times faster than `plain` it is.

    The ratio is the median over the turns of plain's time over the side's.
    """
    return [
        {
            "benchmark": benchmark,
            "variant": name,
            "median_seconds": median(times) / per,
            "ratio_to_plain": median(a / b for a, b in zip(seconds[plain], times, strict=True)),
            "machine": machine(),
            "date": datetime.now(UTC).date().isoformat(),
        }
        for name, times in seconds.items()
    ]


def machine() -> str:
    import torch

    from trainsize.common.provenance import processor

    gpu = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    return f"{gpu}{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {platform.system()}"


def keep(new: list[dict]) -> None:
    """Print `new` as a table and put it into the list of results in place of what it measures anew."""
    old = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    known = {(row["benchmark"], row["variant"], row["machine"]) for row in new}
    kept = [row for row in old if (row["benchmark"], row["variant"], row["machine"]) not in known]
    RESULTS.write_text(json.dumps(kept + new, indent=1) + "\n")
    for row in new:
        print(
            f"{row['benchmark']:<12}{row['variant']:<28}{1000 * row['median_seconds']:>12,.2f} ms"
            f"{row['ratio_to_plain']:>9.2f}x",
            flush=True,
        )
