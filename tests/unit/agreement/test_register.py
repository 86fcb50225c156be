"""The customer register: what a spreadsheet holds becomes customers, or a list of everything that is wrong with it."""

from __future__ import annotations

import re
import string
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mail import mailable
from bot.agreement import cells
from bot.agreement.calendar import parse_hours
from bot.agreement.customers import Contact, Contract, Organisation
from bot.agreement.register import COLUMNS, NOT_UTF8, Change, Problem, changes, decoded, read, write
from bot.model import Category, Priority

PRODUCTS = {"intrexx": ("Intrexx", "Intrexx Portal"), "excel": ("Excel", "Microsoft Excel")}
MUELLER = "10442;Müller Maschinenbau GmbH;it@mueller.example;Du;Petra Klein <p.klein@mueller.example> | Jan Ort;ja;"
GERMAN = (
    "Kundennummer;Firma;E-Mail;Anrede;Ansprechpartner;Aktiv;Vertrag;gültig ab;gültig bis;Produkte;Module;eingeschlossen;"
    "Servicezeiten;Bundesland;Reaktionszeit;Reaktionszeit hoch\n"
    f"{MUELLER}W-1;01.02.2025;31.12.2027;Intrexx, Microsoft Excel;Formulare;Schulung | onsite;Mo-Fr 08:00-17:00;nw;8;1,5\n"
    f"{MUELLER}W-2;;2024-12-31;;;;24/7;;;\n"
    'K-7;"Beispiel ""Nord""; AG";;;;nein;;;;;;;;;;\n'
)


def _imported(text: str, known: tuple[Organisation, ...] = ()) -> tuple[Change, ...]:
    entries, problems = read(text, PRODUCTS)
    assert problems == ()
    return changes(known, entries)


def _organisations(text: str, known: tuple[Organisation, ...] = ()) -> tuple[Organisation, ...]:
    return tuple(change.after for change in _imported(text, known))


def _problems(text: str) -> list[str]:
    _, problems = read(text, PRODUCTS)
    for problem in problems:
        assert problem.message
        assert not problem.message.endswith(".")
        assert problem.remedy.endswith((".", "?"))
    return [f"{p.line}:{p.column}: {p.message}" for p in problems]


# --- what is understood -------------------------------------------------------------------------------


def test_a_german_spreadsheet_becomes_customers_with_their_contracts() -> None:
    mueller, beispiel = _organisations(GERMAN)
    assert mueller == Organisation(
        id=mueller.id,
        name="Müller Maschinenbau GmbH",
        number="10442",
        contracts=(
            Contract(
                number="W-1",
                valid_from=date(2025, 2, 1),
                valid_until=date(2027, 12, 31),
                products=("intrexx", "excel"),
                modules=("Formulare",),
                covers=frozenset({Category.TRAINING, Category.ONSITE}),
                hours=parse_hours("Mo-Fr 08:00-17:00", region="NW"),
                first_response=timedelta(hours=8),
                responses={Priority.HIGH: timedelta(minutes=90)},
            ),
            Contract(number="W-2", valid_until=date(2024, 12, 31), hours=parse_hours("24/7")),
        ),
        email="it@mueller.example",
        address="du",
        contacts=(Contact("Petra Klein", "p.klein@mueller.example"), Contact("Jan Ort")),
    )
    assert beispiel == Organisation(id=beispiel.id, name='Beispiel "Nord"; AG', number="K-7", active=False)
    assert mueller.id != beispiel.id


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_other_separators_and_line_ends_are_understood(separator: str, ending: str) -> None:
    text = ending.join(separator.join(row) for row in (["number", "name", "valid until"], ["1", "A", "2030-01-01"], []))
    (organisation,) = _organisations(text)
    assert organisation.contracts == (Contract(valid_until=date(2030, 1, 1)),)


def test_excels_own_line_about_the_separator_is_no_heading() -> None:
    assert _problems("sep=,\r\nnumber,name\r\n1,\r\n") == ["3:name: the name is missing"]
    (organisation,) = _organisations("sep=,\nnumber,name\n1,A;B\n")
    assert organisation.name == "A;B"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_name_themselves_are_read_without_a_word(encoding: str) -> None:
    assert decoded(GERMAN.encode(encoding)) == (GERMAN, None)


def test_what_german_excel_saves_is_read_and_said() -> None:
    assert decoded(GERMAN.encode("cp1252")) == (GERMAN, NOT_UTF8)


@pytest.mark.parametrize("data", [b"PK\x03\x04abc", b"\x81\x9d", b"\xff\xfea", b"\xfe\xff\xd8\x00", b"x" * 20_000_001])
def test_what_is_no_text_is_refused_with_a_remedy(data: bytes) -> None:
    with pytest.raises(cells.CellError) as caught:
        decoded(data)
    assert caught.value.remedy.endswith(".")


# --- what it does to what is known --------------------------------------------------------------------


def test_the_same_register_twice_changes_nothing() -> None:
    first = _organisations(GERMAN)
    assert [change.kind for change in _imported(GERMAN, first)] == ["unchanged", "unchanged"]


def test_what_the_register_does_not_speak_of_stays_and_what_it_empties_goes() -> None:
    known = _organisations(GERMAN)
    (change,) = _imported("number;name;contract;valid_until\n10442;Müller SE;W-1;\n", known)
    assert change.kind == "changed"
    before, after = known[0], change.after
    assert after.id == before.id
    assert (after.name, after.email, after.address) == ("Müller SE", "it@mueller.example", "du")
    assert after.contracts[0].valid_until is None
    assert after.contracts[0].hours == before.contracts[0].hours
    assert after.contracts[1] == before.contracts[1]


def test_a_number_that_is_punctuated_otherwise_is_the_same_customer() -> None:
    known = _organisations("number;name\nK-4711;A\n")
    (change,) = _imported("number;name\nk 4711;A\n", known)
    assert (change.kind, change.after.id, change.after.number) == ("changed", known[0].id, "k 4711")


# --- what is wrong with it ----------------------------------------------------------------------------


def test_everything_that_is_wrong_is_told_at_once_with_line_and_column() -> None:
    text = """\
number;name;email;address;active;contract;valid_from;valid_until;products;covers;hours;region;response_hours
;;x;Ihr;vielleicht;1;31.02.2026;morgen;Intrex;Kaffee;immer;XX;0
1,04E+05;=A();a@b;;;;;;;;;NW;
10;A;;;;2;2026-01-02;2026-01-01;;;Mo-Fr 17-8;;99999
"""
    assert _problems(text) == [
        "2:number: '' holds no digit",
        "2:name: the name is missing",
        "2:email: 'x' is no e-mail address",
        "2:address: 'ihr' is no form of address",
        "2:active: 'vielleicht' is neither yes nor no",
        "2:response_hours: '0' is no number of hours",
        "2:valid_from: '31.02.2026' is no day of the calendar",
        "2:valid_until: 'morgen' is no date",
        "2:products: 'Intrex' is no product that company.yaml knows",
        "2:covers: 'Kaffee' is nothing that the agreement excludes",
        "2:hours: 'XX' is no German state",
        "3:number: a spreadsheet has turned it into 1,04E+05",
        "3:name: '=A()' begins like a formula",
        "3:email: 'a@b' is no e-mail address",
        "3:hours: a state stands here without service hours",
        "4:response_hours: '99999' is no number of hours",
        "4:hours: 'Mo-Fr 17-8' closes before it opens",
        "4:valid_until: 2026-01-01 is before 2026-01-02",
    ]
    _, problems = read(text, PRODUCTS)
    assert "Did you mean 'intrexx'?" in next(p.remedy for p in problems if p.column == "products")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:number: this column is missing"),
        ("\n\n", "1:number: this column is missing"),
        ("name\nA\n", "1:number: this column is missing"),
        ("number;name\n", "1:file: it holds no customer"),
        ("number;name\n;\n;\n", "1:file: it holds no customer"),
        ("number;name;valid_untill\n1;A;2020-01-01\n", "1:'valid_untill': there is no such column"),
        ("number;name;Kundennr\n1;A;2\n", "1:number: this column stands there twice"),
        ("number;name\n1;A;B\n", "2:line: it has 3 cells, the first line 2"),
        ("number;name;\n1;A;B\n", "2:line: a cell stands below no heading"),
        ('number;name\n1;"A\n', "2:line: it cannot be read: unexpected end of data"),
        ('number;name\n1;"A\nB"\n', "2:name: it contains the invisible character U+000A"),
        ("number;name\n1;A\n1;B\n", "3:name: line 2 says something else of this customer"),
        ("number;name\nK-1;A\nk1;A\n", "3:number: line 2 says something else of this customer"),
        ("number;name;contract\n1;A;W\n1;A;W\n", "3:contract: this customer has the contract 'W' in another line"),
        (
            "number;name;valid_until\n1;A;2030-01-01\n1;A;2031-01-01\n",
            "3:contract: a contract without a number stands in another line",
        ),
    ],
)
def test_a_register_that_is_made_wrongly_says_where(text: str, problem: str) -> None:
    assert problem in _problems(text)


@pytest.mark.parametrize(
    "name",
    [
        "=HYPERLINK(1)",
        "+A",
        "@SUM(1)",
        "-A",
        "A\x00B",
        "A\u202eB",
        "A\u200bB",
        "A\ud800",
        "A\ufeff",
        "x" * 201,
        "—",
        "\x1b[2J",
    ],
)
def test_hostile_names_are_refused(name: str) -> None:
    (problem,) = _problems(f"number;name\n1;{name}\n")
    assert problem.startswith("2:name: ")


@pytest.mark.parametrize(
    "email",
    [
        "a@b.example, c@d.example",
        "a@b.example\u00a0x",
        "A <a@b.example>",
        "a..b@c.example",
        "ä@c.example",
        "x" * 65 + "@c.example",
    ],
)
def test_what_is_no_single_address_gets_no_codes(email: str) -> None:
    assert _problems(f'number;name;email\n1;A;"{email}"\n')[0].startswith("2:email: ")


# --- properties ---------------------------------------------------------------------------------------

WORD = (
    st.text(string.ascii_letters + "äöüß&. '\"\\|,;<>()[]", min_size=1, max_size=30)
    .map(lambda text: " ".join(text.replace("|", "").replace(",", "").split()))
    .filter(lambda text: any(c.isalnum() for c in text) and not text.startswith(("=", "+", "@", "-")))
)
DAY = st.none() | st.dates(date(2000, 1, 1), date(2099, 12, 31))
MINUTES = st.integers(1, 9999 * 60).map(lambda minutes: timedelta(minutes=minutes))


def _unquoted(name: str) -> str:
    return name.replace('"', "").strip() or "A"


@st.composite
def contract(draw: st.DrawFn, number: str) -> Contract:
    first, last = draw(DAY), draw(DAY)
    if first is not None and last is not None and last < first:
        first, last = last, first
    hours = draw(st.sampled_from([None, "24/7", "Mo-Do 08:00-17:00, Fr 8-15 Europe/Vienna", "Mon-Fri 9-17"]))
    region = draw(st.sampled_from([None, "NW", "BY"]))
    return Contract(
        number=number,
        valid_from=first,
        valid_until=last,
        products=tuple(draw(st.lists(st.sampled_from(["intrexx", "excel"]), unique=True))),
        modules=tuple(draw(st.lists(WORD, unique=True, max_size=3))),
        covers=frozenset(draw(st.lists(st.sampled_from([c for c in Category if c.excluded])))),
        hours=None if hours is None else parse_hours(hours, region=region),
        first_response=draw(st.none() | MINUTES),
        responses=draw(st.dictionaries(st.sampled_from([Priority.HIGH, Priority.LOW]), MINUTES)),
    )


@st.composite
def register(draw: st.DrawFn) -> tuple[Organisation, ...]:
    organisations = []
    for n in range(draw(st.integers(1, 4))):
        contracts = [draw(contract(f"W-{k}")) for k in range(draw(st.integers(0, 3)))]
        contacts = draw(
            st.lists(
                st.builds(Contact, WORD.map(_unquoted), st.none() | st.just(f"a{n}@b.example")), max_size=3, unique=True
            )
        )
        organisations.append(
            Organisation(
                id=f"{n}",
                name=draw(WORD),
                number=f"{draw(st.sampled_from(['K-', 'D ', '']))}{1000 + n}",
                contracts=tuple(contracts),
                email=draw(st.none() | st.just(f"it{n}@example.com")),
                address=draw(st.sampled_from(["sie", "du"])),
                contacts=tuple(contacts),
                active=draw(st.booleans()),
            )
        )
    return tuple(organisations)


@given(register())
def test_what_is_exported_and_imported_again_changes_nothing(organisations: tuple[Organisation, ...]) -> None:
    text, note = decoded(write(organisations).encode("utf-8-sig"))
    assert note is None
    entries, problems = read(text, PRODUCTS)
    assert problems == ()
    assert [change.after for change in changes(organisations, entries)] == list(organisations)


@given(st.text(max_size=400) | st.lists(st.lists(st.text(max_size=12), max_size=6), max_size=5).map(
    lambda rows: ";".join(list(COLUMNS)[:6]) + "\n" + "\n".join(";".join(row) for row in rows)
))  # fmt: skip
def test_whatever_a_file_holds_it_is_either_read_or_refused_with_reasons(text: str) -> None:
    entries, problems = read(text, PRODUCTS)
    assert entries or problems
    if not problems:
        again = changes((), entries)
        assert read(write([c.after for c in again]), PRODUCTS)[1] == ()
    for problem in problems:
        assert isinstance(problem, Problem)
        assert problem.line >= 1


@given(st.binary(max_size=300))
def test_whatever_bytes_a_file_has_they_are_text_or_refused(data: bytes) -> None:
    try:
        text, _ = decoded(data)
    except cells.CellError:
        return
    read(text, PRODUCTS)


@given(st.from_regex(r"[a-z0-9.+_'-]{1,70}@[a-zäöüß0-9.-]{1,80}\.[a-z]{2,6}", fullmatch=True))
def test_every_address_that_is_taken_can_be_mailed_to(address: str) -> None:
    try:
        taken = cells.email(address)
    except cells.CellError:
        return
    assert taken is not None
    assert mailable(taken) is not None


def test_the_example_of_the_documentation_is_a_register() -> None:
    text = (Path(__file__).parents[3] / "docs" / "customers.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"<!-- example -->\n```csv\n(.*?)```", text, re.DOTALL)
    mueller, beispiel = _organisations(example)
    assert [contract.number for contract in mueller.contracts] == ["N-2026-03", "W-2025-17"]
    assert beispiel.address == "du"
    for column in COLUMNS:
        assert column.replace("response_hours_low", "`_low`") in text
