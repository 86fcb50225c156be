"""Everything that the tests of the adapters have, for whoever means them harm."""

from tests.adapters.conftest import called, clean_environment, files, inbox, slack, slack_over_http, telegram

__all__ = ["called", "clean_environment", "files", "inbox", "slack", "slack_over_http", "telegram"]
