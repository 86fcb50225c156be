"""The commands for admins who write intent files: check them, see what they do, export the schema for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot.config import Settings
from bot.errors import FirstlineError

if TYPE_CHECKING:  # these take long to import, and not every command needs them
    from bot.catalogue.catalogue import Catalogue
    from bot.ports import Classifier

intents = typer.Typer(no_args_is_help=True, help="The intent files: check, try, evaluate.")
out = Console()
Row = TypeVar("Row", bound=BaseModel)


@intents.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="intents folder; default: the one in use")] = None,
    form: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Check all intent files and show every problem at once. Exit status 1 if there is an error."""
    from bot.catalogue.load import inspect

    catalogue, problems = inspect(folder or Settings.load().intents)
    errors = [problem for problem in problems if problem.severity == "error"]
    if form == "json":
        rows = [
            {name: getattr(p, name) for name in ("file", "line", "column", "severity", "message", "remedy")}
            for p in problems
        ]
        out.print_json(data={"ok": not errors, "version": catalogue.version if catalogue else None, "problems": rows})
    else:
        for problem in problems:
            colour = "red" if problem.severity == "error" else "yellow"
            out.print(f"[{colour}]{problem.severity}[/]", end=" ")
            out.print(str(problem), highlight=False, markup=False, soft_wrap=True)
        if catalogue is not None:
            count, topics = len(catalogue.examples), len(catalogue.topics)
            out.print(f"catalogue {catalogue.version}: {topics} topics, {count} examples", highlight=False)
        out.print(f"{len(errors)} errors, {len(problems) - len(errors)} warnings", highlight=False)
    if errors:
        raise typer.Exit(1)


@intents.command()
def schema(kind: Annotated[str, typer.Argument(help="topic, agreement, company or texts")] = "topic") -> None:
    """Print the JSON Schema of a kind of file, so that an editor can complete it."""
    from bot.catalogue.schema import json_schema

    typer.echo(json.dumps(json_schema(kind), indent=2, ensure_ascii=False))  # type: ignore[arg-type]  # checked there


@intents.command("eval")
def evaluate(
    file: Annotated[Path, typer.Argument(help="labelled messages, JSON lines")],
    form: Annotated[str, typer.Option("--format", help="rich or json")] = "rich",
    predictions: Annotated[
        Path | None, typer.Option(help="write what was predicted for each message, JSON lines")
    ] = None,
    mistakes: Annotated[int, typer.Option(help="how many of the worst mistakes to show")] = 15,
) -> None:
    """Judge labelled messages with the intent files in force; wrongful refusals come first."""
    from bot import evaluation

    rows = rows_of(file, evaluation.Labelled)
    catalogue, classifier = in_force()
    judged = evaluation.judge_all(rows, catalogue, classifier)
    if predictions is not None:
        lines = (json.dumps(j.prediction(), ensure_ascii=False) + "\n" for j in judged)
        predictions.write_text("".join(lines), encoding="utf-8")
    figures = evaluation.figures(judged)
    if form == "json":
        typer.echo(json.dumps({**figures, "catalogue": catalogue.version}))
        return
    table = Table("", "all", "de", "en", box=None)
    for key, words in FIGURES.items():
        cells = (figures[key], figures["de"][key], figures["en"][key])
        table.add_row(words, *("-" if c is None else str(c) if key == "rows" else f"{c:.1%}" for c in cells))
    out.print(table)
    for wrong in evaluation.worst(judged, mistakes):
        mark = "[bold red]refused[/] " if wrong.refused else "[yellow]missed[/] " if wrong.missed else ""
        out.print(
            f"\n{mark}{wrong.row.category.value} taken for {wrong.category.value} ({wrong.confidence:.0%}): {wrong.action}"
        )
        out.print(f"  {wrong.row.text}", markup=False, highlight=False)


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


FIGURES = {
    "rows": "messages",
    "wrongful_refusals": "covered, but told it is not (wrongful refusals)",
    "missed_exclusions": "not covered, but treated as covered (missed exclusions)",
    "accuracy": "category right",
    "accuracy_lenient": "category right or defensible",
    "macro_f1": "macro F1 over the categories",
    "faq_hit": "right article chosen where there is one",
    "false_faq": "an article given where none fits",
    "clarify_hit": "unclear messages asked back",
    "needless_clarifications": "clear messages asked back",
    "ece": "calibration error of the probabilities",
}
HOW = {
    "exact": "an example that says the same",
    "fuzzy": "an example that says nearly the same",
    "statistical": "what was learned from all examples",
}


def in_force() -> tuple[Catalogue, Classifier]:
    from bot import nlu
    from bot.catalogue.load import load

    settings = Settings.load()
    catalogue = load(settings.intents)
    with out.status("Training ..." if out.is_terminal else ""):
        classifier = nlu.load(
            catalogue, encoder=settings.encoder, cache_dir=settings.data / "models", threads=settings.threads
        )
    return catalogue, classifier


def rows_of(file: Path, kind: type[Row]) -> list[Row]:
    """The rows of a JSON lines file. Raises FirstlineError that names file, line and field of every bad one."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FirstlineError(f"{file} cannot be read: {error}. It must be a UTF-8 text file of JSON lines.") from None
    rows: list[Row] = []
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(kind.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "line"
            problems.append(f"{file}:{number}: {place}: {first['msg']}")
    if problems or not rows:
        raise FirstlineError("\n".join(problems) or f"{file} holds no row.")
    return rows
