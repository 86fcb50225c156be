"""What is wrong between the intent files though each of them is well-formed: contradictions, dead links, gaps.

It must not know YAML, nor change anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bot.catalogue.answers import BRACES, PLACEHOLDER, placeholders
from bot.catalogue.material import Material, Sheet, Utterance, flatten, utterances
from bot.catalogue.problems import Problem
from bot.catalogue.schema import CompanyFile, TopicFile
from bot.catalogue.yaml import Path
from bot.model import LANGUAGES, Category, Language

MIN_EXAMPLES = 5
EVERYWHERE = frozenset({"company", "remote_tool", "ticket"})
"""Placeholders that each text of the bot may have."""

LIVE = ("service.now",)
"""What is known only when somebody asks: whether the service team is staffed right now."""


NEVER_INFORMAL = frozenset(
    {"alert", "card", "command", "fact", "form", "menu", "note", "reason", "refusal", "room", "room_help", "thread"}
)
"""Groups of texts that staff read, or everybody at once."""

_FORMAL = re.compile(r"\b(?:Sie|Ihnen|Ihr(?:e[mnrs]?)?)\b")

Needed = Mapping[Path, frozenset[str]]
"""The texts that the bot says, by their paths, with the placeholders that it can fill in each of them."""


def check(material: Material, needed: Needed) -> Iterator[Problem]:
    yield from _catalogue(material)
    yield from _agreement(material)
    yield from _ids(material)
    yield from _links(material)
    yield from _utterances(material)
    yield from _answers(material)
    yield from _company(material)
    yield from _texts(material)
    yield from _informal(material)
    yield from _small_talk(material)
    yield from _needed(material, needed)


def _catalogue(material: Material) -> Iterator[Problem]:
    if material.unread:
        return
    if not any(topic.content.examples.texts()[language] for topic in material.topics for language in LANGUAGES):
        yield Problem(
            ".", 1, 1, "error", "There are no topics with examples", "Add at least one, see intents/README.md."
        )
        return
    for category in Category:
        if all(topic.content.category is not category for topic in material.topics):
            message = f"No topic belongs to the category {category}, so the bot will never recognise it"
            yield Problem(".", 1, 1, "warning", message, "Write a topic with examples for it.")


def _agreement(material: Material) -> Iterator[Problem]:
    if sheet := material.agreement:
        for category in Category:
            if category not in sheet.content.categories:
                message = f"The category {category} is not described"
                yield sheet.problem(
                    ("categories",), message, f"Add '{category}:' with a text in each language.", key=True
                )


def _ids(material: Material) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for topic in material.topics:
        identifier = topic.content.id
        if identifier in first:
            message = f"The id '{identifier}' is already used in {first[identifier]}"
            yield topic.problem(("id",), message, "Give one of the two topics another id and file name.")
        elif identifier != topic.stem:
            message = f"The id '{identifier}' is not the file's name"
            yield topic.problem(("id",), message, f"Write 'id: {topic.stem}', or rename the file to {identifier}.yaml.")
        first.setdefault(identifier, topic.file)


def _links(material: Material) -> Iterator[Problem]:
    topics = {topic.content.id for topic in material.topics} | material.unread
    for topic in material.topics:
        links: list[tuple[Path, str]] = [
            (("follow_ups", i), target) for i, target in enumerate(topic.content.follow_ups)
        ]
        links += [(("buttons", i, "topic"), button.topic) for i, button in enumerate(topic.content.buttons)]
        for path, target in links:
            if target not in topics:
                yield topic.problem(path, f"There is no topic '{target}'", "Correct the id, or delete it here.")
            elif target == topic.content.id:
                yield topic.problem(path, "The topic refers to itself", "Delete it here.", severity="warning")
        clause = topic.content.clause
        if clause and material.agreement and clause not in material.agreement.content.clauses:
            known = ", ".join(material.agreement.content.clauses)
            yield topic.problem(("clause",), f"There is no clause '{clause}'", f"Use one of agreement.yaml: {known}.")


def _utterances(material: Material) -> Iterator[Problem]:
    first: dict[str, Utterance] = {}
    for topic in material.topics:
        if topic.content.symptoms and not topic.content.answer:
            message = "Symptoms are for topics with an answer"
            yield topic.problem(("symptoms",), message, "Add the answer, or move them to a topic of errors.", key=True)
        for language, texts in topic.content.examples.texts().items():
            if len(texts) < MIN_EXAMPLES:
                message = f"There are only {len(texts)} examples in '{language}'"
                remedy = f"Write at least {MIN_EXAMPLES}, better 20, as customers would."
                yield topic.problem(("examples", language), message, remedy, severity="warning", key=True)
        for utterance in utterances(topic):
            other = first.setdefault(" ".join(utterance.text.casefold().split()), utterance)
            if other is not utterance and (problem := _twice(utterance, other)):
                yield problem


def _twice(utterance: Utterance, other: Utterance) -> Problem | None:
    sheet, where = utterance.sheet, f"{other.sheet.file}:{other.line}"
    if utterance.category is not other.category:
        message = f"This also stands in {where}, as {other.category} instead of {utterance.category}"
        return sheet.problem(utterance.path, message, "Decide what it means and delete the other one.")
    if utterance.topic != other.topic:
        message = f"This also stands in {where}, under another topic"
    elif utterance.language != other.language:
        return None  # "Login?" is German and English
    elif "checks" in (utterance.section, other.section) and utterance.section != other.section:
        message = f"This check equals the example in {where}, so it proves nothing"
    else:
        message = f"This stands here twice, see {where}"
    return sheet.problem(utterance.path, message, "Delete one of the two.", severity="warning")


def _answers(material: Material) -> Iterator[Problem]:
    for topic in material.topics:
        for language, answer in (topic.content.answer.texts() if topic.content.answer else {}).items():
            path: Path = ("answer", language)
            for braces in _unknown(answer, _known(material)):
                message = f"{braces} is not a value of company.yaml"
                yield topic.problem(path, message, "Correct the name, or add it there under company.", needle=braces)
            if material.company:
                yield from _gaps(topic, path, answer, _unfilled(material.company))


def _gaps(topic: Sheet[TopicFile], path: Path, answer: str, unfilled: frozenset[str]) -> Iterator[Problem]:
    """What is left when the lines whose data is not known are dropped."""
    lines = [line for line in answer.split("\n") if line.strip()]
    dropped = [bool(placeholders(line) & unfilled) for line in lines]
    if all(dropped):
        message = "Nothing of this answer is left as long as its placeholders are not filled in"
        yield topic.problem(path, message, "Fill them in in company.yaml, or add a line without them.")
        return
    for number, line in enumerate(lines[:-1]):
        rest = [line for line, gone in zip(lines[number + 1 :], dropped[number + 1 :], strict=True) if not gone]
        if (
            line.rstrip(" *_").endswith(":")
            and dropped[number + 1]
            and not (rest and rest[0].lstrip()[:1] in "-*0123456789")
        ):
            message = "Nothing follows this line as long as the placeholders below it are not filled in"
            remedy = "Word it so that it can stand alone, or move it into the line below."
            yield topic.problem(path, message, remedy, severity="warning", needle=line.strip())


def _company(material: Material) -> Iterator[Problem]:
    if not material.company:
        return
    for name in sorted(_unfilled(material.company)):
        users = [
            topic.content.id
            for topic in material.topics
            if topic.content.answer
            and any(name in placeholders(text) for text in topic.content.answer.texts().values())
        ]
        users += [f"texts/{language}" for language in LANGUAGES if _texts_using(material, language, name)]
        effect = f"so lines are left out of: {', '.join(users)}" if users else "but nothing uses it yet"
        path: Path = tuple(name.split("."))
        yield material.company.problem(
            path, f"{name} is to be filled in, {effect}", "Fill it in.", severity="warning", key=True
        )


def _texts(material: Material) -> Iterator[Problem]:
    texts = {language: dict(flatten(sheet.content.root)) for language, sheet in material.texts.items()}
    for language, sheet in material.texts.items():
        for path, text in texts[language].items():
            for braces in _unknown(text, _known(material), prefix="company."):
                message = f"{braces} is neither a placeholder nor a value of company.yaml"
                yield sheet.problem(path, message, "Correct the name.", needle=braces)
            for other in (language_ for language_ in texts if language_ != language):
                if path not in texts[other]:
                    message = f"The text '{'.'.join(map(str, path))}' is missing, which {sheet.file} has"
                    yield material.texts[other].problem(path, message, "Add it, or delete it there.", key=True)
                elif missing := sorted(placeholders(texts[other][path]) - placeholders(text)):
                    names = ", ".join(f"{{{name}}}" for name in missing)
                    message = f"This text lacks {names}, which {material.texts[other].file} has"
                    yield sheet.problem(path, message, "Use the same placeholders in each language.")


def _informal(material: Material) -> Iterator[Problem]:
    """The informal texts replace some of their language, so they must be texts of it, with the same gaps to fill in."""
    for language, sheet in material.informal.items():
        formal = material.texts.get(language)
        if formal is None:
            continue
        texts, informal = dict(flatten(formal.content.root)), dict(flatten(sheet.content.root))
        for path, text in informal.items():
            name = ".".join(map(str, path))
            if path not in texts:
                message = f"{formal.file} has no text '{name}', so this one is never said"
                yield sheet.problem(path, message, "Correct its name, or delete it.", key=True)
            elif placeholders(text) != placeholders(texts[path]):
                names = ", ".join(f"{{{name}}}" for name in sorted(placeholders(text) ^ placeholders(texts[path])))
                message = f"Only one of this text and that of {formal.file} has {names}"
                yield sheet.problem(path, message, "Use the same placeholders in both.")
        for path, text in texts.items():
            if path not in informal and path[0] not in NEVER_INFORMAL and _FORMAL.search(text):
                message = f"'{'.'.join(map(str, path))}' addresses people formally and is not in {sheet.file}"
                yield formal.problem(path, message, "Add it there as it reads informally.", severity="warning")


def _small_talk(material: Material) -> Iterator[Problem]:
    """What the bot says to small talk stands in the texts, under the id of the topic."""
    if len(material.texts) < len(LANGUAGES):
        return
    files = " and ".join(sheet.file for sheet in material.texts.values())
    texts = {path for sheet in material.texts.values() for path, _ in flatten(sheet.content.root)}
    for topic in material.topics:
        name = topic.content.id
        if topic.content.category is Category.SMALL_TALK and ("small_talk", name) not in texts:
            message = f"The bot has no words for it: the texts have no 'small_talk.{name}'"
            remedy = f"Add '{name}:' with what the bot says to {files}, below small_talk."
            yield topic.problem(("category",), message, remedy)


def _needed(material: Material, needed: Needed) -> Iterator[Problem]:
    """A text that is missing, or has a gap that nothing fills, is found out when a customer waits for it."""
    for sheet in material.texts.values():
        texts = dict(flatten(sheet.content.root))
        for path, fillable in needed.items():
            name = ".".join(map(str, path))
            if path not in texts:
                message = f"The text '{name}' is missing, which the bot says"
                remedy = "Add it; the files that Firstline came with show how it may read."
                yield sheet.problem(path, message, remedy, key=True)
                continue
            for unknown in sorted(placeholders(texts[path]) - fillable - EVERYWHERE):
                can = ", ".join(f"{{{each}}}" for each in sorted(fillable | EVERYWHERE))
                message = f"Nothing fills in {{{unknown}}} in the text '{name}'"
                yield sheet.problem(path, message, f"Delete it, or use one of {can}.", needle=f"{{{unknown}}}")


def _texts_using(material: Material, language: Language, name: str) -> bool:
    sheet = material.texts.get(language)
    return sheet is not None and any(name in placeholders(text) for _, text in flatten(sheet.content.root))


def _known(material: Material) -> frozenset[str] | None:
    """The names that answers can use; None while company.yaml is broken."""
    if not material.company:
        return None
    return frozenset({*(f"company.{key}" for key in material.company.content.company), *LIVE})


def _unfilled(company: Sheet[CompanyFile]) -> frozenset[str]:
    return frozenset(f"company.{key}" for key, value in company.content.company.items() if value is None)


def _unknown(text: str, known: frozenset[str] | None, prefix: str = "") -> Iterator[str]:
    """Whatever stands in braces but will never be filled in; only names with ``prefix`` are looked up in ``known``."""
    for braces in dict.fromkeys(BRACES.findall(text)):
        match = PLACEHOLDER.fullmatch(braces)
        if not match or (known is not None and match[1].startswith(prefix) and match[1] not in known):
            yield braces
