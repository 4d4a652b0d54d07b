"""The vocabularies: no text is lost, special tokens are no text, and only the train split is looked at."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from minillm.corpus.tables import SPLITS
from minillm.text import normalise
from minillm.vocabulary.build_vocabulary import build_vocabulary
from minillm.vocabulary.encode_split import encode_split
from minillm.vocabulary.tokenizer import (
    BOS,
    EOS,
    PAD,
    SPECIALS,
    UNK,
    decode,
    encode,
    load_tokenizer,
    train_tokenizer,
)

TEXTS = [
    "El río nace en la sierra y muere en el mar.\n\nEn 1492, el río (ancho) se heló.",
    "La sierra está al norte; el mar, al sur. [UNK] no es palabra.\nNi [PAD] tampoco.",
    "¿Nace el río en el norte? Sí: en 1812 se midió, y en 1492 también.",
]
KNOWN = ["El", " río", " el", " mar", ".", "\n\n", " en", " 1492", ",", "\n", " [", "UNK", "]", " (", ")", "¿", "?"]
WORDS = train_tokenizer(TEXTS, "words", 500)
BPE = train_tokenizer(TEXTS, "bpe", 320)
CHARACTERS = train_tokenizer(TEXTS, "characters", 500)

texts = (
    st.text(max_size=40)
    | st.text(st.characters(), max_size=40)
    | st.lists(st.sampled_from(KNOWN), max_size=20).map("".join)
    | st.lists(st.sampled_from([*KNOWN, *SPECIALS, " zorro", "ñandú", " 7", "\u0301", "😀", "\t"]), max_size=20).map(
        "".join
    )
)


@pytest.mark.parametrize("tokenizer", [WORDS, BPE, CHARACTERS])
def test_specials_come_first(tokenizer: Tokenizer) -> None:
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert [tokenizer.id_to_token(id_) for id_ in range(4)] == SPECIALS


def test_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match=r"'letters'.*words, characters or bpe"):
        train_tokenizer(TEXTS, "letters", 300)


# Words


def test_pieces_of_a_text() -> None:
    text = "¿Qué pasó en 1492, don José?\n\nNada: 3,5 km²."
    pieces = [text[start:end] for start, end in WORDS.encode(text, add_special_tokens=False).offsets]
    assert pieces == [
        *("¿", "Qué", " pasó", " en", " 1492", ",", " don", " José", "?", "\n\n"),
        *("Nada", ":", " 3", ",", "5", " km", "²", "."),
    ]


def test_most_frequent_first_and_ties_by_the_alphabet() -> None:
    tokenizer = train_tokenizer(["el gato y el perro", "el gato duerme"], "words", 9)
    # «el» opens two texts and is « el» once; « gato» twice; « duerme», « el», « perro», « y» once, of which three fit.
    assert [tokenizer.id_to_token(id_) for id_ in range(4, 9)] == [" gato", "el", " duerme", " el", " perro"]
    assert tokenizer.get_vocab_size() == 9


def test_unknown_words_stay_visible() -> None:
    tokenizer = train_tokenizer(["el río nace ."], "words", 50)
    assert encode(tokenizer, "el zorro nace") == [tokenizer.token_to_id("el"), UNK, tokenizer.token_to_id(" nace")]
    assert decode(tokenizer, encode(tokenizer, "el zorro nace")) == "el [UNK] nace"
    assert decode(tokenizer, [BOS, *encode(tokenizer, "el río"), EOS, PAD, PAD]) == "el río"


@settings(max_examples=200)
@given(texts)
@example("")
@example(" [UNK][PAD]")
@example("El\n\nrío\u0301\u00a0 mar")
def test_words_lose_nothing_but_the_unknown(text: str) -> None:
    normal = normalise(text)
    encoding = WORDS.encode(normal, add_special_tokens=False)
    assert encode(WORDS, text) == encoding.ids
    ends = [0, *(end for _, end in encoding.offsets)]
    assert [start for start, _ in encoding.offsets] == ends[:-1]  # no gap and no overlap …
    assert ends[-1] == len(normal)  # … to the very end
    known = [None if id_ == UNK else WORDS.id_to_token(id_) for id_ in encoding.ids]
    written = [normal[start:end] for start, end in encoding.offsets]
    assert "".join(piece or own for piece, own in zip(known, written, strict=True)) == normal
    assert decode(WORDS, encoding.ids) == "".join(" [UNK]" if piece is None else piece for piece in known)
    if UNK not in encoding.ids:
        assert decode(WORDS, encode(WORDS, text)) == normal


phrases = st.lists(
    st.sampled_from([" río", " el", " en", " mar", " 1492", ".", ",", "?", " (ancho)", " [UNK]", ".\n\nEl", ".\nNi"])
)


@given(phrases.map(lambda pieces: "El" + "".join(pieces)))
def test_known_words_come_back(text: str) -> None:
    ids = encode(WORDS, text)
    assert UNK not in ids
    assert decode(WORDS, ids) == normalise(text) == text


# Characters


@settings(max_examples=100)
@given(texts)
@example("El\n\nrío\u0301 mar [UNK]")
def test_each_character_is_a_token(text: str) -> None:
    normal = normalise(text)
    alphabet = set("".join(map(normalise, TEXTS)))
    ids = encode(CHARACTERS, text)
    assert len(ids) == len(normal)
    assert [id_ == UNK for id_ in ids] == [character not in alphabet for character in normal]
    expected = "".join(character if character in alphabet else " [UNK]" for character in normal)
    assert decode(CHARACTERS, ids) == expected


# Byte pairs


@settings(max_examples=200)
@given(texts)
@example("[UNK] [PAD][BOS]\n[EOS]")
@example("\U0001f468\u200d\U0001f469 e\u0301 \u0e33 \uffff 1234567")
def test_bytes_lose_nothing(text: str) -> None:
    ids = encode(BPE, text)
    assert decode(BPE, ids) == normalise(text)
    assert all(id_ > EOS for id_ in ids)


def test_the_smallest_byte_vocabulary_is_bytes() -> None:
    tokenizer = train_tokenizer(TEXTS, "bpe", 260)
    assert tokenizer.get_vocab_size() == 4 + 256
    for text in ("ñ 1492", "日本", "el río"):
        assert len(encode(tokenizer, text)) == len(text.encode())


def test_no_token_holds_more_than_two_digits() -> None:
    tokenizer = train_tokenizer(["año 1492 y 14920 y 149 " * 50], "bpe", 300)
    digits = [sum(c.isdigit() for c in token) for token in tokenizer.get_vocab()]
    assert max(digits) == 2
    assert [tokenizer.id_to_token(id_) for id_ in encode(tokenizer, "14921")] == ["14", "92", "1"]


def test_special_tokens_of_bytes_are_not_printed() -> None:
    assert decode(BPE, [BOS, *encode(BPE, "río"), EOS, PAD]) == "río"


# Both


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_special_names_in_a_text_are_text(tmp_path: Path, kind: str) -> None:
    trained = train_tokenizer([*TEXTS, "[BOS] [EOS] [[[ ]]] UNK PAD"], kind, 500)
    trained.save(str(tmp_path / "tokenizer.json"))
    for tokenizer in (trained, load_tokenizer(tmp_path / "tokenizer.json")):
        ids = encode(tokenizer, "[UNK] [PAD]")
        assert not {PAD, UNK, BOS, EOS} & set(ids)
        assert decode(tokenizer, ids) == "[UNK] [PAD]"
        (batch,) = tokenizer.encode_batch_fast(["[UNK] [PAD]"], add_special_tokens=False)
        assert batch.ids == ids


@pytest.mark.parametrize(("kind", "size"), [("words", 30), ("words", 10_000), ("bpe", 290)])
def test_training_again_gives_the_same_vocabulary(kind: str, size: int) -> None:
    """In another process, where hashes are seeded otherwise, and from the texts in another order."""
    again = random.Random(1).sample(TEXTS, len(TEXTS))
    program = (
        "import json, sys; from minillm.vocabulary.tokenizer import train_tokenizer\n"
        "texts, kind, size = json.load(sys.stdin)\n"
        "print(train_tokenizer(texts, kind, size).to_str())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps([again, kind, size]),
        capture_output=True,
        text=True,
        check=True,
    )
    here = train_tokenizer(TEXTS, kind, size)
    assert done.stdout.strip() == here.to_str()
    assert here.get_vocab_size() <= size


# Stages


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    pq.write_table(pa.table({"split": [split for split, _ in rows], "text": [text for _, text in rows]}), path)
    return path


def test_only_the_train_split_is_learnt_and_coverage_is_counted(tmp_path: Path) -> None:
    articles = table(
        tmp_path / "articles.parquet",
        [("test", "estrella sol"), ("train", "sol sol luna"), ("validation", "luna."), ("train", "sol")],
    )
    output, statistics = tmp_path / "words" / "tokenizer.json", tmp_path / "words" / "statistics.json"
    build_vocabulary(articles, "words", 100, output, statistics)
    assert set(load_tokenizer(output).get_vocab()) == {*SPECIALS, "sol", " sol", " luna"}
    assert json.loads(statistics.read_text()) == {
        "kind": "words",
        "size": 7,
        "splits": {
            "train": {"tokens": 4, "unknown": 0, "characters": 15},
            "validation": {"tokens": 2, "unknown": 2, "characters": 5},  # «luna» without its space, and «.»
            "test": {"tokens": 2, "unknown": 1, "characters": 12},
        },
    }
    first = output.read_bytes()
    table(articles, [("train", "sol sol luna"), ("train", "sol"), ("validation", "otra"), ("test", "cosa")])
    build_vocabulary(articles, "words", 100, output, statistics)
    assert output.read_bytes() == first


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_a_document_is_the_tokens_between_its_offsets(tmp_path: Path, kind: str) -> None:
    documents = ["el río [UNK]", "", "ñ\n\n14921", "el mar"]
    rows = [("test", documents[0]), ("train", "otra cosa"), *(("test", text) for text in documents[1:])]
    articles, tokenizer = table(tmp_path / "articles.parquet", rows), WORDS if kind == "words" else BPE
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    tokens, offsets = tmp_path / "a" / "test.npy", tmp_path / "a" / "test.offsets.npy"
    encode_split(articles, tmp_path / "tokenizer.json", "test", tokens, offsets)
    ids, bounds = np.load(tokens), np.load(offsets)
    assert (ids.dtype, bounds.dtype) == (np.uint16, np.int64)
    assert bounds.shape == (5,)
    assert (bounds[0], bounds[-1]) == (0, len(ids))
    for number, text in enumerate(documents):
        assert ids[bounds[number] : bounds[number + 1]].tolist() == [BOS, *encode(tokenizer, text), EOS]
    assert sorted(file.name for file in tokens.parent.iterdir()) == ["test.npy", "test.offsets.npy"]


@pytest.mark.parametrize(("size", "dtype"), [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)])
def test_ids_are_never_cut(tmp_path: Path, size: int, dtype: type) -> None:
    """The largest id of 65 536 tokens still fits two bytes; one token more and it does not."""
    numbers = "".join(f" {number}" for number in range(100_000, 100_000 + size - 4))
    tokenizer = train_tokenizer([numbers], "words", size)
    assert tokenizer.get_vocab_size() == size
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    articles = table(tmp_path / "articles.parquet", [("train", f" {100_000 + size - 5}")])
    encode_split(articles, tmp_path / "tokenizer.json", "train", tmp_path / "t.npy", tmp_path / "o.npy")
    ids = np.load(tmp_path / "t.npy")
    assert ids.dtype == dtype
    assert ids.tolist() == [BOS, size - 1, EOS]


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    articles = table(tmp_path / "articles.parquet", [("train", "el")])
    WORDS.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=f"'valid': one of {', '.join(SPLITS)}"):
        encode_split(articles, tmp_path / "tokenizer.json", "valid", tmp_path / "t.npy", tmp_path / "o.npy")
