"""What a facilitator writes in Markdown, as HTML and as a plain text that reads well."""

import pytest

from service.rendering import Draft, Renderer, markdown
from tests.rendering.html import Page

STYLES = {"p": "", "a": "", "ul": "", "ol": "", "li": "", "blockquote": "", "h2": "", "h3": "", "h4": "", "hr": ""}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("One\n\nTwo", "One\n\nTwo"),
        ("One\nTwo", "One\nTwo"),
        ("A **bold** and *soft* `word`", "A bold and soft word"),
        ("Read [the guide](https://x.org/a?b=1&c=2), please", "Read the guide: https://x.org/a?b=1&c=2, please"),
        ("See https://x.org/a_b_c.", "See https://x.org/a_b_c."),
        ("<https://x.org/>", "https://x.org/"),
        ("[https://x.org/](https://x.org/)", "https://x.org/"),
        ("Write to [Maria](mailto:maria@x.org) or <maria@x.org>", "Write to Maria: maria@x.org or maria@x.org"),
        ("- one\n- two\n\nafter", "- one\n- two\n\nafter"),
        ("- one\n\n- two", "- one\n- two"),
        ("3. one\n4. two", "3. one\n4. two"),
        ("- one\n  - inner\n- two", "- one\n  - inner\n- two"),
        ("> quoted\n> words\n\nafter", "> quoted\n> words\n\nafter"),
        ("> one\n>\n> two", "> one\n>\n> two"),
        ("# Heading\n\nText", "Heading\n\nText"),
        ("a\n\n---\n\nb", "a\n\n--------------------\n\nb"),
        ("    code\n    more", "code\nmore"),
        ("a &amp; b \\* c", "a & b * c"),
        ("", ""),
    ],
)
def test_the_text_part_reads_well(source: str, text: str) -> None:
    assert markdown.to_text(source) == text


def test_a_pasted_address_is_a_link_but_not_inside_code_or_a_link() -> None:
    page = Page(str(markdown.to_html("See https://x.org/a. Also `https://no.org` and [https://y.org](https://z.org)", STYLES)))
    assert page.links == ["https://x.org/a", "https://z.org"]
    assert page.faults == []


def test_pictures_and_html_stay_words() -> None:
    html = markdown.to_html("![a](https://x.org/pixel.gif) <img src=x> <b>bold</b>", STYLES)
    page = Page(str(html))
    assert not page.attributes("img")
    assert not page.attributes("b")
    assert "<b>bold</b>" in page.text


def test_a_top_heading_goes_below_the_mails_own(renderer: Renderer) -> None:
    made = renderer.letter("nudge", Draft("s", "# Big\n\n## Less"), language="en")
    assert Page(made.html).headings == [2, 2]


def test_every_element_carries_its_style(renderer: Renderer) -> None:
    made = renderer.letter("nudge", Draft("s", "p [a](https://x.org)\n\n- li\n\n1. li\n\n> q\n\n## h\n\n### h\n\n---"), language="en")
    page = Page(made.html)
    for tag in ("a", "ul", "ol", "li", "blockquote", "h2", "h3", "hr", "p"):
        assert page.attributes(tag)
        assert all(attributes.get("style") for attributes in page.attributes(tag)), tag


def test_what_the_facilitator_edits_is_what_goes(renderer: Renderer) -> None:
    made = renderer.letter("welcome", Draft("New subject", "Dear Asha,\n\nmy own words {{ not a template }} {% nor this %}"), language="en")
    assert made.subject == "New subject"
    assert "my own words {{ not a template }} {% nor this %}" in made.text
    assert "my own words {{ not a template }} {% nor this %}" in Page(made.html).text
