"""Slack: an app that is reached through Socket Mode or over HTTP.

It must not know what is said, only how to carry it.
"""

from adapters.slack.adapter import SlackAdapter

__all__ = ["SlackAdapter"]
