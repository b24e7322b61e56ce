"""Lists of classes that differ from the expected one: which they are is said, and which of them is none."""

import pytest

from trainsize.datasets.class_lists import same_text, wrong_classes


@pytest.mark.parametrize(
    ("found", "expected", "message"),
    [
        (["__MACOSX", "cat", "dog"], ["0", "1"], "__MACOSX is no class: remove this folder"),
        (["caf\u00e9", "cafe\u0301"], ["x"], r"'caf\xe9' and 'cafe\u0301'"),
        (["cat", "dog", "owl"], ["cat", "dog"], "; not expected: owl"),
        (["cat"], ["cat", "dog"], "; missing: dog"),
        (["a", "b", "c"], ["0", "1"], "found 3 classes, expected 2 (classes): a, b, c"),
        (["a"], ["0", "1"], "found 1 class, expected 2 (classes): a"),
    ],
)
def test_the_classes_are_named(found, expected, message):
    text = wrong_classes(found, expected)
    assert message in text
    assert f"expected {len(expected)} (classes): {', '.join(found)}" in text


def test_names_that_differ_are_not_the_same_text():
    assert same_text(["caf\u00e9", "cafe"]) == ""
