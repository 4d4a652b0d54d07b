"""`minillm classify`: the sentiment of texts, by a model that the sentiment study, or somebody else, has fine-tuned."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from minillm.studies.classifier import context_of, encode_texts, probabilities, read_classifier
from minillm.studies.messages import LABELS, label_number
from minillm.studies.models import RESULTS, find
from minillm.text import normalise
from minillm.training.saved import is_saved_here
from minillm.vocabulary.adopt_vocabulary import silence_transformers


def classify(texts: Iterable[str], pretrained: str | None, screen: TextIO) -> None:
    """Write a line for each text: its most probable label, the probability and the text.

    `pretrained` is a folder or a name on the hub; without it the model of the newest sentiment study. A text longer
    than the model's context is cut, and standard error says so. Raises ValueError for a text without letters, and for a
    model that does not tell sentiments.
    """
    silence_transformers()
    place = str(_newest_model()) if pretrained is None else find(pretrained)
    if is_saved_here(Path(place)):
        raise ValueError(f"{place} is a language model: `snakemake sentiment` fine-tunes one to classify")
    network, tokenizer, missing = read_classifier(place)
    if missing:
        raise ValueError(
            f"{place}: has no weights for {', '.join(sorted(missing)[:3])}: it has not learnt to classify; `snakemake "
            "sentiment` fine-tunes a model"
        )
    names = [_label(place, network.config.id2label[number]) for number in range(network.config.num_labels)]
    context = context_of(network, tokenizer)
    for number, text in enumerate(texts, start=1):
        if not (text := normalise(text)):
            raise ValueError(f"text {number} is empty: there is nothing to classify")
        (ids,) = encode_texts(tokenizer, [text], context + 1)
        if len(ids) > context:
            print(
                f"minillm classify: text {number} is cut to the {context} tokens that the model sees", file=sys.stderr
            )
        (row,) = probabilities(network, tokenizer, encode_texts(tokenizer, [text], context))
        print(f"{names[row.argmax()]:8}  {row.max():.3f}  {' '.join(text.split())}", file=screen, flush=True)


def _newest_model() -> Path:
    found = list(RESULTS.glob("*/studies/sentiment/model/config.json"))
    if not found:
        raise ValueError(
            f"there is no {RESULTS}/*/studies/sentiment/model yet: `snakemake sentiment` makes one; or give another "
            "with --model"
        )
    return max(found, key=lambda path: path.stat().st_mtime).parent


def _label(place: str, name: str) -> str:
    try:
        return LABELS[label_number(name)]
    except ValueError as error:
        raise ValueError(
            f"{place}: does not tell sentiments: {error}, as names in id2label of its config.json"
        ) from error
