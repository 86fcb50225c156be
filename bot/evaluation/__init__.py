"""How good is a catalogue? Judges labelled messages, the catalogue's own examples by cross-validation, and edits.

It must not know the command line. ``judging`` and ``figures`` are the way in.
"""

from bot.evaluation.figures import confusion, figures, reliability, worst
from bot.evaluation.judging import Judged, Labelled, judge, judge_all

__all__ = ["Judged", "Labelled", "confusion", "figures", "judge", "judge_all", "reliability", "worst"]
