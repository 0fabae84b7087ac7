"""255 bytes, whole characters, and nothing lost without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.providers.merge_fields import MERGE_FIELD_BYTES, cut_fields, cut_text, split_text

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a" * 255, 255), ("a" * 256, 255), ("é" * 128, 127), ("€" * 86, 85), ("😀" * 64, 63), ("a" + "😀" * 64, 64)],
)
def test_cutting_never_splits_a_character(text: str, kept: int) -> None:
    assert cut_text(text) == text[:kept]


@given(TEXT)
def test_a_cut_text_fits_and_is_a_beginning(text: str) -> None:
    cut = cut_text(text)
    assert len(cut.encode()) <= MERGE_FIELD_BYTES
    assert text.startswith(cut)


def test_what_was_cut_is_named() -> None:
    fitted = cut_fields({"ORG": "x" * 300, "FNAME": "Ann", "REASON": "é" * 200})
    assert fitted.cut == ("ORG", "REASON")
    assert fitted.values["FNAME"] == "Ann"
    assert len(fitted.values["ORG"]) == 255


@given(TEXT)
def test_a_split_text_comes_together_again(text: str) -> None:
    try:
        parts = split_text(text, 4, limit=40)
    except ValueError:
        return
    assert "".join(parts) == text.strip()
    assert len(parts) == 4
    assert all(len(part.encode()) <= 40 and part == part.strip() for part in parts)


def test_a_long_text_with_ordinary_words_fits_four_fields() -> None:
    text = ("You said that you want to learn about falls on night shifts. " * 16)[:980].strip()
    assert "".join(split_text(text, 4)) == text


def test_a_text_that_does_not_fit_is_refused_whole() -> None:
    with pytest.raises(ValueError, match="longer than 4 fields"):
        split_text("word " * 300, 4)
