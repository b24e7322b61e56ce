"""Budgets count updates and images as a loop would."""

import pytest

from trainsize.runs.budget import checkpoints, samples_seen, total_updates


def simulated(n: int, batch_size: int, updates: int) -> int:
    """Count the images of `updates` updates by going through the batches."""
    seen, left = 0, 0
    for _ in range(updates):
        left = left or n
        taken = min(batch_size, left)
        seen, left = seen + taken, left - taken
    return seen


@pytest.mark.parametrize("n", [1, 7, 64, 65, 1000])
@pytest.mark.parametrize("updates", [1, 2, 15, 16, 17, 100])
def test_samples_seen(n, updates):
    assert samples_seen(updates, n, 64) == simulated(n, 64, updates)


@pytest.mark.parametrize(
    ("budget", "n", "batch_size", "expected"),
    [
        ({"updates": 7}, 1000, 10, 7),
        ({"epochs": 3}, 100, 32, 3 * 4),
        ({"epochs": 1}, 5, 32, 1),
        ({"samples": 250}, 100, 32, 2 * 4 + 2),
        ({"samples": 200}, 100, 32, 2 * 4),
        ({"samples": 1}, 100, 32, 1),
        # ga-letters: every size sees 144,000 images in batches of 72
        ({"samples": 144_000}, 12_000, 72, 2004),
        ({"samples": 144_000}, 750, 72, 2112),
        ({"samples": 144_000}, 800, 72, 2160),
    ],
)
def test_total_updates(budget, n, batch_size, expected):
    assert total_updates(budget, n, batch_size) == expected


def test_a_samples_budget_is_reached_and_not_passed_by_a_batch():
    for n in (3, 50, 64, 77):
        updates = total_updates({"samples": 1000}, n, 64)
        assert 1000 <= samples_seen(updates, n, 64) < 1000 + 64


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
