"""Several processes that train one run together, a GPU each (`gpus` of a model), by PyTorch's DistributedDataParallel.

The script that Snakemake calls starts them with torchrun and waits. Each process runs the script again and gets its
rank from `Processes.join`. Every process holds all images and their whole order, and computes its part of each batch.
The sums over the parts are what a single process would have computed, up to rounding.
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
ASK_EVERY = 20  # updates after which the processes agree on whether to stop


@dataclass(frozen=True)
class Processes:
    """The number of processes that train a run, and the rank of this one, from 0."""

    rank: int = 0
    count: int = 1

    @staticmethod
    def started() -> bool:
        """Whether `start` started this process."""
        return STOP in os.environ

    @classmethod
    def join(cls, device: torch.device) -> "Processes":
        """Join the processes that this one was started with, each on a GPU of its own where there are GPUs.

        Raises UserError when there are fewer GPUs than processes.
        """
        if not cls.started():
            return cls()
        if device.type == "cuda":
            needed, visible = int(os.environ["LOCAL_WORLD_SIZE"]), torch.cuda.device_count()
            if needed > visible:
                raise UserError(f"gpus: found {needed}, but this job sees only {visible}")
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(distributed.get_rank(), distributed.get_world_size())

    def leave(self) -> None:
        """Leave the group, once all processes have done their work.

        Otherwise PyTorch's threads outlive the interpreter, which sometimes aborts the process at its end. After an
        error the other processes may be waiting for this one: torchrun ends them.
        """
        if self.count > 1:
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this is the one that writes the files."""
        return self.rank == 0

    def part(self, rows: torch.Tensor) -> torch.Tensor:
        """Return this process's part of a batch; it may be empty when the batch is small."""
        return rows.tensor_split(self.count)[self.rank]

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return `model` wrapped so that its gradients are averaged over the processes.

        Batch statistics are those of the whole batch on GPUs; on the CPU PyTorch can only use those of each part.
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

    def concatenated(self, part: torch.Tensor) -> torch.Tensor:
        """Return the parts of all processes, in order, as one tensor."""
        return part if self.count == 1 else torch.cat([p.to(part.device) for p in self.collected(part.cpu())])

    def collected(self, value: object) -> list:
        """Return the value of every process, in order."""
        if self.count == 1:
            return [value]
        values = [None] * self.count
        distributed.all_gather_object(values, value)
        return values

    def agreed(self, flag: bool) -> bool:
        """Return whether the flag is set in any process: all must leave a loop at the same update."""
        return any(self.collected(flag))


ALONE = Processes()


def asked_to_stop() -> bool:
    """Whether the process that started this one was asked to end."""
    return STOP in os.environ and Path(os.environ[STOP]).exists()


def start(count: int, script: Path, arguments: list[str], catch_signals: Callable[[Callable[[], None]], None]) -> None:
    """Run `script` in `count` processes by torchrun and wait for them.

    `catch_signals(then)` must arrange that `then` is called when this process is asked to end. Raises Interrupted when
    the processes have left for that reason, and UserError when one of them failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        stop = Path(folder) / "stop"
        catch_signals(stop.touch)
        torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        # In a session of their own, so that Ctrl-C does not reach them directly, but through the file.
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
        raise UserError(f"the {count} processes of this job failed; see the log for the reason")
