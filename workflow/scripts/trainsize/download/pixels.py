"""Decoding image files to uint8 arrays of one size."""

import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from trainsize.common.errors import UserError, listing
from trainsize.common.files import errors_naming
from trainsize.datasets.image_files import FORMATS, HEIF, HEIF_ADVICE, reads_heif

BACKGROUND = "white"  # behind transparent images, unless the study says otherwise
_MODES = {1: "L", 3: "RGB"}
# How files begin that are not images, or that cannot be read; in lower case.
_MARKS = {
    b"%!ps": "an EPS or PostScript file",
    b"%pdf": "a PDF file",
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file or SVG drawing",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"8bps": "a Photoshop file",
    b"pk\3\4": "a zip archive",
    b"\x89png": "a damaged PNG",
    b"\xff\xd8": "a damaged JPEG",
    b"ii*\0": "a TIFF that is damaged or has other pixels than 8 or 16 bits in grey or colour",
    b"mm\0*": "a TIFF that is damaged or has other pixels than 8 or 16 bits in grey or colour",
}
_BLOCK = 256  # images that a thread decodes at a time


@dataclass
class Traits:
    """Names of the image files that have something which their pixels do not show.

    `transparent` ones were put on the background. Of `several` pictures in a file, only the first is read.
    """

    transparent: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)


def decode(
    source: Path | bytes,
    shape: tuple[int, int, int],
    name: str,
    background: str = BACKGROUND,
    traits: Traits | None = None,
) -> np.ndarray:
    """Return the image as uint8 (height × width × channels), in grey or colour for 1 or 3 channels of `shape`.

    Transparent images are put on the `background`: a colour, or "none" for the colours beneath the transparency. An
    image of another size is cropped to the aspect ratio around its centre and scaled. 16-bit grey becomes 8-bit. What
    this changes is noted in `traits`. Raises UserError naming the image.
    """
    height, width, channels = shape
    traits = traits or Traits()
    try:
        with _opened(source, name) as image:
            several = image.format != "MPO" and getattr(image, "is_animated", False)
            _scale_transparent_colour(image)
            whole = _of_8_bits(image, name)
            if background != "none" and (composed := _composed(whole, background)):
                traits.transparent.append(name)
                whole = composed
            converted = whole.convert(_MODES[channels])
            traits.several.extend([name] if several else [])
    except (MemoryError, UserError):
        raise
    # A file that is not an image can raise any of a dozen exceptions in a decoder.
    except Exception as error:
        raise UserError(f"{name}: not a complete image ({error})") from error
    if converted.size != (width, height):
        converted = ImageOps.fit(converted, (width, height), Image.Resampling.BICUBIC)
    return np.asarray(converted).reshape(shape)


def _opened(source: Path | bytes, name: str) -> Image.Image:
    """Open an image in one of the known formats, whatever its name. Raises UserError if it is in none of them."""
    try:
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats())
    except UnidentifiedImageError as error:
        head = source[:32] if isinstance(source, bytes) else _head(source)
        raise UserError(f"{name}: not a complete image: {_described(head)}") from error


@cache
def _formats() -> tuple[str, ...]:
    """Return Pillow's names of the formats that are opened; that of HEIC photographs if pillow-heif is installed."""
    if not reads_heif():
        return tuple(FORMATS)
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return (*FORMATS, HEIF)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32)


def _described(head: bytes) -> str:
    """Return what a file that begins with `head` seems to be, for the message that it is not an image."""
    if not head:
        return "it is empty (0 bytes)"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypheif", b"ftyphevc"):
        return f"it is a HEIC photograph; {HEIF_ADVICE}"
    kind = next((kind for mark, kind in _MARKS.items() if head.lower().startswith(mark)), "")
    text = head.decode("latin-1").strip()
    if not kind and text.isascii() and text.isprintable():
        kind = f"a text that begins with {text!r}"
    return f"{f'it is {kind}' if kind else 'its content is unknown'}; these formats are read: {listing(FORMATS, 30)}"


def _of_8_bits(image: Image.Image, name: str) -> Image.Image:
    """Return an image with 8 bits per channel. Pillow itself would turn all values above 255 white.

    Pillow keeps the upper 8 bits of 16-bit colour images when it opens them. Raises UserError, starting with `name`,
    for pixels of unknown range.
    """
    # Pillow scales a PGM file with more than 8 bits to 32-bit integers from 0 to 65,535, whatever the file's range.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        values = np.asarray(image)
        grey = Image.fromarray(np.rint(values / 257).astype(np.uint8))
        if isinstance(key := image.info.get("transparency"), int):
            grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
        return grey
    if image.mode in ("I", "F"):
        found = "real numbers" if image.mode == "F" else "signed or 32-bit integers"
        raise UserError(
            f"{name}: its pixels are {found} of unknown range; save it with 8 or 16 bits, from black to white"
        )
    return image


def _scale_transparent_colour(image: Image.Image) -> None:
    """Scale the transparent colour of a PNG to 8 bits, as Pillow scales the pixels."""
    key = image.info.get("transparency")
    if image.format != "PNG" or not image.tile or not isinstance(key, (int, tuple)):
        return
    raw = image.tile[0].args
    match raw if isinstance(raw, str) else raw[0]:
        case "L;2" | "L;4" as few:
            image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[few]
        case "RGB;16B":
            image.info["transparency"] = tuple(part >> 8 for part in key)


def _composed(image: Image.Image, background: str) -> Image.Image | None:
    """Return the image on a background, or None if its transparency shows nothing.

    Transparency that is the same everywhere shows nothing, unless the colours are the same everywhere too.
    """
    if not image.has_transparency_data:
        return None
    layers = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    *colours, (lowest, highest) = layers.getextrema()
    if lowest == 255 or (lowest == highest and any(low < high for low, high in colours)):
        return None
    return Image.alpha_composite(Image.new("RGBA", layers.size, ImageColor.getrgb(background)), layers)


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
