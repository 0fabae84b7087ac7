"""How swaps and clicks become boosts: bounded, reversible, more from hands than from clicks."""

from hypothesis import given
from hypothesis import strategies as st

from service.resources.learning import BOOST_CAP, Use, learned_boosts

COUNTS = st.integers(min_value=0, max_value=10**6)


def boost(**counts: int) -> float:
    return learned_boosts([Use("r", **counts)])["r"]


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_no_history_however_long_moves_a_resource_beyond_the_cap(shown: int, clicked: int, swapped_in: int, swapped_out: int) -> None:
    assert abs(boost(shown=shown, clicked=clicked, swapped_in=swapped_in, swapped_out=swapped_out)) <= BOOST_CAP


def test_a_resource_without_a_history_is_left_where_it_is() -> None:
    assert boost() == 0.0
    assert learned_boosts([]) == {}


def test_swapping_in_lifts_swapping_out_lowers_and_one_takes_back_the_other() -> None:
    assert boost(swapped_in=1) > 0 > boost(swapped_out=1)
    assert boost(swapped_in=3) > boost(swapped_in=1)
    assert boost(swapped_in=4, swapped_out=4) == 0.0


def test_clicks_lift_and_being_ignored_lowers() -> None:
    assert boost(shown=20, clicked=15) > 0 > boost(shown=20, clicked=0)


def test_a_choice_by_hand_weighs_more_than_a_click() -> None:
    assert boost(swapped_in=2) > boost(shown=2, clicked=2)


def test_one_signal_stays_a_small_part_of_the_cap() -> None:
    assert boost(swapped_in=1) < 0.4 * BOOST_CAP
    assert boost(shown=1, clicked=1) < 0.1 * BOOST_CAP


def test_clicks_beyond_the_showings_say_no_more() -> None:
    assert boost(shown=5, clicked=500) == boost(shown=5, clicked=5)
