"""Broken intent files: every problem with its place and its remedy, all at once."""

from __future__ import annotations

import pytest

from tests.integration.catalogue.folder import AGREEMENT, COMPANY, TEXTS, Intents, topic

ANSWER = "\n  de: |\n    Hallo\n  en: |\n    Hello"
FIVE = "[a1, a2, a3, a4, a5]"


def examples(de: str = FIVE, en: str = "[b1, b2, b3, b4, b5]") -> str:
    return f"\n  de: {de}\n  en: {en}"


# Each topic begins with five lines: id, title, category, owner, then what is named here.
TOPICS = {
    "a typo in a key": (
        topic("x") + "follow_up: [topic_1]\n",
        ["topics/x.yaml:18:1: 'follow_up' is not known here. Did you mean 'follow_ups'?"],
    ),
    "an unknown category": (
        topic("x", "in_scope.usag"),
        [
            "topics/x.yaml:3:11: category: 'in_scope.usag' is not one of the possible values. "
            "Did you mean 'in_scope.usage'?"
        ],
    ),
    "a missing key": (
        topic("x").replace("owner: Helpdesk\n", ""),
        ["topics/x.yaml:1:1: 'owner' is missing. Add 'owner:' with its content."],
    ),
    "a title in one language": (
        topic("x", title="{de: Titel}"),
        ["topics/x.yaml:2:8: title: the English text is missing. Add 'en:' with its content."],
    ),
    "an answer in one language": (
        topic("x", answer="\n  de: |\n    Hallo"),
        ["topics/x.yaml:19:3: answer: the English text is missing. Add 'en:' with its content."],
    ),
    "an example that is a number": (
        topic("x", examples=examples("[a1, 404, a3, a4, a5]")),
        ["topics/x.yaml:6:12: examples.de: 404 is no text. Put it in double quotes."],
    ),
    "an example that YAML takes for a mapping": (
        topic("x", examples="\n  de:\n    - Fehler: nichts geht\n  en: [b1, b2, b3, b4, b5]"),
        [
            "topics/x.yaml:7:7: examples.de: a key with a value stands where a text is expected. "
            'Put the text in double quotes; it contains ": " or starts with {.'
        ],
    ),
    "an empty item": (
        topic("x", examples=examples("[a1, a2, a3, a4, '']")),
        ["topics/x.yaml:6:24: examples.de: the text is empty. Write it, or delete this entry."],
    ),
    "a text instead of a list": (
        topic("x", examples=examples("alles kaputt")),
        [
            "topics/x.yaml:6:7: examples.de: a list is expected here. "
            "Put each item on a line of its own that starts with '- '."
        ],
    ),
    "yes instead of true": (
        topic("x") + "vague: yes\n",
        ["topics/x.yaml:18:8: vague: 'yes' is neither true nor false. Write true or false."],
    ),
    "an id with capitals": (
        topic("x").replace("id: x", "id: X-1"),
        ["topics/x.yaml:1:5: id: 'X-1' is no identifier. Use small letters a-z, digits and _ only."],
    ),
    "an id that is not the file's name": (
        topic("y"),
        ["topics/x.yaml:1:5: The id 'y' is not the file's name. Write 'id: x', or rename the file to y.yaml."],
    ),
    "an id that is taken": (
        topic("x").replace("id: x", "id: topic_0"),
        [
            "topics/x.yaml:1:5: The id 'topic_0' is already used in topics/topic_0.yaml. "
            "Give one of the two topics another id and file name."
        ],
    ),
    "links that lead nowhere": (
        topic("x")
        + "clause: sope\nfollow_ups: [topic_1, nowhere]\nbuttons:\n  - label: {de: a, en: b}\n    topic: gone\n",
        [
            "topics/x.yaml:18:9: There is no clause 'sope'. Use one of agreement.yaml: scope.",
            "topics/x.yaml:19:23: There is no topic 'nowhere'. Correct the id, or delete it here.",
            "topics/x.yaml:22:12: There is no topic 'gone'. Correct the id, or delete it here.",
        ],
    ),
    "small talk that the bot has no words for": (
        topic("x", category="small_talk"),
        [
            "topics/x.yaml:3:11: The bot has no words for it: the texts have no 'small_talk.x'. "
            "Add 'x:' with what the bot says to texts/de.yaml and texts/en.yaml, below small_talk.",
        ],
    ),
    "a contradiction, whatever its spacing and capitals": (
        topic("x", examples=examples("[a1, a2, a3, a4, '  TOPIC_0   de 3']")),
        [
            "topics/x.yaml:6:24: This also stands in topics/topic_0.yaml:10, as in_scope.error_report instead of in_scope.usage. "
            "Decide what it means and delete the other one."
        ],
    ),
    "the same in two topics of one category": (
        topic("x", examples=examples("[a1, a2, a3, a4, topic_2 de 3]")),
        ["topics/x.yaml:6:24: This also stands in topics/topic_2.yaml:10, under another topic. Delete one of the two."],
    ),
    "the same twice in one topic": (
        topic("x", examples=examples("[a1, a2, a3, a4, a5, A1]")),
        ["topics/x.yaml:6:28: This stands here twice, see topics/x.yaml:6. Delete one of the two."],
    ),
    "a check that is an example": (
        topic("x", examples=examples()) + "checks:\n  de: [a1]\n  en: []\n",
        [
            "topics/x.yaml:9:8: This check equals the example in topics/x.yaml:6, so it proves nothing. "
            "Delete one of the two."
        ],
    ),
    "too few examples": (
        topic("x", examples=examples("[a1, a2]")),
        ["topics/x.yaml:6:3: There are only 2 examples in 'de'. Write at least 5, better 20, as customers would."],
    ),
    "symptoms without an answer": (
        topic("x") + "symptoms: {de: [kaputt], en: []}\n",
        [
            "topics/x.yaml:18:1: Symptoms are for topics with an answer. "
            "Add the answer, or move them to a topic of errors."
        ],
    ),
    "a symptom that is an example": (
        topic("x", examples=examples(), answer=ANSWER) + "symptoms: {de: [a1], en: []}\n",
        [
            "topics/x.yaml:13:17: This also stands in topics/x.yaml:6, as in_scope.usage instead of in_scope.error_report. "
            "Decide what it means and delete the other one."
        ],
    ),
    "placeholders that do not exist": (
        topic("x", answer="\n  de: |\n    Hallo\n    {company.fax}, { company.name }\n  en: Hello"),
        [
            "topics/x.yaml:21:5: {company.fax} is not a value of company.yaml. "
            "Correct the name, or add it there under company.",
            "topics/x.yaml:21:20: { company.name } is not a value of company.yaml. "
            "Correct the name, or add it there under company.",
        ],
    ),
    "an answer of which nothing is left": (
        topic("x", answer='\n  de: "{company.phone}"\n  en: Hello'),
        [
            "topics/x.yaml:19:7: Nothing of this answer is left as long as its placeholders are not filled in. "
            "Fill them in in company.yaml, or add a line without them."
        ],
    ),
    "an introduction to nothing": (
        topic("x", answer="\n  de: |\n    So erreichen Sie uns:\n\n    - {company.phone}\n\n    Bis bald\n  en: Hello"),
        [
            "topics/x.yaml:20:5: Nothing follows this line as long as the placeholders below it are not filled in. "
            "Word it so that it can stand alone, or move it into the line below."
        ],
    ),
    "several things at once": (
        topic("x", "usage", title="{de: 5}", priority="urgent") + "id: x\n",
        [
            "topics/x.yaml:2:8: title: the English text is missing. Add 'en:' with its content.",
            "topics/x.yaml:2:13: title.de: 5 is no text. Put it in double quotes.",
            "topics/x.yaml:3:11: category: 'usage' is not one of the possible values. Did you mean 'in_scope.usage'?",
            "topics/x.yaml:18:11: priority: 'urgent' is not one of the possible values. Use one of: low, normal, high.",
            "topics/x.yaml:19:1: 'id' stands here twice (first in line 1). Delete or rename one of the two.",
        ],
    ),
    "no mapping at all": (
        "- x\n",
        [
            "topics/x.yaml:1:1: a list stands where keys and values are expected. "
            "Compare with the example in intents/README.md."
        ],
    ),
}

OTHERS = {
    "a missing category": (
        "agreement.yaml",
        AGREEMENT.replace("  small_talk: {de: So, en: So}\n", ""),
        [
            "agreement.yaml:2:1: The category small_talk is not described. Add 'small_talk:' with a text in each language."
        ],
    ),
    "an unknown category": (
        "agreement.yaml",
        AGREEMENT.replace("  small_talk:", "  smalltalk:"),
        ["agreement.yaml:12:3: 'smalltalk' is not one of the possible values. Did you mean 'small_talk'?"],
    ),
    "costs that are no costs": (
        "agreement.yaml",
        AGREEMENT.replace(": 40", ": -1").replace(": 0.6", ": cheap").replace("ignored: 8", "ignored: .nan"),
        [
            "agreement.yaml:19:27: costs.wrongful_refusal: -1 is too small. Use 0 or more.",
            "agreement.yaml:19:106: costs.clarification: 'cheap' is not a number. "
            "Write a number, such as 3 or 0.5, without quotes.",
            "agreement.yaml:19:122: costs.ignored: nan is not a number. Write a number, such as 3 or 0.5, without quotes.",
        ],
    ),
    "a number for a telephone": (
        "company.yaml",
        COMPANY.replace("phone: null", "phone: 0123456"),
        [
            "company.yaml:3:10: company.phone: 123456 stands where keys and values are expected. "
            "Compare with the example in intents/README.md."
        ],
    ),
    "an empty value": (
        "company.yaml",
        COMPANY.replace("Muster GmbH", '""'),
        ["company.yaml:2:9: company.name: the text is empty. Write it, or delete this entry."],
    ),
    "a product without names": (
        "company.yaml",
        COMPANY.replace("[Portal, Potral]", "[]"),
        ["company.yaml:6:11: products.portal: the list is empty. Write at least one item."],
    ),
    "a text that one language lacks": (
        "texts/en.yaml",
        "greeting: Hello {name}\nticket: {}\nsmall_talk: {topic_9: Hello}\n",
        [
            "texts/en.yaml:2:1: The text 'ticket.opened' is missing, which texts/de.yaml has. "
            "Add it, or delete it there."
        ],
    ),
    "placeholders that differ": (
        "texts/en.yaml",
        TEXTS.replace("{ticket}", "{number}"),
        [
            "texts/de.yaml:3:11: This text lacks {number}, which texts/en.yaml has. "
            "Use the same placeholders in each language.",
            "texts/en.yaml:3:11: This text lacks {ticket}, which texts/de.yaml has. "
            "Use the same placeholders in each language.",
        ],
    ),
    "braces that are no placeholder": (
        "texts/de.yaml",
        TEXTS.replace("Hallo {name}", "Hallo {name} {company.fax} {Hallo}"),
        [
            "texts/de.yaml:1:24: {company.fax} is neither a placeholder nor a value of company.yaml. Correct the name.",
            "texts/de.yaml:1:38: {Hallo} is neither a placeholder nor a value of company.yaml. Correct the name.",
            "texts/en.yaml:1:11: This text lacks {company.fax}, which texts/de.yaml has. "
            "Use the same placeholders in each language.",
        ],
    ),
    "informal texts that the formal ones do not have": (
        "texts/de_du.yaml",
        "greetings: Hallo du\ngreeting: Hallo {name}\n",
        [
            "texts/de_du.yaml:1:1: texts/de.yaml has no text 'greetings', so this one is never said. "
            "Correct its name, or delete it."
        ],
    ),
    "informal texts with other placeholders": (
        "texts/de_du.yaml",
        "greeting: Hallo {firstname}\n",
        [
            "texts/de_du.yaml:1:11: Only one of this text and that of texts/de.yaml has {firstname}, {name}. "
            "Use the same placeholders in both."
        ],
    ),
    "a list of texts": (
        "texts/de.yaml",
        TEXTS.replace("Hallo {name}", "[a, b]"),
        [
            "texts/de.yaml:1:11: greeting: a list stands where one text is expected. "
            "Keep one text; in double quotes, if it starts with [ or -."
        ],
    ),
    "a language that the bot does not speak": (
        "texts/fr.yaml",
        TEXTS,
        [
            "texts/fr.yaml:1:1: No intent file of this name belongs here. "
            "Topics belong in a folder such as faq/, texts in texts/de.yaml or texts/en.yaml."
        ],
    ),
    "a topic beside the folders": (
        "x.yaml",
        topic("x"),
        [
            "x.yaml:1:1: No intent file of this name belongs here. "
            "Topics belong in a folder such as faq/, texts in texts/de.yaml or texts/en.yaml."
        ],
    ),
    "another ending": (
        "topics/x.yml",
        topic("x"),
        ["topics/x.yml:1:1: Files that end with .yml are not read. Rename it so that it ends with .yaml."],
    ),
}


def test_the_folder_that_is_spoiled_below_has_no_problem_itself(intents: Intents) -> None:
    catalogue, problems = intents.inspect()
    assert problems == []
    assert catalogue is not None


@pytest.mark.parametrize(("content", "expected"), TOPICS.values(), ids=TOPICS)
def test_a_topic_with(intents: Intents, content: str, expected: list[str]) -> None:
    intents.write("topics/x.yaml", content)
    assert intents.problems == expected


@pytest.mark.parametrize(("name", "content", "expected"), OTHERS.values(), ids=OTHERS)
def test_another_file_with(intents: Intents, name: str, content: str, expected: list[str]) -> None:
    intents.write(name, content)
    assert intents.problems == expected


def test_a_formal_text_without_its_informal_form_is_a_warning(intents: Intents) -> None:
    intents.write("texts/de.yaml", TEXTS.replace("Hallo {name}", "Guten Tag {name}, was kann ich für Sie tun?"))
    intents.write("texts/de_du.yaml", "ticket:\n  opened: Dein Ticket ist {ticket}\n")
    catalogue, problems = intents.inspect()
    assert problems == [
        "texts/de.yaml:1:11: 'greeting' addresses people formally and is not in texts/de_du.yaml. "
        "Add it there as it reads informally."
    ]
    assert catalogue is not None
    assert catalogue.text("de", "ticket.opened", "du") == "Dein Ticket ist {ticket}"
    assert catalogue.text("de", "greeting", "du") == catalogue.text("de", "greeting")


def test_what_is_to_be_filled_in_is_listed_with_the_answers_that_wait_for_it(intents: Intents) -> None:
    intents.write("company.yaml", COMPANY.replace("phone: null", "phone: null\n  fax: null"))
    intents.write("topics/x.yaml", topic("x", answer="\n  de: |\n    Hallo\n    {company.fax}\n  en: Hello"))
    catalogue, problems = intents.inspect()
    assert catalogue is not None
    assert problems == ["company.yaml:4:3: company.fax is to be filled in, so lines are left out of: x. Fill it in."]


def test_the_problems_of_all_files_come_together_in_order(intents: Intents) -> None:
    intents.write("agreement.yaml", "version: 1\n")
    intents.write("topics/a.yaml", "a: [x")
    intents.write("topics/x.yaml", topic("x") + "follow_ups: [a, nowhere]\n")
    intents.write("texts/de.yaml", b"\xff")
    catalogue, problems = intents.inspect()
    assert catalogue is None
    assert [problem.split(": ")[0] for problem in problems] == [
        "agreement.yaml:1:1",
        "agreement.yaml:1:1",
        "agreement.yaml:1:1",
        "agreement.yaml:1:10",
        "texts/de.yaml:1:1",
        "topics/a.yaml:1:4",
        "topics/x.yaml:18:17",  # and not for the link to the topic whose file is broken
    ]
