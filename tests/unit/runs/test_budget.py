"""Budgets count updates and images as a loop would."""

import pytest

from trainsize.runs.budget import LAST_BATCHES, Batches, checkpoints


def simulated(batches: Batches, updates: int) -> int:
    """Count the images of `updates` updates by going through the batches."""
    seen, left, size = 0, 0, batches.size
    for _ in range(updates):
        if batches.last == "rollover":
            left += 0 if left >= min(size, batches.n) else batches.n
        elif left == 0 or (batches.last == "drop" and left < min(size, batches.n)):
            left = batches.n
        taken = min(size, left, batches.n)
        seen, left = seen + taken, left - taken
    return seen


@pytest.mark.parametrize("last", LAST_BATCHES)
@pytest.mark.parametrize("n", [1, 7, 64, 65, 127, 1000])
@pytest.mark.parametrize("updates", [1, 2, 15, 16, 17, 100])
def test_images_of_so_many_updates(last, n, updates):
    batches = Batches(n, 64, last)
    assert batches.images(updates) == simulated(batches, updates)


@pytest.mark.parametrize(
    ("budget", "n", "batch_size", "partial", "rollover", "drop"),
    [
        ({"updates": 7}, 1000, 10, 7, 7, 7),
        ({"epochs": 3}, 100, 32, 3 * 4, 10, 3 * 3),
        ({"epochs": 3}, 96, 32, 9, 9, 9),
        ({"epochs": 1}, 5, 32, 1, 1, 1),
        ({"samples": 250}, 100, 32, 2 * 4 + 2, 8, 8),
        ({"samples": 200}, 100, 32, 2 * 4, 7, 7),
        ({"samples": 1}, 100, 32, 1, 1, 1),
        # ga-letters: every size sees 144,000 images in batches of 72
        ({"samples": 144_000}, 12_000, 72, 2004, 2000, 2000),
        ({"samples": 144_000}, 750, 72, 2112, 2000, 2000),
        ({"samples": 144_000}, 800, 72, 2160, 2000, 2000),
    ],
)
def test_updates_of_a_budget(budget, n, batch_size, partial, rollover, drop):
    expected = {"partial": partial, "rollover": rollover, "drop": drop}
    assert {last: Batches(n, batch_size, last).updates(budget) for last in LAST_BATCHES} == expected


@pytest.mark.parametrize("last", LAST_BATCHES)
def test_a_samples_budget_is_reached_and_not_passed_by_a_batch(last):
    for n in (3, 50, 64, 77):
        batches = Batches(n, 64, last)
        assert 1000 <= batches.images(batches.updates({"samples": 1000})) < 1000 + 64


def test_with_rollover_every_size_sees_equally_many_images_in_equally_many_updates():
    assert {Batches(n, 64, "rollover").images(300) for n in (64, 65, 100, 1000, 60_000)} == {300 * 64}
    assert len({Batches(n, 64, "partial").images(300) for n in (64, 65, 100, 1000)}) == 4


def points(count: int) -> dict:
    return {"points": count, "every": None}


def test_checkpoints_end_with_the_last_update():
    assert checkpoints(600, points(12)) == list(range(50, 601, 50))
    assert checkpoints(3, points(10)) == [1, 2, 3]
    assert checkpoints(1, points(1)) == [1]


def test_checkpoints_every_so_many_updates():
    assert checkpoints(100, {"points": 10, "every": 40}) == [40, 80, 100]
    assert checkpoints(80, {"points": 10, "every": 40}) == [40, 80]
    assert checkpoints(3, {"points": 10, "every": 40}) == [3]
