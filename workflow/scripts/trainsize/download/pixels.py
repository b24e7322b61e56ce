"""Image files decoded to one size, once, as uint8 arrays."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from trainsize.common.errors import UserError
from trainsize.common.files import naming

_MODES = {1: "L", 3: "RGB"}
_SHARE = 256


def decode(source: Path | bytes, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """Return the image as uint8 (height × width × channels), grey or colour as `shape` has 1 or 3 channels.

    An image of another size is cut to the shape about its middle and scaled, 16-bit grey becomes 8-bit grey. Raises
    UserError naming the image.
    """
    height, width, channels = shape
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            converted = _of_8_bits(image, name).convert(_MODES[channels])
    except (MemoryError, UserError):
        raise
    # What a file that is no image makes of a decoder is any of a dozen exceptions.
    except Exception as error:
        raise UserError(f"{name}: not a whole image ({error})") from error
    if converted.size != (width, height):
        converted = ImageOps.fit(converted, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(converted).reshape(shape)


def _of_8_bits(image: Image.Image, name: str) -> Image.Image:
    """Return an image with 8 bits per channel: Pillow would make all that is above 255 in others white.

    Of colour images of 16 bits Pillow has kept the upper 8 when it opened them. Raises UserError, which begins with
    `name`, for pixels of unknown range.
    """
    # Of a PGM file with more than 8 bits Pillow makes 32-bit integers, from 0 to 65,535 whatever the file's own range.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        found = "real numbers" if image.mode == "F" else "signed or 32-bit integers"
        raise UserError(
            f"{name}: its pixels are {found}, of unknown range; save it with 8 or 16 bits, from black to white"
        )
    return image


def decode_all(
    count: int, get: Callable[[int], np.ndarray], shape: tuple[int, int, int], path: Path, unreadable: str
) -> tuple[np.ndarray, dict[int, str]]:
    """Return the images `get(0)` … `get(count - 1)` as one array in the new file `path`, opened by memory map.

    Where `unreadable` is "skip", images for which `get` raises UserError are left out, and the messages are returned
    too, by row. Where it is "fail", the first such error is raised.
    """
    with naming(path):
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, *shape))
        # A full disk is an error here, and the end of the process when the map is written to.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    skipped: dict[int, str] = {}

    def fill(start: int) -> None:
        for row in range(start, min(start + _SHARE, count)):
            try:
                images[row] = get(row)
            except UserError as error:
                if unreadable == "fail":
                    raise
                skipped[row] = str(error)

    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for done, _ in enumerate(pool.map(fill, range(0, count, _SHARE)), start=1):
            if done % 40 == 0:
                print(f"  {min(done * _SHARE, count):,} of {count:,} images prepared", flush=True)
    if not skipped:
        return images, skipped
    print("\n".join(f"  left out: {skipped[row]}" for row in sorted(skipped)), flush=True)
    kept = np.delete(np.arange(count), list(skipped))
    for start in range(0, len(kept), _SHARE):
        rows = kept[start : start + _SHARE]
        images[start : start + len(rows)] = images[rows]
    return images[: len(kept)], skipped
