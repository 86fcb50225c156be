"""What libyaml says about broken YAML, in words that an admin understands.

It must not know what the file is for.
"""

from __future__ import annotations

import yaml

_PLAIN = {
    "mapping values are not allowed": (
        "A colon with a space after it stands inside a text",
        "Put it in double quotes.",
    ),
    "found unexpected end of stream": ("The quotation mark that opens here is never closed", "Close it."),
    "unknown escape character": (
        "A backslash in double quotes starts an escape",
        "Write it twice, or use single quotes.",
    ),
    "did not find expected ',' or": (
        "The bracket that opens here is not closed",
        "Close it, or put the text in quotes.",
    ),
    "could not find expected ':'": ("This line is neither a key with a colon nor an item", "Check its indentation."),
    "did not find expected key": (
        "This does not continue what stands above",
        "Check the indentation; a text that starts with a quotation mark or a bracket needs quotes around all of it.",
    ),
    "did not find expected '-'": (
        "A list item is expected here",
        "Check the indentation; a text that starts with a quotation mark needs quotes around all of it.",
    ),
    "did not find expected node content": (
        "A value is missing here",
        "Write it; check that brackets above are closed.",
    ),
    "while scanning an anchor": ("& has a special meaning at the start of a text", "Put it in double quotes."),
    "while scanning an alias": ("* has a special meaning at the start of a text", "Put it in double quotes."),
    "while scanning a tag": ("! has a special meaning at the start of a text", "Put it in double quotes."),
    "while scanning a block scalar": ("Nothing may follow | or > in this line", "Put the text below, indented."),
}

_BEGINS = ("found unexpected end of stream", "did not find expected ',' or", "could not find expected ':'")
"""What is better shown where the broken construct begins than where the parser gave up."""

Mark = tuple[int, int]
"""Line and column, from 1."""


def explain(error: yaml.MarkedYAMLError, text: str) -> tuple[Mark, str, str]:
    """Where it is, what is wrong, what to do."""
    technical = f"{error.context or ''}: {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    if any(part in technical for part in _BEGINS):
        mark = error.context_mark or mark
    where = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if mark and "cannot start any token" in technical:
        sign = text[mark.index : mark.index + 1]
        if sign == "\t":
            return where, "A tab stands in the indentation", "Use spaces."
        return where, f"A text must not start with {sign}", "Put it in double quotes."
    for part, (message, remedy) in _PLAIN.items():
        if part in technical:
            return where, message, remedy
    return where, f"This is not YAML ({error.problem})", "Check quotes, colons and indentation here and above."
