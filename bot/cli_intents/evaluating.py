"""``firstline intents eval``: how good the catalogue in force is, in words, figures, sentences, and as a page or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from bot.cli_intents.common import in_force, intents, out, rows_of, waiting, write
from bot.config import Settings

if TYPE_CHECKING:
    from bot.catalogue.catalogue import Catalogue
    from bot.evaluation import Judged
    from bot.evaluation.consequences import Turned

CONFUSIONS = 10
ALIKE = 0.2


@intents.command("eval")
def evaluate(
    file: Annotated[
        Path | None, typer.Argument(help="labelled messages, JSON lines; without it the catalogue's own examples")
    ] = None,
    form: Annotated[Literal["rich", "json"], typer.Option("--format", help="rich or json")] = "rich",
    predictions: Annotated[
        Path | None, typer.Option(help="write what was predicted for each message, JSON lines")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="write the whole report as one HTML page")] = None,
    mistakes: Annotated[int, typer.Option(min=0, help="how many of the worst mistakes to show")] = 15,
    folds: Annotated[int, typer.Option(min=2, max=20, help="parts for the cross-validation")] = 5,
    costs: Annotated[bool, typer.Option("--costs", help="also show what other costs would change")] = False,
) -> None:
    """Judge the intent files in force: by labelled messages, or by cross-validation of their own examples.

    Cross-validation trains several times, each time without a part of the examples, and judges that part: what the bot would
    make of sentences like these if it did not know them.
    """
    from bot.evaluation import figures
    from bot.evaluation.consequences import turned
    from bot.evaluation.report import Report

    judged, catalogue = _labelled(file) if file else _cross_validated(folds)
    source = f"from {file.name}" if file else f"the catalogue's own examples, cross-validated in {folds} parts"
    if predictions is not None:
        write(predictions, "".join(json.dumps(j.prediction(), ensure_ascii=False) + "\n" for j in judged))
    other: Sequence[Turned] = ()
    if html is not None or costs:
        with waiting("Weighing other costs ..."):
            other = turned(judged, catalogue)
    if html is not None:
        write(html, Report(source, judged, other, catalogue, max(mistakes, 50)).html())
    if form == "json":
        from bot.evaluation import reliability

        bins = [{"confidence": b.confidence, "right": b.right, "count": b.count} for b in reliability(judged)]
        typer.echo(json.dumps({**figures(judged), "reliability": bins, "catalogue": catalogue.version}))
        return
    out.print(f"[bold]{len(judged)} messages[/], {escape(source)}; catalogue {catalogue.version}", highlight=False)
    _show(judged, catalogue, other if costs else (), mistakes)
    if html is not None:
        out.print(f"\nThe whole report, with plots: {escape(str(html))}", highlight=False)


def _labelled(file: Path) -> tuple[Sequence[Judged], Catalogue]:
    from bot.evaluation import Labelled, judge_all

    rows = rows_of(file, Labelled)
    catalogue, classifier = in_force()
    return judge_all(rows, catalogue, classifier), catalogue


def _cross_validated(folds: int) -> tuple[Sequence[Judged], Catalogue]:
    from bot.evaluation.folds import cross_validated
    from bot.knowledge import speakable

    settings = Settings.load()
    catalogue = speakable(settings.intents)
    with waiting("Training the first part ...") as status:
        judged = cross_validated(
            catalogue,
            settings.encoder,
            threads=settings.threads,
            folds=folds,
            told=lambda done: status.update(f"{done} of {folds} parts trained and judged ..."),
        )
    return judged, catalogue


def _show(judged: Sequence[Judged], catalogue: Catalogue, turned: Sequence[Turned], mistakes: int) -> None:
    from bot.evaluation import figures
    from bot.evaluation.consequences import in_words
    from bot.evaluation.wording import FIGURES, figure

    out.print()
    for sentence in in_words(judged):
        out.print(f"- {sentence}", highlight=False)
    found = figures(judged)
    table = Table("", "all", "de", "en", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    for key, words in FIGURES.items():
        table.add_row(words, *(figure(key, each[key]) for each in (found, found["de"], found["en"])))
    out.print()
    out.print(table)
    _show_reliability(judged)
    _show_confusions(judged)
    _show_mistakes(judged, catalogue, mistakes)
    if turned:
        _show_costs(turned)


def _show_reliability(judged: Sequence[Judged]) -> None:
    from bot.evaluation import reliability

    table = Table("how sure", "how often right", "messages", title="Can its certainty be trusted?", box=None)
    for b in reliability(judged):
        table.add_row(f"{b.confidence:.0%}", f"{b.right:.0%}", str(b.count))
    out.print()
    out.print(table)


def _show_confusions(judged: Sequence[Judged]) -> None:
    from bot.evaluation import confusion

    wrong = sorted(((n, *pair) for pair, n in confusion(judged).items() if pair[0] is not pair[1]), reverse=True)
    table = Table("times", "it was", "taken for", title="What is confused most often", box=None)
    for count, meant, taken in wrong[:CONFUSIONS]:
        danger = "red" if meant.in_scope and taken.excluded else ""
        table.add_row(str(count), meant.value, taken.value, style=danger)
    if wrong:
        out.print()
        out.print(table)


def _show_mistakes(judged: Sequence[Judged], catalogue: Catalogue, most: int) -> None:
    from bot.evaluation import worst
    from bot.evaluation.wording import mistake, origin, story

    for j in worst(judged, most):
        colour = "bold red" if j.refused or j.missed else "yellow"
        out.print(f"\n[{colour}]{mistake(j)}[/] {escape(j.row.id)}", highlight=False)
        out.print(f"  {j.row.text}", markup=False, highlight=False)
        out.print(f"  {story(j)}", markup=False, highlight=False)
        for near in [n for n in j.blamed.nearest[:3] if n.similarity >= ALIKE]:
            place = origin(near, catalogue)
            out.print(f"  {near.similarity:4.0%} alike: {near.text}  ({place})", markup=False, highlight=False)


def _show_costs(turned: Sequence[Turned]) -> None:
    from bot.evaluation.consequences import by_cost
    from bot.evaluation.wording import COSTS

    out.print("\n[bold]If one cost in agreement.yaml were different, the others as they are, per 1,000:[/]")
    for name, values in by_cost(turned):
        table = Table(name, *(w.replace(" ", "\n", 1) for w in COSTS.values()), box=None)
        for column in table.columns:
            column.justify = "right"
        for each in values:
            shares = {c.key: f"{1000 * c.share:.0f}" for c in each.consequences}
            style = "bold" if each.factor == 1 else ""
            table.add_row(f"{each.value:g}", *(shares.get(key, "–") for key in COSTS), style=style)
        out.print()
        out.print(table)
