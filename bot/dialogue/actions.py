"""The keys of the buttons that customers see; they come back as InboundMessage.action."""

from __future__ import annotations

HELPED = "helped"
NOT_HELPED = "not_helped"
PERSON = "person"
CONTEST = "contest"
ARRANGE = "arrange"
NEW_MATTER = "new_matter"
NO_THANKS = "no_thanks"
NONE_OF_THESE = "none_of_these"
TOPIC = "topic:"


def topic(topic_id: str) -> str:
    return TOPIC + topic_id


def topic_of(action: str) -> str | None:
    return action.removeprefix(TOPIC) if action.startswith(TOPIC) else None
