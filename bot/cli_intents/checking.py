"""``firstline intents check``, ``schema`` and ``status``: every problem at once, help for editors, what the running bot has."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from bot.cli_intents.common import Form, in_force, intents, out, waiting
from bot.config import Settings, shipped_intents

if TYPE_CHECKING:
    from bot.catalogue.catalogue import Catalogue
    from bot.catalogue.problems import Problem

SIGN_OF_LIFE = 60  # seconds


@intents.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="intents folder; default: the one in use")] = None,
    form: Annotated[Form, typer.Option("--format", help="text or json")] = "text",
    thorough: Annotated[
        bool, typer.Option("--thorough", help="also train: the topics' checks, and topics that take others' examples")
    ] = False,
) -> None:
    """Check all intent files and show every problem at once. Exit status 1 if there is an error.

    --thorough trains the model several times. It also tries the topics' own checks: one that makes the bot say something wrong is
    an error, one that makes it cautious (a question, a ticket) a warning.
    """
    from bot.catalogue.load import inspect, needed_texts

    catalogue, problems = inspect(folder or Settings.load().intents, needed_texts(shipped_intents()))
    if catalogue is not None:
        from bot.evaluation.quarrels import contradictions

        problems = (*problems, *contradictions(catalogue), *(_by_training(folder) if thorough else ()))
    _show(catalogue, sorted(problems), form)
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(1)


def _by_training(folder: Path | None) -> Sequence[Problem]:
    from bot.evaluation.folds import cross_validated
    from bot.evaluation.quarrels import thefts
    from bot.evaluation.selfcheck import failures

    catalogue, classifier = in_force(folder)
    unkept = [failure.problem for failure in failures(catalogue, classifier)]
    settings = Settings.load()
    with waiting("Training without a part of the examples at a time ..."):
        judged = cross_validated(catalogue, settings.encoder, threads=settings.threads)
    return [*unkept, *thefts(judged, catalogue)]


def _show(catalogue: Catalogue | None, problems: Sequence[Problem], form: Form) -> None:
    errors = [problem for problem in problems if problem.severity == "error"]
    if form == "json":
        rows = [
            {name: getattr(p, name) for name in ("file", "line", "column", "severity", "message", "remedy")}
            for p in problems
        ]
        out.print_json(data={"ok": not errors, "version": catalogue.version if catalogue else None, "problems": rows})
        return
    for problem in problems:
        colour = "red" if problem.severity == "error" else "yellow"
        out.print(f"[{colour}]{problem.severity}[/]", end=" ")
        out.print(str(problem), highlight=False, markup=False, soft_wrap=True)
    if catalogue is not None:
        count, topics = len(catalogue.examples), len(catalogue.topics)
        out.print(f"catalogue {catalogue.version}: {topics} topics, {count} examples", highlight=False)
    out.print(f"{len(errors)} errors, {len(problems) - len(errors)} warnings", highlight=False)


@intents.command()
def status(form: Annotated[Form, typer.Option("--format", help="text or json")] = "text") -> None:
    """Show which catalogue the running bot has, and why the last edit was not taken over. Exit status 1 if one was refused."""
    from bot.catalogue import files
    from bot.standing import Standing

    settings = Settings.load()
    standing = Standing.read(settings.standing)
    if form == "json":
        typer.echo(standing.model_dump_json(indent=1))
    else:
        try:
            silent = time.time() - settings.heartbeat.stat().st_mtime > SIGN_OF_LIFE
        except OSError:
            silent = True
        if silent:
            out.print("[yellow]No bot is running here at the moment; the last one left this:[/]")
        out.print(
            f"catalogue {standing.version} in force since {standing.loaded_at:%Y-%m-%d %H:%M:%S} UTC: "
            f"{standing.topics} topics, {standing.examples} examples, from {escape(standing.folder)}",
            highlight=False,
            soft_wrap=True,
        )
        for warning in standing.warnings:
            out.print("[yellow]warning[/]", end=" ")
            out.print(warning, highlight=False, markup=False, soft_wrap=True)
        now = files.version(files.read(Path(standing.folder))[0])
        if standing.refused is not None:
            out.print(
                f"[red]The edit of {standing.refused.at:%Y-%m-%d %H:%M:%S} UTC (version {standing.refused.version}) was "
                "refused; the bot goes on with the catalogue above:[/]",
                highlight=False,
                soft_wrap=True,
            )
            for problem in standing.refused.problems:
                out.print(f"  {problem}", highlight=False, markup=False, soft_wrap=True)
        if now not in (standing.version, standing.refused.version if standing.refused else None):
            out.print(f"The folder has been edited since (version {now}); a running bot takes it over by itself.")
    if standing.refused is not None:
        raise typer.Exit(1)


@intents.command()
def schema(kind: Annotated[str, typer.Argument(help="topic, agreement, company or texts")] = "topic") -> None:
    """Print the JSON Schema of a kind of file, so that an editor can complete it."""
    from bot.catalogue.schema import json_schema

    typer.echo(json.dumps(json_schema(kind), indent=2, ensure_ascii=False))  # type: ignore[arg-type]  # checked there
