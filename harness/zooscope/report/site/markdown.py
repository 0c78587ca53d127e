"""Model cards: Markdown that a stranger wrote -> HTML that cannot run anything."""

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup


def as_html(text: str, *, below: int = 2) -> Markup:
    """HTML of a card: raw HTML in it is shown as text, pictures are left out, headings start below level `below`."""
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + below)}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
