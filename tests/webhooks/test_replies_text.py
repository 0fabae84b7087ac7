"""The sample replies: what a person wrote is kept, all of it, and the rest goes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.inbound_mail import parse_inbound
from service.webhooks.leaving import wants_to_leave
from service.webhooks.replies_text import visible_reply
from service.webhooks.reply_kind import ReplyKind, kind_of

SAMPLES = Path(__file__).parent.parent / "payloads" / "replies"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.eml"))
OWN = {"falls@kindling.example.org"}


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return found


def visible(name: str) -> str:
    mail = parse_inbound((SAMPLES / f"{name}.eml").read_bytes())
    return visible_reply(mail.text, from_name=mail.from_name)


def test_there_are_enough_samples_and_each_has_its_answer() -> None:
    assert len(NAMES) >= 60
    assert sum(expected(name)["held_out"] for name in NAMES) >= len(NAMES) // 3
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_the_person_wrote_is_lost(name: str) -> None:
    got = visible(name).splitlines()
    assert [line for line in expected(name)["visible"].splitlines() if line not in got] == []


@pytest.mark.parametrize("held_out", [False, True])
def test_nearly_all_samples_come_out_exactly(held_out: bool) -> None:
    names = [name for name in NAMES if expected(name)["held_out"] is held_out]
    wrong = [name for name in names if visible(name) != expected(name)["visible"]]
    assert len(wrong) <= 0.05 * len(names), wrong


@pytest.mark.parametrize("name", NAMES)
def test_the_kind_of_a_mail_is_found(name: str) -> None:
    mail = parse_inbound((SAMPLES / f"{name}.eml").read_bytes())
    assert kind_of(mail, own_addresses=OWN).kind == expected(name)["kind"]


@pytest.mark.parametrize("name", NAMES)
def test_only_those_who_ask_to_leave_do(name: str) -> None:
    assert wants_to_leave(visible(name)) is expected(name)["wants_to_leave"]


@pytest.mark.parametrize(
    ("name", "kind", "rule"),
    [
        ("ooo_exchange_english", "auto_reply", "auto-submitted header"),
        ("ooo_precedence_auto_reply", "auto_reply", "precedence header"),
        ("ooo_exchange_german_no_headers", "auto_reply", "subject of an automatic reply"),
        ("ooo_lotus_notes", "auto_reply", "null return path"),
        ("read_receipt", "auto_reply", "read receipt"),
        ("b2_list_newsletter", "auto_reply", "mailing list"),
        ("dsn_postfix", "bounce", "delivery report"),
        ("bounce_exchange_ndr_plain", "bounce", "failed recipients header"),
        ("bounce_qmail", "bounce", "sent by a mail server"),
        ("calendar_accepted", "calendar", "calendar message"),
        ("loop_own_address", "loop", "from our own address"),
        ("loop_x_loop_header", "loop", "loop header"),
        ("leave_by_subject", "unsubscribe_request", "subject asks to leave"),
        ("leave_stop", "unsubscribe_request", "words ask to leave"),
        ("gmail_bottom_posting", "reply", "nothing against it"),
    ],
)
def test_the_rule_that_decided_is_named(name: str, kind: str, rule: str) -> None:
    found = kind_of(parse_inbound((SAMPLES / f"{name}.eml").read_bytes()), own_addresses=OWN)
    assert (found.kind, found.rule) == (kind, rule)


def made_up(*headers: str, body: str = "Yes, gladly.") -> str:
    return "\r\n".join(["From: Asha Patel <asha.patel@nhs.example>", "Message-ID: <1@nhs.example>", *headers, "", body])


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        (["Subject: Recall: Re: Welcome"], "recall notice"),
        (["X-Autorespond: yes"], "auto-reply header"),
        (["X-Auto-Response-Suppress: All", "Subject: Annual leave"], "asks for no answers and is away"),
        (["Content-Type: multipart/report; report-type=feedback-report; boundary=x"], "complaint report"),
        (["Auto-Submitted: auto-replied (vacation)"], "auto-submitted header"),
        (["Received: from a by b"] * 31, "too many hops"),
    ],
)
def test_rarer_machines_are_known_by_their_headers(headers: list[str], rule: str) -> None:
    assert kind_of(parse_inbound(made_up(*headers))).rule == rule


@pytest.mark.parametrize(
    "headers",
    [
        ["Auto-Submitted: no"],
        ["Auto-Submitted: No (a person)"],
        ["Subject: Out of hours cover", "Return-Path: <asha.patel@nhs.example>"],
        ["Subject: Out of office space: where to meet?"],
        ["Subject: Autumn event: reply needed"],
        ["Subject: Stop the clock audit"],
        ["Received: from a by b"] * 12,
    ],
)
def test_a_person_is_not_taken_for_a_machine(headers: list[str]) -> None:
    assert kind_of(parse_inbound(made_up(*headers))).kind is ReplyKind.REPLY


def test_our_own_addresses_are_compared_in_small_letters() -> None:
    mail = parse_inbound("From: Falls@Kindling.Example.org\r\n\r\nHello")
    assert kind_of(mail, own_addresses=["falls@kindling.example.org"]).kind is ReplyKind.LOOP


HISTORY = [
    "",
    "\n\nOn Wed, 3 Jun 2026 at 09:12, Tom <r+x@reply.example.org> wrote:\n\n> Dear Asha,\n> welcome",
    "\n\n________________________________\nFrom: Tom <tom@example.org>\nSent: 03 June 2026 09:12\nTo: Asha\nSubject: Hello\n\nDear Asha",
    "\n\n-----Original Message-----\nDear Asha",
    "\n\nKind regards\nAsha Patel\nFalls Lead Nurse",
    "\n\nSent from my iPhone\n\n> On 3 Jun 2026, at 09:12, Tom <t@example.org> wrote:\n> \n> Dear Asha",
]
WORDS = ["we", "try", "the", "red", "socks", "on", "ward", "seven", "and", "they", "help", "with", "falls", "at", "night", "so", "please"]
sentences = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=3).map(lambda words: " ".join(words).capitalize() + "."),
    min_size=1,
    max_size=6,
)


@given(st.lists(sentences, min_size=1, max_size=4), st.sampled_from(HISTORY))
def test_sentences_survive_whatever_history_follows(paragraphs: list[list[str]], history: str) -> None:
    own = "\n\n".join("\n".join(lines) for lines in paragraphs)
    assert visible_reply(own + history, from_name="Asha Patel") == own


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=400), st.text(max_size=20))
def test_any_text_gives_only_lines_it_had(text: str, name: str) -> None:
    lines = {line.strip() for line in text.replace("\xa0", " ").splitlines()}
    cleaned = {"".join(letter for letter in line if letter not in "\u200b\u200c\u200d\u2060\ufeff\u00ad").strip() for line in lines}
    assert {line.strip() for line in visible_reply(text, from_name=name).splitlines()} <= cleaned | {""}


@pytest.mark.parametrize("line", ["> " * 5000, "On " + "1 " * 50_000, "_" * 100_000, "a@" * 50_000, "Thanks " * 20_000, "\n" * 100_000])
def test_hostile_text_takes_no_long_time(line: str) -> None:
    started = time.process_time()
    visible_reply(line + "\nwrote:\n" + line, from_name="Asha Patel")
    wants_to_leave(line)
    assert time.process_time() - started < 10
