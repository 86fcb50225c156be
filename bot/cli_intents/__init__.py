"""The commands for admins who write intent files: ``firstline intents``.

Each module registers its own; none holds logic, what is shown comes from below.
"""

from bot.cli_intents import checking, comparing, evaluating, trying
from bot.cli_intents.common import in_force, intents, rows_of

__all__ = ["checking", "comparing", "evaluating", "in_force", "intents", "rows_of", "trying"]
