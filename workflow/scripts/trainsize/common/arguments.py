"""Checks of command-line arguments."""

import argparse

LARGEST_COUNT = 10**9  # of images, classes or anything else that is counted


def whole_number(text: str, least: int = 1, most: int = LARGEST_COUNT) -> int:
    """Return the whole number in `text`, from `least` to `most`. Commas or underscores may group its digits."""
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or not least <= float(plain) <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least:,} to {most:,}")
    return int(plain)
