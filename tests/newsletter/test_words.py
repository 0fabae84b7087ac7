"""An item's words: Markdown where a person wrote them, plain text where they came from elsewhere; the same in HTML, text, archive, feed."""

import re
from typing import Any

import httpx
import pytest

from service.newsletter.archive import archive_fragment
from service.newsletter.mail import content_of, render_edition
from service.newsletter.rules import SummaryFormat
from service.newsletter.shapes import EditionCreate
from service.newsletter.words import html_of, markdown_of, text_of
from service.parts import Parts
from tests.fakes import NOW
from tests.newsletter.community import an_item
from tests.newsletter.community import create_edition as make_edition
from tests.rendering.html import Page

BY_CHANCE = """# 1 of 3 wards
1986. A year
- 5 * 3 * 2 = 30 and snake_case_name
> quoted & <b>bold</b> &amp; done
[click](javascript:alert(1)) ![x](https://x.org/p.gif)
| a | b | ~~~ ```
*|UNSUB|* \\* end"""
WRITTEN = "**Bold** and [a link](https://example.org/a).\n\n# Steps\n\n1. *one*\n2. two\n\n> heard\n\n<script>x</script>"


@pytest.mark.parametrize("line", [*BY_CHANCE.split("\n"), BY_CHANCE])
def test_plain_text_that_looks_like_markdown_stays_what_it_is(line: str) -> None:
    as_markdown = markdown_of(line, SummaryFormat.PLAIN)
    for shown in (html_of(line, SummaryFormat.PLAIN), html_of(as_markdown, SummaryFormat.MARKDOWN)):
        page = Page(shown)
        assert "".join(page.words).split() == line.split()
        assert {name for name, _ in page.elements} <= {"p", "br", "a"}
        assert set(page.links) <= {"https://x.org/p.gif"}
    assert text_of(line, SummaryFormat.PLAIN) == line
    assert text_of(as_markdown, SummaryFormat.MARKDOWN) == line


def test_written_words_are_the_safe_part_of_markdown_without_headings_of_their_own() -> None:
    page = Page(html_of(WRITTEN, SummaryFormat.MARKDOWN))
    assert page.faults == []
    assert page.headings == []
    assert {name for name, _ in page.elements} == {"p", "strong", "a", "ol", "li", "em", "blockquote"}
    assert "<script>x</script>" in page.text
    text = text_of(WRITTEN, SummaryFormat.MARKDOWN)
    assert text == "Bold and a link: https://example.org/a.\n\nSteps\n\n1. one\n2. two\n\n> heard\n\n<script>x</script>"


async def test_mail_text_and_archive_say_the_same(parts: Parts) -> None:
    async with parts.database.transaction() as session:
        lead = await an_item(session, "Lead", summary=WRITTEN)
        plain = await an_item(session, "From a feed", summary=BY_CHANCE, summary_format="plain")
        notice = await an_item(session, "Notice", kind="announcement", summary="```\nnever closed **x**", url="https://example.org/n")
        body = {"subject": "S", "question": "What **one** thing?", "item_ids": [lead.id, plain.id, notice.id], "lead_item_id": lead.id}
        edition = await make_edition(session, EditionCreate.model_validate(body), now=NOW)
        content = await content_of(session, edition, now=NOW, settings=parts.settings)
    mail = render_edition(content, measured=True, renderer=parts.renderer, settings=parts.settings)
    archive = archive_fragment(content)
    assert Page(mail.html).faults == []
    assert Page(mail.html).headings == [1, 2, 2, 3, 2]
    for shown in (mail.html, archive):
        words = " ".join("".join(Page(shown).words).split())
        assert "Bold and a link." in words
        assert "1 of 3 wards 1986. A year - 5 * 3 * 2 = 30 and snake_case_name > quoted & <b>bold</b> &amp; done [click]" in words
        assert "What one thing?" in words
        assert "<strong>Bold</strong>" in shown
        assert re.search("<h[1-4][^>]*>Steps", shown) is None
    assert "What one thing?" in mail.text
    assert "1. one\n2. two\n\n> heard" in mail.text
    assert "# 1 of 3 wards\n1986. A year\n- 5 * 3 * 2 = 30" in mail.text
    assert "Find out more: https://example.org/n" in mail.text
    assert "*|UNSUB|* \\* end" not in mail.html


async def test_the_api_tells_what_words_were_written_in_and_how_they_look(client: httpx.AsyncClient) -> None:
    async def sent(verb: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await client.request(verb, f"/api/v1/content{path}", json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    made = await sent("POST", "", {"kind": "content", "title": "T", "summary": "**b**"})
    assert (made["summary_format"], made["summary_html"], made["summary_text"]) == ("markdown", "<p><strong>b</strong></p>", "b")
    plain = await sent("POST", "", {"kind": "content", "title": "U", "summary": "**b**", "summary_format": "plain"})
    assert (plain["summary"], plain["summary_html"], plain["summary_text"]) == ("**b**", "<p>**b**</p>", "**b**")
    changed = await sent("PATCH", f"/{plain['id']}", {"summary": "*c*"})
    assert (changed["summary_format"], changed["summary_text"]) == ("plain", "*c*")
    seen = await sent("POST", "/preview", {"summary": "*c*"})
    assert seen == {"html": "<p><em>c</em></p>", "text": "c"}
    table = "kind,title,summary\ncontent,V,5 * 3 * 2\n"
    await client.post("/api/v1/content/import", content=table, headers={"Content-Type": "text/csv"})
    item = (await client.get("/api/v1/content?q=V")).json()["items"][0]
    assert (item["summary_format"], item["summary_html"]) == ("plain", "<p>5 * 3 * 2</p>")
