"""Measures the classifier on public data beside TF-IDF with a linear support vector machine, and prints Markdown.

Out-of-scope texts are never trained on; thresholds come from validation rows alone; every seed is fixed.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bot import nlu
from bot.catalogue.catalogue import Catalogue
from bot.catalogue.load import load
from bot.model import LANGUAGES
from bot.nlu.encoder import Encoder, load_encoder
from bot.nlu.kernel import Floats
from bot.nlu.language import Detector
from bot.nlu.statistical import Model
from bot.nlu.text import read
from bot.nlu.threads import limit_threads
from tests.benchmarks.data import Rows, Task, roboai, tasks
from tests.benchmarks.measures import auroc, calibration_error, reliability, threshold

SHIPPED = Path(__file__).resolve().parents[2] / "intents"
BATCH = 32
FEW = 20  # examples of a label up to which its name is worth trying as one more


class Contestant(Protocol):
    """``judge`` gives for each text the label, how known it looks, and the probability of the label if there is one."""

    def train(self, rows: Rows) -> None: ...

    def judge(self, texts: Sequence[str]) -> tuple[NDArray[Any], Floats, Floats | None]: ...


class Firstline:
    """``named``: the names of the labels are examples too, as a team would write a topic's title among its first examples."""

    def __init__(self, encoder: Encoder, *, named: bool = False) -> None:
        self._encoder = encoder
        self._named = named

    def train(self, rows: Rows) -> None:
        if self._named:
            rows = rows.with_names()
        texts = [read(text).text for text in rows.texts]
        self._model = Model.train(texts, rows.labels, self._encoder.encode(texts))

    def judge(self, texts: Sequence[str]) -> tuple[NDArray[Any], Floats, Floats | None]:
        labels, known, confidence = [], [], []
        for start in range(0, len(texts), BATCH):
            batch = [read(text).text for text in texts[start : start + BATCH]]
            vectors = self._encoder.encode(batch)
            scores = self._model.predict(batch, vectors)
            labels.append(np.array(self._model.labels)[scores.probabilities.argmax(axis=1)])
            known.append(self._model.known(batch, vectors))
            confidence.append(scores.probabilities.max(axis=1))
        return np.concatenate(labels), np.concatenate(known), np.concatenate(confidence)


class Baseline:
    """Words and pairs of words, letter groups within words, one-versus-rest linear support vector machines."""

    def train(self, rows: Rows) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline, make_union
        from sklearn.svm import LinearSVC

        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
        self._model = make_pipeline(make_union(words, letters), LinearSVC(random_state=7))
        self._model.fit(list(rows.texts), list(rows.labels))

    def judge(self, texts: Sequence[str]) -> tuple[NDArray[Any], Floats, Floats | None]:
        margins = self._model.decision_function(list(texts))
        return self._model.classes_[margins.argmax(axis=1)], margins.max(axis=1), None


@dataclass(frozen=True, slots=True)
class Result:
    accuracy: float
    auroc: float | None
    point: tuple[float, float] | None
    ece: float | None
    train_seconds: float
    reliability: list[tuple[float, float, int]]


def compete(task: Task, contestant: Contestant) -> Result:
    began = time.process_time()
    contestant.train(task.train)
    seconds = time.process_time() - began
    labels, known, confidence = contestant.judge(task.test.texts)
    right = labels == np.array(task.test.labels)
    point = ranking = None
    if task.test_outside.texts:
        outside = contestant.judge(task.test_outside.texts)[1]
        ranking = auroc(known, outside)
        if task.val.texts:
            val_labels, val_known, _ = contestant.judge(task.val.texts)
            val_outside = contestant.judge(task.val_outside.texts)[1]
            least = threshold(val_known, val_labels == np.array(task.val.labels), val_outside)
            point = float((right & (known >= least)).mean()), float((outside < least).mean())
    ece = calibration_error(confidence, right) if confidence is not None else None
    curve = reliability(confidence, right) if confidence is not None else []
    return Result(float(right.mean()), ranking, point, ece, seconds, curve)


def public(folder: Path, encoder: Encoder) -> None:
    print(
        "| data | model | accuracy | AUROC in/out | at one threshold: accuracy / recall of out | ECE | training CPU-s |"
    )
    print("|---|---|---|---|---|---|---|")
    curves = {}
    for task in tasks(folder):
        contestants: list[tuple[str, Contestant]] = [
            ("Firstline", Firstline(encoder)),
            ("Firstline, encoder none", Firstline(load_encoder("none"))),
            ("TF-IDF + LinearSVC", Baseline()),
        ]
        if len(task.train.texts) <= FEW * len(set(task.train.labels)):
            contestants.insert(1, ("Firstline, labels' names as examples", Firstline(encoder, named=True)))
        for name, contestant in contestants:
            result = compete(task, contestant)
            if name == "Firstline":
                curves[task.name] = result.reliability
            known = f"{result.auroc:.3f}" if result.auroc is not None else "-"
            point = f"{result.point[0]:.1%} / {result.point[1]:.1%}" if result.point else "-"
            ece = f"{result.ece:.3f}" if result.ece is not None else "-"
            print(
                f"| {task.name} | {name} | {result.accuracy:.1%} | {known} | {point} | {ece} | {result.train_seconds:.1f} |",
                flush=True,
            )
    print("\nReliability of the probabilities (mean confidence: share that was right, number of messages):\n")
    for name, curve in curves.items():
        print(f"- {name}: " + ", ".join(f"{mean:.2f}: {share:.2f} ({count})" for mean, share, count in curve))


def languages(folder: Path, catalogue: Catalogue) -> None:
    """How often the language of a message is told, learned from the shipped examples or four fifths of them."""
    examples = catalogue.examples
    fold = np.random.default_rng(7).permutation(len(examples)) % 5
    texts = [read(example.text).text for example in examples]
    found = []
    for number in range(5):
        train = [i for i in range(len(examples)) if fold[i] != number]
        detector = Detector.train([texts[i] for i in train], [examples[i].language for i in train])
        found += [(detector.detect(texts[i]), examples[i].language) for i in range(len(examples)) if fold[i] == number]
    detector = Detector.train(texts, [example.language for example in examples])
    told = {"shipped examples, cross-validated": found}
    for task, lang in zip(roboai(folder), LANGUAGES, strict=True):
        told[f"{task.name} test"] = [(detector.detect(read(text).text), lang) for text in task.test.texts]
    print("\n| data | messages | right | none told | wrong |\n|---|---|---|---|---|")
    for name, pairs in told.items():
        right = statistics.mean(a == b for a, b in pairs)
        none = statistics.mean(a is None for a, _ in pairs)
        print(f"| {name} | {len(pairs)} | {right:.1%} | {none:.1%} | {1 - right - none:.1%} |")


def shipped(catalogue: Catalogue) -> None:
    """Speed and memory of the classifier of the shipped catalogue, on one core; the least of some repetitions."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        first = cpu(lambda: nlu.load(catalogue, cache_dir=cache))
        for file in cache.glob("*.npz"):
            file.unlink()
        again = cpu(lambda: nlu.load(catalogue, cache_dir=cache))
        start = min(cpu(lambda: nlu.load(catalogue, cache_dir=cache)) for _ in range(5))
        command = [sys.executable, "-m", "tests.benchmarks.nlu", "--serve", folder]
        serving = subprocess.run(command, capture_output=True, text=True, check=True)
        warm, size = map(float, serving.stdout.split())
    classifier = nlu.load(catalogue)
    texts = [f"{example.text} danke" for example in catalogue.examples[::40]]
    classifier.classify(texts[:BATCH])
    single = [min(cpu(lambda text=text: classifier.classify([text])) for _ in range(3)) for text in texts]  # type: ignore[misc]
    batches = [texts[start : start + BATCH] for start in range(0, len(texts) - BATCH, BATCH)]
    batch = [min(cpu(lambda b=b: classifier.classify(b)) for _ in range(3)) / BATCH for b in batches]  # type: ignore[misc]
    print(f"\n| shipped catalogue: {len(catalogue.examples)} examples, {len(catalogue.topics)} topics | |\n|---|---|")
    print(f"| first training, CPU-s | {first:.1f} |")
    print(f"| training after an edit (vectors kept), CPU-s | {again:.1f} |")
    print(f"| start from the cache, CPU-s | {start:.2f} |")
    print(f"| first message after it (the encoder loads), CPU-s | {warm:.2f} |")
    print(
        f"| one message, CPU-ms: mean, median | {1e3 * statistics.mean(single):.1f}, {1e3 * statistics.median(single):.1f} |"
    )
    print(f"| in batches of {BATCH}, CPU-ms a message | {1e3 * statistics.mean(batch):.1f} |")
    print(f"| memory of a process that serves, MB | {size:.0f} |")


def serve(cache: Path) -> None:
    """In a process of its own: the first message after a start from the cache, and the memory after some more."""
    catalogue = load(SHIPPED)
    classifier = nlu.load(catalogue, cache_dir=cache)
    warm = cpu(lambda: classifier.classify(["geht nicht"]))
    texts = [example.text for example in catalogue.examples[:512]]
    for start in range(0, len(texts), BATCH):
        classifier.classify(texts[start : start + BATCH])
    print(warm, most_memory())


def most_memory() -> float:
    """The most MB that this process has held. Linux counts what the parent held before the exec into getrusage's figure."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the public data sets")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--encoder", default="auto")
    arguments = parser.parse_args()
    limit_threads(1)
    if arguments.serve:
        serve(arguments.serve)
        return
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn", "rapidfuzz"))
    encoder = load_encoder(arguments.encoder)
    print(f"Python {platform.python_version()}, {versions}, encoder {encoder.name}; one thread.\n")
    catalogue = load(SHIPPED)
    if arguments.data:
        public(arguments.data, encoder)
        languages(arguments.data, catalogue)
    shipped(catalogue)


if __name__ == "__main__":
    main()
