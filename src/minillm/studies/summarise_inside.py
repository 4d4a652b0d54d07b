"""What was found inside all models of a run in one place: numbers, texts for the article, texts for people."""

from pathlib import Path
from typing import Any

from minillm.evaluation.record import read_records, write_records
from minillm.files import read_json, write_json, write_text
from minillm.stage import run_stage
from minillm.text import normalise


def summarise_inside(
    records: list[Path], facts: list[Path], titles: dict[str, str], output: Path, study: Path, texts: Path
) -> None:
    """Collect the records and facts of each model, which lie in `…/<model>/`; `texts` is a table to read."""
    write_records(output, [record for path in records for record in read_records(path)])
    found = {path.parent.name: read_json(path) for path in facts}
    first = next(iter(found.values()))
    write_json(
        study,
        {
            "prompt": first["prompt"],
            "temperatures": [
                {"name": f"{heat:g}", "printed": _comma(heat)}
                for heat in dict.fromkeys(text["temperature"] for text in first["texts"])
            ],
            "models": [
                {
                    **found[name],
                    "name": name,
                    "title": title,
                    "texts": [_printed(text) for text in found[name]["texts"]],
                }
                for name, title in titles.items()
            ],
        },
    )
    lines = [f"What the models write after «{first['prompt']}»; at temperature 0 the seed does not matter."]
    for model, title in titles.items():
        lines += ["", f"{title} ({model})", "temperature  seed  text"]
        for text in found[model]["texts"]:
            seed = "any" if text["seed"] is None else text["seed"]
            lines.append(f"{text['temperature']:<11g}  {seed!s:<4}  {' '.join(normalise(text['text']).split())}")
    write_text(texts, "\n".join(lines) + "\n")


def _printed(text: dict[str, Any]) -> dict[str, Any]:
    """A text with its temperature and seed as the article shows them."""
    seed = "–" if text["seed"] is None else str(text["seed"])
    return {"text": text["text"], "temperature": _comma(text["temperature"]), "seed": seed}


def _comma(number: float) -> str:
    return f"{number:g}".replace(".", ",")


if __name__ == "__main__":
    run_stage(summarise_inside)
