"""Whatever people write stays words: no template, no merge tag, no markup, no link they smuggle in, no second header line."""

import html as htmllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rendering import (
    Draft,
    Renderer,
    RenderingError,
    View,
    link_or_empty,
    markdown,
    markdown_escape,
    neutralise,
    one_line,
    quote_reason,
)
from tests.rendering.conftest import KINDS, Mail, sample
from tests.rendering.html import Page

EVIL = (
    "{{7*7}} {% for a in b %} {{community}} *|FNAME|* *|UNSUB|* <script>alert(1)</script> [x](javascript:alert(1)) "
    '"><img src=x onerror=y> [[ 7*7 ]]'
)


def poisoned(value: Any, name: str = "") -> Any:
    """Every text in a sample replaced by an attack; addresses stay, and words that choose a branch."""
    if isinstance(value, dict):
        return {key: poisoned(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [poisoned(inner) for inner in value]
    return EVIL if isinstance(value, str) and not name.endswith("url") and name not in {"kind", "field"} else value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("view", list(View))
def test_an_attack_in_every_field_stays_words(kind: str, view: View, mail: Mail) -> None:
    made = mail(kind, view, **poisoned(sample(kind)))
    page = Page(made.html)
    assert page.faults == []
    assert not page.attributes("script")
    assert not page.attributes("img")
    assert all(address.startswith(("https://", "*|")) for address in page.links)
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    for part in (made.subject, made.html, made.text):
        assert "49" not in part.replace("#49", "")
        assert "*|FNAME|*" not in part.replace("*|IF:FNAME|*Dear *|FNAME|*", "")
        assert part.count("*|UNSUB|*") <= 1


@pytest.mark.parametrize("kind", [kind for kind in KINDS if (set(sample(kind)) & {"first_name", "title", "member_name"})])
def test_what_was_written_is_still_readable(kind: str, mail: Mail) -> None:
    field = next(iter({"first_name", "title", "member_name"} & set(sample(kind))))
    words = "Zoë_{{7*7}} *O'Brien* <b>"
    made = mail(kind, **{field: words})
    if kind == "newsletter":
        return
    assert words in Page(made.html).text
    assert words in made.text


def test_a_merge_tag_can_not_be_put_together_by_markdown(renderer: Renderer) -> None:
    for body in (
        r"\*\|UNSUB\|\*",
        "&#42;|UNSUB|&#42;",
        "*&#124;UNSUB&#124;*",
        "`*|UNSUB|*`",
        "[*|UNSUB|*](https://example.org/*|UNSUB|*)",
        "<https://x.org/*|EMAIL|*>",
    ):
        made = renderer.letter("nudge", Draft("*|FNAME|*", body), language="en", view=View.CAMPAIGN)
        for part in (made.subject, made.html.replace('href="*|UNSUB|*"', ""), made.text.replace("emails: *|UNSUB|*", "")):
            assert "*|UNSUB|*" not in part
            assert "*|EMAIL|*" not in part
            assert "*|FNAME|*" not in part


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        " javascript:alert(1)",
        "java\nscript:alert(1)",
        "data:text/html,x",
        "//example.org",
        "vbscript:x",
        "file:///etc/passwd",
        "https://",
        "x",
        "",
    ],
)
def test_an_unfit_address_becomes_no_link(address: str, renderer: Renderer, mail: Mail) -> None:
    assert link_or_empty(address) == ""
    item = sample("newsletter")["items"][0] | {"url": address, "title": "Title stays"}
    made = mail("newsletter", items=[item], lead=item)
    assert made.text.count("Title stays") == 2
    assert all(link.startswith(("https:", "*|")) for link in Page(made.html).links)
    letter = renderer.letter("welcome", Draft("s", f"[words]({address}) <{address}>"), language="en")
    assert letter.links == ()
    with pytest.raises(RenderingError):
        renderer.draft("sunset", sample("sunset") | {"stay_url": address}, language="en")


@given(st.text())
def test_an_address_never_leaves_its_attribute(rest: str) -> None:
    safe = link_or_empty("https://example.org/" + rest)
    assert not set(safe) & set("\"'<>| \n\r\t")
    assert link_or_empty(safe) == safe


def test_an_ordinary_address_is_left_as_it_is() -> None:
    for address in ("https://example.org/a?b=1&c=%20#d", "http://127.0.0.1:8000/x", "mailto:asha@example.org", "https://example.org/a_(b)"):
        assert link_or_empty(address) == address


@given(st.text(alphabet="*|ABC: "))
def test_no_text_is_a_merge_tag_once_neutralised(text: str) -> None:
    safe = neutralise(text)
    assert "*|" not in safe
    assert "|*" not in safe
    assert safe.replace("\u200b", "") == text
    assert neutralise(safe) == safe


WORDS = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp", "Zs"))
    | st.sampled_from(list(" *_[]()#>-+=1.`~&;<!\\|{}")),
    min_size=1,
)


@given(WORDS)
def test_escaped_text_reads_as_it_was_written(text: str) -> None:
    page = Page(str(markdown.to_html("Dear " + markdown_escape(text), {"p": ""})))
    assert {tag for tag, _ in page.elements} <= {"p", "a"}  # a pasted address may become a link
    assert page.text == " ".join(f"Dear {text}".split())


@given(WORDS)
def test_escaped_text_at_the_start_of_a_line_makes_no_block(text: str) -> None:
    page = Page(str(markdown.to_html(markdown_escape(text.strip()), {"p": ""})))
    assert {tag for tag, _ in page.elements} <= {"p", "a"}
    assert page.text == " ".join(text.split())


@given(st.text(), st.integers(10, 400))
def test_a_quoted_reason_is_one_line_and_never_too_long(reason: str, limit: int) -> None:
    quoted = quote_reason(reason, limit)
    assert len(quoted) <= limit
    assert quoted == one_line(quoted)


def test_a_reason_is_shortened_on_a_word() -> None:
    assert quote_reason("I want to learn about handover at night", 30) == "I want to learn about…"
    assert quote_reason("I want to learn, about handover", 18) == "I want to learn…"
    assert quote_reason("short enough") == "short enough"
    assert quote_reason("two\n\nlines\tand  spaces") == "two lines and spaces"
    assert quote_reason("x" * 50, 20) == "x" * 19 + "…"


def test_nobody_can_send_a_stranger_a_link_by_joining_with_their_address(mail: Mail) -> None:
    for reason in ("win money at https://evil.example/a?b now", "HTTP://evil.example", "see www.evil.example/x", "ftp://evil.example"):
        made = mail("confirm_join", reason=reason, first_name=reason)
        assert "evil.example" not in made.html + made.text + made.subject


@given(st.text())
def test_a_subject_is_one_line(text: str) -> None:
    assert not set(one_line(text)) & set("\r\n\x00\x0b\x0c\x1c\x85\u2028\u2029")


def test_line_breaks_never_reach_a_subject(renderer: Renderer, mail: Mail) -> None:
    assert mail("reply_forward", subject="Hello\r\nBcc: all@example.org").subject == "Reply from Ben Adeyemi: Hello Bcc: all@example.org"
    assert (
        renderer.draft("welcome", sample("welcome") | {"first_name": "A\nB"}, language="en").subject
        == "Welcome to Night Team Learning, A B"
    )
    assert renderer.letter("welcome", Draft("A\r\nBcc: x", "Hello"), language="en").subject == "A Bcc: x"


def test_a_members_words_are_escaped_not_changed(mail: Mail) -> None:
    made = mail("reply_forward", text='5 < 6 & "so on"\n\nLast line')
    assert "5 &lt; 6 &amp; " in made.html
    assert "<br><br>Last line" in made.html
    assert htmllib.unescape("5 &lt; 6 &amp;") in made.text
