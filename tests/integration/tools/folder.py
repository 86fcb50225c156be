"""A small intents folder that trains in a moment, and can be edited as an admin would."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.config import shipped_intents

Sentences = Mapping[str, Sequence[str]]

TOPICS: Mapping[str, tuple[str, Sentences, Sentences]] = {
    "faq/hours": (
        "in_scope.operation",
        {
            "de": [
                "Wann haben Sie geöffnet?",
                "Öffnungszeiten bitte",
                "bis wann ist die Hotline besetzt",
                "Ab wie viel Uhr erreiche ich den Helpdesk?",
                "Seid ihr samstags erreichbar?",
                "Zu welchen Zeiten ist der Support da",
            ],
            "en": [
                "When are you open?",
                "opening hours please",
                "until when is the hotline staffed",
                "From what time can I reach the helpdesk?",
                "Are you reachable on Saturdays?",
                "At which times is support available",
            ],
        },
        {"de": ["Wann ist die Hotline geöffnet?"], "en": ["when is the helpdesk open on Saturdays"]},
    ),
    "faq/password": (
        "in_scope.usage",
        {
            "de": [
                "Passwort vergessen",
                "Wie setze ich mein Kennwort zurück?",
                "ich habe mein Passwort verloren",
                "Kennwort ändern, wo geht das",
                "brauche ein neues Passwort für das Portal",
                "Mein Kennwort ist abgelaufen",
            ],
            "en": [
                "forgot my password",
                "How do I reset my password?",
                "I lost my password",
                "change password, where is that",
                "need a new password for the portal",
                "My password has expired",
            ],
        },
        {"de": ["Passwort verloren, wie setze ich es zurück"], "en": ["how can I change my password"]},
    ),
    "excluded/course": (
        "excluded.training",
        {
            "de": [
                "Wir möchten eine Schulung buchen",
                "Bitte schulen Sie unsere neuen Kollegen",
                "Schulung für fünf Personen gewünscht",
                "Können Sie einen Workshop bei uns halten?",
                "Wir brauchen eine Einführungsschulung für das Team",
                "Bitte ein Angebot für einen Kurs und gleich buchen",
            ],
            "en": [
                "We would like to book a training",
                "Please train our new colleagues",
                "training for five people wanted",
                "Could you hold a workshop for us?",
                "We need an introductory course for the team",
                "Please book us a course right away",
            ],
        },
        {"de": ["Wir brauchen einen Workshop für das Team"], "en": ["please book a training for our colleagues"]},
    ),
    "in_scope/crash": (
        "in_scope.error_report",
        {
            "de": [
                "Beim Speichern kommt eine Fehlermeldung",
                "Das Portal stürzt ständig ab",
                "Der Export bricht mit einem Fehler ab",
                "Fehler 500 beim Öffnen der Liste",
                "Die Anwendung hängt sich seit heute auf",
                "Formular lässt sich nicht absenden, Fehlermeldung",
            ],
            "en": [
                "An error message appears when saving",
                "The portal crashes all the time",
                "The export aborts with an error",
                "error 500 on opening the list",
                "The application hangs since today",
                "form cannot be sent, error message",
            ],
        },
        {"de": [], "en": []},
    ),
    "small_talk/greeting": (
        "small_talk",
        {
            "de": ["Hallo", "Guten Morgen", "Moin zusammen", "Grüß Gott", "Servus"],
            "en": ["Hello", "Good morning", "Hi there", "Hey", "Good evening"],
        },
        {"de": [], "en": []},
    ),
}


@dataclass(frozen=True)
class Intents:
    """An intents folder in the making."""

    folder: Path

    def topic(self, name: str, category: str, examples: Sentences, checks: Sentences) -> None:
        """Write a topic; those below faq/ have an answer."""
        identifier = name.rpartition("/")[2]
        content = {
            "id": identifier,
            "title": {"de": identifier, "en": identifier},
            "category": category,
            "owner": "Helpdesk",
            "examples": examples,
            "checks": checks,
        }
        if name.startswith("faq/"):
            content["answer"] = {"de": f"Antwort {identifier}.", "en": f"Answer {identifier}."}
        path = self.folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        # JSON is YAML; one value a line, so that each sentence has a line of its own.
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")

    def learn(self, name: str, *, de: Sequence[str] = (), en: Sequence[str] = ()) -> None:
        """Add examples to a topic of TOPICS."""
        category, examples, checks = TOPICS[name]
        self.topic(name, category, {"de": [*examples["de"], *de], "en": [*examples["en"], *en]}, checks)

    def expect(self, name: str, *, de: Sequence[str] = (), en: Sequence[str] = ()) -> None:
        """Replace the checks of a topic of TOPICS."""
        category, examples, _ = TOPICS[name]
        self.topic(name, category, examples, {"de": de, "en": en})


def small(folder: Path) -> Intents:
    """Five topics beside the agreement, the company and the texts that Firstline comes with."""
    folder.mkdir(parents=True)
    for name in ("agreement.yaml", "company.yaml"):
        shutil.copy(shipped_intents() / name, folder / name)
    shutil.copytree(shipped_intents() / "texts", folder / "texts")
    intents = Intents(folder)
    for name, (category, examples, checks) in TOPICS.items():
        intents.topic(name, category, examples, checks)
    return intents
