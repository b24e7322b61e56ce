"""The folder of the checkout, and paths as users write them."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]


def user_path(text: str) -> Path:
    """Return the path that a user writes: literally if it exists, else with ~ and variables such as $HOME expanded."""
    literal = Path(text)
    return literal if os.path.lexists(literal) else Path(os.path.expandvars(text)).expanduser()
