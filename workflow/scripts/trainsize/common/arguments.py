"""Checks of command-line arguments."""

import argparse
from datetime import date

LARGEST_COUNT = 10**9  # of images, classes or anything else that is counted


def day(text: str) -> date:
    """Return the day in `text`, such as 2026-11-28."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a day such as 2026-11-28") from None


def whole_number(text: str, least: int = 1, most: int = LARGEST_COUNT) -> int:
    """Return the whole number in `text`, from `least` to `most`. Commas or underscores may group its digits."""
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or not least <= float(plain) <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least:,} to {most:,}")
    return int(plain)
