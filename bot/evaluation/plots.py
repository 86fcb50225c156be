"""Plots as inline SVG: reliability, confusion, and what other costs would do. Colours come from the page's style sheet.

It must not know the page that they stand in, and nothing in them is loaded from anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from bot.evaluation.consequences import Turned
from bot.evaluation.figures import Bin
from bot.evaluation.wording import COSTS
from bot.model import Category

_TICKS = (0, 10, 50, 100, 250, 500, 1000)  # per 1,000


def reliability_plot(bins: Sequence[Bin]) -> str:
    """How often the bot was right against how sure it was; a well calibrated bot follows the diagonal."""
    left, top, side = 66, 12, 260
    most = max((b.count for b in bins), default=1)

    def x(share: float) -> float:
        return left + share * side

    def y(share: float) -> float:
        return top + (1 - share) * side

    parts = []
    for step in range(0, 101, 25):
        share = step / 100
        parts += [
            _line(x(0), y(share), x(1), y(share), "grid"),
            _text(left - 6, y(share) + 4, f"{step} %", "end"),
            _text(x(share), y(0) + 16, f"{step} %", "middle"),
        ]
    parts.append(_line(x(0), y(0), x(1), y(1), "ideal"))
    parts.append(_polyline([(x(b.confidence), y(b.right)) for b in bins], "s0"))
    for b in bins:
        words = f"{b.count} messages: {b.confidence:.0%} sure, {b.right:.0%} right"
        radius = 3 + 9 * math.sqrt(b.count / most)
        parts.append(f'<circle class="dot" cx="{x(b.confidence):.1f}" cy="{y(b.right):.1f}" r="{radius:.1f}">')
        parts.append(f"<title>{escape(words)}</title></circle>")
    parts.append(_text(x(0.5), y(0) + 34, "how sure the bot was", "middle"))
    parts.append(_text(0, 0, "how often it was right", "middle", f"translate(11 {y(0.5):.0f}) rotate(-90)"))
    return _svg(left + side + 16, top + side + 42, "Reliability of the probabilities", parts)


def confusion_plot(counts: Mapping[tuple[Category, Category], int]) -> str:
    """Rows: what it was; columns: what it was taken for. The darker, the greater the share of the row."""
    categories = [c for c in Category if any(c in pair for pair in counts)]
    left, top, cell = 168, 132, 40
    parts = []
    for row, meant in enumerate(categories):
        total = sum(counts.get((meant, taken), 0) for taken in categories)
        middle = top + row * cell + cell / 2
        parts.append(_text(left - 8, middle + 4, meant.value, "end"))
        turned = f"translate({left + row * cell + cell / 2 + 4:.0f} {top - 8}) rotate(-50)"
        parts.append(_text(0, 0, meant.value, "start", turned))
        for column, taken in enumerate(categories):
            count = counts.get((meant, taken), 0)
            if not total:
                continue
            share = count / total
            refused = meant.in_scope and (taken.excluded or taken is Category.OUT_OF_DOMAIN)
            kind = "hit" if meant is taken else "bad" if refused else "miss"
            at = f'x="{left + column * cell}" y="{top + row * cell}"'
            words = f"{count} of {total} ({share:.0%}): {meant.value} taken for {taken.value}"
            opacity = 0.0 if not count else 0.12 + 0.88 * math.sqrt(share)
            parts.append(
                f'<g><title>{escape(words)}</title><rect class="cell" {at} width="{cell}" height="{cell}"/>'
                f'<rect class="{kind}" {at} width="{cell}" height="{cell}" fill-opacity="{opacity:.2f}"/>'
            )
            if count:
                strong = "on" if opacity > 0.6 else ""
                parts.append(_text(left + column * cell + cell / 2, middle + 4, str(count), "middle", style=strong))
            parts.append("</g>")
    size = len(categories) * cell
    return _svg(left + size + 110, top + size + 8, "Confusion of the categories", parts)


def cost_plot(turned: Sequence[Turned]) -> str:
    """The consequences, per 1,000, for several values of one cost; the scale shows small shares as well as great ones."""
    left, top, width, height = 44, 10, 300, 190
    last = max(len(turned) - 1, 1)

    def x(index: int) -> float:
        return left + 8 + index * (width - 16) / last

    def y(share: float) -> float:
        return top + height * (1 - math.sqrt(min(1.0, share)))

    parts = []
    for tick in _TICKS:
        parts += [
            _line(left, y(tick / 1000), left + width, y(tick / 1000), "grid"),
            _text(left - 6, y(tick / 1000) + 4, str(tick), "end"),
        ]
    for index, each in enumerate(turned):
        now = each.factor == 1
        if now:
            parts.append(_line(x(index), top, x(index), top + height, "now"))
        parts.append(_text(x(index), top + height + 16, f"{each.value:g}", "middle", style="strong" if now else ""))
    for number, (key, words) in enumerate(COSTS.items()):
        points = [
            (x(index), consequence, each)
            for index, each in enumerate(turned)
            for consequence in each.consequences
            if consequence.key == key
        ]
        parts.append(_polyline([(at, y(found.share)) for at, found, _ in points], f"s{number}"))
        for at, found, each in points:
            title = f"{each.name} {each.value:g}: {1000 * found.share:.0f} {words} per 1,000"
            parts.append(f'<circle class="p{number}" cx="{at:.1f}" cy="{y(found.share):.1f}" r="3.5">')
            parts.append(f"<title>{escape(title)}</title></circle>")
    return _svg(left + width + 8, top + height + 24, f"Consequences of the cost {turned[0].name}", parts)


def legend() -> str:
    """Which colour of a cost plot is what."""
    items = (f'<span><i class="b{number}"></i>{escape(words)}</span>' for number, words in enumerate(COSTS.values()))
    return f'<p class="legend">{"".join(items)}</p>'


def _svg(width: float, height: float, label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="max-width:{width * 1.3:.0f}px;min-width:{width * 0.75:.0f}px">{"".join(parts)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _polyline(points: Sequence[tuple[float, float]], style: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="line {style}" points="{path}"/>'


def _text(x: float, y: float, words: str, anchor: str, transform: str = "", style: str = "") -> str:
    place = f'transform="{transform}"' if transform else f'x="{x:.1f}" y="{y:.1f}"'
    return f'<text class="{style}" {place} text-anchor="{anchor}">{escape(words)}</text>'
