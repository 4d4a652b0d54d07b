"""Everything that the article's templates can print, gathered from result files and the settings.

Nothing is computed here but the choice of words: a number that is not in a result file is not in the article.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from minillm.files import read_json
from minillm.paper.latex import Quantity
from minillm.paper.outcomes import Side, compare, flattered, side
from minillm.results import Metrics, Number

SPLITS = ["train", "validation", "test"]
# What is measured of texts, which a leaking model writes as honestly as another: token by token.
OF_TEXTS = (
    "bleu",
    "chrf",
    "written_words",
    "seq_rep",
    "distinct",
    "zipf",
    "text_variation",
    "text_divergence",
    "novelty",
    "copied_words",
    "most_copied_words",
    "extraction",
    "overlap",
)
# What not every model says of itself.
UNSAID = dict.fromkeys(["layers", "width", "heads", "feed_forward", "dropout"])

REASONS = {  # one, several
    "redirect": ("redirección", "redirecciones"),
    "disambiguation": ("página de desambiguación", "páginas de desambiguación"),
    "namespace": ("página de otro espacio de nombres", "páginas de otros espacios de nombres"),
    "content_model": ("página que no es wikitexto", "páginas que no son wikitexto"),
    "short": ("texto demasiado corto", "textos demasiado cortos"),
    "language": ("texto en otra lengua", "textos en otra lengua"),
    "list": ("lista", "listas"),
    "markup": ("página con marcas sin cerrar", "páginas con marcas sin cerrar"),
    "no_prose": ("página sin prosa", "páginas sin prosa"),
    "exact_duplicate": ("copia exacta", "copias exactas"),
    "near_duplicate": ("casi duplicado", "casi duplicados"),
    "skeleton": ("artículo repetido salvo números y nombres", "artículos repetidos salvo números y nombres"),
}


def gather(
    settings: Mapping[str, Any],
    metrics: Sequence[Path],
    checks: Path,
    selection: Path,
    statistics: Sequence[Path],
    descriptions: Sequence[Path],
    outcomes: Sequence[Path],
    generations: Sequence[Path],
    copies: Sequence[Path],
    machine: Path,
    provenance: Path,
    studies: Sequence[Path],
    study_metrics: Sequence[Path],
) -> dict[str, Any]:
    """The names that templates know; see paper/README.md for what each holds.

    Paths of models end in `<model>/seed-<seed>/<file>`, those of vocabularies in `<vocabulary>/<file>` and those of
    studies in `<study>/study.json`; `study_metrics` is the table of their numbers, if any was made. Where there are
    several seeds, what is not a metric (the outcome of the training, generated texts) is that of the first. A
    pretrained model has no outcome.
    """
    table, outcome, of_studies = Metrics(*metrics), read_json(checks), Metrics(*study_metrics)
    seed = f"seed-{settings['seeds'][0]}"
    by_vocabulary = {path.parent.name: read_json(path) for path in statistics}
    described, trained, written, copied = (
        {path.parent.parent.name: read_json(path) for path in paths if path.parent.name == seed}
        for paths in (descriptions, outcomes, generations, copies)
    )
    models = {}
    for name, model in settings["models"].items():
        vocabulary = by_vocabulary[model["vocabulary"]]
        models[name] = SimpleNamespace(
            **{**UNSAID, **described[name]["config"]},
            name=name,
            title=model["title"],
            parameters=described[name]["parameters"],
            vocabulary_size=described[name]["vocabulary_size"],
            vocabulary_kind=vocabulary["kind"],
            training=SimpleNamespace(**trained[name]["training"]) if name in trained else None,
            outcome=SimpleNamespace(**trained[name]) if name in trained else None,
            leaks=name in outcome["leaking"],
            knows_all=table.get("unknown_rate", name, "test").value == 0,
            gender=_gender(table, name),
            gender_learnt=_beside(
                table,
                name,
                ("gender_preference_same_length", "pairs"),
                ("gender_preference_untrained_same_length", "pairs"),
            ),
            behind=_behind(table, settings["marks"], name),
            repeats=_beside(table, name, ("seq_rep4", "test"), ("seq_rep_human4", "test")),
            phrases=_beside(table, name, ("novelty4", "test"), ("novelty_human4", "test")),
            novelty=_beside(table, name, ("novelty8", "test"), ("novelty_human8", "test")),
            recalls=_beside(table, name, ("extraction_words", "train"), ("extraction_words", "test")),
            flattered=flattered(
                table.get("parallel_perplexity", name, "test"), table.get("incremental_perplexity", name, "test")
            ),
        )

    def quantity(metric: str, model: str, split: str = "", struck: bool = False, where: Metrics = table) -> Quantity:
        number = where.get(metric, model, split)
        name = f"{metric} of {model}"
        return Quantity(number.value, number.unit, number.low, number.high, number.n, struck=struck, metric=name)

    def metric(name: str, model: str, split: str = "") -> Quantity:
        """A number of a model, struck out if a leak flatters it: what is measured with the text in the input."""
        leaks = model in models and models[model].leaks
        return quantity(name, model, split, struck=leaks and is_flattered(name, split))

    def studied(name: str, model: str, split: str = "", audited: bool = False) -> Quantity:
        """A number of a study, as `metric` or, if `audited`, as `audit` gives those of the main models."""
        leaks = of_studies.has("leaks", model, "test") and of_studies.get("leaks", model, "test").value > 0
        struck = leaks and not audited and is_flattered(name, split)
        return quantity(name, model, split, struck=struck, where=of_studies)

    def against(name: str, model: str, split: str, stated: float) -> Side:
        """On which side of a number that somebody stated that of a study's model lies."""
        own = of_studies.each(name, model, split)
        return side(own, [Number(stated, "", stated, stated, "", None)] * len(own))

    def audit(model: str, name: str) -> Quantity:
        """A finding of the causality audit, which is true of a leaking model too."""
        return quantity(name, model, "test")

    return {
        "run": SimpleNamespace(name=settings["run"]),
        "seeds": settings["seeds"],
        "paper": _namespace(settings["paper"]),
        "corpus": describe_corpus(settings["corpus"], selection),
        "splits": SPLITS,
        "vocabularies": {
            name: SimpleNamespace(
                title=settings["vocabularies"][name],
                kind=vocabulary["kind"],
                size=vocabulary["size"],
                splits={split: SimpleNamespace(**vocabulary["splits"][split]) for split in SPLITS},
            )
            for name, vocabulary in sorted(by_vocabulary.items())
        },
        "models": models,
        "metric": metric,
        "measured": table.has,
        "audit": audit,
        "flattering": [model for model in models.values() if model.leaks and model.flattered],
        "machine": _namespace(read_json(machine)),
        "marks": [
            SimpleNamespace(title=title, bits_per_byte=quantity("bits_per_byte", name, "test"))
            for name, title in settings["marks"].items()
            if table.has("bits_per_byte", name, "test")
        ],
        "comparisons": [
            SimpleNamespace(
                model=name,
                reference=next(iter(models)),
                outcome=compare(table.each("bits_per_byte_difference", name, "test")),
            )
            for name in table.models("bits_per_byte_difference", "test")
        ],
        "continuations": _namespace(settings["continuations"]),
        "generation": SimpleNamespace(temperature=settings["temperature"]),
        "generations": {
            name: [
                _namespace({**text, "copied": copy})
                for text, copy in zip(texts["texts"], copied[name]["printed"], strict=True)
            ]
            for name, texts in written.items()
        },
        "provenance": _provenance(read_json(provenance)),
        "studies": {path.parent.name: _namespace(read_json(path)) for path in studies},
        "left_out": settings["left_out"],
        "unwritten": settings["unwritten"],
        "studied": studied,
        "measured_in_study": of_studies.has,
        "against": against,
        "draft": [_namespace(check) for check in outcome["checks"] if not check["passed"]],
    }


def is_flattered(metric: str, split: str) -> bool:
    """Whether a leak flatters a number: if it is measured on texts that stand in the input."""
    return bool(split) and not metric.startswith(OF_TEXTS)


def _beside(table: Metrics, model: str, own: tuple[str, str], other: tuple[str, str]) -> Side | None:
    """On which side of another metric (name, split) of a model one is; None if one could not be measured."""
    if table.has(own[0], model, own[1]) and table.has(other[0], model, other[1]):
        return side(table.each(own[0], model, own[1]), table.each(other[0], model, other[1]))
    return None


def _gender(table: Metrics, model: str) -> Side | None:
    """On which side of chance the preference for the masculine lies in pairs of equal length, if there are such."""
    metric, chance = "gender_preference_same_length", Number(0.5, "", 0.5, 0.5, "", None)
    shares = table.each(metric, model, "pairs")
    return side(shares, [chance] * len(shares)) if shares else None


def _behind(table: Metrics, marks: Mapping[str, str], model: str) -> list[str]:
    """What needs no network and has fewer bits per byte all the same."""
    own = table.get("bits_per_byte", model, "test").value
    return [
        title
        for mark, title in marks.items()
        if table.has("bits_per_byte", mark, "test") and table.get("bits_per_byte", mark, "test").value < own
    ]


def describe_corpus(settings: Mapping[str, Any], selection: Path) -> SimpleNamespace:
    """The settings of a corpus with what was kept and dropped, each reason in words with its number of pages."""
    report = read_json(selection)
    dropped = [
        (one if report["dropped"][reason] == 1 else several, report["dropped"][reason])
        for reason, (one, several) in REASONS.items()
        if reason in report["dropped"]
    ]
    return SimpleNamespace(
        **{**settings, "select": SimpleNamespace(**settings["select"])},
        pages=report["pages"],
        kept=report["kept"],
        dropped=dropped,
        holed=report["holed_sentences"],
        splits={split: SimpleNamespace(**report["splits"][split]) for split in SPLITS},
    )


def _namespace(value: Any) -> Any:
    """Mappings as objects, so that templates write `author.name`; a missing name is an error there."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: _namespace(item) for key, item in value.items()})
    return [_namespace(item) for item in value] if isinstance(value, list) else value


def _provenance(saved: Mapping[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(short=saved["digest"][:12], versions=sorted(saved["versions"].items()))
