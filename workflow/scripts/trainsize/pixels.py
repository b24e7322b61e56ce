"""Image files decoded to one size, once, as uint8 arrays."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from trainsize.errors import UserError

_MODES = {1: "L", 3: "RGB"}
_SHARE = 256


def decode(source: Path | bytes, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """Return the image as uint8 (height × width × channels), grey or colour as `shape` has 1 or 3 channels.

    An image of another size is cut to the shape about its middle and scaled. Raises UserError naming the image.
    """
    height, width, channels = shape
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            converted = image.convert(_MODES[channels])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{name}: not a whole image ({error})") from error
    if converted.size != (width, height):
        converted = ImageOps.fit(converted, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(converted).reshape(shape)


def decode_all(count: int, get: Callable[[int], np.ndarray], shape: tuple[int, int, int], path: Path) -> np.ndarray:
    """Return the images `get(0)` … `get(count - 1)` as one array in the new file `path`, opened by memory map."""
    images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *shape))

    def fill(start: int) -> None:
        for row in range(start, min(start + _SHARE, count)):
            images[row] = get(row)

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for done, _ in enumerate(pool.map(fill, range(0, count, _SHARE)), start=1):
            if done % 40 == 0:
                print(f"  {min(done * _SHARE, count):,} of {count:,} images prepared", flush=True)
    return images
