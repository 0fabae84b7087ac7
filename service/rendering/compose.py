"""Puts a mail's HTML template together, once, when the service starts.

Two passes with two sets of delimiters. Here, at load: `[% %]`, `[[ ]]` and `[# #]` fill in layout, blocks and brand, and MJML
becomes HTML. Later, for each recipient: `{{ }}` and `{% %}`, which pass through this file untouched.
"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from mjml import mjml2html

from service.rendering.markdown import letter_styles
from service.rendering.values import Brand, RenderingError

_RUNTIME_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def composer(templates: Path, brand: Brand) -> Environment:
    """The environment of the first pass; undefined names are errors."""
    environment = Environment(
        loader=FileSystemLoader(templates),
        block_start_string="[%",
        block_end_string="%]",
        variable_start_string="[[",
        variable_end_string="]]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701 - the second pass escapes; this one only sees our own templates and brand file
    )
    environment.globals |= {"brand": brand, "style": letter_styles(brand.light)}
    return environment


def compiled_html(environment: Environment, name: str) -> str:
    """The HTML of MJML template `name`, still with its run-time tags. Raises RenderingError when it doesn't compile or loses a tag."""
    try:
        source = environment.get_template(name).render()
        # without `fonts={}` MJML fetches some font families of a stack from Google
        html = str(mjml2html(source, disable_comments=True, fonts={}))
    except (TemplateError, ValueError, OSError) as error:
        raise RenderingError(f"{name} does not compile: {error}") from error
    lost = set(_RUNTIME_TAG.findall(source)) - set(_RUNTIME_TAG.findall(html))
    if lost:
        raise RenderingError(f"{name}: MJML dropped or changed {min(lost)}")
    # The mail is a document of its own in most mail programs and in the archive: screen readers look for its main part.
    return html.replace('aria-roledescription="email" ', "").replace('role="article"', 'role="main"', 1)
