"""Read a saved model together with the tokenizer that belongs to it, for every stage that asks a model something."""

from pathlib import Path

from tokenizers import Tokenizer

from minillm.files import read_json, sha256
from minillm.model.language_model import LanguageModel
from minillm.training.device import prepare
from minillm.training.saved import load_model
from minillm.vocabulary.tokenizer import load_tokenizer, vocabulary_size


def load_network(
    weights: Path, description: Path, tokenizer: Path, threads: int, device: str
) -> tuple[LanguageModel, Tokenizer]:
    """The model, ready on its device, and its tokenizer. Raises ValueError if they are of different vocabularies."""
    network = load_model(weights, description, prepare(threads, device))
    loaded = load_tokenizer(tokenizer)
    said = read_json(description)
    expected, found = said["vocabulary_size"], vocabulary_size(loaded)
    if said.get("tokenizer") not in (None, sha256(tokenizer)):
        raise ValueError(
            f"{tokenizer} is not the tokenizer that the model of {description} was trained with: give that one"
        )
    if expected != found:  # a model that was not trained here does not name its tokenizer
        raise ValueError(
            f"{tokenizer} has {found} tokens, and the model of {description} was made for {expected}: give the "
            "tokenizer that it was trained with"
        )
    return network, loaded
