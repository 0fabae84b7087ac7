"""Who opened and clicked: each rule by itself, then what must hold for any signals in any order."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engagement.bursts import network_of
from service.engagement.rules import (
    RULES_VERSION,
    EngagementKind,
    SharedEgress,
    Signal,
    Thresholds,
    Verdict,
    classify,
    effective_first,
    shared_egress,
)

SENT = datetime(2026, 6, 3, 9, 0, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
CUBOT = "Mozilla/5.0 (Linux; Android 15; CUBOT X90) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
UNSUBSCRIBE = "https://kindling.example.org/unsubscribe/abc"


def click(after: float, link: str = "a", ip: str | None = "81.2.3.4", agent: str | None = BROWSER) -> Signal:
    url = link if link.startswith("https:") else f"https://learn.example.org/{link}"
    at = SENT + timedelta(seconds=after)
    return Signal(EngagementKind.CLICK, at, url=url, ip=ip, user_agent=agent, sent_at=SENT)


def opened(after: float, agent: str | None = BROWSER, proxy: bool | None = None, ip: str = "81.2.3.4") -> Signal:
    at = SENT + timedelta(seconds=after)
    return Signal(EngagementKind.OPEN, at, ip=ip, user_agent=agent, is_proxy_open=proxy, sent_at=SENT)


def by_hand(kind: EngagementKind, after: float) -> Signal:
    return Signal(kind, SENT + timedelta(seconds=after), sent_at=SENT)


def verdicts(*signals: Signal, links: int | None = 10, **options: object) -> list[str]:
    limits = Thresholds(**options)  # type: ignore[arg-type]
    return [found.verdict for found in classify(signals, links_in_message=links, thresholds=limits)]


@pytest.mark.parametrize(
    ("signal", "verdict", "rule"),
    [
        (click(3600), "human", "nothing against it"),
        (click(3600, agent=CUBOT), "human", "nothing against it"),
        (click(3600, agent=None), "human", "nothing against it"),
        (click(3600, agent=""), "machine", "named scanner"),
        (click(3600, agent="  "), "machine", "named scanner"),
        (click(3600, agent="Barracuda Sentinel (EE)"), "machine", "named scanner"),
        (click(3600, agent="Mozilla/5.0 (compatible; Googlebot/2.1)"), "machine", "named scanner"),
        (click(3600, agent="python-requests/2.32"), "machine", "named scanner"),
        (click(3600, agent="curl/8.5.0"), "machine", "named scanner"),
        (click(0), "machine", "at delivery"),
        (click(5), "machine", "at delivery"),
        (click(6), "unsure", "very early"),
        (click(30), "unsure", "very early"),
        (click(31), "human", "nothing against it"),
        (click(-30), "machine", "at delivery"),
        (click(-61), "unsure", "before it was sent"),
        (opened(3600), "human", "nothing against it"),
        (opened(3600, agent="Mozilla/5.0"), "machine", "image proxy that loads ahead"),
        (opened(3600, agent="Mozilla/5.0 (iPhone)"), "human", "nothing against it"),
        (opened(3600, ip="17.58.100.2"), "machine", "image proxy that loads ahead"),
        (opened(3600, agent=GMAIL), "unsure", "image proxy that hides the reader"),
        (opened(3600, agent=None), "unsure", "nothing known of the reader"),
        (opened(3600, agent=None, proxy=False), "human", "nothing against it"),
        (opened(3600, agent=None, proxy=True), "machine", "image proxy that loads ahead"),
        (opened(4), "machine", "at delivery"),
        (opened(20), "unsure", "very early"),
        (by_hand(EngagementKind.REPLY, 1), "human", "done by hand"),
        (by_hand(EngagementKind.FORM, 1), "human", "done by hand"),
        (by_hand(EngagementKind.ATTENDANCE, -90000), "human", "done by hand"),
    ],
)
def test_a_single_signal_is_judged_and_says_why(signal: Signal, verdict: str, rule: str) -> None:
    [found] = classify([signal], links_in_message=10)
    assert (found.verdict, found.rule, found.version) == (verdict, rule, RULES_VERSION)


def test_an_early_click_is_human_once_the_person_has_shown_up() -> None:
    form = by_hand(EngagementKind.FORM, 10)
    assert verdicts(form, click(20)) == ["human", "human"]
    assert verdicts(click(20), by_hand(EngagementKind.REPLY, 25)) == ["unsure", "human"]


def test_an_unsure_click_that_led_to_a_form_was_a_person() -> None:
    assert verdicts(click(20), by_hand(EngagementKind.FORM, 300)) == ["human", "human"]
    assert verdicts(click(20), by_hand(EngagementKind.FORM, 4000)) == ["unsure", "human"]
    assert verdicts(click(3), by_hand(EngagementKind.FORM, 300)) == ["machine", "human"]
    assert classify([click(20), by_hand(EngagementKind.FORM, 300)], links_in_message=9)[0].rule == "led to a form"


def test_the_delay_counts_from_delivery_where_it_is_known() -> None:
    late = replace(click(3600), delivered_at=SENT + timedelta(seconds=3597))
    assert verdicts(late) == ["machine"]
    during_acceptance = replace(click(60), delivered_at=SENT + timedelta(seconds=300))
    assert verdicts(during_acceptance) == ["machine"]


def test_without_a_time_of_sending_the_delay_says_nothing() -> None:
    assert verdicts(replace(click(1), sent_at=None)) == ["human"]


def test_three_links_in_two_seconds_are_a_machine_and_two_are_not() -> None:
    assert verdicts(click(900, "a"), click(901, "b"), click(902, "c")) == ["machine"] * 3
    assert verdicts(click(900, "a"), click(901, "b"), click(950, "c")) == ["human"] * 3
    assert verdicts(click(900, "a"), click(900, "a"), click(901, "b")) == ["human"] * 3


def test_most_links_within_a_minute_are_a_machine_when_the_number_of_links_is_known() -> None:
    spread = [click(900 + 20 * place, link) for place, link in enumerate("abcd")]
    assert verdicts(*spread, links=5) == ["machine"] * 4
    assert verdicts(*spread, links=6) == ["human"] * 4
    assert verdicts(*spread, links=None) == ["human"] * 4


def test_both_links_of_a_short_message_are_nothing_to_wonder_at() -> None:
    assert verdicts(click(900, "a"), click(903, "b"), links=2) == ["human", "human"]


def test_a_slow_walk_through_a_long_message_is_a_machine() -> None:
    walk = [click(900 + 45 * place, link) for place, link in enumerate("abcdefgh")]
    assert verdicts(*walk, links=10) == ["machine"] * 8
    assert verdicts(*walk[:7], links=10) == ["human"] * 7


def test_seven_links_without_a_pause_are_a_machine() -> None:
    steady = [click(900 + 12 * place, link) for place, link in enumerate("abcdefg")]
    assert verdicts(*steady, links=40) == ["machine"] * 7
    assert verdicts(*steady[:6], links=40) == ["human"] * 6


def test_a_foot_link_right_after_another_link_is_a_scanner_and_alone_is_a_person() -> None:
    found = classify([click(900, "a"), click(904, UNSUBSCRIBE)], links_in_message=2)
    assert [(one.verdict, one.rule) for one in found] == [
        ("machine", "many links at once"),
        ("machine", "foot link in a burst"),
    ]
    assert verdicts(click(900, "a"), click(940, UNSUBSCRIBE), links=2) == ["human", "human"]
    assert verdicts(click(900, UNSUBSCRIBE), links=2) == ["human"]


def test_a_later_single_click_is_human_after_a_burst() -> None:
    burst = [click(40, link, ip="40.94.1.9") for link in "abcdef"]
    assert verdicts(*burst, click(102, "b", ip="194.176.105.1"))[-1] == "human"
    assert verdicts(*burst, click(102, "b", ip="40.94.1.9"))[-1] == "human"


def test_a_click_soon_after_a_burst_is_unsure_unless_it_comes_from_the_same_source() -> None:
    burst = [click(40, link, ip="40.94.1.9") for link in "abcdef"]
    assert verdicts(*burst, click(80, "z", ip="194.176.105.1"))[-1] == "unsure"
    assert verdicts(*burst, click(80, "z", ip="40.94.1.200"))[-1] == "machine"


def test_an_open_within_a_burst_belongs_to_it() -> None:
    burst = [click(400, link) for link in "abcd"]
    assert verdicts(opened(399), *burst, opened(4000)) == ["machine"] * 5 + ["human"]


def test_a_hidden_link_unmasks_what_happened_around_it() -> None:
    trap = frozenset({"https://learn.example.org/trap"})
    seen = [click(900, "trap"), click(950, "a"), click(1000, "a")]
    assert verdicts(*seen, trap_urls=trap) == ["machine", "machine", "human"]
    assert verdicts(*seen) == ["human", "human", "human"]


def test_a_check_on_a_click_is_told_from_the_click_by_the_known_address() -> None:
    reader = opened(900, ip="194.176.105.1")
    for check in (click(919, "a", ip="40.94.1.9"), click(922, "a", ip="40.94.1.9")):
        assert verdicts(reader, click(920, "a", ip="194.176.105.9"), check) == ["human", "human", "machine"]


def test_of_two_strangers_clicking_at_once_the_later_is_the_reader() -> None:
    assert verdicts(click(920, "a", ip="40.94.1.9"), click(922, "a", ip="194.176.105.1")) == ["unsure", "human"]
    assert verdicts(click(920, "a"), click(922, "a")) == ["human", "human"]


def test_one_address_clicking_for_many_recipients_is_unsure_not_machine() -> None:
    crowd = {f"r{number}": [click(900 + 5 * number, "a", ip="194.176.105.1")] for number in range(10)}
    found = shared_egress(crowd)
    assert found == (SharedEgress("194.176.105.1", SENT + timedelta(seconds=900), SENT + timedelta(seconds=945)),)
    [one] = classify(crowd["r3"], links_in_message=10, egress=found)
    assert (one.verdict, one.rule) == ("unsure", "one address clicked for many")
    [later] = classify([click(1000, "a", ip="194.176.105.1")], links_in_message=10, egress=found)
    assert later.verdict == "human"


def test_nine_recipients_or_a_longer_time_are_no_crowd() -> None:
    assert shared_egress({number: [click(900 + number, "a")] for number in range(9)}) == ()
    assert shared_egress({number: [click(900 + 7 * number, "a")] for number in range(10)}) == ()
    assert shared_egress({"one": [click(900 + number, "a") for number in range(50)]}) == ()
    assert shared_egress({number: [opened(900)] for number in range(50)}) == ()


def test_a_crowd_stays_one_stretch_while_it_lasts() -> None:
    crowd = {number: [click(900 + number, "a")] for number in range(200)}
    assert shared_egress(crowd) == (SharedEgress("81.2.3.4", SENT + timedelta(seconds=900), SENT + timedelta(seconds=1099)),)


def test_a_click_implies_an_open_in_every_column() -> None:
    signals = [opened(3, agent="Mozilla/5.0"), click(20, "b"), click(3600, "a"), opened(5000)]
    times = effective_first(signals, classify(signals, links_in_message=5))
    assert times.raw_open == SENT + timedelta(seconds=3)
    assert times.raw_click == times.unsure_click == times.unsure_open == SENT + timedelta(seconds=20)
    assert times.human_open == times.human_click == SENT + timedelta(seconds=3600)


def test_without_signals_there_are_no_first_times() -> None:
    times = effective_first([], [])
    assert times.raw_open is times.human_click is times.unsure_open is None


def test_a_reply_alone_is_no_open() -> None:
    reply = by_hand(EngagementKind.REPLY, 900)
    assert effective_first([reply], classify([reply], links_in_message=None)).raw_open is None


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("194.176.105.7", "194.176.105.0/24"),
        ("2a01:111:f400:7e1b::9", "2a01:111:f400::/48"),
        ("not an address", "not an address"),
    ],
)
def test_neighbouring_addresses_share_a_network(ip: str, network: str) -> None:
    assert network_of(ip) == network


signals_of_one = st.lists(
    st.builds(
        Signal,
        kind=st.sampled_from(EngagementKind),
        at=st.integers(-120, 900).map(lambda seconds: SENT + timedelta(seconds=seconds)),
        url=st.sampled_from([None, *(f"https://learn.example.org/{link}" for link in "abcde"), UNSUBSCRIBE]),
        ip=st.sampled_from([None, "", "nonsense", "40.94.1.9", "40.94.1.10", "194.176.105.1", "17.0.0.1", "::1"]),
        user_agent=st.sampled_from([None, "", BROWSER, GMAIL, "Mozilla/5.0", "curl/8"]),
        is_proxy_open=st.sampled_from([None, True, False]),
        sent_at=st.sampled_from([None, SENT]),
        delivered_at=st.sampled_from([None, SENT + timedelta(seconds=90)]),
        source=st.sampled_from(["report", "webhook"]),
    ),
    max_size=25,
)


@given(signals_of_one, st.sampled_from([None, 0, 1, 3, 6, 20]), st.randoms(use_true_random=False))
def test_the_order_of_arrival_and_repeats_change_nothing(signals: list[Signal], links: int | None, chance: random.Random) -> None:
    expected = dict(zip(signals, classify(signals, links_in_message=links), strict=True))
    shuffled = [*signals, *signals[:3]]
    chance.shuffle(shuffled)
    again = classify(shuffled, links_in_message=links)
    assert [expected[signal] for signal in shuffled] == again


@given(signals_of_one, st.sampled_from([None, 3, 20]))
def test_what_is_done_by_hand_is_always_human_and_first_times_agree(signals: list[Signal], links: int | None) -> None:
    judgements = classify(signals, links_in_message=links)
    for signal, judgement in zip(signals, judgements, strict=True):
        if signal.kind not in (EngagementKind.OPEN, EngagementKind.CLICK):
            assert judgement.verdict is Verdict.HUMAN
    times = effective_first(signals, judgements)
    for column in ("raw", "human", "unsure"):
        click_at, open_at = getattr(times, f"{column}_click"), getattr(times, f"{column}_open")
        assert click_at is None or open_at <= click_at
    for surer, wider in (
        (times.human_click, times.unsure_click),
        (times.unsure_click, times.raw_click),
        (times.human_open, times.unsure_open),
        (times.unsure_open, times.raw_open),
    ):
        assert surer is None or (wider is not None and wider <= surer)


@given(signals_of_one)
def test_a_form_never_makes_a_judgement_worse(signals: list[Signal]) -> None:
    form = by_hand(EngagementKind.FORM, 950)
    rank = {Verdict.MACHINE: 0, Verdict.UNSURE: 1, Verdict.HUMAN: 2}
    before = classify(signals, links_in_message=6)
    after = classify([*signals, form], links_in_message=6)
    assert all(rank[new.verdict] >= rank[old.verdict] for old, new in zip(before, after, strict=False))
