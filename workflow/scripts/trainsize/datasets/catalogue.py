"""The data sets a study can name, with the facts needed before any image is read.

To add one, add an entry here; see docs/adding-a-dataset.md. Imports nothing heavy, because the Snakefile imports this.
"""

import string
from dataclasses import asdict, dataclass

from trainsize.common.errors import UserError


@dataclass(frozen=True)
class File:
    """An official file: its path in the official layout, which mirrors share, its checksum and its addresses.

    `checksum` is "md5:…" or "sha256:…". `holds` lists the (path, checksum) of an archive's files, in case a mirror has
    them unpacked.
    """

    path: str
    checksum: str
    urls: tuple[str, ...] = ()
    holds: tuple[tuple[str, str], ...] = ()


# Version of the files in prepared data sets' folders. Raising it prepares every data set again.
LAYOUT = 4
# Facts that only describe a data set: changing their text prepares and trains nothing again.
_DESCRIPTIVE = ("title", "source", "licence")


SPLITS = {"train": "training", "test": "test"}  # and their names in sentences


@dataclass(frozen=True)
class Dataset:
    """The card of a data set: numbers of images, the shape (height, width, channels) of an image, and the origin.

    `format` names the reader and its options (`trainsize.download.readers`). `files` are downloaded; torchvision has
    its own list. Images that are only listed, not prepared as pixels, have no shape. `named` says that
    `classes` are names even if they are the numbers from 0.
    """

    name: str
    title: str
    n_train: int
    n_test: int
    classes: tuple[str, ...]
    shape: tuple[int, int, int] | None
    source: str
    licence: str
    format: dict
    files: tuple[File, ...] = ()
    named: bool = False

    @property
    def has_names(self) -> bool:
        """Whether `classes` are names, and not only numbers that stand for those of the folders."""
        return self.named or self.classes != numbered(len(self.classes))

    @property
    def outputs(self) -> list[str]:
        """The files that preparing the data set writes, besides the manifest."""
        names = ["{split}_labels.npy"]
        names += ["{split}_images.npy"] if self.shape else []
        names += ["{split}_index.parquet"] if self.format["name"] == "folder" else []
        both = [name.format(split=split) for name in names for split in ("train", "test")]
        return [*both, "duplicates.parquet"] if self.shape else both

    @property
    def request(self) -> str | dict:
        """The download stage's setting: a known data set's name, or the card without its descriptive facts."""
        if self.name in DATASETS:
            return self.name
        request = {key: value for key, value in asdict(self).items() if key not in _DESCRIPTIVE}
        if not self.named:  # left out, so that data sets without it are not prepared again
            del request["named"]
        return request

    @property
    def origin(self) -> dict[str, str]:
        """Title, source and licence, for the report."""
        return {key: getattr(self, key) for key in _DESCRIPTIVE}

    def pixels(self) -> tuple[int, int, int]:
        """Return the shape. Raises UserError for images that are only listed."""
        if self.shape is None:
            raise UserError(
                f"{self.name}: its images are only listed, so no model can be trained on them; set the size to prepare "
                "them at (dataset.format.size)"
            )
        return self.shape


def requested(request: str | dict) -> Dataset:
    """Return the card of a `Dataset.request`. A data set described by a study has no title, source and licence then."""
    if isinstance(request, str):
        return DATASETS[request]
    files = tuple(File(**file) for file in request["files"])
    shape = request["shape"] and tuple(request["shape"])
    facts = {**request, "shape": shape, "classes": tuple(request["classes"]), "files": files}
    return Dataset(**{**dict.fromkeys(_DESCRIPTIVE, ""), **facts})


def numbered(count: int) -> tuple[str, ...]:
    """Return the numbers from 0 as placeholders for class names that are only known from the files."""
    return tuple(map(str, range(count)))


_DIGITS = numbered(10)
_MNIST_SOURCE = "LeCun, Cortes and Burges 1998, from NIST's special databases 1 and 3"
_EMNIST_MERGED = "".join(sorted(set(string.digits + string.ascii_letters) - set("cijklmopsuvwxyz")))
_EMNIST = {
    "byclass": (697_932, 116_323, string.digits + string.ascii_uppercase + string.ascii_lowercase),
    "bymerge": (697_932, 116_323, _EMNIST_MERGED),
    "balanced": (112_800, 18_800, _EMNIST_MERGED),
    "letters": (124_800, 20_800, string.ascii_lowercase),
    "digits": (240_000, 40_000, string.digits),
    "mnist": (60_000, 10_000, string.digits),
}
_DEVANAGARI_LETTERS = """
ka kha ga gha kna cha chha ja jha yna taamatar thaa daa dhaa adna tabala tha da dha na pa pha ba bha ma yaw ra la waw
motosaw petchiryakha patalosaw ha chhya tra gya
"""
_DEVANAGARI = {
    "train-images-idx3-ubyte.gz": "sha256:5226be32b4772fce41bed9edc444b496301483aa6670f2464ae6909c01f6fb53",
    "train-labels-idx1-ubyte.gz": "sha256:dac6d66aea9074eed731eae3b6c0b7524bcf19a222e3028f51b4b115637c987e",
    "test-images-idx3-ubyte.gz": "sha256:5a4d451996c43a501a9a759d4658d58e0d21b75dcf05d576db48a091c0e5643f",
    "test-labels-idx1-ubyte.gz": "sha256:ed30c8ddf5f013f0d275664ff2e045eb954ed0658884cd09941017fac8e37045",
}
_ALL = [
    Dataset(
        name="digits",
        title="Handwritten digits, 8×8 grey",
        n_train=1297,
        n_test=500,
        classes=_DIGITS,
        shape=(8, 8, 1),
        source="UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak 1998), from scikit-learn",
        licence="CC BY 4.0",
        format={"name": "digits"},
    ),
    Dataset(
        name="mnist",
        title="MNIST handwritten digits, 28×28 grey",
        n_train=60_000,
        n_test=10_000,
        classes=_DIGITS,
        shape=(28, 28, 1),
        source=_MNIST_SOURCE,
        licence="CC BY-SA 3.0",
        format={"name": "torchvision", "dataset": "MNIST"},
    ),
    Dataset(
        name="kmnist",
        title="Kuzushiji-MNIST cursive Japanese characters, 28×28 grey",
        n_train=60_000,
        n_test=10_000,
        classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        shape=(28, 28, 1),
        source="Clanuwat et al. 2018, from the Kuzushiji dataset (CODH)",
        licence="CC BY-SA 4.0",
        format={"name": "torchvision", "dataset": "KMNIST"},
    ),
    Dataset(
        name="fashion-mnist",
        title="Fashion-MNIST articles of clothing, 28×28 grey",
        n_train=60_000,
        n_test=10_000,
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        shape=(28, 28, 1),
        source="Xiao, Rasul and Vollgraf 2017 (Zalando)",
        licence="MIT",
        format={"name": "torchvision", "dataset": "FashionMNIST"},
    ),
    Dataset(
        name="usps",
        title="USPS handwritten digits, 16×16 grey",
        n_train=7_291,
        n_test=2_007,
        classes=_DIGITS,
        shape=(16, 16, 1),
        source="Hull 1994, from the LIBSVM collection",
        licence="none stated",
        format={"name": "torchvision", "dataset": "USPS"},
    ),
    *(
        Dataset(
            name=f"emnist-{split}",
            title=f"EMNIST {split}, handwritten characters, 28×28 grey",
            n_train=n_train,
            n_test=n_test,
            classes=tuple(characters),
            shape=(28, 28, 1),
            source="Cohen, Afshar, Tapson and van Schaik 2017, from NIST's special database 19",
            licence="public domain (NIST)",
            format={"name": "torchvision", "dataset": "EMNIST", "split": split},
        )
        for split, (n_train, n_test, characters) in _EMNIST.items()
    ),
    Dataset(
        name="cifar-10",
        title="CIFAR-10 photographs, 32×32 colour",
        n_train=50_000,
        n_test=10_000,
        classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        shape=(32, 32, 3),
        source="Krizhevsky 2009",
        licence="none stated; cite Krizhevsky 2009",
        format={"name": "torchvision", "dataset": "CIFAR10"},
    ),
    Dataset(
        name="cifar-100",
        title="CIFAR-100 photographs, 32×32 colour, fine labels",
        n_train=50_000,
        n_test=10_000,
        classes=numbered(100),
        shape=(32, 32, 3),
        source="Krizhevsky 2009",
        licence="none stated; cite Krizhevsky 2009",
        format={"name": "torchvision", "dataset": "CIFAR100"},
    ),
    Dataset(
        name="svhn",
        title="Street View House Numbers, cropped digits, 32×32 colour",
        n_train=73_257,
        n_test=26_032,
        classes=_DIGITS,
        shape=(32, 32, 3),
        source="Netzer et al. 2011",
        licence="non-commercial use",
        format={"name": "torchvision", "dataset": "SVHN"},
    ),
    Dataset(
        name="devanagari",
        title="Devanagari handwritten characters, 32×32 grey with a border of 2",
        n_train=78_200,
        n_test=13_800,
        classes=tuple(_DEVANAGARI_LETTERS.split()) + _DIGITS,
        shape=(32, 32, 1),
        source="UCI 389 (Acharya, Pant and Gyawali 2015), as IDX files",
        licence="CC BY 4.0",
        format={
            "name": "idx",
            "path": "devanagari",
            **{name.split("-idx")[0].replace("-", "_"): name for name in _DEVANAGARI},
        },
        files=tuple(File(f"devanagari/{name}", checksum) for name, checksum in _DEVANAGARI.items()),
    ),
    Dataset(
        name="tiny-imagenet",
        title="Tiny ImageNet photographs, 64×64 colour",
        n_train=100_000,
        n_test=10_000,
        classes=numbered(200),
        shape=(64, 64, 3),
        source="Stanford CS231n, from ILSVRC 2014; its labelled validation set is the test set here",
        licence="ImageNet's terms: non-commercial research",
        format={"name": "folder", "path": "tiny-imagenet-200", "train": "train", "test": "val", "size": 64},
        files=(
            File(
                "tiny-imagenet-200.zip",
                "md5:90528d7ca1a48142e341f4ef8d21d0de",
                ("http://cs231n.stanford.edu/tiny-imagenet-200.zip",),
            ),
        ),
    ),
    Dataset(
        name="imagenette",
        title="Imagenette photographs, scaled to 64×64 colour",
        n_train=9_469,
        n_test=3_925,
        classes=numbered(10),
        shape=(64, 64, 3),
        source="fast.ai's ten easy classes of ImageNet, version 2 of 160 pixels",
        licence="ImageNet's terms: non-commercial research",
        format={"name": "folder", "path": "imagenette2-160", "train": "train", "test": "val", "size": 64},
        files=(
            File(
                "imagenette2-160.tgz",
                "md5:e793b78cc4c9e9a4ccc0c1155377a412",
                ("https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",),
            ),
        ),
    ),
    Dataset(
        name="imagenet",
        title="ImageNet-1k photographs, listed only",
        n_train=1_281_167,
        n_test=50_000,
        classes=numbered(1000),
        shape=None,
        source="ILSVRC 2012, unpacked by class; its validation set is the test set here",
        licence="ImageNet's terms: non-commercial research",
        format={"name": "folder", "path": "imagenet", "train": "train", "test": "val", "size": None},
    ),
]
DATASETS = {dataset.name: dataset for dataset in _ALL}
