"""Every mail against existing judges: an HTML parser that knows every rule, and caniemail's data of what mail programs can do."""

from pathlib import Path

import pytest
from justhtml import JustHTML

from service.rendering import View
from tests.rendering.clients import FEATURES, asked_of, support
from tests.rendering.conftest import KINDS, Mail

REVIEW = Path(__file__).parents[2] / "var" / "review" / "mails"
CLIENTS = (
    "outlook/windows",
    "outlook/outlook-com",
    "gmail/desktop-webmail",
    "gmail/ios",
    "gmail/android",
    "apple-mail/macos",
    "apple-mail/ios",
)
DECORATION = {
    "css-border-radius": "square corners instead of round ones",
    "css-at-media-prefers-color-scheme": "the program's own dark mode, or the light colours",
    "css-at-media": "phones get the desktop's margins of 32 pixels instead of 20",
    "css-color-scheme": "the program decides by itself what it darkens",
    "css-opacity": "the preview text is hidden five ways; one is enough",
    "css-max-height": "the same",
    "css-overflow": "the same",
    "css-word-spacing": "spacing as ever",
    "css-cursor": "the pointer looks as ever",
    "css-outline": "only about pictures that are links",
    "css-white-space": "a figure may break onto the next line",
}
"""What may be missing in a mail program without anything being lost, and what its readers see instead."""
every_mail = pytest.mark.parametrize(("kind", "view"), [*((kind, View.DIRECT) for kind in KINDS), ("newsletter", View.CAMPAIGN)])


@every_mail
def test_the_html_has_no_fault(kind: str, view: View, mail: Mail) -> None:
    errors = JustHTML(mail(kind, view).html, collect_errors=True, sanitize=False).errors
    assert [str(error) for error in errors] == []


@every_mail
def test_what_a_mail_program_cant_do_carries_no_meaning(kind: str, view: View, mail: Mail) -> None:
    asked = asked_of(mail(kind, view).html)
    assert len(asked.features) > 20, "the mail was not read"
    lacking = {slug: [client for client in CLIENTS if support(slug, client)[0] in "nu"] for slug in asked.features}
    _write_down(kind, asked.features)
    assert {slug: clients for slug, clients in lacking.items() if clients and slug not in DECORATION} == {}
    assert asked.unknown <= {"color", "supported-color-schemes", "font-family"}, "properties caniemail has no data of"


@every_mail
def test_only_cells_have_a_padding_which_is_all_that_outlook_takes(kind: str, view: View, mail: Mail) -> None:
    for element in asked_of(mail(kind, view).html).padded:
        stands_in = "mso-padding-alt" in ((element.parent.attrs.get("style") or "") if element.parent is not None else "")
        assert element.name in {"td", "ul", "ol", "blockquote"} or stands_in or element.name == "a", element.attrs


def test_the_list_knows_what_outlook_cant_do() -> None:
    html = "<table><tr><td style='display:flex;border-radius:4px'>x</td></tr></table>"
    asked = asked_of(html)
    assert support("css-display-flex", "outlook/windows")[0] == "n"
    assert support("css-border-radius", "outlook/windows")[0] == "n"
    assert {"css-border-radius", "html-table"} <= set(asked.features)
    assert JustHTML("<p><table><b></table></b>", collect_errors=True, sanitize=False).errors


def _write_down(kind: str, features: dict[str, str]) -> None:
    """Which parts of this mail which program can't do, or only partly: for people's eyes."""
    lines = []
    for slug, written in sorted(features.items()):
        for client in CLIENTS:
            mark, note = support(slug, client)
            if mark != "y":
                word = {"a": "partly", "n": "not", "u": "unknown"}[mark]
                instead = f" Instead: {DECORATION[slug]}." if slug in DECORATION else ""
                lines.append(f"{client:22} {word:8} {FEATURES[slug]['title']} ({written[:60]}). {note}{instead}")
    REVIEW.mkdir(parents=True, exist_ok=True)
    (REVIEW / f"{kind}-mail-programs.txt").write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")
