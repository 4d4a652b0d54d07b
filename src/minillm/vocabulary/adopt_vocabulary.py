"""Take the vocabulary of a pretrained model as it is, and say how well it covers each split.

Bits per byte compare models that pay for the whole text. A tokenizer that changes it, by writing it in lower case for
instance, would be paid for another text, and is refused.
"""

from pathlib import Path
from typing import Any

import transformers
from tokenizers import Encoding, Tokenizer

from minillm.corpus.tables import SPLITS, read_split
from minillm.stage import run_stage
from minillm.vocabulary.build_vocabulary import write_vocabulary
from minillm.vocabulary.tokenizer import decode, unknown_id


def adopt_vocabulary(articles: Path, pretrained: str, output: Path, statistics: Path) -> None:
    """Write the `tokenizer.json` of a pretrained model and its statistics, as `build_vocabulary` does.

    Raises ValueError if the tokenizer cannot be read or does not give every text back.
    """
    tokenizer = plain(read_tokenizer(pretrained))
    unknown = unknown_id(tokenizer)
    for text in (text for split in SPLITS for text in read_split(articles, split)):
        encoding = tokenizer.encode(text, add_special_tokens=False)
        written = decode(tokenizer, [id_ for id_ in encoding.ids if id_ != unknown])
        if written != _known(text, encoding, unknown):
            raise ValueError(
                f"{pretrained}: its tokenizer does not give texts back as they were («{text[:40]}…» became "
                f"«{written[:40]}…»), so that bits per byte would not be comparable; take a model whose tokenizer "
                "keeps capital letters, accents and spaces"
            )
    write_vocabulary(tokenizer, "pretrained", articles, output, statistics)


def _known(text: str, encoding: Encoding, unknown: int | None) -> str:
    """The text without what the vocabulary cannot write, which is paid for letter by letter."""
    kept, done = "", 0
    for id_, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
        if id_ == unknown:
            kept += text[done:start]
            done = end
    return kept + text[done:]


def read_tokenizer(pretrained: str) -> Any:
    """The tokenizer of a folder or of a name on the hub, in transformers' fast form.

    Raises ValueError if there is none.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(pretrained, use_fast=True, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(
            f"{pretrained}: no tokenizer can be read from it ({first_line(error)}); give a folder that save_pretrained "
            "wrote, tokenizer included, or its name on the hub"
        ) from error
    if not tokenizer.is_fast:
        raise ValueError(f"{pretrained}: its tokenizer has no fast form; give a model with a tokenizer.json")
    return tokenizer


def plain(tokenizer: Any) -> Tokenizer:
    """A fast tokenizer of transformers as the project uses it: nothing is filled up or cut off."""
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    backend.encode_special_tokens = True  # as for our own: the name of a special token in a text is text
    return backend


def silence_transformers() -> None:
    """No progress bars and no advice: what a person is told, they are told in our words."""
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


def first_line(error: Exception) -> str:
    """What transformers says, without the advice that follows."""
    return str(error).strip().partition("\n")[0].rstrip(" .:")


if __name__ == "__main__":
    run_stage(adopt_vocabulary)
