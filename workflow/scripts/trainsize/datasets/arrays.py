"""The checks of a data set's four arrays: images and labels of the training and the test set.

They look at shapes and types only, so they can be made from the headers of files, without NumPy, which is slow to
import.
"""

from collections.abc import Callable
from dataclasses import dataclass

from trainsize.common.errors import UserError, plural
from trainsize.datasets.catalogue import SPLITS

ARRAYS = tuple(f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels"))
_KINDS = {"u": "uint", "i": "int", "f": "float", "c": "complex"}
_OTHERS = {"b": "true or false", "U": "text", "S": "text", "O": "Python objects", "M": "dates", "m": "times"}
_MOST_CHANNELS = 4  # of an image in colour with transparency


@dataclass(frozen=True)
class Header:
    """The shape of an array and its type as NumPy writes it, such as "|u1" or "<f4"; "|V" stands for several fields."""

    shape: tuple[int, ...]
    type: str = "|u1"

    @property
    def kind(self) -> str:
        """NumPy's letter for the kind of number: u, i, f, b, U, O, …"""
        return self.type.lstrip("<>|=")[:1]

    def __str__(self) -> str:
        size = self.type.lstrip("<>|=")[1:]
        known = self.kind in _KINDS and size.isdecimal()
        name = f"{_KINDS[self.kind]}{8 * int(size)}" if known else _OTHERS.get(self.kind, self.type)
        return f"{name} {self.shape}"


def check_arrays(
    headers: dict[str, Header], source: object, classes: int, shape: tuple[int, int, int] | None = None
) -> None:
    """Raise UserError unless there are as many labels as images, one whole number each, and uint8 images of one shape.

    `headers` has one for each name in `ARRAYS`. Images are images × height × width (× channels); if the study states
    their `shape`, they must have it. The message says what was found in both splits, and what to do.
    """
    for problem in (_labels, _numbers, _pixels, _same_shape):
        for split in SPLITS:
            found, labels = headers[f"{split}_images"], headers[f"{split}_labels"]
            if said := problem(found, labels, _Case(SPLITS[split], classes, shape, headers["train_images"])):
                raise UserError(f"{source}: {said}. Found {_found(headers)}")


def image_shape(images: Header) -> tuple[int, int, int]:
    """Return height, width and channels of an array's images. Without a channel axis they are grey."""
    return (*images.shape[1:], 1)[:3]


@dataclass(frozen=True)
class _Case:
    """What the arrays of a split are compared with; `split` is its name in sentences."""

    split: str
    classes: int
    shape: tuple[int, int, int] | None
    train_images: Header


_Check = Callable[[Header, Header, _Case], str]


def _found(headers: dict[str, Header]) -> str:
    parts = (f"{what} {headers[f'{split}_{what}']}" for split in SPLITS for what in ("images", "labels"))
    return "; ".join(f"{SPLITS[split]}: {next(parts)}, {next(parts)}" for split in SPLITS)


def _labels(images: Header, labels: Header, case: _Case) -> str:
    """Return what is wrong with the labels of a split, or ""."""
    if labels.kind in "iu" and len(labels.shape) == 1:
        return ""
    expected = f"the {case.split} labels must be one whole number per image, from 0 to {case.classes - 1}"
    if len(labels.shape) >= 3:
        return f"{expected}, but they look like images; check which array is which"
    if len(labels.shape) == 2 and min(labels.shape) == 1:
        return f"{expected}, in one dimension; these are a column or row (y.ravel() makes them flat)"
    if len(labels.shape) == 2:
        return f"{expected}; these have a row per image, as in one-hot coding (y.argmax(axis=1) gives the numbers)"
    if labels.kind == "f":
        return f"{expected}; save them as integers (y.astype('int64'), if they are whole)"
    if labels.kind in "US":
        return f"{expected}; write each text as its place among `classes`, counted from 0"
    return f"{expected}; save them as integers"


def _numbers(images: Header, labels: Header, case: _Case) -> str:
    """Return what is wrong with the numbers of images and labels of a split, or ""."""
    count, sides = (labels.shape[0], images.shape) if images.shape else (labels.shape[0], (0,))
    if not count or not sides[0]:
        return f"there are no {case.split} images; training and test set need images of every class"
    if sides[0] == count:
        return ""
    if len(sides) >= 3 and sides[-1] == count:
        order = {3: "(2, 0, 1)", 4: "(3, 1, 2, 0)" if sides[0] <= _MOST_CHANNELS < sides[2] else "(3, 0, 1, 2)"}
        move = f" (x.transpose{order[len(sides)]})" if len(sides) in order else ""
        return (
            f"the {case.split} images seem to come last, expected images × height × width (× channels); "
            f"move them to the front{move}"
        )
    found = f"there are {plural(sides[0], f'{case.split} image')} and {plural(count, 'label')}"
    return f"{found}; there must be one label per image"


def _pixels(images: Header, labels: Header, case: _Case) -> str:
    """Return what is wrong with the images of a split, or ""."""
    sides = images.shape
    if len(sides) not in (3, 4):
        flat = "; these have one flat row of numbers per image, so reshape them" if len(sides) == 2 else ""
        return f"the {case.split} images must be images × height × width (× channels){flat}"
    if 0 in sides:
        return f"the {case.split} images have no pixels"
    stated = case.shape is not None and image_shape(images) == tuple(case.shape)
    if not stated and len(sides) == 4 and sides[1] <= _MOST_CHANNELS < sides[3]:
        return (
            f"the {case.split} images have the shape {sides}, which looks like channels first, expected images × "
            "height × width × channels; transpose them (x.transpose(0, 2, 3, 1)), or set "
            f"`shape: {list(sides[1:])}` if the height comes first"
        )
    if images.type.lstrip("<>|=") != "u1":
        scale = "; multiply numbers from 0 to 1 by 255" if images.kind == "f" else ""
        return f"the {case.split} images must be uint8, from 0 to 255{scale}"
    return ""


def _same_shape(images: Header, labels: Header, case: _Case) -> str:
    """Return whether images differ in shape from the stated one or, without one, from the training images."""
    own, other = image_shape(images), case.shape or image_shape(case.train_images)
    if own == tuple(other):
        return ""
    whose = "the study states (shape)" if case.shape else "the training images have"
    return (
        f"the {case.split} images have the shape {_by(own)} (height × width × channels), but {whose} {_by(other)}; "
        "correct the one or the other"
    )


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
