"""The commands that back up an embedded database with its files, also while the bot runs, and restore them.

It must not know how that is done.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy.engine import make_url

from bot.config import Settings
from bot.errors import SettingsError
from bot.model import ticket_key
from bot.screen import screen

if TYPE_CHECKING:
    from bot.operations.backup import Place

out = screen(soft_wrap=True, highlight=False, markup=False)


def backup(
    file: Annotated[Path, typer.Argument(help="the archive to be written, or a folder in which it gets its name")],
) -> None:
    """Write database and files into one archive, while the bot runs or not. Settings and intent files are not in it."""
    from bot.operations.backup import back_up

    now, place = datetime.now(UTC), _place()
    target = file / f"firstline-{now:%Y%m%dT%H%M%SZ}.tar.gz" if file.is_dir() else file
    manifest = back_up(place, target, now)
    out.print(f"{target}: the database and {manifest.files} files, {target.stat().st_size:,} bytes")
    if manifest.missing:
        out.print(f"warning: {len(manifest.missing)} files are not in it, they were gone or damaged:")
        for key in manifest.missing:
            out.print(f"  {key}")
    if manifest.elsewhere:
        out.print(f"note: the files are at {manifest.elsewhere} and are not in it; back them up there")


def restore(
    file: Annotated[Path, typer.Argument(help="an archive that `firstline backup` has written")],
    gap: Annotated[
        int, typer.Option("--gap", min=0, help="ticket numbers to leave out: more than were given since the backup")
    ] = 1000,
) -> None:
    """Put a backup into a data folder without a database. An archive that is damaged or altered is refused whole."""
    from bot.bootstrap import alone
    from bot.operations.backup import restore as restored

    place = _place()
    place.database.parent.mkdir(parents=True, exist_ok=True)
    with alone(place.database):
        manifest, next_ticket = restored(file, place, datetime.now(UTC), gap=gap)
    out.print(
        f"{place.database} is as it was on {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, with {manifest.files} files. "
        f"The next ticket is {ticket_key(next_ticket)}."
    )
    if manifest.missing:
        out.print(f"warning: {len(manifest.missing)} files were missing in the backup already")
    if manifest.elsewhere:
        out.print(f"note: the files are expected at {manifest.elsewhere}")


def _place() -> Place:
    from bot.operations.backup import Place

    settings = Settings.load()
    url = make_url(settings.resolved_database_url)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        raise SettingsError(
            "This is for the embedded database. For PostgreSQL use its own tools, first `pg_dump --format=custom` and then a "
            "copy of the files (FIRSTLINE_FILES): docs/operations.md shows how."
        )
    if "://" in settings.files:
        return Place(Path(str(url.database)), None, settings.files)
    return Place(Path(str(url.database)), Path(settings.files) if settings.files else settings.data / "files")
