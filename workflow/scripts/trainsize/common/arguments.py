"""What the arguments of the commands are checked with."""

import argparse

LARGEST_COUNT = 10**9  # of images, classes and whatever else is counted


def whole_number(text: str, least: int = 1, most: int = LARGEST_COUNT) -> int:
    """Return the whole number that a text says, within its limits; commas or underscores may group its digits."""
    plain = text.replace(",", "").replace("_", "")
    if not plain.isdecimal() or not least <= float(plain) <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from {least:,} to {most:,}")
    return int(plain)
