"""Decoding image files to uint8 arrays of one size."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from trainsize.common.errors import UserError
from trainsize.common.files import errors_naming

_MODES = {1: "L", 3: "RGB"}
_BLOCK = 256  # images that a thread decodes at a time


def decode(source: Path | bytes, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """Return the image as uint8 (height × width × channels), in grey or colour for 1 or 3 channels of `shape`.

    An image of another size is cropped to the aspect ratio around its centre and scaled. 16-bit grey becomes 8-bit.
    Raises UserError naming the image.
    """
    height, width, channels = shape
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            converted = _of_8_bits(image, name).convert(_MODES[channels])
    except (MemoryError, UserError):
        raise
    # A file that is not an image can raise any of a dozen exceptions in a decoder.
    except Exception as error:
        raise UserError(f"{name}: not a complete image ({error})") from error
    if converted.size != (width, height):
        converted = ImageOps.fit(converted, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(converted).reshape(shape)


def _of_8_bits(image: Image.Image, name: str) -> Image.Image:
    """Return an image with 8 bits per channel. Pillow itself would turn all values above 255 white.

    Pillow keeps the upper 8 bits of 16-bit colour images when it opens them. Raises UserError, starting with `name`,
    for pixels of unknown range.
    """
    # Pillow scales a PGM file with more than 8 bits to 32-bit integers from 0 to 65,535, whatever the file's range.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        found = "real numbers" if image.mode == "F" else "signed or 32-bit integers"
        raise UserError(
            f"{name}: its pixels are {found} of unknown range; save it with 8 or 16 bits, from black to white"
        )
    return image


def decode_all(
    count: int, get: Callable[[int], np.ndarray], shape: tuple[int, int, int], path: Path, unreadable: str
) -> tuple[np.ndarray, dict[int, str]]:
    """Return the images `get(0)` … `get(count - 1)` as one array in the new file `path`, opened by memory map.

    If `unreadable` is "skip", images for which `get` raises UserError are left out, and the messages are returned by
    row. If it is "fail", the first such error is raised.
    """
    with errors_naming(path):
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *shape))
        # Reserves the space now: a disk that fills up while the memory map is written would kill the process.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    skipped: dict[int, str] = {}

    def fill(start: int) -> None:
        for row in range(start, min(start + _BLOCK, count)):
            try:
                images[row] = get(row)
            except UserError as error:
                if unreadable == "fail":
                    raise
                skipped[row] = str(error)

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for done, _ in enumerate(pool.map(fill, range(0, count, _BLOCK)), start=1):
            if done % 40 == 0:
                print(f"  {min(done * _BLOCK, count):,} of {count:,} images prepared", flush=True)
    if not skipped:
        return images, skipped
    print("\n".join(f"  left out: {skipped[row]}" for row in sorted(skipped)), flush=True)
    kept = np.delete(np.arange(count), list(skipped))
    for start in range(0, len(kept), _BLOCK):
        rows = kept[start : start + _BLOCK]
        images[start : start + len(rows)] = images[rows]
    return images[: len(kept)], skipped
