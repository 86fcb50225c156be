"""What short remarks mean between two people who already talk: it helped, it did not, that is covered, it has settled itself.

Only plain remarks count; whatever is longer or mixed is for the classifier. It must not know what follows from them.
"""

from __future__ import annotations

import re

from bot.dialogue.facts import ticket_numbers

_LONGEST = 160  # characters; a remark is short, a report is not


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_NOT = r"(?:nicht|nich|net|ned|nix|nichts|kein\w*)"
_STILL = r"(?:immer ?noch|noch immer|trotzdem|weiterhin|auch|leider|nach wie vor|wieder)"
_NOT_HELPED = _any(
    rf"\b(?:hilft|hilfts|half|hat|hats)\b.{{0,30}}\b{_NOT}\b.{{0,20}}(?:geholfen|weiter|gebracht|funktioniert|geklappt)?\W*$",
    rf"\b(?:klappt|klappte|geht|ging|funktioniert|funzt|läuft|tut)\b.{{0,25}}\b{_STILL}\b.{{0,15}}\b{_NOT}\b",
    rf"\b{_STILL}\b.{{0,15}}\b(?:{_NOT}|das selbe|dasselbe|das gleiche|gleiche[rs]? (?:fehler|problem))\b",
    rf"\b(?:das|so|es|aber|trotzdem)\b.{{0,12}}\b(?:klappt|geht|funktioniert|bringt)\b.{{0,10}}\b{_NOT}\b",
    r"\b(?:schon|bereits)\b.{0,25}\b(?:probiert|versucht|gemacht|getestet)\b",
    r"\b(?:bringt|brachte)\b.{0,15}\b(?:nichts|nix)\b",
    r"\b(?:does ?n[o']?t|did ?n[o']?t|is ?n[o']?t|has ?n[o']?t|won'?t|not)\b.{0,12}\b(?:help\w*|work\w*|useful|helpful|solved?)\b",
    r"\bstill\b.{0,25}\b(?:not|no|n't|same|broken|failing|fails|locked|stuck)\b|\bno (?:luck|good|use|joy)\b",
    r"\b(?:already|just) (?:tried|did|done)\b|\btried (?:that|this|it)\b|\bsame (?:problem|error|issue|thing)\b",
)
_HELPED = _any(
    r"\b(?:hat|habt|haben)\b.{0,25}\bgeholfen\b",
    r"\b(?:das|jetzt|nun|so)\b.{0,20}\b(?:klappt|geht|funktioniert|läuft|tut)\b.{0,15}\W*$",
    r"\b(?:hat|es)\b.{0,15}\b(?:geklappt|funktioniert)\b",
    r"\b(?:that|it|this)\b.{0,10}\b(?:helped|worked|did it|did the trick|fixed it|solved it|works)\b",
    r"^\W*(?:works|worked|solved|fixed|geklappt|funktioniert|gelöst|passt)\b.{0,20}$",
)
_SETTLED = _any(
    r"\b(?:hat|haben|wäre?|ist)\b.{0,20}\b(?:erledigt|geklärt|gelöst|behoben|hinfällig|gegenstandslos)\b",
    r"\b(?:geht|läuft|funktioniert|klappt|tut)\b.{0,25}\bwieder\b(?!.{0,12}\b(?:nicht|nich|net)\b)",
    r"\b(?:problem|fehler|sache|thema|ticket|anfrage)\b.{0,20}\b(?:erledigt|gelöst|behoben|weg|schließen)\b",
    r"\b(?:brauche?n?|benötige?n?)\b.{0,20}\b(?:keine|nicht)\b.{0,20}\b(?:hilfe|unterstützung)?\b.{0,10}\bmehr\b",
    r"\b(?:vergessen sie|vergesst)\b.{0,12}\bes\b|\bziehe?n?\b.{0,20}\b(?:anfrage|meldung|ticket)\b.{0,10}\bzurück\b",
    r"\bnever ?mind\b",
    r"\b(?:it|that|problem|issue)\b.{0,12}\b(?:is|has been|got|'s)?.{0,6}\b(?:solved|resolved|fixed|sorted|gone)\b",
    r"\b(?:works|working|running|up)\b.{0,8}\bagain\b",
    r"\b(?:please )?(?:close|cancel)\b.{0,12}\b(?:the|my|this) (?:ticket|request|case)\b",
    r"\bforget (?:about )?it\b|\bplease cancel\b|\bcancel (?:it|that)\b",
    r"\b(?:found|fixed|solved|sorted) (?:it|that|this|the (?:problem|cause|issue)) (?:out )?(?:our|my)sel\w+",
    r"\bselbst\b.{0,12}\b(?:gefunden|gelöst|behoben|hinbekommen|geschafft|repariert)\b",
    r"\bno longer (?:need|necessary|required|an issue)\b|\bdon'?t need (?:any )?(?:help|it)\b.{0,10}\b(?:any ?more)?\b",
)
_NEGATED = _any(r"\b(?:nicht|nich|nie|noch nicht|kein\w*|not|n't|never (?!mind))\b")
_INCLUDED = r"(?:abgedeckt|enthalten|inklusive|inbegriffen|mit drin|drin|mitbezahlt|vereinbart|vertragsbestandteil)"
_AFTER_ALL = r"(?:doch|sehr wohl|aber|schon|eigentlich)"
_THE_CONTRACT = r"(?:support|vertrag|pflege|wartung|dazu|leistung|helpdesk|drunter|darunter)"
_CONTEST = _any(
    rf"\b(?:ist|sei|wäre|sind|war)\b.{{0,40}}\b{_INCLUDED}\b",
    rf"\b(?:gehört|zählt|fällt)\b.{{0,25}}\b{_AFTER_ALL}\b.{{0,30}}\b{_THE_CONTRACT}",
    r"\b(?:steht|haben wir|stehts?)\b.{0,25}\b(?:so )?(?:im|in unserem|in dem|vertraglich)\b.{0,15}\bvertrag",
    r"\b(?:dafür|wofür)\b.{0,20}\b(?:zahlen|bezahlen|zahl)\b.{0,10}\b(?:wir|ich)?\b",
    rf"\b{_AFTER_ALL}\b.{{0,12}}\b{_INCLUDED}\b",
    r"\b(?:im|laut|unser\w*)\b.{0,20}\b(?:wartungs|pflege|support)?vertrag\b.{0,25}\b(?:drin|enthalten|steht|abgedeckt)",
    r"\b(?:is|are|should be|it's|that's)\b.{0,20}\b(?:covered|included|part of (?:our|the) (?:contract|agreement))\b",
    r"\b(?:our|the) (?:contract|agreement)\b.{0,25}\b(?:says|covers|includes|states)\b",
    r"\bthat'?s what we (?:pay|are paying)\b|\bwe(?:'re| are)? pay(?:ing)? for\b",
)
_QUESTION = re.compile(r"\?|^\W*(?:ist|sind|is|are|was|what|wie|how|welche|which|gehört|does|do)\b", re.IGNORECASE)
_REMOTE = _any(r"\b(?:fernwartung|fernzugriff|remote|teamviewer|aufschalten|per fern\w*)\b")
_WORKAROUND = _any(r"\b(?:work ?around\w*|umgehung\w*|übergangslösung|notlösung|zwischenlösung|drum ?rum)\b")
_NO_REMOTE = _any(
    rf"\b{_NOT}\b.{{0,20}}(?:fernwartung|fernzugriff|remote|teamviewer)",
    rf"\b(?:fernwartung|fernzugriff|remote\w*|teamviewer|aufschalten)\b.{{0,40}}\b(?:{_NOT}|unmöglich|verboten|bringt|nutzt|hilft)\b",
    r"\b(?:no|not|don'?t|without)\b.{0,20}(?:remote|teamviewer)",
    r"\b(?:remote\w*|teamviewer)\b.{0,40}\b(?:not|n't|no|cannot|impossible|forbidden|useless)\b",
)
_IN_CONTEXT = re.compile(
    r"^\W*(?:und|and|aber|but|ok(?:ay)?,? (?:und|and|aber|but)|wo genau|where exactly|wie genau|how exactly|"
    r"welche[rsnm]? (?:davon|punkt)|which (?:one|of)|"
    r"was (?:heißt|meinen sie|ist damit)|what do you mean|auch|also|was wenn|what if|und wenn|and if)\b",
    re.IGNORECASE,
)


_DROPS = _any(
    r"\b(?:lassen|lass|lasst)\b.{0,12}\b(?:sie|es|wir|mal|das|gut)\b",
    r"\b(?:war|ist) (?:nur|bloß) (?:so )?(?:eine|ne|mal)? ?(?:idee|frage|gedanke|test)\b",
    r"\b(?:nicht so|nicht weiter|nicht mehr) (?:wichtig|schlimm|nötig)\b|\b(?:schon|ist) (?:gut|egal|okay|ok)\b",
    r"\b(?:vergessen sie|vergiss|vergesst)\b.{0,6}\bes\b|\bhat sich erledigt\b",
    r"\b(?:never ?mind|forget it|leave it|skip it|doesn'?t matter|not important|no worries|just an idea|just wondering)\b",
)
_DISCREET = _any(
    r"\b(?:wozu|wofür|warum|wieso|weshalb)\b",
    r"\b(?:sag|sage|verrat\w*|geb|gebe)\b.{0,12}\b(?:ich|euch|ihnen|dir|das)?\b.{0,10}\bnicht\b",
    r"\bgeht\b.{0,12}\b(?:sie|euch|dich|keinen|niemanden)\b.{0,8}\b(?:nichts|an)\b|\b(?:lieber|möchte ich|will ich) nicht\b",
    r"\bwhy\b|\bwhat for\b|\bnone of your\b|\brather not\b|\bwon'?t (?:tell|say)\b|\bnot (?:telling|going to tell)\b",
)
_ASKS_TERMS = _any(
    r"\b(?:wer|wem|wen|wohin|an welche|welche (?:daten|angaben)|was genau|wieviel|wie viel)\b",
    r"\bwas (?:geben|gebt|erfahren|sagt|sagen)\b",
    r"\b(?:who|whom|what exactly|which data|how much|what (?:would|will|do) you (?:tell|pass|send|share|give))\b",
)
_BOUND = _any(
    r"^\W*(?:aber |und )?(?:nur|höchstens|hoechstens|maximal|max\.?|bis|erst|sofern|wenn|falls|ohne|vorausgesetzt)\b",
    r"^\W*(?:but |and )?(?:only|at most|up to|no more than|provided|as long as|if|without|unless|under the condition)\b",
)


_PERSON = _any(
    r"\b(?:ruft|rufen sie|ruf|rufen)\b.{0,25}\b(?:an|zurück|durch)\b|\b(?:rück|zurück)ruf\w*\b|\bbitte (?:um )?(?:einen )?anruf\b",
    r"\bmit (?:einem|einer|jemandem|irgendwem|nem|ner) .{0,25}(?:sprechen|reden|telefonieren)\b",
    r"\b(?:echten?|richtigen?|menschlichen?) (?:mensch\w*|person|mitarbeiter\w*|ansprechpartner\w*)\b",
    r"\b(?:jemand|wer|einer)\b.{0,25}\b(?:anrufen|zurückrufen|melden|sprechen)\b",
    r"\b(?:call|ring|phone) (?:me|us)\b|\b(?:call|ring) ?back\b|\bgive (?:me|us) a (?:call|ring)\b",
    r"\b(?:speak|talk) (?:to|with) (?:a|an|some|someone|somebody|one of)\b|\b(?:real|actual|human) (?:person|being|agent)\b",
)
_NO_PERSON = _any(
    r"\b(?:kein\w*|nicht|ohne|no|not|don'?t|without)\b.{0,20}\b(?:anruf\w*|rückruf\w*|call\w*|person|mensch\w*)\b"
)


def _sentences(text: str) -> list[str]:
    return [text, *re.split(r"(?<=[.!?])\s+|\n+", text)]


def _remark(text: str) -> bool:
    return 0 < len(text.strip()) <= _LONGEST


def not_helped(text: str) -> bool:
    """Whether ``text`` says that what was advised has not helped."""
    return _remark(text) and any(_NOT_HELPED.search(sentence) for sentence in _sentences(text))


def helped(text: str) -> bool:
    """Whether ``text`` says that it has helped."""
    return _remark(text) and not not_helped(text) and not _NEGATED.search(text) and _HELPED.search(text) is not None


def settled(text: str) -> bool:
    """Whether ``text`` says that the matter is over without anybody having to do anything more."""
    return _remark(text) and "?" not in text and _SETTLED.search(text) is not None and not not_helped(text)


def contests(text: str) -> bool:
    """Whether ``text`` says that something is covered after all. A question whether it is does not contest."""
    return _remark(text) and _CONTEST.search(text) is not None and not _QUESTION.search(text)


def prefers_remote(text: str) -> bool:
    """Whether ``text`` takes the remote session that was offered instead of a visit."""
    return _remark(text) and _REMOTE.search(text) is not None and not _NO_REMOTE.search(text) and "?" not in text


def rules_out_remote(text: str) -> bool:
    """Whether ``text`` says that a remote session is no way."""
    return _remark(text) and _NO_REMOTE.search(text) is not None


def wants_workaround(text: str) -> bool:
    return _remark(text) and _WORKAROUND.search(text) is not None


def drops(text: str) -> bool:
    """Whether ``text`` waves away what was asked: it was not so important after all."""
    return _remark(text) and _DROPS.search(text) is not None


def is_discreet(text: str) -> bool:
    """Whether ``text`` asks why somebody should say who they are, or will not say it."""
    return _remark(text) and _DISCREET.search(text) is not None


def asks_for_terms(text: str) -> bool:
    """Whether ``text`` asks what exactly a consent would mean: to whom, what, at whose cost."""
    return _remark(text) and _ASKS_TERMS.search(text) is not None


def sets_condition(text: str) -> bool:
    """Whether ``text`` binds what was asked for to something without a yes."""
    return _remark(text) and "?" not in text and _BOUND.search(text) is not None


def wants_person(text: str) -> bool:
    """Whether ``text``, of whatever length, asks beside its matter to be called or to speak with somebody."""
    return any(_PERSON.search(s) and not _NO_PERSON.search(s) for s in _sentences(text)[1:] or [text])


def goes_on(text: str) -> bool:
    """Whether ``text`` cannot stand alone: it goes on with what was said before."""
    return _IN_CONTEXT.search(text) is not None


def only_a_ticket(text: str) -> bool:
    """Whether ``text`` is hardly more than the number of a ticket."""
    return bool(ticket_numbers(text)) and len(re.findall(r"\w+", text)) <= 5
