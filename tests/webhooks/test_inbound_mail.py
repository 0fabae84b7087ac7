"""Raw mail in, plain values out; nothing that comes in may raise."""

import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.webhooks.html_text import html_to_text
from service.webhooks.inbound_mail import MAX_TEXT, Attachment, parse_inbound
from service.webhooks.reply_kind import kind_of

SAMPLES = Path(__file__).parent.parent / "payloads" / "replies"
NAMES = sorted(path.stem for path in SAMPLES.glob("*.eml"))


def sample(name: str) -> bytes:
    return (SAMPLES / f"{name}.eml").read_bytes()


def test_a_reply_is_read_into_its_parts() -> None:
    mail = parse_inbound(sample("outlook_desktop_signature"), envelope_to=["r+k7Qm2xW9@Reply.Kindling.example.org"])
    assert mail.message_id == "<outlook_desktop_signature@mail.nhs.example>"
    assert (mail.from_name, mail.from_address) == ("Asha Patel", "asha.patel@nhs.example")
    assert mail.to_addresses == ("r+k7Qm2xW9@reply.kindling.example.org",)
    assert mail.subject == "Re: Welcome to the Falls Prevention Network"
    assert mail.sent_at == datetime(2026, 6, 3, 9, 41, 7, tzinfo=UTC)
    assert mail.in_reply_to == "<d-123@kindling.example.org>"
    assert mail.references == ("<d-123@kindling.example.org>",)
    assert mail.return_path == "asha.patel@nhs.example"
    assert mail.text.startswith("Hi Tom,\n\nThank you, that is just")
    assert mail.full_text == mail.text
    assert mail.problems == ()


@pytest.mark.parametrize("name", NAMES)
def test_samples_show_their_attachments_and_problems(name: str) -> None:
    want = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    mail = parse_inbound(sample(name))
    assert set(want.get("problems", [])) <= set(mail.problems)
    if "problems" not in want:
        assert mail.problems == ()
    if "attachments" in want:
        assert [attachment.name for attachment in mail.attachments] == want["attachments"]


def test_attachments_are_measured_not_kept() -> None:
    mail = parse_inbound(sample("with_attachments"))
    assert mail.attachments[0] == Attachment("poster.pdf", "application/pdf", 16)
    assert "PDF" not in mail.full_text


def test_a_mail_within_a_mail_is_an_attachment_and_its_words_are_not_the_senders() -> None:
    mail = parse_inbound(sample("nested_eml"))
    assert "remove me" not in mail.full_text
    assert mail.attachments[0].content_type == "message/rfc822"
    assert mail.attachments[0].size > 50


def test_all_places_that_name_a_recipient_are_candidates_in_order_of_trust() -> None:
    raw = (
        b"Delivered-To: b@Reply.example.org\r\nX-Original-To: c@reply.example.org\r\nTo: D <d@example.org>, a@reply.example.org\r\n"
        b"Cc: =?utf-8?q?E?= <e@example.org>\r\nFrom: x@example.org\r\n\r\nhello"
    )
    found = parse_inbound(raw, envelope_to=["<a@reply.example.org>"]).to_addresses
    assert found == ("a@reply.example.org", "b@reply.example.org", "c@reply.example.org", "d@example.org", "e@example.org")


@pytest.mark.parametrize(("line", "expected"), [("Return-Path: <>\r\n", ""), ("Return-Path: <a@b.example>\r\n", "a@b.example"), ("", None)])
def test_the_null_return_path_is_told_from_a_missing_one(line: str, expected: str | None) -> None:
    assert parse_inbound(f"{line}From: a@b.example\r\n\r\nhello").return_path == expected


@pytest.mark.parametrize(
    ("written", "name", "address", "problem"),
    [
        ('"PATEL, Asha (SWANVALE)" <asha@nhs.example>', "PATEL, Asha (SWANVALE)", "asha@nhs.example", False),
        ("PATEL, Asha (SWANVALE) <asha@nhs.example>", "PATEL, Asha (SWANVALE)", "asha@nhs.example", False),
        ("=?utf-8?q?Zo=C3=AB_Lane?= <zoe@nhs.example>", "Zoë Lane", "zoe@nhs.example", False),
        ("asha@NHS.example", "", "asha@nhs.example", False),
        ("Asha.Patel@nhs.example (Asha)", "Asha", "Asha.Patel@nhs.example", False),
        ("nobody", "", "", True),
        ("", "", "", True),
        ("=?x-none?q?A?= <a@nhs.example>", "=?x-none?q?A?=", "a@nhs.example", False),
    ],
)
def test_senders_are_read_however_they_are_written(written: str, name: str, address: str, problem: bool) -> None:
    mail = parse_inbound(f"From: {written}\r\nMessage-ID: <1@x.example>\r\n\r\nhello")
    assert (mail.from_name, mail.from_address) == (name, address)
    assert ("from" in mail.problems) is problem


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Wed, 03 Jun 2026 10:41:07 +0100", datetime(2026, 6, 3, 9, 41, 7, tzinfo=UTC)),
        ("3 Jun 2026 09:41 -0000", datetime(2026, 6, 3, 9, 41, tzinfo=UTC)),
        ("yesterday", None),
        ("Wed, 03 Jun 99999 10:41:07 +0100", None),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("", None),
    ],
)
def test_dates_become_utc_or_nothing(date: str, expected: datetime | None) -> None:
    mail = parse_inbound(f"From: a@b.example\r\nDate: {date}\r\n\r\nhello")
    assert mail.sent_at == expected
    assert ("date" in mail.problems) is (expected is None)


def test_a_mail_that_came_as_text_keeps_its_letters_whatever_charset_it_names() -> None:
    raw = "From: a@b.example\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nGrüße – café"
    assert parse_inbound(raw).text == "Grüße – café"


def test_only_so_many_bytes_are_read() -> None:
    mail = parse_inbound(b"From: a@b.example\r\n\r\n" + b"word " * 1000, max_bytes=500)
    assert "too large" in mail.problems
    assert mail.from_address == "a@b.example"
    assert 0 < len(mail.full_text) <= 500


def test_long_text_is_cut_for_reading_and_kept_in_full() -> None:
    mail = parse_inbound(b"From: a@b.example\r\n\r\n" + b"x" * (MAX_TEXT + 10))
    assert (len(mail.text), len(mail.full_text)) == (MAX_TEXT, MAX_TEXT + 10)
    assert "text cut" in mail.problems


def test_bodies_nested_beyond_reason_are_left_out_and_said_so() -> None:
    deep = b"From: a@b.example\r\n" + b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level) for level in range(3000)
    )
    assert "structure" in parse_inbound(deep + b"\r\nhello").problems


def test_a_large_attachment_is_only_measured() -> None:
    data = base64.encodebytes(b"\x00" * 15_000_000)
    raw = b"From: a@b.example\r\nContent-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n" + data
    assert parse_inbound(raw).attachments == (Attachment("a.zip", "application/zip", 15_000_000),)


def test_nothing_a_database_refuses_gets_through() -> None:
    mail = parse_inbound("From: a@b.example\r\nSubject: a\x00b\ud800\r\n\r\nc\x00d\ud800e\rf")
    for text in (mail.subject, mail.text, mail.full_text):
        assert "\x00" not in text
        assert "\r" not in text
        text.encode("utf-8")


def test_a_footer_added_as_text_does_not_hide_an_html_mail() -> None:
    raw = (
        b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>My words</p>\r\n"
        b"--x\r\nContent-Type: text/plain\r\n\r\nList footer\r\n--x--\r\n"
    )
    assert parse_inbound(raw).text.split("\n\n") == ["My words", "List footer"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=600) | st.text(max_size=600))
def test_no_bytes_and_no_text_raise(raw: bytes | str) -> None:
    kind_of(parse_inbound(raw))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=4)), max_size=8))
def test_damaged_samples_do_not_raise(name: str, damage: list[tuple[int, bytes]]) -> None:
    data = bytearray(sample(name))
    for place, wrong in damage:
        data[place % len(data) : place % len(data) + len(wrong)] = wrong
    mail = parse_inbound(bytes(data))
    kind_of(mail)
    mail.full_text.encode("utf-8")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("One<br>Two<br><br>Three", "One\nTwo\n\nThree"),
        ("<div>One</div><div><br></div><div>Two</div>", "One\n\nTwo"),
        ("a <b>bold</b>&nbsp;word &lt;here&gt;", "a bold word <here>"),
        ("<blockquote>old<br>words</blockquote>new", "> old\n> words\n\nnew"),
        ("<blockquote style='border:none'>mine</blockquote>", "mine"),
        ("<ol><li>one</li><li>two</li></ol>", "- one\n- two"),
        ("<script>alert(1)</script><style>p{}</style>safe", "safe"),
        ("<pre>a  b\n c</pre>", "a  b\n c"),
        ("</p></blockquote></div>still", "still"),
        ("<p>unclosed <i>tags", "unclosed tags"),
        ("", ""),
        ("<!-- <p>hidden</p> -->seen", "seen"),
    ],
)
def test_html_reads_like_a_letter(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize(
    "html", ["<" * 400_000, "<!--" * 200_000, "<div>" * 200_000, "&" * 400_000, "<a b='" * 100_000, "<blockquote>" * 3000 + "x<br>" * 3000]
)
def test_hostile_html_takes_no_long_time(html: str) -> None:
    started = time.process_time()
    html_to_text(html)
    assert time.process_time() - started < 10
