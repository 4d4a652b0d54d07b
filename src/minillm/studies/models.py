"""What a person may call a model, how it is found and read, and what it may be asked to continue.

A model is a folder that a training of ours or `save_pretrained` wrote, a name in the current results, such as
`improved`, or a name on Hugging Face's hub; they are tried in this order.
"""

import logging
import sys
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer
from torch import nn

from minillm.evaluation.loading import load_network
from minillm.model.config import HUB_NAME
from minillm.model.language_model import LanguageModel
from minillm.model.outside import around
from minillm.training.adopt_model import read_model, read_pretrained
from minillm.training.device import prepare
from minillm.training.saved import is_saved_here, load_model
from minillm.vocabulary.adopt_vocabulary import first_line, silence_transformers
from minillm.vocabulary.tokenizer import encode, vocabulary_size

RESULTS = Path("results")
UNLIMITED = 1024  # tokens that are read at once by a model which does not say how many


def load(what: str) -> tuple[LanguageModel, Tokenizer]:
    """A model, ready to be asked, and its tokenizer. Raises ValueError if it is not there or cannot be read."""
    place = find(what)
    threads = torch.get_num_threads()
    device = prepare(threads)
    if not is_saved_here(Path(place)):
        inner, config, tokenizer = read_pretrained(place, unlimited=UNLIMITED)
        return around(inner, config, vocabulary_size(tokenizer)).to(device).eval(), tokenizer
    weights, description, beside = (
        Path(place) / name for name in ("model.safetensors", "config.json", "tokenizer.json")
    )
    if not beside.is_file():
        raise ValueError(f"{place} has no tokenizer.json: copy the one that it was trained with there")
    return load_network(weights, description, beside, threads, device.type)


def load_network_alone(what: str) -> nn.Module:
    """A model without its tokenizer. Raises ValueError if it is not there or cannot be read."""
    place = find(what)
    if not is_saved_here(Path(place)):
        network: nn.Module = read_model(place)
        return network
    return load_model(Path(place) / "model.safetensors", Path(place) / "config.json", torch.device("cpu"))


def find(what: str) -> str:
    """The folder or the name on the hub that is meant; a choice is told on standard error.

    Raises ValueError, naming the models of the results, if there is none.
    """
    silence_transformers()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    if (Path(what) / "config.json").is_file():
        return what
    known = trained()
    if chosen := next((folder for folder in known if folder.parent.name == what), None):
        print(f"{what}: {chosen}", file=sys.stderr)
        return str(chosen)
    names = ", ".join(dict.fromkeys(folder.parent.name for folder in known)) or "none yet"
    missing = f"there is no model {what!r}: no folder with a config.json, not one of those in {RESULTS}/ ({names})"
    if not HUB_NAME.fullmatch(what):
        raise ValueError(missing)
    print(f"{what}: asking Hugging Face's hub", file=sys.stderr)
    try:
        transformers.AutoConfig.from_pretrained(what, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"{missing}, and none that the hub gives ({first_line(error)})") from error
    return what


def trained() -> list[Path]:
    """The folders of the models under results/: those of the run that trained last first, then in order of their paths
    and seeds.
    """
    weights = list(RESULTS.glob("*/models/*/*/seed-*/model.safetensors"))
    newest: dict[str, float] = {}
    for path in weights:
        newest[path.parts[1]] = max(newest.get(path.parts[1], 0.0), path.stat().st_mtime)
    folders = [path.parent for path in weights]
    return sorted(folders, key=lambda place: (-newest[place.parts[1]], place.parts[:-1], int(place.name[5:])))


def encode_prompt(model: LanguageModel, tokenizer: Tokenizer, prompt: str) -> list[int]:
    """The token ids of what a model is to continue. Raises ValueError if it is empty or too long."""
    ids = encode(tokenizer, prompt)
    if not ids:
        raise ValueError("the prompt is empty: give the beginning of a text")
    if len(ids) >= model.context:  # one token stands before the text
        raise ValueError(
            f"the prompt has {len(ids)} tokens, and the model sees {model.context - 1} at once: leave out its beginning"
        )
    return ids
