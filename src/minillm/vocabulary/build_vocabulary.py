"""Build a vocabulary from the train split, and say how well it covers each split."""

from pathlib import Path

from tokenizers import Tokenizer

from minillm.corpus.tables import SPLITS, read_split
from minillm.files import replacing, write_json
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import train_tokenizer, unknown_id, vocabulary_size


def build_vocabulary(articles: Path, kind: str, size: int, output: Path, statistics: Path) -> None:
    """Train a tokenizer on the train split only and write its `tokenizer.json` and statistics.

    The statistics hold, for each split, the numbers of tokens, of [UNK] tokens and of characters.
    """
    write_vocabulary(train_tokenizer(read_split(articles, "train"), kind, size), kind, articles, output, statistics)


def write_vocabulary(tokenizer: Tokenizer, kind: str, articles: Path, output: Path, statistics: Path) -> None:
    """Write a tokenizer and its statistics."""
    unknown = unknown_id(tokenizer)
    splits = {}
    for split in SPLITS:
        texts = read_split(articles, split)
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        splits[split] = {
            "tokens": sum(map(len, ids)),
            "unknown": 0 if unknown is None else sum(row.count(unknown) for row in ids),
            "characters": sum(map(len, texts)),
        }
    with replacing(output) as temporary:
        tokenizer.save(str(temporary))
    write_json(statistics, {"kind": kind, "size": vocabulary_size(tokenizer), "splits": splits})


if __name__ == "__main__":
    run_stage(build_vocabulary)
