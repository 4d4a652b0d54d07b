"""Hold the results against what must be true of honest ones.

A check of kind `block` stops the workflow: its failure means that the numbers are wrong. One of kind `print` marks the
article as a draft, says there in one sentence what is wrong, and strikes out the numbers of a model that leaks.
"""

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow.parquet as pq

from minillm.files import write_json
from minillm.results import ALL_SEEDS
from minillm.stage import run_stage

LOWEST_CREDIBLE = 0.5  # bits per byte: far below what models of this size reach on prose they have not seen
MOST_OVERLAP = 0.01  # of the runs of 13 words of the test split; encyclopedias repeat some phrases, eswiki 0.002

# What the article says where a check fails.
SENTENCES = {
    "all_numbers": "alguna cifra falta o no es un número",
    "splits_disjoint": "hay artículos, o grupos de artículos parecidos, en más de una partición",
    "little_overlap": "la partición de prueba comparte con la de entrenamiento demasiadas secuencias de trece palabras",
    "round_trip": "el vocabulario no devuelve el texto que se le da, y los bits por byte no son los de ese texto",
    "causality": "la auditoría de causalidad contradice lo que la configuración dice del modelo",
    "ways_agree": "las formas de calcular del modelo no dan las mismas salidas",
    "credible_bits_per_byte": (
        "los bits por byte no son creíbles: menos de lo que alcanza un modelo así, o más que contar palabras"
    ),
    "perplexity_is_exp_loss": "la perplejidad no es la exponencial de la pérdida",
    "spelling_costs": "lo que el vocabulario no conoce no se paga, o se paga sin que haya nada desconocido",
    "variation_below_errors": "la variación total supera la tasa de error, imposible sobre las mismas posiciones",
}


@dataclass(frozen=True, kw_only=True)
class Check:
    """The outcome of one check; `model` is empty where it concerns the whole run."""

    name: str
    kind: Literal["print", "block"]
    passed: bool
    detail: str
    model: str = ""
    seed: str = ""


def check_results(
    metrics: Path, articles: Path, causal: dict[str, bool], vocabularies: dict[str, str], output: Path
) -> None:
    """Write the outcome of every check, with what the article says of its failure, and which models leak.

    `causal` says of each model whether it is meant to be causal: the audit must find the others leaking. Raises
    ValueError if a check of kind `block` fails, or if a number that is checked is missing.
    """
    table = pd.read_csv(metrics, keep_default_na=False, dtype={"seed": str})
    checks = [all_numbers(table), splits_disjoint(articles)]
    if checks[0].passed:
        checks += _checks_of_numbers(Numbers(metrics, table), causal, vocabularies)
    leaking = list(dict.fromkeys(c.model for c in checks if c.name == "causality" and c.passed != causal[c.model]))
    found = [{**asdict(check), "sentence": SENTENCES[check.name]} for check in checks]
    write_json(output, {"checks": found, "leaking": leaking})
    wrong = [check for check in checks if check.kind == "block" and not check.passed]
    if wrong:
        first = wrong[0]
        raise ValueError(f"check {first.name} failed{f' for {first.model}' if first.model else ''}: {first.detail}")


class Numbers:
    """The numbers of one table on the test split. Raises ValueError, naming it, for one that is missing."""

    def __init__(self, path: Path, table: pd.DataFrame) -> None:
        self.path, rows = path, table[table["split"] == "test"]
        keys = zip(rows["metric"], rows["model"], rows["seed"], strict=True)
        self.values = dict(zip(keys, rows["value"].astype(float), strict=True))

    def get(self, metric: str, model: str = "", seed: str = "") -> float:
        """A number of a model with a training seed, or of the corpus."""
        if (metric, model, seed) not in self.values:
            of = f" of {model}" * bool(model) + f", seed {seed}" * bool(seed)
            raise ValueError(f"{self.path} has no {metric}{of}: measure it again, without it nothing is believed")
        return self.values[metric, model, seed]

    def seeds(self) -> list[str]:
        """The training seeds, sorted."""
        return sorted({seed for _, _, seed in self.values} - {"", ALL_SEEDS})


def _checks_of_numbers(numbers: Numbers, causal: dict[str, bool], vocabularies: dict[str, str]) -> list[Check]:
    checks = [little_overlap(numbers.get("overlap_13"))]
    names = sorted(set(vocabularies.values()))
    checks += [round_trip(vocabulary, numbers.get("round_trip", vocabulary)) for vocabulary in names]
    for model, is_causal in causal.items():
        unigram = numbers.get("bits_per_byte", f"unigram-{vocabularies[model]}")
        for seed in numbers.seeds():

            def get(metric: str, model: str = model, seed: str = seed) -> float:
                return numbers.get(metric, model, seed)

            leaks = bool(get("leaks"))
            found = [
                causality(leaks, is_causal),
                ways_agree(bool(get("ways_agree"))),
                *([] if leaks else [credible(get("bits_per_byte"), unigram)]),
                exponential(get("loss"), get("perplexity")),
                spelling_costs(get("bits_per_byte"), get("bits_per_byte_uncharged"), get("unknown_rate")),
                bound(get("total_variation"), get("accuracy")),
            ]
            checks += [replace(check, model=model, seed=seed) for check in found]
    return checks


def all_numbers(table: pd.DataFrame) -> Check:
    """Every value of the table is a finite number."""
    values = pd.to_numeric(table["value"], errors="coerce")
    wrong = table[~values.abs().lt(math.inf)]
    names = [f"{row.metric} of {row.model}" for row in wrong.itertuples()]
    detail = f"no finite number: {', '.join(names[:3])}" if names else f"{len(table)} finite numbers"
    return Check(name="all_numbers", kind="block", passed=not names, detail=detail)


def little_overlap(share: float) -> Check:
    """Few runs of 13 words of the test split occur in the train split."""
    detail = f"{share:.4f} of the runs of 13 words, where {MOST_OVERLAP} are allowed"
    return Check(name="little_overlap", kind="print", passed=share <= MOST_OVERLAP, detail=detail)


def round_trip(vocabulary: str, share: float) -> Check:
    """A vocabulary gives back every text of the test split."""
    detail = f"the vocabulary {vocabulary} gives back {share:.4f} of the articles"
    return Check(name="round_trip", kind="print", passed=share == 1, detail=detail)


def splits_disjoint(articles: Path) -> Check:
    """No article and no cluster of similar articles is in two splits."""
    frame = pq.read_table(articles, columns=["page_id", "cluster", "split"]).to_pandas()
    shared = int((frame.groupby("cluster")["split"].nunique() > 1).sum())
    twice = int(frame["page_id"].duplicated().sum())
    detail = f"{shared} clusters in two splits, {twice} articles twice"
    return Check(name="splits_disjoint", kind="block", passed=shared + twice == 0, detail=detail)


def causality(leaks: bool, is_causal: bool) -> Check:
    """The audit finds a leak exactly where the causal mask was left out on purpose."""
    detail = f"the audit says that the model {'sees' if leaks else 'does not see'} the future"
    return Check(name="causality", kind="print", passed=leaks != is_causal, detail=detail)


def ways_agree(agree: bool) -> Check:
    """The kernels of attention that a model can compute with give the same logits."""
    detail = f"the ways in which the model computes {'agree' if agree else 'give different logits'}"
    return Check(name="ways_agree", kind="print", passed=agree, detail=detail)


def credible(bits_per_byte: float, unigram: float) -> Check:
    """Bits per byte lie between what no such model reaches and what counting words reaches."""
    detail = f"{bits_per_byte:.3f} bit/byte, between {LOWEST_CREDIBLE} and the unigram model's {unigram:.3f}"
    passed = LOWEST_CREDIBLE < bits_per_byte < unigram
    return Check(name="credible_bits_per_byte", kind="print", passed=passed, detail=detail)


def exponential(loss: float, perplexity: float) -> Check:
    """Perplexity is the exponential of the loss."""
    passed = math.isclose(perplexity, math.exp(loss), rel_tol=1e-9)
    return Check(name="perplexity_is_exp_loss", kind="block", passed=passed, detail=f"exp({loss}) and {perplexity}")


def spelling_costs(charged: float, uncharged: float, unknown_rate: float) -> Check:
    """What a vocabulary does not know is paid for, and nothing else is."""
    passed = charged > uncharged if unknown_rate > 0 else math.isclose(charged, uncharged, rel_tol=1e-12)
    detail = f"{charged} bit/byte against {uncharged} without spelling, {unknown_rate} of the tokens unknown"
    return Check(name="spelling_costs", kind="block", passed=passed, detail=detail)


def bound(total_variation: float, accuracy: float) -> Check:
    """The total variation of token counts is at most the share of wrong predictions."""
    passed = total_variation <= 1 - accuracy + 1e-12
    detail = f"{total_variation} against 1 - {accuracy}"
    return Check(name="variation_below_errors", kind="block", passed=passed, detail=detail)


if __name__ == "__main__":
    run_stage(check_results)
