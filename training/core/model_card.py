"""MODEL_CARD.md of a run: what it learnt from, how good it is, and what it must not be used for. After Mitchell et al.
2019, "Model Cards for Model Reporting" (doi:10.1145/3287560.3287596).
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.core.calibration import why_unfitted
from training.core.predictions import Predictions, made_of, read_predictions
from training.core.refusals import BadRunFolder
from training.core.run_folder import Made, RunFolder, write_atomically

NAME = "MODEL_CARD.md"
_SOURCES = 8
"""So many sources are named, and of the others the number; licences are named all."""
_FEW = 30
"""Fewer faces of a class make figures that say little."""
_WORD = {
    "votes": "what those who voted on the face agree on, by the snapshot's rule for agreement",
    "adjudicated": "what a manager decided, beside the votes",
}
_COLUMN = "labels of that name, by somebody other than voters"
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


def write_card(run: Path, result: Mapping[str, Any] | None = None) -> Path:
    """Write MODEL_CARD.md into the folder of a run, and return where. result: what result.json holds, or will hold.
    Raises BadRunFolder.
    """
    file = run / NAME
    text = card(run, result)
    write_atomically(file, lambda part: part.write_text(text, "utf-8"))
    return file


def card(run: Path, result: Mapping[str, Any] | None = None) -> str:
    """The card as Markdown. Raises BadRunFolder for a folder without result.json, where that is not given."""
    made = made_of(run)
    result = RunFolder(run).read_result() if result is None else result
    seen = {name: _predictions(run, name) for name in ("validation", "test")}
    try:
        data = _told(result, seen)
        parts = [_head(made, result), _USE, _data(made, data, seen), _figures(result), _limits(result, data)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
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
    # Where the file lay is its owner's business; a run's weights are all called alike, so its folder is named too.
    named = "/".join(Path(config.starting_weights).parts[-2:])
    start = f"weights of {named}" if named else "random weights"
    return f"""# Model card: {config.network}

Tells which of {len(made.classes)} expressions a face shows: {", ".join(made.classes)} (outputs in this order).
{config.network} on {config.image_size} × {config.image_size} pixels, {config.colour}; started from {start};
best of its epochs by validation: {result["best_epoch"]}. Every setting is in `config.json`.
"""


def _told(
    result: Mapping[str, Any], seen: Mapping[str, Predictions | None]
) -> dict[str, Mapping[str, Any] | None]:
    """What `training.core.provenance` found when the run was judged; of older runs what their predictions tell."""
    if "data" in result:
        return dict(result["data"])
    told: dict[str, Mapping[str, Any] | None] = {"train": None}
    for name, split in seen.items():
        if split is None or split.facts is None:
            told[name] = None
            continue
        told[name] = {
            "faces": len(split),
            "licences": Counter(split.facts.licence),
            "sources": Counter(split.facts.source),
        }
    return told


def _data(
    made: Made, data: Mapping[str, Mapping[str, Any] | None], seen: Mapping[str, Predictions | None]
) -> str:
    lines = [
        "## Data and labels",
        "",
        f"Snapshot `{made.snapshot_digest}`. A snapshot is frozen: the digest names its faces, labels and splits.",
        "",
        "| split | faces | licences | sources |",
        "|---|---|---|---|",
    ]
    for name, split in data.items():
        if split is None:
            lines.append(f"| {name} | not known | not known | not known |")
            continue
        licences, sources = _counted(split["licences"]), _counted(split["sources"], _SOURCES)
        lines.append(f"| {name} | {split['faces']:,} | {licences} | {sources} |")
    if any(split is None for split in data.values()):
        lines += [
            "",
            "What is not known here, the rows of the snapshot tell: each has its licence and author.",
        ]
    lines += [
        "",
        *_origins(data),
        "",
        f"{_votes(seen)} The votes say how a face looks to people, not how the person felt.",
        "",
    ]
    return "\n".join(lines)


def _origins(data: Mapping[str, Mapping[str, Any] | None]) -> list[str]:
    """Whose word the labels of all splits are, with the share of each."""
    counts: Counter[str] = Counter()
    for split in data.values():
        counts.update({} if split is None else split.get("label_origins", {}))
    if not counts:
        return [
            "Whose word the labels are is not known here; the rows of the snapshot tell, as `label_origin`."
        ]
    return [
        "Whose word the labels are:",
        "",
        *(
            f"- {origin.replace('`', '')}, {count / counts.total():.1%}: {_WORD.get(origin, _COLUMN)}"
            for origin, count in counts.most_common()
        ),
    ]


def _votes(seen: Mapping[str, Predictions | None]) -> str:
    known = [split.facts.votes.sum(axis=1) for split in seen.values() if split is not None and split.facts]
    faces = sum(len(votes) for votes in known)
    if not faces:
        return "How many voted is not known here."
    mean = sum(float(votes.sum()) for votes in known) / faces
    return f"The judged faces have {mean:.1f} votes for an expression on average."


def _counted(counts: Mapping[str, int], most: int | None = None) -> str:
    """The values with their numbers of faces, the most frequent first, `most` of them."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    told = ", ".join(f"{_cell(value or 'unknown')} ({count:,})" for value, count in ordered[:most])
    rest = len(ordered[most:]) if most is not None else 0
    return f"{told}, and {rest} more" if rest else told or "none"


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
    if unfitted := why_unfitted(result):
        lines += ["", unfitted]
    lines += ["", "The epoch was chosen on validation; the test faces decided nothing.", ""]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _limits(result: Mapping[str, Any], data: Mapping[str, Mapping[str, Any] | None]) -> str:
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
    if any("" in split["licences"] for split in data.values() if split is not None):
        lines.append("- Some faces have no known licence.")
    lines += [
        "- Nothing is known of age, gender or skin colour of the people shown, so nothing of how fair it is to them.",
        "- Faces of other cameras, cultures, poses and light may be judged worse than the figures say.",
        "- It always names one of its classes, also for what is no face.",
        "",
    ]
    return "\n".join(lines)
