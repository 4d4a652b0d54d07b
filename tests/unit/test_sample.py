"""The bundled texts: how many, how long, spelled right, none like another, and tidy."""

import csv
import itertools
import re
import shutil
import subprocess
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from minillm.corpus.language import load_language
from minillm.corpus.wikitext import render
from minillm.text import normalise

SAMPLE = Path(__file__).parents[2] / "data/sample"
WORDS = Path(__file__).parent / "sample_words.txt"
HUNSPELL = ["hunspell", "-i", "utf-8", "-d", "es_ES", "-l"]
HAS_HUNSPELL = (
    shutil.which("hunspell") and subprocess.run(HUNSPELL, input=b"", capture_output=True, check=False).returncode == 0
)


def rows(name: str) -> list[dict[str, str]]:
    with (SAMPLE / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


PAGES = {
    urllib.parse.unquote(path.stem).replace("_", " "): path.read_bytes().decode()
    for path in sorted((SAMPLE / "articles").glob("*.wiki"))
}
EXPECTED = {row["title"]: row["expected"] for row in rows("expected.csv")}
SPANISH = load_language("es")
ARTICLES = {title: normalise(render(PAGES[title], SPANISH).text) for title, what in EXPECTED.items() if what == "kept"}
PROVERBS = (SAMPLE / "proverbs.txt").read_text(encoding="utf-8").splitlines()
MESSAGES = rows("messages.csv")
PAIRS = rows("gender_pairs.csv")


def test_expected_names_every_page_once() -> None:
    assert [row["title"] for row in rows("expected.csv")] == sorted(PAGES)


def test_there_are_enough_articles() -> None:
    assert len(ARTICLES) >= 200
    assert sum(map(len, ARTICLES.values())) >= 350_000
    assert {title: len(text) for title, text in ARTICLES.items() if not 700 <= len(text) <= 6_000} == {}


def test_every_reason_to_drop_a_page_has_its_page() -> None:
    assert set(EXPECTED.values()) == {
        "kept",
        "redirect",
        "disambiguation",
        "namespace",
        "short",
        "language",
        "list",
        "no_prose",
        "near_duplicate",
        "exact_duplicate",
    }


def is_tidy(text: str) -> bool:
    """NFC, one newline at the end, no blank before a newline, no characters that cannot be seen."""
    seen = all(character in " \n" or unicodedata.category(character)[0] not in "CZ" for character in text)
    return seen and unicodedata.is_normalized("NFC", text) and re.search(r" $|\n\n\Z|[^\n]\Z", text, re.M) is None


def test_files_are_tidy() -> None:
    assert [path.name for path in SAMPLE.rglob("*.*") if not is_tidy(path.read_bytes().decode())] == []
    assert is_tidy("Sí.\n")
    assert [
        text for text in ("Si\u0301.\n", "Sí.", "Sí.\n\n", "Sí. \nNo.\n", "Sí.\r\n", "S\u200bí.\n") if is_tidy(text)
    ] == []


def test_the_clean_text_of_articles_has_no_holes() -> None:
    hole = re.compile(r".{0,20}(?:\( ?[,;)]| [,;:)](?!-)|(?<!\.)\.\.(?!\.)|,,|«»|''|\[\[|]]|{{|}}).{0,20}")
    assert {title: found for title, text in ARTICLES.items() if (found := hole.findall(text))} == {}
    assert hole.findall("Nació en Lima ( ), donde murió.") == ["Nació en Lima ( ), donde murió."]


# --- none like another ------------------------------------------------------------------------------------------------


def shingles(text: str, size: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(*(words[start:] for start in range(size)), strict=False))


def most_alike(texts: dict[str, str], size: int) -> tuple[float, tuple[str, str]]:
    """The highest Jaccard index of word n-grams, over all pairs, and the pair."""
    grams = {name: shingles(text, size) for name, text in texts.items()}
    return max(
        (len(grams[a] & grams[b]) / max(1, len(grams[a] | grams[b])), (a, b))
        for a, b in itertools.combinations(grams, 2)
    )


def test_no_article_resembles_another() -> None:
    assert most_alike(ARTICLES, 5) < (0.02, ("", ""))
    assert most_alike(ARTICLES | {"copy": ARTICLES["Ebro"]}, 5) == (1.0, ("Ebro", "copy"))


def test_no_two_articles_are_alike_in_build() -> None:
    closing = {"Véase también", "Referencias", "Bibliografía", "Enlaces externos", "Notas"}
    plans = {
        title: tuple(
            heading
            for heading in re.findall(r"^==+ *(.*?) *==+$", PAGES[title], re.MULTILINE)
            if heading not in closing
        )
        for title in ARTICLES
    }
    shared = Counter(plan for plan in plans.values() if len(plan) > 1)
    assert [plan for plan, count in shared.items() if count > 1] == []


def test_proverbs() -> None:
    assert len(PROVERBS) >= 300
    assert sorted(set(PROVERBS)) == PROVERBS
    assert all(proverb == normalise(proverb) and 3 <= len(proverb.split()) <= 25 for proverb in PROVERBS)
    assert most_alike({proverb: proverb for proverb in PROVERBS}, 1) < (0.5, ("", ""))


def test_messages() -> None:
    texts = [row["text"] for row in MESSAGES]
    labels = Counter(row["label"] for row in MESSAGES)
    assert len(texts) >= 450
    assert len({text.casefold() for text in texts}) == len(texts)
    assert labels.keys() == {"0", "1", "2"}
    assert len(set(labels.values())) == 1
    assert all(text == normalise(text) and 2 <= len(text.split()) <= 50 for text in texts)
    assert most_alike({text: text for text in texts}, 1) < (0.6, ("", ""))
    assert most_alike({text: text for text in texts if len(text.split()) >= 5}, 3) < (0.2, ("", ""))


def test_pairs_differ_only_in_gender() -> None:
    assert len(PAIRS) >= 80
    assert len({row["masculine"] for row in PAIRS}) == len({row["feminine"] for row in PAIRS}) == len(PAIRS)
    assert min(Counter(row["category"] for row in PAIRS).values()) >= 8
    assert most_alike({row["masculine"]: row["masculine"] for row in PAIRS}, 1) < (0.5, ("", ""))
    for row in PAIRS:
        masculine, feminine = (re.findall(r"\w+|[^\w\s]", row[side]) for side in ("masculine", "feminine"))
        assert len(masculine) == len(feminine)
        changed = [(m.lower(), f.lower()) for m, f in zip(masculine, feminine, strict=True) if m != f]
        assert 1 <= len(changed) <= 6, row
        assert all(without_accents(f) == without_accents(feminine_of(m)) for m, f in changed), row


FEMININES = {
    "actor": "actriz",
    "alcalde": "alcaldesa",
    "aquel": "aquella",
    "el": "la",
    "emperador": "emperatriz",
    "hombre": "mujer",
    "padre": "madre",
    "padrino": "madrina",
    "él": "ella",
}


def feminine_of(word: str) -> str:
    """médico → médica, jefe → jefa, director → directora, and the plurals."""
    return FEMININES.get(word, re.sub(r"[oe]?(s?)$", r"a\1", word, count=1))


def without_accents(word: str) -> str:
    """alemán → aleman, since it is alemana."""
    return word.translate(str.maketrans("áéíóú", "aeiou"))


# --- spelling ---------------------------------------------------------------------------------------------------------


def visible(wikitext: str) -> str:
    """What a reader of the page sees, captions and tables too, without formulas and foreign or bibliographic parts."""
    for pattern in (
        r"<(math|syntaxhighlight|source|pre|code)\b.*?</\1>|<ref[^>]*/>",
        r"\{\{(?:cita \w|lang|coord|ordenar|formatnum|bandera|unidad)[^{}]*\}\}",
        r"\[?https?://\S+",
        r"[^|=\n]*\.(?:jpe?g|png|svg)\b|\b\d+px\b",
        r"\w+=\"[^\"]*\"",
        r"\{\{[^{}|\n]*",
        r"^\s*\|\s*[\w ]+=",  # parameters of an infobox
        r"\[\[Categoría:|\[\[[^\]|]*\|",
        r"&\w+;|</?\w+[^>]*>",
    ):
        wikitext = re.sub(pattern, " ", wikitext, flags=re.MULTILINE | re.DOTALL | re.IGNORECASE)
    return wikitext


def test_what_is_visible_on_a_page() -> None:
    page = """{{Ficha de montaña
|nombre = Teide
| pie = La cumbre vista {{esd}}desde el sur
}}
[[Archivo:Teide 2007.jpg|miniatura|250px|Visto de [[Tenerife|la isla]].]]
El '''Teide''' mide {{unidad|3715|m}}.<ref name="a">{{cita libro|título=Guide}}</ref>
{{cita|Es un monte alto.|Viera}} <math>a = b</math> Es ''{{lang|en|high}}'' y [[volcán|volcánico]].
{| class="wikitable"
! Año !! Altura
|-
| 1900 || alta
|}
[[Categoría:Volcanes de España]]
"""
    words = (
        "Teide La cumbre vista desde el sur miniatura Visto de la isla El Teide mide "
        "Es un monte alto Viera Es y volcánico Año Altura 1900 alta Volcanes de España"
    )
    assert re.findall(r"\w+", visible(page)) == words.split()


def unknown_words(texts: Iterable[str]) -> set[str]:
    result = subprocess.run(HUNSPELL, input="\n".join(texts), stdout=subprocess.PIPE, encoding="utf-8", check=True)
    return {word for word in result.stdout.split() if not re.fullmatch(r"[IVXLCDM]+", word)}


@pytest.mark.hunspell
@pytest.mark.skipif(not HAS_HUNSPELL, reason="hunspell with es_ES is not here (./system-packages.sh test)")
def test_spelling() -> None:
    """With the dictionaries of Debian 12 and 13; a word that one of them lacks is in the list."""
    own_words = WORDS.read_text(encoding="utf-8").splitlines()
    spanish = [visible(text) for title, text in PAGES.items() if EXPECTED[title] not in ("language", "redirect")]
    texts = [*spanish, *PROVERBS, *(row["text"] for row in MESSAGES)]
    texts += [row[side] for row in PAIRS for side in ("masculine", "feminine")]
    unknown = unknown_words(texts) - set(own_words)
    assert sorted(unknown) == [], f"correct these words, or add names and terms to {WORDS.name}"
    assert unknown_words(["La exprexión correcta"]) == {"exprexión"}
    assert own_words == sorted(set(own_words))
    used = set(re.findall(r"\w+", " ".join(texts)))
    assert [word for word in own_words if word not in used] == [], f"{WORDS.name} has words that no text has"
