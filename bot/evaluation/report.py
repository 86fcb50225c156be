"""One HTML page about an evaluation: self-contained, readable on a phone and in the dark, without a line of script.

Customers' sentences stand in it, so everything is escaped. It must not know how anything in it was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bot.catalogue.catalogue import Catalogue
from bot.evaluation.consequences import Turned, by_cost, in_words
from bot.evaluation.figures import confusion, figures, reliability, worst
from bot.evaluation.judging import Judged
from bot.evaluation.plots import confusion_plot, cost_plot, legend, reliability_plot
from bot.evaluation.style import STYLE
from bot.evaluation.wording import FIGURES, figure, mistake, origin, story
from bot.model import LANGUAGES

MISLEADING = 3
ALIKE = 0.2  # below this, that an example is the nearest says nothing


@dataclass(frozen=True, slots=True)
class Report:
    """What the page shows. ``source`` says where the messages come from; ``turned`` may be empty."""

    source: str
    judged: Sequence[Judged]
    turned: Sequence[Turned]
    catalogue: Catalogue
    mistakes: int

    def html(self) -> str:
        title = f"Firstline: catalogue {self.catalogue.version}"
        body = "\n".join(section for section in self._sections())
        return (
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
            f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
        )

    def _sections(self) -> Iterator[str]:
        yield (
            f"<header><h1>What customers would get</h1><p>{len(self.judged):,} messages, {escape(self.source)}. "
            f"Catalogue <code>{escape(self.catalogue.version)}</code>.</p></header>"
        )
        yield _section("In words", _list(in_words(self.judged)), "words")
        yield _section("Figures", self._figures())
        if mistakes := worst(self.judged, self.mistakes):
            note = "<p>The worst first. Beneath each stand the examples that it resembled most: there is where to edit.</p>"
            yield _section("Mistakes", note + "".join(self._mistake(j) for j in mistakes))
        if self.turned:
            yield _section("If the costs were different", self._costs())
        note = "<p>Rows are what a message was, columns what it was taken for. Red cells are the dangerous ones.</p>"
        yield _section("Confusion", f'{note}<div class="wide">{confusion_plot(confusion(self.judged))}</div>')
        note = (
            "<p>On the dashed line the bot is right as often as it says. Above it, it is too modest, below it, too sure. "
            "The larger a dot, the more messages.</p>"
        )
        yield _section("Reliability", f'{note}<div class="wide">{reliability_plot(reliability(self.judged))}</div>')

    def _figures(self) -> str:
        found = figures(self.judged)
        rows = "".join(
            f'<tr><th scope="row">{escape(words)}</th>'
            + "".join(f"<td>{figure(key, each[key])}</td>" for each in (found, *(found[lang] for lang in LANGUAGES)))
            + "</tr>"
            for key, words in FIGURES.items()
        )
        head = '<tr><td></td><th scope="col">all</th><th scope="col">German</th><th scope="col">English</th></tr>'
        return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'

    def _mistake(self, j: Judged) -> str:
        kind = "bad" if j.refused or j.missed else "mild"
        near = "".join(
            f"<li><q>{escape(each.text)}</q> "
            f"<small>{escape(origin(each, self.catalogue))}, {each.similarity:.0%} alike</small></li>"
            for each in j.blamed.nearest[:MISLEADING]
            if each.similarity >= ALIKE
        )
        return (
            f'<article><p><b class="tag {kind}">{mistake(j)}</b> <small>{escape(j.row.id)} · {j.row.lang}</small></p>'
            f"<blockquote>{escape(j.row.text)}</blockquote>"
            f"<p>{escape(story(j))}</p>" + (f"<ul>{near}</ul>" if near else "") + "</article>"
        )

    def _costs(self) -> str:
        note = (
            "<p>Each plot changes one cost of <code>agreement.yaml</code> and leaves the others; the vertical line is the cost in "
            "force. The scale is per 1,000, stretched at the bottom so that rare errors can be seen.</p>"
        )
        plots = "".join(
            f"<figure><figcaption><code>{escape(name)}</code></figcaption>{cost_plot(values)}</figure>"
            for name, values in by_cost(self.turned)
        )
        return f'{note}{legend()}<div class="plots">{plots}</div>'


def _section(title: str, content: str, style: str = "") -> str:
    return f'<section class="{style}"><h2>{escape(title)}</h2>{content}</section>'


def _list(sentences: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(sentence)}</li>' for sentence in sentences)}</ul>"
