"""docs/reliability.md promises only what a test shows: every row names tests, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reliability.md"
_LINK = re.compile(r"\[(test_\w+)\]\(\.\./([\w/]+\.py)\)(?: ((?:`\w+`(?:, )?)+))?")


def _rows() -> dict[str, list[tuple[str, str, tuple[str, ...]]]]:
    """Per fault the named tests: function, file, and the cases of it that are meant."""
    matrix = PAGE.read_text(encoding="utf-8").split("<!-- matrix -->")[1].split("<!-- /matrix -->")[0]
    rows = [line.strip("| ").split(" | ") for line in matrix.strip().splitlines()[2:]]
    return {
        fault: [(name, path, tuple(re.findall(r"`(\w+)`", cases))) for name, path, cases in _LINK.findall(shown)]
        for fault, _, shown in rows
    }


def _functions(path: str) -> dict[str, ast.AsyncFunctionDef | ast.FunctionDef]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)}


def test_every_fault_has_a_test_that_exists() -> None:
    rows = _rows()
    assert len(rows) >= 11, "the failure matrix has eleven rows at least"
    for fault, tests in rows.items():
        assert tests, f"no test is named for: {fault}"
        for name, path, cases in tests:
            function = _functions(path).get(name)
            assert function is not None, f"{path} has no {name}, which is to show: {fault}"
            constants = {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
            assert constants >= set(cases), f"{name} has no case {set(cases) - constants}"


def test_no_link_of_the_page_leads_nowhere() -> None:
    for path in re.findall(r"\]\((\.\./[^)]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / path).exists(), path


def test_no_named_test_is_skipped_or_expected_to_fail() -> None:
    for tests in _rows().values():
        for name, path, _ in tests:
            source = ast.unparse(_functions(path)[name])
            assert not re.search(r"\b(skip|skipif|xfail)\b", source), f"{path}::{name}"
