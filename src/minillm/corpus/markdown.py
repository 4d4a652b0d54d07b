"""Markdown to plain text: headings and paragraphs apart by a blank line, list items a line each, no marks.

Labels of links stay; code blocks, images, tables and raw HTML go. A YAML front matter is no text, but names the title.
"""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_TITLE = re.compile(r"^title:[ \t]*(?:\"(.+)\"|'(.+)'|(.+?))[ \t]*$", re.MULTILINE)
_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def render_markdown(source: str) -> tuple[str, str]:
    """The title in the front matter, or an empty one, and the plain text."""
    title = ""
    if front := _FRONT_MATTER.match(source):
        source = source[front.end() :]
        if named := _TITLE.search(front[1]):
            title = next(filter(None, named.groups()))
    blocks: list[list[str]] = []  # lines
    lists = tables = 0  # that are open
    for token in _PARSER.parse(source):
        if token.type in ("bullet_list_open", "ordered_list_open", "bullet_list_close", "ordered_list_close"):
            if lists == 0:
                blocks.append([])
            lists += token.nesting
        elif token.type in ("table_open", "table_close"):
            tables += token.nesting
        elif token.type == "inline" and not tables and (line := _shown(token.children or [])):
            if lists:
                blocks[-1].append(line)
            else:
                blocks.append([line])
    return title, "\n\n".join("\n".join(lines) for lines in blocks if lines)


def _shown(tokens: Sequence[Token]) -> str:
    """What is read of the tokens of a paragraph."""
    pieces = []
    for token in tokens:
        if token.type in ("text", "code_inline"):
            pieces.append(token.content)
        elif token.type == "softbreak":
            pieces.append(" ")
        elif token.type == "hardbreak" or token.content.lower().startswith("<br"):
            pieces.append("\n")
    return "".join(pieces).strip()
