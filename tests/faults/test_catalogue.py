"""The list of what can go wrong and the tests agree."""

from tests.faults.coverage import CASES, catalogue


def test_every_number_stands_once() -> None:
    assert [case.number for case in catalogue()] == list(range(1, CASES + 1))


def test_every_case_has_tests_that_are_there() -> None:
    assert {case.number: case.missing for case in catalogue() if case.missing or not case.tests} == {}
