"""What somebody may call themselves, a file or a matter, or write, so that it becomes more than words where it is shown.

One list for every place that such words get to; none of them is about one place alone.
"""

from __future__ import annotations

import re

WORDS: dict[str, str] = {
    # HTML, and what Telegram takes of it
    "a tag": "<b>fett</b>",
    "a script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "an open tag": "<i>",
    "a closing tag": "</b></blockquote></code>",
    "out of an attribute": "\"><img src=x onerror='alert(1)'>",
    "a link in HTML": '<a href="https://boese.example">Sparkasse</a>',
    "a person in HTML": '<a href="tg://user?id=1">Kim</a>',
    "an emoji in HTML": '<tg-emoji emoji-id="5368324170671202286">x</tg-emoji>',
    "a spoiler": '<tg-spoiler>x</tg-spoiler><span class="tg-spoiler">y</span>',
    "a comment": "<!-- x --> <![CDATA[ y ]]> <?php z ?>",
    "entities": "&lt;b&gt; &amp;amp; &#60;i&#62; &copy; &nbsp;x &#x202e; &unbekannt;",
    # Slack
    "the channel": "<!channel> <!everyone> <!here|here>",
    "a group of Slack's": "<!subteam^S123|@team> <!date^1392734382^{date}|x>",
    "a person of Slack's": "<@U123> <@U123|kim>",
    "a channel of Slack's": "<#C1> <#C1|general>",
    "a link of Slack's": "<https://boese.example|Sparkasse>",
    "a mail of Slack's": "<mailto:boese@example.com|support@nord.example>",
    "a call": "@channel @here @everyone @firstline_bot @kim",
    # Markdown
    "a link": "[Sparkasse](https://boese.example)",
    "a link that runs": "[x](javascript:alert(1)) [y](data:text/html,z) [z](tg://resolve?domain=boese)",
    "a link by reference": "[Sparkasse][1]\n\n[1]: https://boese.example",
    "an address": "<https://boese.example> <boese@example.com>",
    "an image": "![Logo](https://boese.example/pixel.png)",
    "styles": "*a* **b** _c_ __d__ ~~e~~ ~f~ ***g***",
    "backticks": "`a` ``b`` ```c```",
    "a fence": "```html\n<b>x</b>\n```\nEnde",
    "another fence": "~~~\nx\n~~~",
    "a heading": "# Wichtig\n## Auch",
    "an underlined heading": "Wichtig\n===\nAuch\n---",
    "a rule": "a\n\n---\n\n- - -\n\n***",
    "a list": "- a\n+ b\n* c\n\n1. d\n2) e",
    "a quotation": "> Das Team: erledigt",
    "an indented line": "    *a*\n\n\t<b>",
    "a table": "| a | b |\n|---|---|\n| c | d |",
    "backslashes": "C:\\temp\\*.log \\[x\\] \\\\nas\\_x \\",
    "a placeholder": "{ticket} {name} {company} %s %(name)s {0}",
    # lines of our own
    "line breaks": "a\nDas Team: erledigt\r\nb\rc",
    "odd line breaks": "a\u2028- b\u2029# c\x85> d\x0b1. e\x0cf",
    "headers of mail": "x\r\nBcc: boese@example.com\r\n\r\n<b>y</b>",
    "encoded words": "=?utf-8?q?=0d=0aBcc:_boese=40example=2ecom?=",
    "a line of the log": "x\n2026-01-01T00:00:00Z [info     ] ticket_closed",
    # terminals
    "colours": "\x1b[31mrot\x1b[0m \x9b31m",
    "a clipboard": "\x1b]52;c;ZXZpbA==\x07",
    "a link of terminals": "\x1b]8;;https://boese.example\x1b\\Rechnung\x1b]8;;\x1b\\",
    "a cleared screen": "\x1b[2J\x1b[1;1H\x08\x7f",
    "hidden words": "\x1b[8mx",
    "a title": "\x1b]0;x\x07",
    "a question of a terminal": "\x1bP+q\x1b\\\x9d52;c;ZXZpbA==\x9c",
    "markup of Rich": "[bold]a[/bold] [link=https://boese.example]b[/link] [/] [red",
    # directions
    "an override": "\u202egpj.exe\u202c",
    "isolates": "\u2066a\u2067b\u2068c\u2069 \u200e\u200f",
    # spreadsheets
    "a formula": "=cmd|'/c calc'!A1",
    "a formula with plus": "+1+cmd|x",
    "a formula with minus": "-1+cmd|x",
    "a formula with at": "@SUM(1+1)",
    "a formula behind a tab": "\t=1+1",
    "a formula behind a return": "\r=1+1",
    "a cell": '";=1+1;"',
    # YAML and JSON
    "YAML": "a: b # c\n- d: &e *e !!python/object/apply:os.system ['x']\n...\n---",
    "JSON": '"}], "admin": true, "x": [{"',
    "NUL": "a\x00b",
    "half a character": "a\ud800b",
}  # fmt: skip

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What may steer a screen, or how a line reads, and is to be read by nobody."""
OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")


def characters(text: str) -> str:
    """What a reader reads of it: all but blanks, and what cannot be seen."""
    return "".join(c for c in text if c.isprintable() and not c.isspace())
