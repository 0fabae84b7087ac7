"""The evaluation of machine opens and clicks reaches its goal on streams it was not looked at with."""

import pytest

from evals.machine_opens import evaluate, report
from evals.open_stream import stream


@pytest.mark.parametrize("seed", [101, 102])
def test_machine_clicks_are_found_and_nothing_done_by_hand_is_doubted(seed: int) -> None:
    result = evaluate(stream(seed, recipients=400))
    assert result.reached(), report(result)


def test_the_same_seed_gives_the_same_stream() -> None:
    assert list(stream(5, recipients=40)) == list(stream(5, recipients=40))
    assert list(stream(5, recipients=40)) != list(stream(6, recipients=40))
