"""The mutations of ``make mutants`` still apply to the source, and their witnesses exist. Whether these notice, the gate sees."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.gate import ROOT, MutationError, mutated, tried
from tests.mutants.mutations import MUTATIONS, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_it_applies_and_its_witness_exists(mutation: Mutation) -> None:
    assert mutated(mutation) != (ROOT / mutation.file).read_text(encoding="utf-8")
    file, _, test = mutation.witness.partition("::")
    assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_one_that_no_longer_applies_is_an_error() -> None:
    with pytest.raises(MutationError, match="stands 0 times"):
        mutated(replace(MUTATIONS[0], before="what nobody has written"))


@pytest.mark.parametrize("condition", ["True", "False"])
def test_a_witness_that_does_not_fail_is_an_error(tmp_path: Path, condition: str) -> None:
    (tmp_path / "code.py").write_text("VALUE = 1\n")
    (tmp_path / "test_code.py").write_text(
        f"import code_\n\n\ndef test_it():\n    assert code_.VALUE == 1 or {condition}\n"
    )
    (tmp_path / "code.py").rename(tmp_path / "code_.py")
    mutation = Mutation("a value", "code_.py", "VALUE = 1", "VALUE = 2", "test_code.py::test_it")
    if condition == "True":
        with pytest.raises(MutationError, match="nobody notices"):
            tried(mutation, tmp_path)
    else:
        tried(mutation, tmp_path)
    assert (tmp_path / "code_.py").read_text() == "VALUE = 1\n"
