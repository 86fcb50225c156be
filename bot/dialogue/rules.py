"""What stands above the wording of a message: the contract, who is entitled, known incidents, a ticket that is open already.

Each rule takes decisions as the words alone suggest them and returns those that hold. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.agreement.customers import Level, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.dialogue.assent import assent
from bot.dialogue.cues import not_helped, only_a_ticket, wants_person
from bot.dialogue.decisions import (
    Answer,
    AskCode,
    AskConsent,
    AskIdentity,
    AskOrganisation,
    ClarifyDetails,
    ClarifyTopic,
    Decision,
    Decline,
    Exclude,
    HandOff,
    Identified,
    OpenTicket,
    Purpose,
    Relay,
    SmallTalk,
    TellIncident,
    Terms,
    TicketStatus,
    Withdraw,
)
from bot.dialogue.facts import ticket_numbers
from bot.dialogue.situation import Situation
from bot.dialogue.turn import Turn
from bot.model import Category, Conversation, Incident, Mode

TICKET_STATUS = "ticket_status"
"""The topic that asks how a ticket stands; where there is a ticket, that is told instead of the article."""

THIRD_PARTY = "nc_thirdparty"
"""The topic of products of others: what a message about a device names besides (a printer, "from Word too") is not to blame."""

_PURPOSES: dict[Category, Purpose] = {
    Category.TRAINING: "training",
    Category.ONSITE: "onsite",
    Category.LICENSE_DEFECT: "maintenance",
    Category.NOT_COVERED: "forward",
}
_PLAIN = frozenset({"error", "operation", "usage", "unsure", "unclear"})
SURELY_FOREIGN = 0.95
"""Probability below which something foreign, said while a ticket waits, may belong to it all the same."""
PERHAPS = 0.25
"""Probability from which a message that is not understood may be a wish for a person."""
_OF_ITS_OWN = frozenset(
    {
        "arrange",
        "conditions",
        "contested",
        "forward",
        "in_contract",
        "maintenance",
        "remote",
        "workaround",
    }
)
"""Reasons for which a ticket is opened beside one that is open already: another queue, another matter, another judge."""
_ALWAYS_OPENED = frozenset({"person", "judge"})
"""Reasons for which a ticket is opened whoever asks: a wish for a person is always honoured."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a decision may rest on."""

    conversation: Conversation
    turn: Turn
    situation: Situation
    catalogue: Catalogue


def hold(decisions: tuple[Decision, ...], case: Case) -> tuple[Decision, ...]:
    """``decisions`` after all rules, in the order in which they overrule each other."""
    decisions = tuple(_by_contract(decision, case) for decision in _with_wish(decisions, case))
    decisions = tuple(_status(decision, case) for decision in decisions)
    decisions = _entitled(decisions, case)
    decisions = tuple(_incident(decision, case) for decision in decisions)
    decisions = tuple(_joined(decision, case) for decision in decisions)
    return _with_consent(decisions, case)


# --- a wish for a person is honoured, whatever else is in the message ------------------------------------


def _with_wish(decisions: tuple[Decision, ...], case: Case) -> tuple[Decision, ...]:
    """A wish beside a matter that the classifier took for the whole message."""
    if case.turn.action is not None or not wants_person(case.turn.text):
        return decisions
    if any(isinstance(d, OpenTicket) and d.reason not in _PLAIN for d in decisions):
        return decisions  # somebody gets in touch anyway
    plain = [d for d in decisions if isinstance(d, OpenTicket)]
    if plain:
        return tuple(HandOff(d.about, "person", d.priority) if d in plain else d for d in decisions)
    kept = tuple(d for d in decisions if isinstance(d, Answer | Exclude))
    if not kept:
        return decisions
    return (*kept, HandOff(replace(kept[0].about, category=Category.HUMAN_REQUEST, topic=None), "person"))


# --- the individual contract goes before the agreement ------------------------------------------------


def _by_contract(decision: Decision, case: Case) -> Decision:
    organisation, now, about = case.situation.organisation, case.turn.now, decision.about
    contract = organisation.contract(now, about.products) if organisation else None
    if organisation is None or contract is None:
        return decision
    if isinstance(decision, Exclude) and about.category is not None and about.category is not Category.NEGLIGENCE:
        named = about.category is Category.NOT_COVERED and bool(set(about.products) & set(contract.products))
        if named or organisation.covers(about.category, now, about.products):
            return OpenTicket(about, "in_contract")
    ours = set(about.products) & set(case.catalogue.company.products)
    if type(decision) is OpenTicket and contract.products and ours and not ours & set(contract.products):
        return HandOff(about, "other_product", decision.priority)
    return decision


# --- how a ticket stands ----------------------------------------------------------------------------


def _status(decision: Decision, case: Case) -> Decision:
    """A question about a ticket is answered with the ticket, as far as this person may be told of it."""
    if not isinstance(decision, Answer | ClarifyDetails | ClarifyTopic | OpenTicket | Decline | SmallTalk):
        return decision
    if isinstance(decision, OpenTicket) and decision.follows is not None:
        return decision  # the number that it names is that of the ticket before
    text = decision.about.text
    asked = isinstance(decision, Answer) and decision.about.topic == TICKET_STATUS
    if not asked and not only_a_ticket(text):
        return decision
    return status(decision, ticket_numbers(f"{text}\n{case.turn.text}"), case)


def status(decision: Decision, named: tuple[int, ...], case: Case) -> Decision:
    """How the tickets ``named`` stand, or the open ones when none is named; ``decision`` itself when there is nothing to tell."""
    about = replace(decision.about, topic=TICKET_STATUS, category=Category.OPERATION)
    tickets = case.situation.tickets
    if named:
        mine = {ticket.number: ticket for ticket in tickets}
        found = tuple(mine[number] for number in named if number in mine)
        return TicketStatus(about, found, tuple(number for number in named if number not in mine))
    open_ = tuple(ticket for ticket in tickets if ticket.open) or tickets[:1]
    return TicketStatus(about, open_) if open_ else decision


# --- who is entitled ----------------------------------------------------------------------------------


def _entitled(decisions: tuple[Decision, ...], case: Case) -> tuple[Decision, ...]:
    """Whatever needs a customer waits until it is known which; articles and chat do not."""
    situation = case.situation
    guarded = [decision for decision in decisions if _needs_customer(decision, case)]
    if not guarded or not situation.standing.checked:
        return decisions
    organisation = situation.organisation
    if organisation is None:
        return _who(decisions, guarded, case)
    if not situation.proven:
        decisions = tuple(_proof(d, organisation, case) if isinstance(d, TicketStatus) else d for d in decisions)
        guarded = [decision for decision in decisions if _needs_customer(decision, case)]
    if not guarded:
        return decisions
    if organisation.entitled(case.turn.now):
        return decisions
    # Whether the contract has run out, and what then, is for people to say: the customer is not refused.
    kept = tuple(decision for decision in decisions if decision not in guarded)
    first = guarded[0]
    about = replace(first.about, text="\n".join(dict.fromkeys(d.about.text for d in guarded if d.about.text)))
    return (*kept, HandOff(about, "not_entitled"))


def _who(decisions: tuple[Decision, ...], guarded: list[Decision], case: Case) -> tuple[Decision, ...]:
    about = guarded[0].about
    if case.turn.text not in about.text:  # several matters: all of the turn is kept in mind
        about = replace(about, text=case.turn.text)
    question: Decision
    if case.situation.choices:
        question = AskOrganisation(about, case.situation.choices)
    elif case.situation.claim.organisation is not None:
        organisation = case.situation.claim.organisation
        stated = replace(
            case.situation, standing=replace(case.situation.standing, level=Level.STATED, organisation=organisation)
        )
        known = replace(case, situation=stated)
        return (
            Identified(about, organisation, Level.STATED, said=False),
            *_entitled(
                tuple(_by_contract(d, known) for d in decisions),
                replace(known, conversation=replace(case.conversation, organisation=organisation.id)),
            ),
        )
    else:
        question = AskIdentity(about)
    kept = tuple(decision for decision in decisions if decision not in guarded)
    if wish := next((d for d in guarded if isinstance(d, OpenTicket) and d.reason in _ALWAYS_OPENED), None):
        if case.situation.choices:
            return (*kept, wish)
        return (*kept, wish, AskIdentity(replace(about, text=""), open=True))
    return (*kept, question)


def _proof(decision: TicketStatus, organisation: Organisation, case: Case) -> Decision:
    """An organisation's tickets are shown to those who have proven that they belong to it."""
    if not decision.unknown:
        return decision
    if case.situation.can_mail and organisation.email:
        return AskCode(decision.about, organisation)
    return HandOff(decision.about, "status")


def _needs_customer(decision: Decision, case: Case) -> bool:
    if isinstance(decision, TicketStatus):
        return bool(decision.unknown) and not case.situation.proven
    if isinstance(decision, OpenTicket) and decision.reason == "unidentified":
        return False
    return isinstance(decision, OpenTicket | Exclude)


# --- incidents that staff know of -----------------------------------------------------------------------


def _incident(decision: Decision, case: Case) -> Decision:
    # An article on what a symptom may come from would be idle while the cause is known.
    told = type(decision) in (OpenTicket, ClarifyDetails, Answer)
    if not told or decision.about.category is not Category.ERROR_REPORT:
        return decision
    if isinstance(decision, OpenTicket) and decision.reason not in ("error", "unsure"):
        return decision
    for incident in case.situation.incidents:
        if concerns(incident, decision.about.topic, decision.about.text):
            return TellIncident(decision.about, incident.id)
    return decision


def concerns(incident: Incident, topic: str | None, text: str) -> bool:
    """Whether a report on ``topic`` in the words of ``text`` is about ``incident``."""
    words = text.casefold()
    return topic in incident.topics or any(word.casefold() in words for word in incident.words)


# --- a ticket that is open already -----------------------------------------------------------------------


def _joined(decision: Decision, case: Case) -> Decision:
    """What a person must read joins the open ticket instead of opening another one."""
    conversation, current, text = case.conversation, case.situation.current, case.turn.text
    if case.turn.action is not None or (isinstance(decision, OpenTicket) and decision.reason in _OF_ITS_OWN):
        return decision
    organisation = case.situation.organisation
    if current is not None and organisation is not None and current.organisation not in (None, organisation.id):
        return decision  # several customers share this channel: one's words do not belong in another's ticket
    waiting = conversation.mode is Mode.WAITING
    if isinstance(decision, HandOff) and decision.reason == "loose_consent" and current is not None and current.open:
        said = assent(text)
        if said is not None and not said.yes:
            return Withdraw(decision.about, case.situation.consented)
        return Relay(decision.about, announce=True)
    if waiting and isinstance(decision, SmallTalk) and not_helped(text):
        return Relay(decision.about, announce=True)
    if waiting and isinstance(decision, Decline) and decision.about.confidence < SURELY_FOREIGN:
        return Relay(decision.about, announce=True)  # "please hurry, plants are dying" belongs to what is waiting
    if not isinstance(decision, OpenTicket | ClarifyDetails | ClarifyTopic) and not (
        isinstance(decision, Exclude) and decision.about.category is Category.NEGLIGENCE
    ):
        return decision
    if waiting:
        return Relay(decision.about, announce=True, person=_wants_person(decision, case))
    # Handed back to the bot while the ticket is still open: what says no more than that it still does not work is about that.
    if current is not None and current.open and not _wants_person(decision, case):
        same = isinstance(decision, ClarifyDetails | ClarifyTopic) or decision.about.topic == current.topic
        if same:
            return Relay(decision.about, announce=True)
    return decision


def _wants_person(decision: Decision, case: Case) -> bool:
    """Whether a wish for a person is meant or may well be meant: honouring it in vain costs nothing."""
    if isinstance(decision, HandOff) and decision.reason == "person":
        return True
    maybe = sum(matter.probability(Category.HUMAN_REQUEST) for matter in case.turn.prediction.matters)
    return isinstance(decision, ClarifyDetails | ClarifyTopic) and maybe >= PERHAPS


# --- every passing-on asks first --------------------------------------------------------------------------


def _with_consent(decisions: tuple[Decision, ...], case: Case) -> tuple[Decision, ...]:
    """An exclusion is followed by the question whether to go the other way. One question at a time: the first one."""
    first = next((d for d in decisions if isinstance(d, Exclude) and d.about.category in _PURPOSES), None)
    if first is None or first.about.category is None:
        return decisions
    others = case.catalogue.company.third_party
    purpose = _PURPOSES[first.about.category]
    named = (product for product in first.about.products if product in others and first.about.topic == THIRD_PARTY)
    terms = Terms(purpose, first.about.text, next(named, None))
    return (*decisions, AskConsent(first.about, terms))
