"""``firstline`` as it is, but for one thing: what is said to staff does not wait for the pace of their chat.

A group of Telegram's takes 20 messages a minute, a channel of Slack's 60; a storm would take an hour of nothing but waiting.
It must not change anything else.
"""

from __future__ import annotations

from adapters.slack import SlackAdapter
from adapters.slack.adapter import SlackLimits
from adapters.telegram import TelegramAdapter
from adapters.telegram.pace import TelegramLimits
from bot.cli import main
from bot.model import Part


class _Slack(SlackLimits):
    def pace_after(self, part: Part) -> float:
        """The ids of channels begin with a C, those of customers' own chats with a D."""
        return 0.0 if part.chat.chat_id.rpartition(":")[2].startswith("C") else super().pace_after(part)


class _Telegram(TelegramLimits):
    def pace_after(self, part: Part) -> float:
        """Groups have negative numbers."""
        return 0.0 if part.chat.chat_id.startswith("-") else self.pace


if __name__ == "__main__":
    slack, telegram = SlackAdapter.limits, TelegramAdapter.limits
    SlackAdapter.limits = _Slack(text=slack.text, buttons=slack.buttons, pace=slack.pace)
    TelegramAdapter.limits = _Telegram(text=telegram.text, buttons=telegram.buttons, pace=telegram.pace)
    main()
