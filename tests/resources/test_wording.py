"""Misspelt words are mended towards the words of the field; real words are left alone."""

import pytest

from service.resources.wording import Speller, spell_out

SPELLER = Speller({"ulcers", "users", "pressure", "patients", "discharge", "sepsis", "psychological"}, {"understand", "nice"}.__contains__)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("presure ulsers", "pressure ulcers"),
        ("pateints", "patients"),
        ("dischrage", "discharge"),
        ("sespis", "sepsis"),
        ("phsycological", "psychological"),
        ("understand", "understand"),
        ("marmalade", "marmalade"),
    ],
)
def test_a_slip_is_mended_and_a_real_word_is_not_touched(said: str, meant: str) -> None:
    assert SPELLER.mend(said) == meant


def test_an_abbreviation_is_spelled_out_but_a_word_that_looks_like_one_is_not() -> None:
    assert spell_out("high DNA rates") == "high DNA (did not attend, missed appointment) rates"
    assert spell_out("it would be nice") == "it would be nice"
    assert spell_out("NICE guidance").startswith("NICE (National Institute")
