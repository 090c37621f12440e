"""MODEL_CARD.md of a run: what it learnt from, how good it is, and what it must not be used for. After Mitchell et al.
2019, "Model Cards for Model Reporting" (doi:10.1145/3287560.3287596).
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.core.predictions import Predictions, made_of, read_predictions
from training.core.refusals import BadRunFolder
from training.core.run_folder import Made, RunFolder, write_atomically

NAME = "MODEL_CARD.md"
_FEW = 30
"""Fewer faces of a class make figures that say little."""
_USE = """## What it is for

Research on facial expressions, and helping people who label faces. A network judges what a face shows to those who
look at it. It does not know what the person feels, means, or is like.

## What it must not be used for

- **Inferring emotions of people at work or in education.** In the European Union this is prohibited (Regulation (EU)
  2024/1689, the AI Act, Article 5(1)(f)), but for medical and safety reasons.
- Decisions about a person: hiring, grading, credit, policing, borders, insurance, diagnosis.
- Watching people who have not agreed to it. Elsewhere in the Union emotion recognition is a high-risk system (Annex
  III, 1(c)), and people must be told of it (Article 50(3)).

Whoever uses it checks what the law asks where they are; this card is no legal advice.
"""


def write_card(run: Path) -> Path:
    """Write MODEL_CARD.md into the folder of a finished run, and return where. Raises BadRunFolder."""
    file = run / NAME
    text = card(run)
    write_atomically(file, lambda part: part.write_text(text, "utf-8"))
    return file


def card(run: Path) -> str:
    """The card as Markdown. Raises BadRunFolder for a folder without result.json."""
    made, result = made_of(run), RunFolder(run).read_result()
    seen = {name: _predictions(run, name) for name in ("validation", "test")}
    try:
        parts = [_head(made, result), _USE, _data(made, seen), _figures(result), _limits(result, seen)]
    except (KeyError, TypeError, ValueError) as error:
        raise BadRunFolder(
            f"{run}/result.json lacks what a model card tells ({error!r}). Judge the run anew."
        ) from error
    return "\n".join(parts)


def _predictions(run: Path, split: str) -> Predictions | None:
    if not RunFolder(run).predictions(split).exists():
        return None
    return read_predictions(run, split)


def _head(made: Made, result: Mapping[str, Any]) -> str:
    config = made.config
    start = f"weights of {config.starting_weights}" if config.starting_weights else "random weights"
    return f"""# Model card: {config.network}

Tells which of {len(made.classes)} expressions a face shows: {", ".join(made.classes)} (outputs in this order).
{config.network} on {config.image_size} × {config.image_size} pixels, {config.colour}; started from {start};
best of its epochs by validation: {result["best_epoch"]}. Every setting is in `config.json`.
"""


def _data(made: Made, seen: Mapping[str, Predictions | None]) -> str:
    lines = [
        "## Data and labels",
        "",
        f"Snapshot `{made.snapshot_digest}`. A snapshot is frozen: the digest names its faces, labels and splits.",
        "",
        "| split | faces | licences | sources |",
        "|---|---|---|---|",
    ]
    for name, split in seen.items():
        if split is None or split.facts is None:
            lines.append(f"| {name} | not known | not known | not known |")
            continue
        licences, sources = _counted(split.facts.licence), _counted(split.facts.source)
        lines.append(f"| {name} | {len(split):,} | {licences} | {sources} |")
    lines += [
        "",
        "The training faces are of the same snapshot; its `manifest.json` has their counts, its rows their licences "
        "and authors.",
        "",
        "The label of a face is what most of those who voted on it saw, by the snapshot's rule for agreement; faces "
        f"without agreement are left out. {_votes(seen)} The votes say how a face looks to people, not how the person "
        "felt.",
        "",
    ]
    return "\n".join(lines)


def _votes(seen: Mapping[str, Predictions | None]) -> str:
    known = [split.facts.votes.sum(axis=1) for split in seen.values() if split is not None and split.facts]
    faces = sum(len(votes) for votes in known)
    if not faces:
        return "How many voted is not known here."
    mean = sum(float(votes.sum()) for votes in known) / faces
    return f"The judged faces have {mean:.1f} votes for an expression on average."


def _counted(values: tuple[str, ...]) -> str:
    counts = Counter(value or "unknown" for value in values).most_common(8)
    rest = len(set(values)) - len(counts)
    told = ", ".join(f"{_cell(value)} ({count:,})" for value, count in counts)
    return f"{told}, and {rest} more" if rest > 0 else told or "none"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _figures(result: Mapping[str, Any]) -> str:
    lines = [
        "## Figures",
        "",
        "| split | faces | accuracy | 95 % interval | macro F1 | calibration error | calibrated |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, split in result["splits"].items():
        low, high = split["accuracy_interval"]
        error = _share(split.get("ece"))
        calibrated = _share(split.get("calibrated", {}).get("ece"))
        lines.append(
            f"| {name} | {split['images']:,} | {split['accuracy']:.1%} | {low:.1%}–{high:.1%} | "
            f"{split['macro_f1']:.3f} | {error} | {calibrated} |"
        )
    split_name = "test" if "test" in result["splits"] else next(iter(result["splits"]), None)
    if split_name is not None:
        lines += ["", f"By class, on {split_name}:", "", "| class | faces | precision | recall | F1 |"]
        lines.append("|---|---|---|---|---|")
        lines += [
            f"| {_cell(row['label'])} | {row['images']:,} | {_figure(row['precision'])} | {_figure(row['recall'])} "
            f"| {_figure(row['f1'])} |"
            for row in result["splits"][split_name]["per_class"]
        ]
    lines += ["", "The epoch was chosen on validation; the test faces decided nothing.", ""]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _limits(result: Mapping[str, Any], seen: Mapping[str, Predictions | None]) -> str:
    lines = ["## Limits", ""]
    judged = result["splits"].get("test")
    if judged is None:
        lines.append("- It was judged on no test faces.")
    else:
        few = [row["label"] for row in judged["per_class"] if row["images"] < _FEW]
        if few:
            lines.append(f"- Fewer than {_FEW} test faces, so figures that say little: {', '.join(few)}.")
        rows = [row for row in judged["per_class"] if row["images"] and row["recall"] is not None]
        if rows:
            worst = min(rows, key=lambda row: row["recall"])
            lines.append(f"- Of the classes it finds {worst['label']} least: {worst['recall']:.1%} of them.")
    if any("" in split.facts.licence for split in seen.values() if split is not None and split.facts):
        lines.append("- Some faces have no known licence.")
    lines += [
        "- Nothing is known of age, gender or skin colour of the people shown, so nothing of how fair it is to them.",
        "- Faces of other cameras, cultures, poses and light may be judged worse than the figures say.",
        "- It always names one of its classes, also for what is no face.",
        "",
    ]
    return "\n".join(lines)
