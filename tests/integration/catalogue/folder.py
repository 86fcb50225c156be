"""A small intents folder without any problem, to be spoiled by the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.catalogue.catalogue import Catalogue
from bot.catalogue.load import inspect
from bot.model import Category

CATEGORIES = "".join(f"  {category}: {{de: So, en: So}}\n" for category in Category)
AGREEMENT = f"""version: "1"
categories:
{CATEGORIES}clauses:
  scope:
    number: null
    title: {{de: Umfang, en: Scope}}
    text: {{de: Alles, en: All}}
costs: {{wrongful_refusal: 40, missed_exclusion: 3, wrong_answer: 3, needless_hand_off: 1, clarification: 0.6, ignored: 8}}
"""
COMPANY = """company:
  name: Muster GmbH
  phone: null
  hours: {de: Mo-Fr, en: Mon-Fri}
products:
  portal: [Portal, Potral]
third_party: {}
"""
TEXTS = "greeting: Hallo {name}\nticket:\n  opened: Ticket {ticket}\nsmall_talk:\n  topic_9: Hallo\n"


def topic(identifier: str, category: str = "in_scope.usage", **more: str) -> str:
    examples = "".join(
        f"  {language}:\n" + "".join(f"    - {identifier} {language} {n}\n" for n in range(5))
        for language in ("de", "en")
    )
    blocks = {
        "id": identifier,
        "title": "{de: Titel, en: Title}",
        "category": category,
        "owner": "Helpdesk",
        "examples": f"\n{examples}".rstrip(),
    } | more
    return "".join(f"{key}: {value}\n".replace(": \n", ":\n") for key, value in blocks.items())


@dataclass(frozen=True)
class Intents:
    folder: Path

    def write(self, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def inspect(self) -> tuple[Catalogue | None, list[str]]:
        """Problems as text, without the warning that every test would have: the phone is not filled in."""
        catalogue, problems = inspect(self.folder)
        return catalogue, [str(problem) for problem in problems if "company.phone is to be" not in problem.message]

    @property
    def problems(self) -> list[str]:
        return self.inspect()[1]


def whole(folder: Path) -> Intents:
    """A folder with one topic for each category."""
    found = Intents(folder)
    found.write("agreement.yaml", AGREEMENT)
    found.write("company.yaml", COMPANY)
    found.write("texts/de.yaml", TEXTS)
    found.write("texts/en.yaml", TEXTS.replace("Hallo", "Hello"))
    for number, category in enumerate(Category):
        found.write(f"topics/topic_{number}.yaml", topic(f"topic_{number}", category))
    return found
