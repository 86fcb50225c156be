"""What the repositories need of a connection to a database. It must not know which database it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from sqlalchemy import Connection as SyncConnection
from sqlalchemy import CursorResult, Dialect, Executable

from bot.storage.prepared import Answer, Prepared

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Connection(Protocol):
    """As much of SQLAlchemy's ``AsyncConnection`` as we use, and statements that are put together once."""

    @property
    def dialect(self) -> Dialect: ...

    @overload
    async def execute(self, statement: Prepared, parameters: Any = None) -> Answer: ...
    @overload
    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]: ...

    async def ask(self, *questions: tuple[Prepared, Mapping[str, Any]], last: bool = False) -> list[Answer]:
        """Several statements at once, which are executed one after the other.

        ``last``: whatever the answers are, nothing follows from them in this transaction, so that the commit may come along.
        """
        ...

    async def tell(self, statement: Prepared, parameters: Mapping[str, Any], *, rows: int | None = None) -> None:
        """Nothing is to be known of it but that it has happened; so it may go along with what is said next, or with the commit.

        Raises ConflictError, then or at the latest before the commit, when other than ``rows`` rows were written.
        """
        ...

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]: ...

    def begin_nested(self) -> AbstractAsyncContextManager[Any]: ...

    async def run_sync(
        self, fn: Callable[Concatenate[SyncConnection, _P], _T], *arg: _P.args, **kw: _P.kwargs
    ) -> _T: ...
