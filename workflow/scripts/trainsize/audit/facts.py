"""Facts about an audited table that are not in it: test images, classes, batch size."""

from dataclasses import dataclass

from trainsize.common.errors import UserError, did_you_mean, listing
from trainsize.datasets.catalogue import DATASETS, Dataset


@dataclass(frozen=True)
class Facts:
    """Facts that the tables do not state; None where unknown.

    `classes`, `n_train` and `n_test` are those of the whole data set, of which `n_validation` images are held out.
    `dropout` is the rate at which the audit looks for dropped rows.
    """

    n_test: int | None = None
    n_train: int | None = None
    n_validation: int | None = None
    batch_size: int | None = None
    classes: int | None = None
    dataset: str | None = None
    dropout: float = 0.5


def facts_of(dataset: str | None = None, **given: object) -> Facts:
    """Return the given facts, completed by those of a data set in the catalogue. Raises UserError."""
    given = {key: value for key, value in given.items() if value is not None}
    if dataset is None:
        return Facts(**given)
    card = card_of(dataset)
    if card is None:
        raise UserError(
            f"unknown data set '{dataset}'{did_you_mean(dataset.lower(), DATASETS)}; known: {listing(DATASETS, 30)}"
        )
    return Facts(
        **{"n_train": card.n_train, "n_test": card.n_test, "classes": len(card.classes)} | given, dataset=card.name
    )


def card_of(dataset: str) -> Dataset | None:
    """Return the catalogue's entry of a data set, whose name may be in capitals; None if there is none."""
    return DATASETS.get(dataset.lower())
