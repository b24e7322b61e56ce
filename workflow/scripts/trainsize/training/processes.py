"""Several processes that train one run together, a GPU each (`gpus` of a model), by PyTorch's DistributedDataParallel.

The script that Snakemake calls starts them with torchrun and waits; each of them calls the script again and finds its
place by `Processes.of_this`. Every process holds all images and the whole order of them, and takes its part of each
batch; what is summed up over the parts is what a single process would have computed, up to rounding.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed, nn

from trainsize.common.errors import Interrupted, UserError

STOP = "TRAINSIZE_STOP"  # the environment variable that names the file by which the processes are asked to end
ASK_EVERY = 20  # updates between two questions whether all should stop


@dataclass(frozen=True)
class Processes:
    """The processes of a run and which of them, from 0, this one is."""

    rank: int = 0
    count: int = 1

    @staticmethod
    def started() -> bool:
        """Whether this process is one that `start` has started."""
        return STOP in os.environ

    @classmethod
    def of_this(cls, device: torch.device) -> "Processes":
        """Return the processes this one belongs to, and join them; on their own GPUs where there are any.

        Raises UserError when there are fewer GPUs than processes.
        """
        if not cls.started():
            return cls()
        if device.type == "cuda":
            asked, found = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
            if asked > found:
                raise UserError(f"gpus: found {asked}, but this job sees {found}")
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size())

    def leave(self) -> None:
        """Leave the processes, when all of them have done their work.

        PyTorch's threads would outlive the interpreter otherwise, which now and then aborts the process at its end.
        After an error the others may be waiting for this one: torchrun ends them.
        """
        if self.count > 1:
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this is the one that writes the files."""
        return self.rank == 0

    def part(self, rows: torch.Tensor) -> torch.Tensor:
        """Return this process's part of a batch, which may be empty when the batch is small."""
        return rows.tensor_split(self.count)[self.rank]

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return `model` such that its gradients are averaged over the processes.

        Batch statistics are those of the whole batch on GPUs; on the CPU PyTorch can only take each part's own.
        """
        if self.count == 1:
            return model
        if next(model.parameters()).is_cuda:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return nn.parallel.DistributedDataParallel(model)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean over the processes."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values / self.count

    def together(self, part: torch.Tensor) -> torch.Tensor:
        """Return the processes' parts, in order, as one tensor."""
        return part if self.count == 1 else torch.cat([p.to(part.device) for p in self.collected(part.cpu())])

    def collected(self, value: object) -> list:
        """Return the value of every process, in order."""
        if self.count == 1:
            return [value]
        values = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    def agreed(self, flag: bool) -> bool:
        """Return whether any process says so: all must leave a loop at the same update."""
        return any(self.collected(flag))


ALONE = Processes()


def asked_to_stop() -> bool:
    """Tell whether the process that started these ones was asked to end."""
    return STOP in os.environ and Path(os.environ[STOP]).exists()


def start(count: int, script: Path, arguments: list[str], heed: Callable[[Callable[[], None]], None]) -> None:
    """Run `script` in `count` processes by torchrun and wait for them.

    `heed(ask)` must see to it that `ask` is called when this process is asked to end. Raises Interrupted when the
    processes have left for that, and UserError when one of them failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        stop = Path(folder) / "stop"
        heed(stop.touch)
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        # In a session of their own, so that a Ctrl-C reaches them in an orderly way, through the file, and only so.
        running = subprocess.Popen(
            [sys.executable, *torchrun, str(script), *arguments],
            env={**os.environ, STOP: str(stop)},
            start_new_session=True,
        )
        try:
            failed = running.wait()
        finally:
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGTERM)
        if failed and stop.exists():
            raise Interrupted
    if failed:
        raise UserError(f"the {count} processes of this job failed; the log says why")
