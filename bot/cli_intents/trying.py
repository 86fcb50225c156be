"""``firstline intents try``: what the bot would do about a message, and why, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli_intents.common import Form, in_force, intents, out

if TYPE_CHECKING:
    from bot.catalogue.catalogue import Catalogue
    from bot.evaluation.trial import Explained

EXAMPLES = 4
LANGUAGES = {"de": "German", "en": "English", None: "cannot be told from these words"}


@intents.command("try")
def try_(
    text: Annotated[str, typer.Argument(help="what a customer might write")],
    form: Annotated[Form, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Show what the bot would do about a message, how sure it is, what weighed, and why it does nothing else."""
    from bot.evaluation.trial import tried

    catalogue, classifier = in_force()
    (prediction,) = classifier.classify([text])
    trial = tried(prediction, catalogue)
    if form == "json":
        data = {
            "catalogue": catalogue.version,
            "language": trial.language,
            "matters": [each.data() for each in trial.matters],
        }
        typer.echo(json.dumps(data, ensure_ascii=False, indent=1))
        return
    if len(trial.matters) > 1:
        _say(f"The message holds {len(trial.matters)} matters.\n")
    for number, each in enumerate(trial.matters, 1):
        if len(trial.matters) > 1:
            out.print(f"[bold]{number}.[/]", end=" ")
            _say(f'"{each.matter.text}"')
        _explain(each, catalogue)
        out.print()
    _say(f"Language: {LANGUAGES[trial.language]}.")


def _explain(each: Explained, catalogue: Catalogue) -> None:
    matter = each.matter
    out.print(f"{each.outcome}.", style="bold", markup=False, highlight=False)
    _say(f"The bot is {each.certainty} that this is {matter.category.value}: {each.decided_by}.")
    if matter.topics:
        best = matter.topics[0]
        _say(f"Topic: {best.topic} ({catalogue.topics[best.topic].file}), {best.probability:.0%}.")
    if matter.faq:
        _say(f"The article that fits best is {matter.faq[0]}, with {matter.faq[1]:.0%}.")
    if matter.vague >= 0.05:
        _say(f"That it says too little to be decided has {matter.vague:.0%}.")
    if each.products:
        _say(f"Products: {', '.join(each.products)}.")
    for sentence in each.why_not:
        _say(sentence)
    if each.examples:
        _say("Examples that it resembles most:")
        for example in each.examples[:EXAMPLES]:
            _say(f"  {example.similarity:4.0%}  {example.text}  ({example.place}, {example.category.value})")


def _say(words: str) -> None:
    """Customers' words are no markup."""
    out.print(words, markup=False, highlight=False)
