"""The tables, the same on SQLite and PostgreSQL.

Correctness lives here: the UNIQUE constraints make a redelivered message, a second ticket of one turn and a repeated answer
impossible. It must not know who reads or writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
    text,
)


def one_of(column: Column[str], states: Sequence[str]) -> ColumnElement[bool]:
    """``column IN (...)`` with the states written out: with bound ones SQLite would not see that a partial index will do.

    They are words of the program, never of a message.
    """
    return column.in_([literal_column(f"'{state}'") for state in states])


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC on every database (SQLite drops time zones)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored: it does not say when it was")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _key() -> BigInteger:
    """64 bits everywhere; SQLite counts up by itself only for its own INTEGER."""
    return BigInteger().with_variant(Integer, "sqlite")


conversation = Table(
    "conversation",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("adapter", String(40), nullable=False),
    Column("chat_id", String(200), nullable=False),
    Column("thread_id", String(200), nullable=False),
    Column("mode", String(10), nullable=False),
    Column("owner", String(200)),
    Column("ticket", BigInteger),
    Column("misses", Integer, nullable=False),
    Column("pending", JSON),
    Column("topic", String(100)),
    Column("language", String(2)),
    Column("greeted", Integer, nullable=False),
    Column("last_text", Text),
    Column("next_seq", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("organisation", String(36)),
    Column("closed_until", Moment),
    UniqueConstraint("adapter", "chat_id", "thread_id"),
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("conversation_id", ForeignKey("conversation.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("identity", String(400), nullable=False, unique=True),
    Column("correlation", String(36), nullable=False),
    Column("message", JSON, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("received_at", Moment, nullable=False),
    Column("retry_at", Moment),
    Column("handled_at", Moment),
    Column("deleted_at", Moment),
    UniqueConstraint("conversation_id", "seq"),
    Index("ix_inbox_dead", "id", sqlite_where=text("state = 'dead'"), postgresql_where=text("state = 'dead'")),
    Index(
        "ix_inbox_open",
        "conversation_id",
        "seq",
        sqlite_where=text("state = 'new'"),
        postgresql_where=text("state = 'new'"),
    ),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("lane", String(260), nullable=False),
    Column("key", String(200), nullable=False, unique=True),
    Column("conversation_id", ForeignKey("conversation.id"), nullable=False),
    Column("author", String(10), nullable=False),
    Column("chat", JSON, nullable=False),
    Column("text", Text, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("uncertain", Integer, nullable=False),
    Column("correlation", String(36), nullable=False),
    Column("platform_id", Text),
    Column("error", Text),
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("expires_at", Moment),
    Column("secret", Integer, nullable=False, server_default="0"),
    Column("retried_at", Moment),
    Column("excused", Integer, nullable=False, server_default="0"),
    Index(
        "ix_outbox_failed",
        "id",
        sqlite_where=text("state IN ('dead', 'uncertain')"),
        postgresql_where=text("state IN ('dead', 'uncertain')"),
    ),
    Index("ix_outbox_conversation", "conversation_id", "id"),
    Index(
        "ix_outbox_open",
        "lane",
        "id",
        sqlite_where=text("state IN ('pending', 'sending')"),
        postgresql_where=text("state IN ('pending', 'sending')"),
    ),
)

lane = Table(
    "lane",
    metadata,
    Column("name", String(260), primary_key=True),
    Column("not_before", Moment, nullable=False),
)

ticket = Table(
    "ticket",
    metadata,
    Column("number", _key(), primary_key=True, autoincrement=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("conversation_id", ForeignKey("conversation.id"), nullable=False, index=True),
    Column("state", String(30), nullable=False),
    Column("reason", String(60), nullable=False),
    Column("category", String(40)),
    Column("topic", String(100)),
    Column("priority", String(10), nullable=False),
    Column("subject", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("assignee", String(200)),
    Column("version", BigInteger, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("organisation", String(36), index=True),
    Column("level", String(10)),
    Column("person", String(200)),
    Column("due_at", Moment),
    Column("progress", Text),
    Column("assignee_id", String(200), index=True),
    Column("follows", BigInteger),
    Column("merged_into", BigInteger),
    Column("resolved_at", Moment),
    Column("reopened_at", Moment),
    Column("rating", Integer),
    Column("rating_words", Text),
    sqlite_autoincrement=True,
)

staff = Table(
    "staff",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("away_since", Moment),
    Column("back_at", Moment),
    Column("updated_at", Moment, nullable=False),
)

staff_message = Table(
    "staff_message",
    metadata,
    Column("identity", String(400), primary_key=True),
    Column("ticket", BigInteger, nullable=False, index=True),
    Column("staff", String(200), nullable=False),
    Column("name", String(200), nullable=False),
    Column("text", Text, nullable=False),
    Column("became", String(10), nullable=False),
    Column("at", Moment, nullable=False),
    Column("correlation", String(36), index=True),
    Column("chat", JSON),
    Column("message_id", Text),
)

thread = Table(
    "thread",
    metadata,
    Column("conversation_id", ForeignKey("conversation.id"), primary_key=True),
    Column("ticket", BigInteger, nullable=False),
    Column("adapter", String(40), nullable=False),
    Column("chat_id", String(200), nullable=False),
    Column("thread_id", String(200)),
    Column("card_id", Text),
    Column("opener_key", String(200), nullable=False, index=True),
    Column("card_key", String(200), nullable=False, index=True),
    Column("shown", String(64), nullable=False),
    Column("open", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    UniqueConstraint("ticket", "adapter", "chat_id"),
    Index("ix_thread_place", "adapter", "thread_id"),
)

timer = Table(
    "timer",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("conversation_id", ForeignKey("conversation.id"), nullable=False, index=True),
    Column("ticket", BigInteger, index=True),
    Column("due_at", Moment, nullable=False, index=True),
)

consent = Table(
    "consent",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("conversation_id", ForeignKey("conversation.id"), nullable=False, index=True),
    Column("ticket", BigInteger, index=True),
    Column("organisation", String(36)),
    Column("person", String(200), nullable=False),
    Column("person_name", String(200), nullable=False),
    Column("purpose", String(40), nullable=False),
    Column("product", String(60)),
    Column("passed_on", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("condition", Text),
    Column("given", Integer, nullable=False),
    Column("agreement", String(60), nullable=False),
    Column("at", Moment, nullable=False),
    Column("withdrawn_at", Moment),
    Column("withdrawn_by", Text),
)

incident = Table(
    "incident",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("text", JSON, nullable=False),
    Column("topics", JSON, nullable=False),
    Column("words", JSON, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    sqlite_autoincrement=True,
)

affected = Table(
    "affected",
    metadata,
    Column("incident", ForeignKey("incident.id"), primary_key=True),
    Column("conversation_id", ForeignKey("conversation.id"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("at", Moment, nullable=False),
)

attachment = Table(
    "attachment",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("conversation_id", ForeignKey("conversation.id"), nullable=False, index=True),
    Column("inbox_id", ForeignKey("inbox.id"), index=True),
    Column("ticket", BigInteger, index=True),
    Column("adapter", String(40), nullable=False),
    Column("person", String(200), nullable=False),
    Column("author", String(10), nullable=False),
    Column("name", String(255), nullable=False),
    Column("told", Text, nullable=False),
    Column("found", Text),
    Column("size", BigInteger),
    Column("hash", String(64)),
    Column("danger", String(10)),
    Column("released_by", String(200)),
    Column("ref", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("created_at", Moment, nullable=False),
    Column("retry_at", Moment),
    Column("settled_at", Moment),
    Column("retried_at", Moment),
    Index(
        "ix_attachment_open",
        "id",
        sqlite_where=text("state IN ('expected', 'erasing')"),
        postgresql_where=text("state IN ('expected', 'erasing')"),
    ),
    sqlite_autoincrement=True,
)

event = Table(
    "event",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("conversation_id", ForeignKey("conversation.id"), index=True),
    Column("ticket", BigInteger, index=True),
    Column("correlation", String(36), index=True),
    Column("data", JSON, nullable=False),
    Column("told", Integer, nullable=False, server_default="0"),
    Index(
        "ix_event_untold",
        "conversation_id",
        "id",
        sqlite_where=text("told = 0"),
        postgresql_where=text("told = 0"),
    ),
)

organisation = Table(
    "organisation",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("number", String(60), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("email", String(254)),
    Column("address", String(3), nullable=False),
    Column("contacts", JSON, nullable=False),
    Column("active", Integer, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

contract = Table(
    "contract",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False),
    Column("number", String(60), nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    Column("products", JSON, nullable=False),
    Column("modules", JSON, nullable=False),
    Column("covers", JSON, nullable=False),
    Column("hours", Text),
    Column("region", String(10)),
    Column("responses", JSON, nullable=False),
    UniqueConstraint("organisation_id", "number"),
)

identity = Table(
    "identity",
    metadata,
    Column("adapter", String(40), primary_key=True),
    Column("user_id", String(200), primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), primary_key=True, index=True),
    Column("level", String(10), nullable=False),
    Column("person", String(200), nullable=False),
    Column("how", String(40), nullable=False),
    Column("updated_at", Moment, nullable=False),
)

channel = Table(
    "channel",
    metadata,
    Column("adapter", String(40), primary_key=True),
    Column("chat_id", String(200), primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False, index=True),
    Column("how", String(40), nullable=False),
    Column("updated_at", Moment, nullable=False),
)

invitation = Table(
    "invitation",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False, index=True),
    Column("email", String(254)),
    Column("person", String(200), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

code = Table(
    "code",
    metadata,
    Column("id", _key(), primary_key=True, autoincrement=True),
    Column("adapter", String(40), nullable=False),
    Column("user_id", String(200), nullable=False),
    Column("organisation_id", ForeignKey("organisation.id"), nullable=False, index=True),
    Column("salt", String(32), nullable=False),
    Column("code_hash", String(128), nullable=False),
    Column("wrong", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Index("ix_code_person", "adapter", "user_id"),
)
