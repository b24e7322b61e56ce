"""The progress of a run: a line in the log at each evaluation, and a bar on the terminal."""

import os

WIDTH = 24  # of the bar, characters


class Terminal:
    """The terminal that the command was called from, if any. Standard output goes to the log."""

    descriptor: int | None = None

    @classmethod
    def attach(cls, descriptor: int) -> None:
        cls.descriptor = descriptor if os.isatty(descriptor) else None

    @classmethod
    def show(cls, line: str) -> None:
        """Write `line` over the previous one."""
        if cls.descriptor is not None:
            os.write(cls.descriptor, f"\r\x1b[K{line}".encode())


def report_progress(history: list[dict], step: int, total: int, seconds: dict[str, float]) -> None:
    """Report the latest scores on the test images, the speed and the time left (`seconds` by activity, so far)."""
    test = next(row for row in reversed(history) if row["split"] == "test")
    of = f" (of {test['n_evaluated']} images)" if test["sampled"] else ""
    rate = test["samples_seen"] / seconds["train"]
    left = (seconds["train"] + seconds["evaluate"]) * (total - step) / step
    line = (
        f"update {step}/{total}: test loss {test['loss']:.4f}, accuracy {test['accuracy']:.4f}{of}; "
        f"{rate:,.0f} images/s, {left:.0f} s left"
    )
    print(f"  {line}", flush=True)
    done = WIDTH * step // total
    Terminal.show(f"{'█' * done}{'·' * (WIDTH - done)} {line}" if step < total else "")
