"""Turn the texts of one split into one array of token ids and the offsets of its documents."""

from pathlib import Path

import numpy as np

from minillm.corpus.tables import read_split
from minillm.files import replacing
from minillm.stage import run_stage
from minillm.vocabulary.tokenizer import BOS, EOS, load_tokenizer


def encode_split(articles: Path, tokenizer: Path, split: str, tokens: Path, offsets: Path) -> None:
    """Write `tokens` (total,) and `offsets` (documents + 1,): document i is tokens[offsets[i]:offsets[i + 1]].

    Documents are in order of page id, each [BOS] … [EOS]. Ids are uint16 where the vocabulary allows it.
    """
    loaded = load_tokenizer(tokenizer)
    encodings = loaded.encode_batch_fast(read_split(articles, split), add_special_tokens=False)
    dtype = np.uint16 if loaded.get_vocab_size() <= 1 << 16 else np.uint32
    documents = [np.array([BOS, *encoding.ids, EOS], dtype=dtype) for encoding in encodings]
    bounds = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    for path, array in ((tokens, np.concatenate(documents)), (offsets, bounds)):
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.save(stream, array, allow_pickle=False)


if __name__ == "__main__":
    run_stage(encode_split)
