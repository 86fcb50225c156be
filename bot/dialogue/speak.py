"""speak(): from decisions to the words that the customer reads. Pure.

Every sentence comes from the intent files. What staff alone may see never passes through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.catalogue.answers import render_answer
from bot.catalogue.catalogue import Catalogue, Topic
from bot.dialogue import actions
from bot.dialogue.decisions import (
    Answer,
    AskCode,
    AskConsent,
    AskIdentity,
    AskOrganisation,
    ClarifyDetails,
    ClarifyTopic,
    Confirm,
    Decision,
    Decline,
    Exclude,
    HandOff,
    Identified,
    Ignore,
    OpenTicket,
    Rate,
    Refuse,
    Relay,
    Reopen,
    Settle,
    SmallTalk,
    TellIncident,
    Terms,
    TicketStatus,
    Withdraw,
    needs_ticket,
)
from bot.dialogue.facts import facts
from bot.dialogue.situation import Situation
from bot.dialogue.turn import Outcome
from bot.dialogue.voice import Reply, Voice, quoted
from bot.model import Address, Button, Category, Language, Priority, Ticket, TicketState, ticket_key

FOLLOW_UPS = 2
CONTENT = 2
"""Up to this rating the customer is asked what was missing."""
STATED_FACTS = 3
"""How many of the missing facts are asked for beside a ticket that is open already."""

_ASKED = ("area", "expected", "error", "since", "affected")
_OPENED = frozenset(
    {
        "arrange",
        "attachment",
        "conditions",
        "contested",
        "follow_up",
        "forward",
        "in_contract",
        "loose_consent",
        "maintenance",
        "not_entitled",
        "not_helped",
        "remote",
        "status",
        "unidentified",
        "workaround",
    }
)
"""The reasons for a ticket that have a sentence of their own, of the same name, below ``ticket``."""


def speak(outcome: Outcome, catalogue: Catalogue, situation: Situation, tickets: Mapping[int, str]) -> Reply | None:
    """One reply to all decisions, None for silence; ``tickets`` has, by index, the key of the ticket that a decision concerns."""
    said = [
        _Speech(Voice(catalogue, outcome.language, tickets.get(i), outcome.address), outcome, situation).on(decision)
        for i, decision in enumerate(outcome.decisions)
    ]
    replies = [reply for reply in said if reply is not None]
    if not replies:
        return None
    paragraphs = [reply.text for reply in replies]
    voice = Voice(catalogue, outcome.language, address=outcome.address)
    if outcome.reads_from is not None and not any(needs_ticket(d) for d in outcome.decisions):
        paragraphs.append(voice.text("time.reads_from", time=voice.moment(outcome.reads_from)))
    buttons = dict.fromkeys(button for reply in replies for button in reply.buttons)
    return Reply("\n\n".join(paragraphs), tuple(buttons))


def notice(
    catalogue: Catalogue, language: Language, key: str, ticket: str, *, address: Address = "sie", **values: str
) -> Reply:
    """A sentence of the texts that is said on account of the desk, not in reply to a message."""
    return Reply(Voice(catalogue, language, ticket, address).text(key, **values))


@dataclass(frozen=True, slots=True)
class _Speech:
    voice: Voice
    outcome: Outcome
    situation: Situation

    def on(self, decision: Decision) -> Reply | None:
        voice = self.voice
        match decision:
            case Answer(_, again) if again:
                person = voice.button("person", actions.PERSON)
                return Reply(voice.text("answer.again"), (voice.button("helped", actions.HELPED), person))
            case Answer(about):
                return self.answer(voice.catalogue.topics[about.topic or ""])
            case TicketStatus():
                return self.status(decision)
            case TellIncident():
                return self.incident(decision)
            case ClarifyDetails():
                return self.details(decision)
            case ClarifyTopic(_, candidates):
                topics = voice.catalogue.topics
                options = [Button(topics[c].title[voice.language], actions.topic(c)) for c in candidates]
                none = voice.button("none_of_these", actions.NONE_OF_THESE)
                return Reply(voice.text("clarify.topic"), (*options, none))
            case AskIdentity(_, _, _, asked, is_open):
                buttons = () if is_open else (voice.button("person", actions.PERSON),)
                return Reply(voice.text(f"identity.{'open' if is_open and asked == 'ask' else asked}"), buttons)
            case AskOrganisation(_, organisations, _):
                offered = (Button(o.name, actions.organisation(o.id)) for o in organisations)
                return Reply(voice.text("identity.organisation"), tuple(offered))
            case AskCode(_, organisation, attempt):
                key = "code" if attempt == 1 else "code_again"
                text = voice.text(f"identity.{key}", **({"organisation": organisation.name} if attempt == 1 else {}))
                return Reply(text, (voice.button("person", actions.PERSON),))
            case Exclude():
                return self.exclude(decision)
            case AskConsent():
                return self.consent(decision)
            case OpenTicket():
                return self.opened(decision)
            case SmallTalk(_, key):
                again = key == "greeting" and self.outcome.greeted
                return Reply(voice.text(f"small_talk.{'greeting_again' if again else key}"))
            case Refuse(_, consent):
                return Reply(voice.text("consent.refused" if consent.terms.chargeable else "consent.refused_free"))
            case Withdraw(_, consented):
                return Reply(voice.text("consent.withdrawn" if consented else "consent.withdrawn_ticket"))
            case Settle():
                return Reply(voice.text("ticket.settled"))
            case Confirm(_, ticket):
                marks = tuple(Button(str(mark), actions.rate(ticket, mark)) for mark in range(1, 6))
                return Reply(voice.text("ticket.confirmed"), marks)
            case Rate(_, _, rating, words):
                return Reply(voice.text("rating.thanks" if words or rating > CONTENT else "rating.sorry"))
            case Reopen(_, ticket):
                return self.reopened(ticket)
            case Identified(_, organisation, _, said):
                if not said:
                    return None
                key = "noted" if len(self.outcome.decisions) > 1 or self.situation.current else "known"
                return Reply(voice.text(f"identity.{key}", organisation=organisation.name))
            case Decline():
                return Reply(voice.text("decline"))
            case Relay():
                return self.relayed(decision)
            case Ignore():
                return None

    def relayed(self, decision: Relay) -> Reply | None:
        if not decision.announce:
            return None
        if decision.person:
            return Reply(self.voice.text("relay.person"))
        if decision.edited:
            return Reply(self.voice.text("relay.edited"))
        return Reply(self.voice.text("relay.added"), (self.voice.button("new_matter", actions.NEW_MATTER),))

    def reopened(self, ticket: Ticket) -> Reply:
        voice = self.voice
        key = "reopened_with" if ticket.assignee else "reopened"
        said = voice.text(f"ticket.{key}", **({"staff": ticket.assignee} if ticket.assignee else {}))
        return Reply("\n\n".join([said, *self.times()]))

    def answer(self, topic: Topic) -> Reply:
        voice, catalogue = self.voice, self.voice.catalogue
        text = render_answer((topic.answer or {})[voice.language], voice.language, catalogue.company, self.own_terms())
        if topic.source:
            text += "\n\n" + voice.text("answer.source", source=topic.source)
        topics = catalogue.topics
        offered = [Button(b.label[voice.language], actions.topic(b.topic)) for b in topic.buttons]
        offered += [Button(topics[t].title[voice.language], actions.topic(t)) for t in topic.follow_ups]
        return Reply(
            text,
            (
                voice.button("helped", actions.HELPED),
                voice.button("not_helped", actions.NOT_HELPED),
                *offered[:FOLLOW_UPS],
            ),
        )

    def own_terms(self) -> Mapping[str, str | None]:
        """What the customer's own contract says goes before what holds for everybody."""
        hours = self.situation.hours(self.outcome.now)
        if hours is None:
            return {}
        voice = self.voice
        opening = self.situation.reads_from(self.outcome.now)
        state = voice.text("time.closed_now", time=voice.moment(opening)) if opening else voice.text("time.open_now")
        return {"company.hours": voice.hours(hours), "service.now": state}

    def status(self, decision: TicketStatus) -> Reply:
        lines = [self.ticket_line(ticket) for ticket in decision.tickets]
        lines += [self.voice.text("status.unknown", ticket=ticket_key(number)) for number in decision.unknown]
        if any(ticket.open for ticket in decision.tickets):
            lines.append(self.voice.text("status.more"))
        return Reply("\n\n".join(lines), (self.voice.button("person", actions.PERSON),))

    def ticket_line(self, ticket: Ticket) -> str:
        voice = self.voice
        if ticket.progress:
            state = ticket.progress
        elif ticket.state is TicketState.TAKEN and ticket.assignee:
            state = voice.text("status.taken_by", staff=ticket.assignee)
        else:
            state = voice.text(f"status.{ticket.state.value}")
        values = {"ticket": ticket.key, "state": state}
        line = (
            voice.text("status.ticket", subject=ticket.subject, **values)
            if ticket.subject
            else voice.text("status.nameless", **values)
        )
        hours = self.situation.hours(self.outcome.now)
        if ticket.state is TicketState.OPEN and ticket.due_at is not None and hours is not None:
            line += " " + voice.text("status.due", time=voice.moment(hours.local(ticket.due_at)))
        return line

    def incident(self, decision: TellIncident) -> Reply:
        incident = next(i for i in self.situation.incidents if i.id == decision.incident)
        told = self.voice.text("incident.told", text=incident.text[self.voice.language])
        other = self.voice.button("other_matter", actions.OTHER_MATTER)
        return Reply(f"{told}\n\n{self.voice.text('incident.noted')}", (other,))

    def details(self, decision: ClarifyDetails) -> Reply:
        voice, about = self.voice, decision.about
        person = (voice.button("person", actions.PERSON),)
        if decision.attempt > 1:
            return Reply(voice.text("clarify.details_again"), person)
        if about.category is Category.USAGE and not decision.after_answer:
            return Reply(voice.text("clarify.question"), person)
        asked = [key for key in _ASKED if key not in decision.known]
        if decision.after_answer:
            asked = [key for key in asked if key not in ("area", "expected")]
        intro = voice.text("clarify.after_answer" if decision.after_answer else "clarify.details")
        return Reply(f"{intro}\n\n{self.listed(asked)}", person)

    def listed(self, keys: list[str]) -> str:
        return "\n".join(f"- {self.voice.text(f'ask.{key}')}" for key in keys)

    def exclude(self, decision: Exclude) -> Reply:
        voice = self.voice
        assert decision.about.category is not None
        kind = decision.about.category.value.split(".")[1]
        paragraphs = [voice.text(f"exclude.{kind}")]
        if decision.about.category is Category.NEGLIGENCE:
            # Staff judge this, the bot never does: no clause is held against anybody, and there is nothing to refuse.
            return Reply("\n\n".join([*paragraphs, voice.text("ticket.recorded"), *self.times()]))
        clause = voice.catalogue.agreement.clauses[decision.clause]
        title = clause.title[voice.language]
        cited = title if clause.number is None else f"{clause.number} {title}"
        paragraphs.append(voice.text("exclude.clause", clause=cited, version=voice.catalogue.agreement.version))
        return Reply("\n\n".join(paragraphs))

    def consent(self, decision: AskConsent) -> Reply:
        voice, terms = self.voice, decision.terms
        buttons = [voice.button(f"yes_{terms.purpose}", actions.YES)]
        if terms.purpose == "onsite":
            buttons.append(voice.button("remote", actions.REMOTE))
        if terms.purpose == "maintenance":
            buttons.append(voice.button("workaround", actions.WORKAROUND))
        buttons.append(voice.button("no", actions.NO))
        if terms.purpose != "maintenance":  # there nothing is refused, so there is nothing to contest
            buttons.append(voice.button("contest", actions.CONTEST))
        text = question(terms, voice) if decision.attempt == 1 or decision.full else voice.text("consent.again")
        return Reply(text, tuple(buttons))

    def opened(self, decision: OpenTicket) -> Reply:
        voice = self.voice
        match decision.reason:
            case reason if reason in _OPENED:
                key = reason
            case "person":
                key = "handed_off" if decision.about.category is Category.HUMAN_REQUEST else "handed_off_matter"
            case "operation" | "usage":
                key = "opened_question"
            case _ if isinstance(decision, HandOff):
                key = "handed_off_matter"
            case _:
                key = "opened_high" if decision.priority is Priority.HIGH else "opened"
        paragraphs = [voice.text(f"ticket.{key}")]
        if decision.follows is not None:
            paragraphs.append(voice.text("ticket.follows", old=ticket_key(decision.follows)))
        if decision.consent is not None and decision.consent.condition and decision.consent.given:
            paragraphs.append(voice.text("consent.condition", condition=decision.consent.condition))
        paragraphs += self.times()
        if decision.reason == "error":
            known = facts(decision.about.text)
            missing = [key for key in ("error", "since", "affected") if key not in known][:STATED_FACTS]
            if missing:
                paragraphs.append(f"{voice.text('ticket.more')}\n\n{self.listed(missing)}")
        return Reply("\n\n".join(paragraphs))

    def times(self) -> list[str]:
        """When somebody reads this and answers, as far as it is known: a promise of response, never of repair."""
        outcome, said = self.outcome, []
        if outcome.reads_from is not None:
            said.append(self.voice.text("time.reads_from", time=self.voice.moment(outcome.reads_from)))
        if outcome.respond_by is not None:
            said.append(self.voice.text("time.respond_by", time=self.voice.moment(outcome.respond_by)))
        return [" ".join(said)] if said else []


def question(terms: Terms, voice: Voice) -> str:
    """What a customer is shown before a consent: to whom, exactly what, and that it is charged."""
    if terms.purpose != "forward":
        return voice.text(f"consent.{terms.purpose}")
    company = voice.catalogue.company
    names = company.third_party.get(terms.product or "")
    recipient = (
        voice.text("consent.recipient_product", product=names[0]) if names else voice.text("consent.recipient_other")
    )
    asked = voice.text("consent.forward", recipient=recipient)
    return "\n\n".join([asked, quoted(terms.passed_on), voice.text("consent.forward_cost")])
