"""``firstline intents check`` and ``schema``: every problem of the intent files at once, and help for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bot.cli_intents.common import intents, out
from bot.config import Settings


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
