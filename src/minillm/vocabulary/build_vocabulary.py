"""Build a vocabulary from the train split, and say how well it covers each split."""

from pathlib import Path

from minillm.corpus.tables import SPLITS, read_split
from minillm.files import replacing, write_json
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import UNK, train_tokenizer


def build_vocabulary(articles: Path, kind: str, size: int, output: Path, statistics: Path) -> None:
    """Train a tokenizer on the train split only and write its `tokenizer.json` and statistics.

    The statistics hold, for each split, the numbers of tokens, of [UNK] tokens and of characters.
    """
    tokenizer = train_tokenizer(read_split(articles, "train"), kind, size)
    with replacing(output) as temporary:
        tokenizer.save(str(temporary))
    splits = {}
    for split in SPLITS:
        texts = read_split(articles, split)
        ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        splits[split] = {
            "tokens": sum(map(len, ids)),
            "unknown": sum(row.count(UNK) for row in ids),
            "characters": sum(map(len, texts)),
        }
    write_json(statistics, {"kind": kind, "size": tokenizer.get_vocab_size(), "splits": splits})


if __name__ == "__main__":
    run_stage(build_vocabulary)
