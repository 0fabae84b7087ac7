"""Mails from templates: subject, HTML and text. Templates are ours and trusted; everything that people wrote is only ever a value.

May import nothing of the service but `errors`.
"""

from service.rendering.markdown import cleaned, from_plain, to_fragment, to_text
from service.rendering.merge_tags import as_member
from service.rendering.renderer import Renderer
from service.rendering.safety import SUBJECT_TAG, link_or_empty, markdown_escape, neutralise, one_line, quote_reason
from service.rendering.values import Brand, Community, Draft, Palette, Rendered, RenderingError, View

__all__ = [
    "SUBJECT_TAG",
    "Brand",
    "Community",
    "Draft",
    "Palette",
    "Rendered",
    "Renderer",
    "RenderingError",
    "View",
    "as_member",
    "cleaned",
    "from_plain",
    "link_or_empty",
    "markdown_escape",
    "neutralise",
    "one_line",
    "quote_reason",
    "to_fragment",
    "to_text",
]
