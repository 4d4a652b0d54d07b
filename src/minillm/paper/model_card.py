"""Write the card of an exported model: what it is, how to load it, what it learnt from and how good it is.

Every number comes from a result file. The numbers of a model that sees the future are no results: its card says so and
gives none.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from minillm.files import read_json, write_text
from minillm.paper.latex import Quantity
from minillm.paper.markdown import environment, licence_id
from minillm.paper.templates import render
from minillm.paper.values import describe_corpus
from minillm.results import Metrics
from minillm.stage import run_stage


def write_model_card(
    template: Path,
    settings: dict[str, Any],
    model: str,
    seed: str,
    metrics: Path,
    checks: Path,
    verdict: Path,
    selection: Path,
    description: Path,
    outcome: Path,
    output: Path,
) -> None:
    """Fill the template of the card with the results of one model and seed. Raises PaperError as the article does."""
    table = Metrics(metrics, seed=seed)
    described, trained = read_json(description), read_json(outcome)

    def metric(name: str, of: str = model) -> Quantity:
        """A number of the test split; `of` names what is no network."""
        number = table.get(name, of, "test")
        return Quantity(number.value, number.unit, number.low, number.high, number.n, metric=f"{name} of {of}")

    failed = [
        SimpleNamespace(**check)
        for check in read_json(checks)["checks"]
        if not check["passed"] and check["model"] in ("", model) and check["seed"] in ("", seed)
    ]
    values = {
        **settings,
        "model": SimpleNamespace(
            name=model,
            title=settings["title"],
            parameters=described["parameters"],
            vocabulary_size=described["vocabulary_size"],
            config=described["config"],
            training=trained["training"],
            outcome=SimpleNamespace(**trained),
            leaks=read_json(verdict)["leaks"],
        ),
        "seed": int(seed),
        "corpus": describe_corpus(settings["corpus"], selection),
        "licence": licence_id(settings["corpus"]["licence"]),
        "folder": str(output.parent),
        "metric": metric,
        "failed": failed,
    }
    write_text(output, render(environment(template.parent), template, values))


if __name__ == "__main__":
    run_stage(write_model_card)
