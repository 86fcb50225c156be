"""``firstline intents try``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from bot.cli_intents.common import in_force, intents, out

HOW = {
    "exact": "an example that says the same",
    "fuzzy": "an example that says nearly the same",
    "statistical": "what was learned from all examples",
}


@intents.command("try")
def try_(text: Annotated[str, typer.Argument(help="what a customer might write")]) -> None:
    """Show what the bot would do about a message, and why."""
    from bot.dialogue.judge import judge
    from bot.dialogue.matters import on_matter

    catalogue, classifier = in_force()
    (prediction,) = classifier.classify([text])
    out.print(f"language: {prediction.language or 'not to be told'}", highlight=False)
    for number, matter in enumerate(prediction.matters, 1):
        if len(prediction.matters) > 1:
            out.print(f"\n[bold]matter {number}[/]: {escape(matter.text)}", highlight=False)
        decision = on_matter(matter, catalogue)
        out.print(
            f"\n[bold]decision:[/] {decision.kind} ({matter.category.value}, topic {decision.about.topic})",
            highlight=False,
        )
        out.print(f"decided by: {HOW[matter.source]}", highlight=False)
        probable = ", ".join(f"{category.value} {p:.1%}" for category, p in matter.categories[:3])
        out.print(f"probably:   {probable}; says too little: {matter.vague:.0%}", highlight=False)
        if matter.faq:
            out.print(f"article:    {matter.faq[0]} {matter.faq[1]:.1%}", highlight=False)
        weighed = judge(matter, catalogue.agreement.costs).expected[:3]
        words = ", ".join(f"{course.value} {cost:.2f}" for course, cost in weighed)
        out.print(f"expected cost, cheapest first: {words}", highlight=False)
        out.print("examples that weighed most:", highlight=False)
        for near in matter.nearest:
            out.print(f"  {near.similarity:4.0%}  {near.topic}: {near.text}", markup=False, highlight=False)
