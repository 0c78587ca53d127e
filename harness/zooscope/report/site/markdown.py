"""Model cards: Markdown that a stranger wrote -> HTML that cannot run anything."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape


def as_html(text: str, *, below: int = 2) -> Markup:
    """HTML of a card: raw HTML in it is shown as text, pictures by what they show, headings start below `below`."""
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + below)}"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _instead_of_picture)
    return parser


def _instead_of_picture(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    shows = renderer.renderInlineAsText(tokens[index].children or [], options, env)
    return f"<em>[picture in the package: {escape(shows)}]</em>"
