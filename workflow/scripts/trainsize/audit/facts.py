"""What is known of an audited table beside its numbers: test images, classes, batch size."""

from dataclasses import dataclass

from trainsize.common.errors import UserError, listing, nearest
from trainsize.datasets.catalogue import DATASETS, Dataset


@dataclass(frozen=True)
class Facts:
    """What the tables do not say; None where it is not known.

    `classes`, `n_train` and `n_test` are those of the whole data set; `n_validation` images are held out of it;
    `dropout` is the rate at which dropped rows are looked for.
    """

    n_test: int | None = None
    n_train: int | None = None
    n_validation: int | None = None
    batch_size: int | None = None
    classes: int | None = None
    dataset: str | None = None
    dropout: float = 0.5


def facts_of(dataset: str | None = None, **given: object) -> Facts:
    """Return the facts given, those of a data set that the catalogue knows filled in. Raises UserError."""
    given = {key: value for key, value in given.items() if value is not None}
    if dataset is None:
        return Facts(**given)
    card = card_of(dataset)
    if card is None:
        raise UserError(
            f"data set '{dataset}' is not known{nearest(dataset.lower(), DATASETS)}; known: {listing(DATASETS, 30)}"
        )
    return Facts(
        **{"n_train": card.n_train, "n_test": card.n_test, "classes": len(card.classes)} | given, dataset=card.name
    )


def card_of(dataset: str) -> Dataset | None:
    """Return what the catalogue knows of a data set, whose name may be in capitals; None if it does not know it."""
    return DATASETS.get(dataset.lower())
