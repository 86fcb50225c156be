"""``make mutants``: takes out of a copy of the program what keeps it reliable, piece by piece, and sees the named test fail.

The program itself knows nothing of it. Exit status 1 when a mutation no longer applies, or when nobody notices it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutants.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("adapters", "bot", "intents", "tests", "pyproject.toml")
WITHIN = 900.0
"""Seconds for one run of tests; a test that hangs has noticed nothing."""


class MutationError(Exception):
    """A mutation cannot be made, or is not noticed."""


def mutated(mutation: Mutation, root: Path = ROOT) -> str:
    """The source with the mutation in it. Raises MutationError when it no longer applies."""
    source = (root / mutation.file).read_text(encoding="utf-8")
    if (times := source.count(mutation.before)) != 1:
        raise MutationError(
            f"{mutation.name}: this stands {times} times in {mutation.file}, not once: {mutation.before}"
        )
    source = source.replace(mutation.before, mutation.after)
    compile(source, mutation.file, "exec")
    return source


def run(copy: Path, *tests: str) -> tuple[int, str]:
    """pytest in the copy: its exit status and what it says. Raises MutationError when it takes too long."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("FIRSTLINE_", "PYTEST_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-x", "-rf", "--tb=line", "-p", "no:cacheprovider", *tests],
        cwd=copy,
        # Also what tests start as processes of their own is to be the copy; and no bytecode of another mutant.
        env=inherited | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=WITHIN)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with all that the tests have started
            raise MutationError(f"{' '.join(tests)} did not end within {WITHIN:.0f} s") from None
    return process.returncode, said


def tried(mutation: Mutation, copy: Path) -> None:
    """Raises MutationError when the witness does not fail."""
    path = copy / mutation.file
    original = path.read_text(encoding="utf-8")
    path.write_text(mutated(mutation, copy), encoding="utf-8")
    try:
        status, said = run(copy, mutation.witness)
    finally:
        path.write_text(original, encoding="utf-8")
    if status != 1 or f"FAILED {mutation.witness}" not in said:
        raise MutationError(f"{mutation.name}: nobody notices; {mutation.witness} ended with {status}:\n{said[-2000:]}")


def main(names: list[str]) -> int:
    chosen = [m for m in MUTATIONS if not names or any(name in m.name for name in names)]
    problems = []
    with tempfile.TemporaryDirectory(prefix="firstline-mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        status, said = run(copy, *dict.fromkeys(mutation.witness for mutation in chosen))
        if status:
            print(f"The tests fail without any mutation:\n{said[-4000:]}")
            return 1
        for mutation in chosen:
            begin = time.monotonic()
            try:
                tried(mutation, copy)
                print(f"noticed in {time.monotonic() - begin:.0f} s: {mutation.name}", flush=True)
            except MutationError as error:
                problems.append(str(error))
                print(f"NOT NOTICED {error}", flush=True)
    print(f"{len(chosen) - len(problems)} of {len(chosen)} mutations are noticed")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
