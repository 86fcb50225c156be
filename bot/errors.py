"""The exceptions that Firstline raises on purpose; their docstrings are the default messages.

It must not know who raises or catches them.
"""

from __future__ import annotations

from datetime import timedelta


class FirstlineError(Exception):
    """Firstline could not do what it was asked to do."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class SettingsError(FirstlineError):
    """A setting is missing or has a value that cannot be used."""


class CatalogueError(FirstlineError):
    """The intent files have problems, so the catalogue was not loaded."""


class DatabaseError(FirstlineError):
    """The database cannot be reached or is not of the version that this program needs."""


class ConflictError(FirstlineError):
    """Somebody else changed this record meanwhile; read it again and decide anew."""


class DeliveryError(FirstlineError):
    """The platform did not take the message.

    ``permanent``: trying again is useless (the chat is gone, the bot was blocked).
    ``retry_after``: the platform asks to wait this long before anything else is sent in this chat.
    ``uncertain``: the request may have arrived all the same (a time-out after sending).
    ``unreachable``: whoever is there does not want to hear from the bot any more; then it is permanent, too.
    ``moved_to``: the chat goes on under this id.
    ``thread_gone``: the chat is there, but the thread in it, or the message that was to be changed, is not; permanent, too.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        permanent: bool = False,
        retry_after: timedelta | None = None,
        uncertain: bool = False,
        unreachable: bool = False,
        moved_to: str | None = None,
        thread_gone: bool = False,
    ) -> None:
        super().__init__(message)
        self.permanent = permanent or unreachable or thread_gone
        self.thread_gone = thread_gone
        self.unreachable = unreachable
        self.moved_to = moved_to
        self.retry_after = retry_after
        self.uncertain = uncertain


class ElsewhereError(FirstlineError):
    """This process has no adapter for the chat; another process may have it. ``adapter``: its name."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"This process has no adapter {adapter!r}.")
        self.adapter = adapter


class FilesError(FirstlineError):
    """The place where files are kept cannot be used just now."""


class FileGoneError(FilesError):
    """The file is no longer where it was kept."""
