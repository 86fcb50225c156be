"""Telegram: a bot that is reached by long polling.

It must not know what is said, only how to carry it.
"""

from adapters.telegram.adapter import TelegramAdapter

__all__ = ["TelegramAdapter"]
