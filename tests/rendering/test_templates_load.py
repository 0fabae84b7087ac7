"""Faults in templates and brand files are found when the service starts, and say where."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.rendering import Brand, Community, Renderer, RenderingError
from tests.rendering.conftest import TEMPLATES, sample


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "templates"))


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("alert/body.mjml", "<mjml><mj-body><mj-section></mj-body></mjml>", "alert/body.mjml does not compile"),
        ("alert/body.mjml", "[[ no_such_name ]]", "alert/body.mjml does not compile: 'no_such_name' is undefined"),
        (
            "alert/body.mjml",
            "<mjml><mj-head><mj-title>{{ a }}</mj-title><mj-title>{{ b }}</mj-title></mj-head><mj-body/></mjml>",
            "dropped or changed {{ a }}",
        ),
        ("alert/body.txt", "{% if %}", "alert/body"),
        ("alert/subject.txt", "{{ nothing", "alert/subject.txt"),
        ("welcome/draft.md", "{{ x|no_such_filter }}", "welcome/draft.md"),
        ("brand.json", '{"light": {}}', "brand.json"),
    ],
)
def test_a_broken_template_stops_the_start_and_names_itself(
    file: str, content: str, says: str, templates: Path, community: Community
) -> None:
    (templates / file).write_text(content)
    with pytest.raises(RenderingError) as caught:
        Renderer(templates, community).load()
    assert says in str(caught.value)


def test_another_folder_is_another_kind(templates: Path, community: Community) -> None:
    shutil.copytree(templates / "alert", templates / "notice")
    renderer = Renderer(templates, community)
    assert "notice" in renderer.kinds()
    assert renderer.render("notice", sample("alert")).text == renderer.render("alert", sample("alert")).text


def test_a_community_brings_its_own_brand(templates: Path, community: Community) -> None:
    brand = Brand.load(templates / "brand.json")
    own = replace(brand, logo_url="https://example.org/logo.png", logo_alt='Owl & "moon"', light=replace(brand.light, button="#7a1f5c"))
    html = Renderer(templates, replace(community, brand=own)).render("alert", sample("alert")).html
    assert "#7a1f5c" in html
    assert 'src="https://example.org/logo.png"' in html
    assert 'alt="Owl &amp; &#34;moon&#34;"' in html or 'alt="Owl &amp; &quot;moon&quot;"' in html


def test_a_brand_that_cant_be_read_is_refused_with_the_figures(templates: Path) -> None:
    raw = json.loads((templates / "brand.json").read_text())
    for change, words in (
        ({"light": raw["light"] | {"link": "#9fd3e0"}}, r"light: link on surface stands at 1\.\d:1; it needs 4\.5:1"),
        ({"dark": raw["dark"] | {"text": "white"}}, "dark: text must be a colour as #rrggbb"),
        ({"font_stack": "Arial;} body{display:none"}, "font_stack"),
        ({"colour": "#ffffff"}, "colour"),
    ):
        (templates / "own.json").write_text(json.dumps(raw | change))
        with pytest.raises(RenderingError, match=words):
            Brand.load(templates / "own.json")
    with pytest.raises(RenderingError, match=r"none\.json"):
        Brand.load(templates / "none.json")


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("palette", ["light", "dark"])
def test_every_text_colour_stands_out_enough(palette: str) -> None:
    colours: dict[str, Any] = json.loads((TEMPLATES / "brand.json").read_text())[palette]
    for ground in ("surface", "background", "tint"):
        for ink in ("text", "muted", "link"):
            assert _contrast(colours[ink], colours[ground]) >= 4.5, f"{ink} on {ground}"
    assert _contrast(colours["button_text"], colours["button"]) >= 4.5
    assert _contrast(colours["button"], colours["surface"]) >= 3
