"""Reads a customer's message: makes it harmless and picks out what the customer means to say.

It must not know intents, models or what is done with the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

READ = 512
"""Characters of a message that are read; a sentence encoder's time grows faster than the length."""

_WINDOW_HEAD, _WINDOW_TAIL = 6000, 2000  # characters that are looked at to find those
_LONGEST_WORD = 60  # nobody writes longer ones; keyboard noise and base64 do

UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'})


def _any(*patterns: str) -> str:
    """A group that matches any of the patterns; write ue for ü and ss for ß, both spellings match."""
    spelled = "|".join(patterns).replace("ue", "(?:ü|ue)").replace("oe", "(?:ö|oe)").replace("ss", "(?:ß|ss)")
    return f"(?:{spelled})"


_HELLO = _any(
    r"hallo|hello|hi|hey|moin(?: moin)?|servus|gruess gott|guten? (?:tag|morgen|abend)|mahlzeit|liebe[rs]?|sehr geehrte[rs]?",
    r"dear|greetings|good (?:morning|afternoon|evening|day)",
)
_ADDRESSED = _any(
    r"zusammen|(?:liebes )?(?:support|helpdesk|ipro|service)?[- ]?team|support|helpdesk|leute",
    r"ihr(?: lieben)?|kollegen|damen|herren|nochmal|und|oder|(?:herr|frau)\w*(?: \w+)?",
    r"all|everyone|everybody|there|again|guys|folks|ladies|gentlemen|and|or|sir|madam|mrs?\.?|ms\.?",
)
_GREETING = re.compile(rf"\s*{_HELLO}\b(?: {_ADDRESSED}){{0,7}}\s*[,!.:\n–-]+\s*", re.IGNORECASE)
_GOODBYE = _any(
    r"(?:mit )?(?:freundliche|beste|viele|herzliche|liebe|schoene)[nr]? gr(?:u|ue)sse?n?|mfg|lg|vg|gruss",
    r"(?:kind|best|warm)(?:est)? regards|regards|best wishes|yours (?:sincerely|faithfully|truly)|sincerely|cheers|all the best",
)
_CLOSING = re.compile(rf"\s*{_GOODBYE}\b[^.?]{{0,60}}$", re.IGNORECASE)
_SIGNATURE = re.compile(
    r"--\s?$|_{5,}\s*$|(?:gesendet|von meinem|sent from|get outlook)\b.{0,50}(?:iphone|ipad|android|outlook|handy|mobil)",
    re.IGNORECASE,
)
_FORWARDED = _any("original message", "urspruengliche nachricht", "forwarded message", "weitergeleitete nachricht")
_QUOTE_INTRO = re.compile(
    rf"\s*(?:-{{2,}} ?{_FORWARDED}.{{0,20}}$|(?:am|on) .{{4,120}}(?:schrieb|wrote).{{0,80}}:\s*$)", re.IGNORECASE
)
_HEADER = re.compile(r"\s*(?:von|from|gesendet|sent|an|to|cc|betreff|subject|datum|date)\s?: ?.*$", re.IGNORECASE)
_POINTS_BELOW = re.compile(
    r"\s*(?:fw|fwd|wg|wtr)\s?:|\b(?:siehe|s\.|vgl\.) ?(?:unten|u\.|anhang|nachfolgend)|\bunten ?stehend|\bnachfolgende[nrs]?\b"
    r"|\bfolgende[nrs]? (?:e-?mail|mail|nachricht|meldung|anfrage|text)\b|\bleite\w* .{0,40}weiter\b|\bweitergeleitet"
    r"|\b(?:see|message|mail|e-mail|text|quote) below\b|\bforward(?:ed|ing)?\b|\bfollowing (?:e-?mail|mail|message|text)\b",
    re.IGNORECASE,
)
_FRAME = re.compile(
    r"\s*(?:at [\w.$<>/]+\s?\(.{0,120}|\.{3} \d+ (?:more|common frames).*|file \".{1,200}\", line \d+.*"
    r"|traceback \(most recent.*)$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<=[.!?…])[)\"']*\s+(?=\S)|\n+|;\s+")
_ABBREVIATION = re.compile(
    r"\b(?:z\.|b|bzw|ca|nr|usw|etc|evtl|ggf|inkl|str|tel|bspw|vgl|e\.g|i\.e|vs|mr|mrs|dr|st|max|min|\d+)\.$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    rf",\s+(?={_any('und', 'and', 'ausserdem', 'also', 'plus', 'zudem', 'dazu', 'ferner', 'besides', 'by the way', 'btw')}\b)"
    rf"|\s+(?={_any('ausserdem', 'und zus(?:ä|ae)tzlich', 'und dann noch', 'und noch was', 'and also', 'by the way', 'btw')}\b)",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:^|(?<=\s))(?:\(?\d{1,2}\)|\(?[a-e]\)|\d\.(?=\s+\D))\s+")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence or clause; ``start`` and ``end`` are its span in the message as it was received, ``text`` is cleaned."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a message is read: its pieces in order. Empty when the message says nothing at all."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return " ".join(piece.text for piece in self.pieces)


def read(message: str) -> Reading:
    """The pieces of ``message`` that carry its meaning, together at most ``READ`` characters.

    Greetings, signatures, quoted mail and stack frames are left out as long as something else is left. Takes time linear in the
    length of the message and never raises.
    """
    lines = list(_lines(message))
    body = _without_tail(lines)
    kept = [line for line in body if not _FRAME.match(line.text)] or body or lines
    pieces = _without_greeting([piece for line in kept for piece in _sentences(line)])
    return Reading(tuple(_capped(pieces)))


def clean(text: str) -> str:
    """One line of harmless text: NFKC, no control characters or surrogates, single spaces, plain quotes. Idempotent."""
    text = unicodedata.normalize("NFKC", text.translate(_QUOTES))
    return _SPACE.sub(" ", "".join(map(_harmless, text)) if not text.isprintable() else text).strip()


def fold(text: str) -> str:
    """``text`` as spellings are compared: lower case, umlauts written out, other accents dropped, digits as 0."""
    text = clean(text).lower().translate(UMLAUTS)
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return re.sub(r"\d+", "0", text)


def words(text: str) -> list[str]:
    """The words of a text, as they are; overlong ones are cut."""
    return [word[:_LONGEST_WORD] for word in re.findall(r"\w+", text)]


def _harmless(char: str) -> str:
    # categories C*: control, format, surrogate, private use, unassigned; format characters join what they stand between
    category = unicodedata.category(char)
    return char if category[0] != "C" else "" if category == "Cf" else " "


def _lines(message: str) -> Iterator[Piece]:
    """The lines that are looked at, with their spans; of a very long message the head and the tail."""
    windows = [(0, len(message))]
    if len(message) > _WINDOW_HEAD + _WINDOW_TAIL:
        windows = [(0, _WINDOW_HEAD), (len(message) - _WINDOW_TAIL, len(message))]
    for start, end in windows:
        for match in re.finditer(r"[^\r\n]+", message[start:end]):
            if text := clean(match.group()):
                yield Piece(start + match.start(), start + match.end(), text)


def _without_tail(lines: list[Piece]) -> list[Piece]:
    """Everything above the signature or the quoted mail; what stands below too if there is nothing above or it points there."""
    kept: list[Piece] = []
    counted = said = 0  # pieces of kept whose words are counted, and how many those are
    passed_on = False  # what stands below is what the message is about
    for index, line in enumerate(lines):
        said += sum(len(words(piece.text)) for piece in kept[counted:])
        counted = len(kept)
        spoken = said >= 3
        quoted = line.text.startswith(">")
        intro = bool(_QUOTE_INTRO.match(line.text)) or _is_header(lines, index)
        if (quoted or intro) and kept and kept[-1].text.endswith(":") and kept[-1] is lines[index - 1]:
            passed_on = True
        over = spoken and not passed_on
        if intro:
            if over:
                return kept
        elif quoted:
            if not over:
                kept.append(Piece(line.start, line.end, line.text.lstrip("> ")))
        elif _SIGNATURE.match(line.text) or _CLOSING.match(line.text):
            if over:
                return kept
            if not spoken:
                kept.append(line)
        else:
            kept.append(line)
            passed_on = passed_on or bool(_POINTS_BELOW.search(line.text))
    return [piece for piece in kept if piece.text]


def _is_header(lines: list[Piece], index: int) -> bool:
    """Two header lines in a row are the head of a quoted mail; one alone may be anything."""
    around = lines[max(0, index - 1) : index + 2]
    return bool(_HEADER.match(lines[index].text)) and sum(bool(_HEADER.match(line.text)) for line in around) >= 2


def _sentences(line: Piece) -> Iterator[Piece]:
    """Sentences and loosely joined clauses of a line. Spans are those of the cleaned line laid over the message's line."""
    scale = (line.end - line.start) / max(1, len(line.text))
    for start, end in _cut(line.text):
        text = line.text[start:end].strip()
        if text:
            exact = len(line.text) == line.end - line.start
            left, right = (start, end) if exact else (int(start * scale), int(end * scale))
            yield Piece(line.start + left, min(line.end, line.start + right), text)


def _cut(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    items = [m.start() for m in _ITEM.finditer(text)]
    listed = {item for item in items if item} if len(items) > 1 else set[int]()
    cuts = sorted({m.end() for p in (_SENTENCE_END, _CLAUSE) for m in p.finditer(text)} | listed)
    for cut in cuts:
        if cut in listed or not _ABBREVIATION.search(text[max(start, cut - 12) : cut].rstrip()):
            yield start, cut
            start = cut
    yield start, len(text)


def _without_greeting(pieces: list[Piece]) -> list[Piece]:
    """Greetings at the beginning are left out if two words or more are left."""
    for index, piece in enumerate(pieces[:2]):
        match = _GREETING.match(piece.text + " \n" if len(piece.text) < 60 else piece.text)
        if not match:
            break
        rest = piece.text[match.end() :].strip()
        if sum(len(words(p.text)) for p in pieces[index + 1 :]) + len(words(rest)) < 2:
            break
        if rest:
            return [Piece(min(piece.end, piece.start + match.end()), piece.end, rest), *pieces[index + 1 :]]
        return _without_greeting(pieces[index + 1 :])
    return pieces


def _capped(pieces: Iterable[Piece]) -> list[Piece]:
    """At most READ characters: people say what they want at the beginning and at the end, so the middle goes."""
    pieces = list(pieces)
    if sum(len(piece.text) + 1 for piece in pieces) <= READ + 1:
        return pieces
    head, tail, room, tail_room = [], [], READ * 2 // 3, READ // 3
    rest = iter(pieces)
    for piece in rest:
        text = piece.text[:room]
        if text:
            head.append(Piece(piece.start, piece.end, text))
            room -= len(text) + 1
        if room <= 0:
            break
    for piece in reversed(list(rest)):
        text = piece.text[-tail_room:]
        tail.append(Piece(piece.start, piece.end, text))
        tail_room -= len(text) + 1
        if tail_room <= 0:
            break
    return head + tail[::-1]
