"""The dataset card that lies in every export: README.md and two pictures.

A card says what stands in the snapshot, what follows from it, and what a person typed; nothing else. Its questions are
those of Gebru et al. 2021, Datasheets for Datasets, that no database can answer.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from labeling.consensus.agreement import krippendorff_alpha, pairwise_agreement
from labeling.licences import licence, understood
from labeling.sayings import gettext_noop
from labeling.snapshots.exports import plots
from labeling.snapshots.exports.format import Format, Given
from labeling.snapshots.exports.tree import Tree

README = "README.md"
BALANCE, AGREEMENT = "card/classes.png", "card/agreement.png"
BARS = 21
"""From 0 to 1, each about a twentieth; so tenths, which ten votes give, are in the middle of a bar."""
QUESTIONS: dict[str, str] = {
    "motivation": gettext_noop("Why was the dataset made, and for whom?"),
    "collection": gettext_noop("How were the pictures collected, and did the people in them know?"),
    "labelling": gettext_noop("Who labelled them, how were they instructed and paid?"),
    "uses": gettext_noop("What should it be used for, and what not?"),
    "limits": gettext_noop("What is known to be missing, unbalanced or wrong?"),
    "contact": gettext_noop("Who answers questions, and takes requests for erasure?"),
}
"""Asked of the manager; the answer stands under the question."""
LONGEST = 5_000
"""Characters of an answer."""
BASES = {
    "own": "they are the collectors' own",
    "licensed": "who owns them has given a licence for this use",
    "consent": "the people they show have consented to this use, and who made them agrees",
    "contract": "a contract with who owns them allows this use",
    "open": "they are openly licensed or in the public domain, each as its licence says",
}
"""A basis of labeling.sources.rights → what whoever added the source said by it."""
_COLUMNS = ("label_index", "label_origin", "votes", "agreement", "licence", "media_kind", "source")
_MOST_LINES = 40
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LIMITS = (
    "Labels say which expression people perceived in a picture. They do not say what anybody felt.",
    "Faces without agreement, and those people could not tell, are left out: what is here is easier than what is met.",
    "Who is in the pictures, and who labelled them, is no sample of all people.",
)


@dataclass
class Figures:
    """What the rows add up to. counts: votes per answer → faces that have just these."""

    origins: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    counts: Counter[tuple[int, ...]] = field(default_factory=Counter)
    bars: Any = field(default_factory=lambda: np.zeros(BARS, dtype=np.int64))
    faces: int = 0

    def take(self, batch: pa.RecordBatch) -> None:
        self.faces += batch.num_rows
        self._count("label_origin", batch, self.origins)
        self._count("licence", batch, self.licences)
        self._count("media_kind", batch, self.kinds)
        self._count("source", batch, self.sources)
        for each in _rows(batch.column("votes")).value_counts().to_pylist():
            self.counts[tuple(np.frombuffer(each["values"], np.int32).tolist())] += each["counts"]
        shares = batch.column("agreement").to_numpy(zero_copy_only=False)
        self.bars += np.histogram(shares, BARS, (-0.5 / (BARS - 1), 1 + 0.5 / (BARS - 1)))[0]

    @staticmethod
    def _count(column: str, batch: pa.RecordBatch, into: Counter[str]) -> None:
        for each in batch.column(column).value_counts().to_pylist():
            into[each["values"]] += each["counts"]


def _rows(votes: pa.ListArray) -> pa.FixedSizeBinaryArray:
    """The votes of each face as one value, which Arrow can count."""
    numbers = np.ascontiguousarray(votes.flatten().to_numpy(zero_copy_only=False))
    size = numbers.nbytes // len(votes)
    return pa.Array.from_buffers(pa.binary(size), len(votes), [None, pa.py_buffer(numbers)])


def figures_of(given: Given) -> Figures:
    """Read the rows once, without the images."""
    found = Figures()
    for batch in given.batches(_COLUMNS):
        found.take(batch)
    return found


def write(given: Given, tree: Tree, format: Format, bases: Mapping[str, int], notes: str = "") -> None:
    """Put the card in. Same snapshot, same words, same fonts: same bytes. bases: as media.csv has them → media."""
    figures = figures_of(given)
    splits = {split: given.counts(split) for split in given.splits}
    tree.add(BALANCE, plots.class_balance(splits, given.classes))
    tree.add(AGREEMENT, plots.agreement([int(count) for count in figures.bars]))
    tree.add(README, "\n".join(_lines(given, figures, format, bases, notes)).encode())


def _lines(
    given: Given, figures: Figures, format: Format, bases: Mapping[str, int], notes: str
) -> Iterator[str]:
    yield from _front(given, figures, format)
    yield f"# {plain(given.name) or 'A dataset of perceived expressions'}"
    yield ""
    yield f"{figures.faces:,} faces and the expressions people perceived in them, as {format.title}. {format.purpose}"
    frozen = f" Frozen on {given.frozen_on}." if given.frozen_on else ""
    yield f"Digest of the content: `{given.manifest.digest}`.{frozen}"
    if notes:
        yield f"\n{plain(notes)}"
    yield from _section("Classes and splits", _splits(given))
    yield from _section("How the labels were made", _labels(given, figures))
    yield from _section("Agreement", _agreement(figures))
    yield from _section("Splits", _certificate(given))
    yield from _section("Where the pictures are from", _rights(figures, bases))
    yield from _section("Erased", _erased(given.manifest.erased))
    yield from _section("Known limits", (f"- {line}" for line in _limits(given)))
    for key, question in QUESTIONS.items():
        if answer := given.words.get(key, "").strip():
            yield from _section(question, [_text(answer)])
    yield ""


def _front(given: Given, figures: Figures, format: Format) -> Iterator[str]:
    """What hubs for datasets read: YAML, of which JSON is a part."""
    size = next((name for most, name in _SIZES if figures.faces < most), "n>1M")
    yield "---"
    yield f"pretty_name: {_quoted(given.name or 'Perceived expressions')}"
    yield "task_categories: [image-classification]"
    yield f"size_categories: [{json.dumps(size)}]"
    yield from format.front(given)
    yield "---"
    yield ""


def _quoted(text: str) -> str:
    """As YAML between quotes. What cannot be seen is written by its number: YAML allows little of it."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in written)


def _section(title: str, lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield from lines


def _splits(given: Given) -> Iterator[str]:
    splits = {split: given.counts(split) for split in given.splits}
    yield f"| class | {' | '.join(splits)} | all |"
    yield f"|---|{'---:|' * (len(splits) + 1)}"
    for name in given.classes:
        counts = [counts.get(name, 0) for counts in splits.values()]
        yield f"| {plain(name)} | {' | '.join(f'{count:,}' for count in counts)} | {sum(counts):,} |"
    totals = [sum(counts.values()) for counts in splits.values()]
    yield f"| all | {' | '.join(f'{count:,}' for count in totals)} | {sum(totals):,} |"
    yield f"\n![Faces per class and split]({BALANCE})"
    if given.manifest.left_out:
        yield "\nLeft out when it was frozen:\n"
        for reason, count in sorted(given.manifest.left_out.items()):
            yield f"- {plain(reason.replace('_', ' '))}: {count:,}"
    for note in given.manifest.notes:
        yield f"\n{plain(note)}"


def _labels(given: Given, figures: Figures) -> Iterator[str]:
    yield "Each face was shown to several people, who did not see each other's answers: these are its votes.\n"
    yield "The rule it was frozen by:\n"
    yield "```json"
    yield json.dumps(given.manifest.rule, indent=1, sort_keys=True, ensure_ascii=False).replace("```", "'''")
    yield "```\n"
    yield "| where the label is from | faces |\n|---|---:|"
    for origin, count in sorted(figures.origins.items()):
        yield f"| {plain(origin)} | {count:,} |"
    per_face = Counter[int]()
    for row, faces in figures.counts.items():
        per_face[sum(row)] += faces
    yield "\n| votes on a face | faces |\n|---:|---:|"
    yield from _most(sorted(per_face.items()), lambda each: f"| {each[0]} | {each[1]:,} |")


def _agreement(figures: Figures) -> Iterator[str]:
    yield from (f"- {line}" for line in agreement_lines(figures))
    yield f"\n![How many faces have which share of votes for their top answer]({AGREEMENT})"


def agreement_lines(figures: Figures) -> Iterator[str]:
    """Sentences on how far people agree."""
    counts = np.array(list(figures.counts), dtype=np.int64)
    faces = np.array(list(figures.counts.values()), dtype=np.int64)
    if not (counts.size and (counts.sum(axis=1) >= 2).any()):
        yield "No face has two votes: nothing can be said of agreement."
        return
    yield f"Two people agree on a face in {pairwise_agreement(counts, faces):.1%} of pairs."
    alpha = krippendorff_alpha(counts, faces)
    if not np.isnan(alpha):
        yield f"Krippendorff's alpha is {alpha:.3f}: 1 is perfect agreement, 0 is chance."
    alone = (counts.max(axis=1) == counts.sum(axis=1)) & (counts.sum(axis=1) > 0)
    yield f"{int(faces[alone].sum()):,} of {figures.faces:,} faces are unanimous."


def _certificate(given: Given) -> Iterator[str]:
    certificate = given.manifest.certificate
    if not certificate:
        yield "Nothing was found out about the splits when this was frozen."
        return
    yield "Found out when it was frozen, over all its faces:\n"
    yield "```json"
    yield json.dumps(certificate, indent=1, sort_keys=True, ensure_ascii=False).replace("```", "'''")
    yield "```"


def _rights(figures: Figures, bases: Mapping[str, int]) -> Iterator[str]:
    yield "Whose each picture is, and under which licence, stands in `media.csv`.\n"
    yield "| licence, as it was found | understood as | faces |\n|---|---|---:|"
    yield from _most(figures.licences.most_common(), _licence_line)
    yield "\n| source | faces |\n|---|---:|"
    yield from _most(
        figures.sources.most_common(), lambda each: f"| {plain(each[0]) or 'unknown'} | {each[1]:,} |"
    )
    yield "\n| taken in because | media |\n|---|---:|"
    yield from _most(
        sorted(bases.items(), key=lambda each: (-each[1], each[0])),
        lambda each: f"| {_basis(each[0])} | {each[1]:,} |",
    )
    kinds = ", ".join(f"{count:,} from {kind}s" for kind, count in sorted(figures.kinds.items()))
    yield f"\nFaces: {kinds}."


def _basis(bases: str) -> str:
    """The bases of one media in words: where several sources brought it, each has its own."""
    return (
        "; ".join(BASES[basis] for basis in bases.split(";"))
        if bases
        else "nobody has said why, or it is gone"
    )


def _licence_line(each: tuple[str, int]) -> str:
    known = licence(understood(each[0]))
    return f"| {plain(each[0]) or 'none given'} | {known.name if known else 'unknown'} | {each[1]:,} |"


def _erased(count: int) -> Iterator[str]:
    if count:
        yield f"{count:,} faces were erased since it was frozen, on somebody's demand. They are not in here."
    else:
        yield "No face was erased since it was frozen."


def _limits(given: Given) -> Iterator[str]:
    yield from LIMITS
    unlearnt = [name for name, count in given.counts("train").items() if not count]
    if unlearnt:
        yield f"No face to train on: {plain(', '.join(unlearnt))}."


def _most(found: Sequence[Any], line: Any) -> Iterator[str]:
    """At most so many lines, and how many there would be."""
    yield from map(line, found[:_MOST_LINES])
    if len(found) > _MOST_LINES:
        yield f"\n… and {len(found) - _MOST_LINES:,} more."


def plain(text: str) -> str:
    """A text from elsewhere on one line of Markdown, where it cannot be markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))


def _text(answer: str) -> str:
    """Paragraphs a person typed; without HTML, and without headings of their own."""
    lines = (re.sub(r"^(\s*)#", r"\1\\#", line).replace("<", "&lt;") for line in answer.splitlines())
    return "\n".join(lines)


def words_of(answers: Mapping[str, Any]) -> dict[str, str]:
    """What was typed, of the questions that are asked."""
    # A database holds no NUL in a text.
    said = {key: str(answers.get(key, "")).replace("\0", "").strip() for key in QUESTIONS}
    return {key: answer for key, answer in said.items() if answer}
