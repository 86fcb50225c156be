"""Whether a short text says yes, no, or takes a yes back. Only what is plain counts; the rest is not an answer.

Consent to cost must never be read into something that was not said, so doubt is None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FILLER = r"^\W*(?:(?:gut|also|na|nun|okay|ok|hm+|tja|well|alright|all right|so|then|dann|und|and|oh|ach)\W+){0,3}"
# A bare "bitte" agrees; "bitte schicken Sie jemanden" only asks once more.
_YES = re.compile(
    _FILLER + r"(?:ja|jo|jep|jawohl|gerne?|"
    r"bitte(?=\W*(?:$|ja\b|gerne?\b|sehr\b|tun\b|mach\w*|anfragen|beauftragen|veranlassen|weitergeben|weiterleiten))|"
    r"klar|natürlich|natuerlich|okay|ok|einverstanden|"
    r"in ordnung|passt|machen sie das|mach das|yes|yep|yeah|"
    r"sure|please do|please(?=\W*$)|please (?:go ahead|proceed|arrange|book)|"
    r"go ahead|agreed|i agree|ich stimme zu|stimme zu|zugestimmt|"
    r"genehmigt|approved|fine|of course|do it|machen sie(?: das| es)?|machs?|mach es|bitte machen|go for it|book it|"
    r"(?:die )?kosten gehen in ordnung|geht in ordnung|geht klar|"
    r"(?:wir|ich)\s+(?:sind|bin)\s+(?:damit\s+)?einverstanden|we agree|i consent|we consent|"
    r"geben sie (?:das|es|die \w+) (?:bitte )?weiter|"
    r"leiten sie (?:das|es) (?:bitte )?weiter|you may (?:pass|forward)|please (?:pass|forward))\b",
    re.IGNORECASE,
)
_NO = re.compile(
    _FILLER + r"(?:nein|nee|ne|nö|noe|nicht|lieber nicht|auf keinen fall|keinesfalls|kein interesse|"
    r"no|nope|nah|don't|do not|please don't|rather not|"
    r"never mind|lass(?:en sie)? (?:es|das)|abgelehnt|lehne ab|i refuse|we refuse|declined|"
    r"bitte nicht|bitte keine|not now|nicht nötig)\b"
    r"|\b(?:nicht einverstanden|keine weitergabe|nicht weitergeben|nicht weiterleiten|"
    r"stimme nicht zu|do not agree|don't agree|"
    r"do not forward|not pass|don't pass|don't forward)\b",
    re.IGNORECASE,
)
_WITHDRAWN = re.compile(
    r"\b(?:zieh\w*|nehm\w*|widerruf\w*|widerrufe)\b.{0,60}\b(?:zurück|zurueck|zustimmung|"
    r"einwilligung|einverständnis|freigabe)\b"
    r"|\b(?:zustimmung|einwilligung|freigabe|einverständnis)\b.{0,40}\b(?:zurück|widerruf\w*|zurueck|zurückzieh\w*)\b"
    r"|\b(?:withdraw|revoke|take back)\b.{0,40}\b(?:consent|approval|permission|agreement|yes|ok)\b"
    r"|\b(?:doch nicht (?:weitergeben|weiterleiten)|stoppen sie die weitergabe|do not forward (?:it )?after all)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:aber|nur|höchstens|hoechstens|maximal|max\.?|bis zu|bis|sofern|wenn|falls|ohne|"
    r"allerdings|vorausgesetzt|unter der bedingung|erst|"
    r"but|only|at most|up to|no more than|maximum|provided|as long as|if|without|unless|under)\b",
    re.IGNORECASE,
)
_FORBIDS = re.compile(
    r"\b(?:nicht|nichts|nie|keinesfalls)\b.{0,20}\b(?:weitergeben|weiterleiten|weitergereicht|herausgeben)\b|\bkeine weitergabe\b"
    r"|\b(?:do not|don'?t|must not|never)\b.{0,12}\b(?:pass|forward|share|give)\b.{0,20}\b(?:it|this|that|anything|on|data)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Assent:
    """``yes`` True or False; ``condition`` is the customer's own words where a yes is bound to something."""

    yes: bool
    condition: str | None = None


def assent(text: str) -> Assent | None:
    """What ``text`` answers to a yes-or-no question; None when it does not plainly answer it."""
    if _NO.search(text):
        return Assent(yes=False)
    if match := _YES.search(text):
        rest = text[match.end() :]
        if "?" in rest:
            return None  # "ja, aber was kostet das?" asks; it does not agree
        return Assent(yes=True, condition=" ".join(text.split()) if _CONDITION.search(rest) else None)
    return None


_IN_SO_MANY_WORDS = re.compile(
    r"\b(?:ja|jawohl|jep|yes|yep|einverstanden|zugestimmt|stimme zu|agree|agreed|consent|approved|genehmigt)\b",
    re.IGNORECASE,
)


def yes_in_so_many_words(text: str) -> bool:
    """Whether ``text`` has a word that only means yes; "ok" and "please" also open other sentences."""
    return _IN_SO_MANY_WORDS.search(text) is not None


def withdraws(text: str) -> bool:
    """Whether ``text`` takes back a consent given before, or forbids what it would allow."""
    return _WITHDRAWN.search(text) is not None or _FORBIDS.search(text) is not None
