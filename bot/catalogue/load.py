"""Intent files to one Catalogue: all of them, or all of their problems at once.

It must not know who asks for the catalogue, nor keep one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ValidationError

from bot.agreement.agreement import Agreement, Clause, Costs
from bot.agreement.calendar import parse_hours
from bot.catalogue import files
from bot.catalogue.answers import placeholders
from bot.catalogue.catalogue import Catalogue, Company, Example, Topic, TopicButton
from bot.catalogue.check import Needed, check
from bot.catalogue.material import Material, Model, Sheet, flatten, utterances
from bot.catalogue.problems import BrokenCatalogueError, Problem, errors
from bot.catalogue.schema import MODELS, AgreementFile, CompanyFile, Kind, TextsFile, TopicFile
from bot.catalogue.wording import problems_of
from bot.catalogue.yaml import Path as TextPath
from bot.catalogue.yaml import parse
from bot.model import LANGUAGES, Category, Language

_TEXTS = {f"texts/{language}.yaml": language for language in LANGUAGES}
_INFORMAL: Mapping[str, Language] = {"texts/de_du.yaml": "de"}
NOTHING: Needed = {}
_NEEDED = ("agreement.yaml", "company.yaml", *_TEXTS)


def load(folder: Path, needed: Needed = NOTHING) -> Catalogue:
    """The catalogue of ``folder``. Raises BrokenCatalogueError, a CatalogueError, which holds all problems."""
    catalogue, problems = inspect(folder, needed)
    if catalogue is None:
        raise BrokenCatalogueError(problems)
    return catalogue


def inspect(folder: Path, needed: Needed = NOTHING) -> tuple[Catalogue | None, tuple[Problem, ...]]:
    """The catalogue, if no problem is an error, and all problems in the order of files and lines.

    ``needed`` are texts that must be there, see ``needed_texts``; a folder that no bot will speak from needs none.
    """
    found, problems = files.read(folder)
    present = {file.name for file in found} | {problem.file for problem in problems}
    if present == {"."}:  # no such folder: that all its files are missing is no news
        return None, tuple(problems)
    problems += [_missing(name) for name in _NEEDED if name not in present]
    sheets: dict[str, Sheet[BaseModel]] = {}
    for file in found:
        sheet, more = _sheet(file)
        problems += more
        if sheet:
            sheets[file.name] = sheet
    material = _material(sheets, present)
    problems += check(material, needed)
    in_order = tuple(sorted(set(problems)))
    return (None if errors(in_order) else _catalogue(material, files.version(found))), in_order


def needed_texts(shipped: Path) -> Needed:
    """The texts of the folder ``shipped``, which this version of the bot was written with. Raises BrokenCatalogueError."""
    needed: dict[TextPath, frozenset[str]] = {}
    for name in _TEXTS:
        sheet, problems = _sheet(files.IntentFile(name, (shipped / name).read_bytes()))
        if sheet is None or not isinstance(sheet.content, TextsFile):
            raise BrokenCatalogueError(problems)
        for path, text in flatten(sheet.content.root):
            if path[0] == "canned":  # which texts staff have at hand is for them to say
                continue
            needed[path] = needed.get(path, frozenset()) | placeholders(text)
    return needed


def kind_of(name: str) -> Kind | None:
    """What the file of this name must contain; None if no intent file belongs there."""
    if name in ("agreement.yaml", "company.yaml"):
        return "agreement" if name == "agreement.yaml" else "company"
    if name.startswith("texts/"):
        return "texts" if name in _TEXTS or name in _INFORMAL else None
    return "topic" if "/" in name else None


def _missing(name: str) -> Problem:
    return Problem(
        name, 1, 1, "error", "The file is missing", "Write it, or restore it from the files that Firstline came with."
    )


def _sheet(file: files.IntentFile) -> tuple[Sheet[BaseModel] | None, list[Problem]]:
    kind = kind_of(file.name)
    if kind is None:
        remedy = f"Topics belong in a folder such as faq/, texts in {' or '.join(_TEXTS)}."
        return None, [Problem(file.name, 1, 1, "error", "No intent file of this name belongs here", remedy)]
    document, problems = parse(file.name, file.content)
    if document is None:
        return None, problems
    try:
        return Sheet(document, MODELS[kind].model_validate(document.data)), problems
    except ValidationError as error:
        return None, [*problems, *problems_of(document, kind, error)]


def _material(sheets: dict[str, Sheet[BaseModel]], present: set[str]) -> Material:
    topics = _of(TopicFile, sheets)
    texts = _of(TextsFile, sheets)
    return Material(
        topics=tuple(topics.values()),
        agreement=_of(AgreementFile, sheets).get("agreement.yaml"),
        company=_of(CompanyFile, sheets).get("company.yaml"),
        texts={language: texts[name] for name, language in _TEXTS.items() if name in texts},
        informal={language: texts[name] for name, language in _INFORMAL.items() if name in texts},
        unread=frozenset(PurePosixPath(name).stem for name in present - set(topics) if kind_of(name) == "topic"),
    )


def _of(model: type[Model], sheets: dict[str, Sheet[BaseModel]]) -> dict[str, Sheet[Model]]:
    return {
        name: Sheet(sheet.document, sheet.content) for name, sheet in sheets.items() if isinstance(sheet.content, model)
    }


def _catalogue(material: Material, version: str) -> Catalogue:
    assert material.agreement is not None
    assert material.company is not None
    return Catalogue(
        version=version,
        topics={topic.content.id: _topic(topic) for topic in material.topics},
        agreement=_agreement(material.agreement.content),
        company=_company(material.company.content),
        texts=_flat(material.texts),
        informal=_flat(material.informal),
    )


def _flat(texts: Mapping[Language, Sheet[TextsFile]]) -> dict[Language, dict[str, str]]:
    return {
        language: {".".join(map(str, path)): text for path, text in flatten(sheet.content.root)}
        for language, sheet in texts.items()
    }


def _topic(sheet: Sheet[TopicFile]) -> Topic:
    content = sheet.content
    examples: list[Example] = []
    checks: list[Example] = []
    for each in utterances(sheet):
        example = Example(each.text, each.language, each.topic, each.category, sheet.file, each.line)
        (checks if each.section == "checks" else examples).append(example)
    return Topic(
        id=content.id,
        title=content.title.texts(),
        category=content.category,
        owner=content.owner,
        file=sheet.file,
        answer=content.answer.texts() if content.answer else None,
        source=content.source,
        clause=content.clause,
        priority=content.priority,
        vague=content.vague,
        follow_ups=tuple(content.follow_ups),
        buttons=tuple(TopicButton(button.label.texts(), button.topic) for button in content.buttons),
        examples=tuple(examples),
        checks=tuple(checks),
    )


def _agreement(content: AgreementFile) -> Agreement:
    return Agreement(
        version=content.version,
        categories={category: content.categories[category].texts() for category in Category},
        clauses={
            identifier: Clause(identifier, clause.number, clause.title.texts(), clause.text.texts())
            for identifier, clause in content.clauses.items()
        },
        costs=Costs(**content.costs.model_dump()),
        hours=parse_hours(content.hours, region=content.region) if content.hours else None,
        attention=timedelta(hours=content.attention_hours) if content.attention_hours else None,
    )


def _company(content: CompanyFile) -> Company:
    return Company(
        values={f"company.{key}": value.texts() if value else None for key, value in content.company.items()},
        products={identifier: tuple(names) for identifier, names in content.products.items()},
        third_party={identifier: tuple(names) for identifier, names in content.third_party.items()},
    )
