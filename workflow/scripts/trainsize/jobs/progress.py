"""What a run says while it trains: a line in the log at each checkpoint, and a bar on the terminal."""

import os

WIDTH = 24  # of the bar, characters


class Terminal:
    """The terminal that the command was called from, if it was: standard output goes to the log."""

    descriptor: int | None = None

    @classmethod
    def found(cls, descriptor: int) -> None:
        cls.descriptor = descriptor if os.isatty(descriptor) else None

    @classmethod
    def show(cls, line: str) -> None:
        """Write `line` over the one shown before."""
        if cls.descriptor is not None:
            os.write(cls.descriptor, f"\r\x1b[K{line}".encode())


def tell(history: list[dict], step: int, total: int, seconds: dict[str, float]) -> None:
    """Say how far a run is: the newest scores on the test images, its speed and the time left."""
    test = next(row for row in reversed(history) if row["split"] == "test")
    rate = test["samples_seen"] / seconds["train"]
    left = (seconds["train"] + seconds["evaluate"]) * (total - step) / step
    line = (
        f"update {step}/{total}: test loss {test['loss']:.4f}, accuracy {test['accuracy']:.4f}; "
        f"{rate:,.0f} images/s, {left:.0f} s left"
    )
    print(f"  {line}", flush=True)
    done = WIDTH * step // total
    Terminal.show(f"{'█' * done}{'·' * (WIDTH - done)} {line}" if step < total else "")
