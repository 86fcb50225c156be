"""What an intent file may contain: checked when it is loaded, and exported as JSON Schema so that editors complete it.

It must not know files, nor how one file relates to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StringConstraints,
    Tag,
)
from typing_extensions import TypeAliasType

from bot.agreement.calendar import parse_hours
from bot.model import Category, Language, Priority

NOT_BLANK = r"\S"
IDENTIFIER = r"^[a-z0-9_]+$"

Text = Annotated[str, StringConstraints(pattern=NOT_BLANK)]
# 40, because an id travels in the action of a button, which platforms keep short.
Id = Annotated[str, StringConstraints(pattern=IDENTIFIER, max_length=40)]
Cost = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class PerLanguage(_Strict):
    """The same in each language."""

    de: Text = Field(description="German")
    en: Text = Field(description="English")

    def texts(self) -> dict[Language, str]:
        return {"de": self.de, "en": self.en}


class Utterances(_Strict):
    """What customers write, in each language."""

    de: list[Text] = Field(description="German utterances")
    en: list[Text] = Field(description="English utterances")

    def texts(self) -> dict[Language, list[str]]:
        return {"de": self.de, "en": self.en}


class ButtonFile(_Strict):
    """A button under the answer that leads to another topic."""

    label: PerLanguage = Field(description="What the button says, a few words")
    topic: Id = Field(description="The id of the topic that it leads to")


class TopicFile(_Strict):
    """One topic: what customers want, how they say it, and the approved answer if there is one."""

    id: Id = Field(description="The file's name without .yaml: small letters, digits and _")
    title: PerLanguage = Field(description="What the topic is called in lists and buttons")
    category: Annotated[Category, Field(strict=False)] = Field(description="One of the agreement's eleven categories")
    owner: Text = Field(description="Who answers for the content of this file")
    answer: PerLanguage | None = Field(
        None,
        description="The approved answer in Markdown. A line whose {company.*} placeholder has no value is left out",
    )
    source: Text | None = Field(None, description="Where the answer's facts come from")
    clause: Id | None = Field(None, description="The id of the clause in agreement.yaml that is cited")
    priority: Annotated[Priority, Field(strict=False)] = Field(
        Priority.NORMAL, description="How urgent a ticket on this topic is; high if people cannot work at all"
    )
    vague: bool = Field(False, description="true if such messages say too little, so that the bot has to ask")
    follow_ups: list[Id] = Field([], description="Topics that a next question is likely to be about")
    buttons: list[ButtonFile] = Field([], description="Buttons under the answer")
    examples: Utterances = Field(description="What customers write, each item in their own words")
    symptoms: Utterances | None = Field(
        None, description="Utterances that report a fault although this topic's answer is the right first help"
    )
    checks: Utterances | None = Field(
        None, description="Utterances that must hit this topic; they are not learned, they test what was learned"
    )

    def sections(self) -> dict[str, Utterances]:
        found = {"examples": self.examples, "symptoms": self.symptoms, "checks": self.checks}
        return {name: utterances for name, utterances in found.items() if utterances}


class ClauseFile(_Strict):
    """One clause as it is cited to customers."""

    number: Text | None = Field(None, description="Its number in the agreement, null if the clauses are not numbered")
    title: PerLanguage = Field(description="What the clause is called")
    text: PerLanguage = Field(description="What it says, in words that customers understand")


class CostsFile(_Strict):
    """What each error costs, in any unit as long as it is the same for all of them."""

    wrongful_refusal: Cost = Field(description="A covered request is told that it is not covered")
    missed_exclusion: Cost = Field(description="An excluded request is treated as covered")
    wrong_answer: Cost = Field(description="The customer gets an article that does not fit")
    needless_hand_off: Cost = Field(description="A person is called though the bot could have done it")
    clarification: Cost = Field(description="The customer is asked a question")
    ignored: Cost = Field(description="A request is taken for chat")


def _readable_hours(text: str) -> str:
    parse_hours(text)
    return text


class AgreementFile(_Strict):
    """The support agreement: its categories, the clauses that are cited, the costs of errors."""

    version: Text = Field(description="Which version of the agreement this is; cited with every clause")
    categories: dict[Annotated[Category, Field(strict=False)], PerLanguage] = Field(
        description="What each category means, for the people who write examples",
        json_schema_extra={"required": [category.value for category in Category]},
    )
    clauses: dict[Id, ClauseFile] = Field(description="The clauses by their ids")
    hours: Annotated[Text, AfterValidator(_readable_hours)] | None = Field(
        None,
        description="When the helpdesk is staffed: Mo-Fr 08:00-17:00 Europe/Berlin; null as long as it is to be filled in",
    )
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        None, description="The German state whose public holidays are free, such as NW; null: the nationwide ones"
    )
    attention_hours: Annotated[float, Field(gt=0, le=200, allow_inf_nan=False)] | None = Field(
        None,
        description="After so many opening hours the bot apologises to a customer whom nobody has answered, where the contract "
        "promises no time; null: never",
    )
    costs: CostsFile = Field(description="What each error costs; the bot decides so that the expected cost is lowest")


def _same_for_all(value: object) -> object:
    return {"de": value, "en": value} if isinstance(value, str) else value


CompanyValue = Annotated[
    PerLanguage | None, BeforeValidator(_same_for_all, json_schema_input_type=Text | PerLanguage | None)
]
Names = Annotated[list[Text], Field(min_length=1)]


class CompanyFile(_Strict):
    """The company's own data, which answers use as {company.<key>}."""

    company: dict[Id, CompanyValue] = Field(
        description="A text, or a text for each language, or null as long as it is to be filled in"
    )
    products: dict[Id, Names] = Field(description="Our products: the name first, then what customers call it")
    third_party: dict[Id, Names] = Field(description="Products of others: the name first, then what customers call it")


# The tags are no possible keys, so that they cannot be mixed up with steps in the file.
TextTree = TypeAliasType(
    "TextTree",
    "Annotated[Annotated[str, Tag('<text>')] | Annotated[dict[Id, TextTree], Tag('<group>')], Discriminator(_kind_of_text)]",
)


def _kind_of_text(value: object) -> str:
    return "<group>" if isinstance(value, dict) else "<text>"


class TextsFile(RootModel[dict[Id, TextTree]]):
    """Everything the bot says in one language: texts in groups, with {placeholders}."""

    model_config = ConfigDict(strict=True, frozen=True)


Kind = Literal["topic", "agreement", "company", "texts"]
MODELS: Mapping[Kind, type[BaseModel]] = {
    "topic": TopicFile,
    "agreement": AgreementFile,
    "company": CompanyFile,
    "texts": TextsFile,
}


def json_schema(kind: Kind) -> dict[str, object]:
    """The JSON Schema (2020-12) of one kind of intent file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **MODELS[kind].model_json_schema()}
