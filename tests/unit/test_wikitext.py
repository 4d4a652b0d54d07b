"""The wikitext renderer: what survives, what leaves no trace, and that no input can hurt it."""

import csv
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minillm.corpus import wikitext as renderer
from minillm.corpus.language import Language, load_language
from minillm.corpus.templates import Page
from minillm.corpus.wikitext import Rendered

ES, EN = load_language("es"), load_language("en")


def render(wikitext: str, language: Language = ES, page: Page | None = None) -> Rendered:
    return renderer.render(wikitext, language, page or Page())


def redirect_target(wikitext: str, language: Language = ES) -> str | None:
    return renderer.redirect_target(wikitext, language)


def template_names(wikitext: str) -> list[str]:
    return renderer.template_names(wikitext, ES)


SNIPPETS = [
    # Quantities
    ("Mide {{unidad|5|km}} de largo.", "Mide 5 km de largo."),
    ("Cae a {{unidad|9,8|m/s²}}.", "Cae a 9,8 m/s²."),
    ("Pesa {{Unidad|12345,5|kg}}.", "Pesa 12 345,5 kg."),
    ("Hay {{unidad|1500|m}} y {{unidad|2.5|m}}.", "Hay 1500 m y 2,5 m."),
    ("Cubre {{unidad|25|km|2}}.", "Cubre 25 km²."),
    ("Vive de {{unidad|5|a|10|años}}.", "Vive de 5 a 10 años."),
    ("Mide {{unidad|3|x|4|m}}.", "Mide 3 × 4 m."),
    ("Dista {{unidad|1,5|[[kilómetro|km]]|e=8}}.", "Dista 1,5 × 10⁸ km."),
    ("A {{unidad|-40|°C}} hiela.", "A -40 °C hiela."),
    ("Son {{formatnum:12345}} libros.", "Son 12 345 libros."),
    ("Son {{formatnum:1234567.89}}.", "Son 1 234 567,89."),
    ("Son {{formatnum:1234}}.", "Son 1234."),
    ("Cuesta {{moneda|30000|euros}}.", "Cuesta 30 000 euros."),
    ("Unos {{frac|1|2}} litros.", "Unos 1/2 litros."),
    ("Tiene 10<sup>23</sup> átomos y 5 km<sup>2</sup>.", "Tiene 10²³ átomos y 5 km²."),
    ("El H<sub>2</sub>O y el 1<sup>er</sup> día.", "El H2O y el 1er día."),
    ("A 45{{esd}}km, el 85{{esd}}%.", "A 45 km, el 85 %."),
    # Dates and centuries
    ("Llegó el {{fecha|12|10|1492}}.", "Llegó el 12 de octubre de 1492."),
    ("Nació el {{fecha de inicio|1980|5|03}}.", "Nació el 3 de mayo de 1980."),
    ("Desde {{fecha|3|1999}}.", "Desde marzo de 1999."),
    ("El {{fecha|7|Enero|2001}}.", "El 7 de enero de 2001."),
    ("En el {{siglo|XX||s}} hubo paz.", "En el siglo XX hubo paz."),
    ("{{Siglo|XIX||S}} y {{siglo|xx}}.", "Siglo XIX y XX."),
    ("En el siglo {{siglo|V|a}}.", "En el siglo V a. C.."),
    ("Del {{siglo|II|d|s|1}} hasta hoy.", "Del siglo II d. C. hasta hoy."),
    ("Un {{siglo|XV||a}} dudoso.", "Un s. XV dudoso."),
    ("Hacia el {{ac|50}} cayó.", "Hacia el 50 a. C. cayó."),
    # Words in templates
    ("Dijo: {{cita|Todo pasa|Ana}}", "Dijo: Todo pasa — Ana"),
    ("Dijo:{{cita|Todo pasa}}", "Dijo: Todo pasa"),
    ("Firma {{versalitas|Pérez}}.", "Firma Pérez."),
    ("La {{lang|fr|belle époque}} acabó.", "La belle époque acabó."),
    ("Viena ({{lang-de|Wien}}) es grande.", "Viena (en alemán: Wien) es grande."),
    ("Viena (en {{lang-de|''Wien''}}) es grande.", "Viena (en alemán: Wien) es grande."),
    ("{{lang-ru|Москва|Moskvá}}", "en ruso: Москва, romanizado: Moskvá"),
    ("{{nowrap|uno dos}} {{small|tres}}", "uno dos tres"),
    ("Uno{{nowrap| dos}} ({{small| tres }}).", "Uno dos (tres)."),
    ("{{nihongo|Batalla|艦隊|Kantai}} final", "Batalla (艦隊, Kantai) final"),
    ("Ganó {{ESP}} a {{bandera2|FRA}}.", "Ganó España a Francia."),
    ("{{lang|de|{{versalitas|A|x}}}} y {{nowrap|{{unidad|3|m}}}}", "A y 3 m"),
    ("{{#if: sí |uno|dos}} {{#if: |uno|dos}}", "uno dos"),
    ("{{#ifeq: 2 | 2.0 |igual|otro}} {{#ifeq:a|b|igual|otro}}", "igual otro"),
    ("{{#switch: b |a=uno|b|c=dos|#default=tres}} {{#switch:z|a=uno|tres}}", "dos tres"),
    ("{{uc:abc}} {{ucfirst:abc}}", "ABC Abc"),
    # Dropped without trace
    ("Lima ({{audio|x.ogg}}) es así.", "Lima es así."),
    ("Bonn ({{lang-de|Bonn}}; {{audio|x.ogg}}) es así.", "Bonn (en alemán: Bonn) es así."),
    ("Bonn ({{audio|x.ogg}}, en latín ''Bonna'') es así.", "Bonn (en latín Bonna) es así."),
    ("Quito ( {{coord|1|2}} ; {{audio|x.ogg}} ), capital.", "Quito, capital."),
    ("Bonn (pronunciación: {{audio|x.ogg}}) es así.", "Bonn es así."),
    ("Bonn (pronunciado {{audio|x.ogg}}) es así.", "Bonn es así."),
    ("Está al sur {{coord|1|S|2|W}}.", "Está al sur."),
    ("{{Ficha de persona\n|nombre=Ana\n|web=[http://a.es x]\n}}\n'''Ana''' canta.", "Ana canta."),
    ("{{AP|Otra}}\nTexto.\n{{listaref|2}}\n{{Control de autoridades}}", "Texto."),
    ("{{Caja rara\n| a = 1\n}}\nTexto.", "Texto."),
    ("Uno<ref>Autor, {{cita libro|a=b}}</ref>, dos <ref name=x />.", "Uno, dos."),
    ('Uno.<ref name="a">x<br/>y</ref> Dos.<REF>z</REF>', "Uno. Dos."),
    ("Uno,<ref>a</ref>, dos.", "Uno, dos."),
    ("Uno.<ref>a</ref>Dos.", "Uno. Dos."),
    ("Uno <!-- nota --> dos.", "Uno dos."),
    ("* a\n<!-- nota -->\n* b", "a\nb"),
    ("[[Archivo:A.jpg|thumb|Pie con [[enlace|otro]].]]\nTexto.", "Texto."),
    ("Uno [[Imagen:A.png|20px]] dos [[Categoría:X]][[en:Foo]].", "Uno dos."),
    ("<gallery>\nA.jpg|x\n</gallery>\nTexto.", "Texto."),
    ("__SIN_TDC__ Texto.__NOTOC__", "Texto."),
    ('A\n\n{| class="x"\n|-\n| a || {{x|b}}\n{|\n| c\n|}\n|}\n\nB', "A\n\nB"),
    ("A\n<table><tr><td>x</td></tr></table>\nB", "A\n\nB"),
    # Links, formats and characters
    ("[[gato]]s, [[perro|canes]] y [[Río (Asia)|]]", "gatos, canes y Río"),
    ("[[Anexo:Ríos|ríos]], [[:Categoría:Mares|mares]], [[:en:Sea|sea]]", "ríos, mares, sea"),
    ("[[Star Trek: Picard]] y [[wikt:sol|sol]]", "Star Trek: Picard y sol"),
    ("Ver [http://a.es/x?y=1 la web], [https://b.es] y //c.", "Ver la web, y //c."),
    ("'''Uno''' ''dos'' '''''tres''''' ''''''", "Uno dos tres"),
    ("Oír [[Media:a.ogg|el himno]][[Medio:b.ogg]] o [http://a.es | leer].", "Oír el himno o leer."),
    ("Ver [[http://a.es la web]], [[https://b.es]].", "Ver la web."),
    ("''L''''amour''', de d'''Ariel'''.", "L'amour, de dAriel."),
    ("El teorema de d'''Ariel'' y ya.", "El teorema de d'Ariel y ya."),
    ("a&nbsp;b &lt;c&gt; &amp;amp; &ntilde; &#241; &c y", "a b <c> &amp; ñ ñ &c y"),
    ("Uno<br />dos<br>\ntres", "Uno\ndos\ntres"),
    ("La <math>x_{{1}} = y''</math> es <math>\n 2 </math>.", "La x_{ {1} } = y'' es 2."),
    (":<math>=a</math>", "=a"),
    ("<nowiki>[[a]] '''b'''</nowiki> c", "[[a]] '''b''' c"),
    ("Con <code>print(1)</code> o <syntaxhighlight lang=c>x;</syntaxhighlight>.", "Con print(1) o x;."),
    ("Así:\n<syntaxhighlight>\nint x;\nint y;\n</syntaxhighlight>\nFin.", "Así:\n\nFin."),
    ("<poem>\nUno dos\ntres\n</poem>", "Uno dos\ntres"),
    ("#include <stdio.h> y 1 < 2", "include <stdio.h> y 1 < 2"),
    ("<div class=x>Uno</div> <span>dos</span>", "Uno\ndos"),
    ("e\u0301l\u200b es\u00adtá", "él está"),
    # Lines
    ("Hay:\n* uno\n** dos\n# tres\n\nFin.", "Hay:\n\nuno\ndos\ntres\n\nFin."),
    ("; Gato : animal\n: maúlla", "Gato: animal\nmaúlla"),
    ("Uno.\n----\nDos.\n\n\n\nTres.", "Uno.\n\nDos.\n\nTres."),
    # Openers that are never closed
    ("Antes {{nota y sigue.\n\nDespués.", "Antes nota y sigue.\n\nDespués."),
    ("{{Ficha de río\n|a=b\n|c=[[d]]\n\nTexto '''uno'''.", "Texto uno."),
    ("Un [[enlace roto sigue.\n\nDespués [[otro]].", "Un enlace roto sigue.\n\nDespués otro."),
    ("[[Archivo:A.jpg|thumb|pie\n\nDespués.", "Después."),
    ("[[Archivo:A.jpg|thumb|pie\n\notro]]Después.", "Después."),
    ("{| class=x\n|-\n| a\nDespués.", "Después."),
    ("Uno<ref>dos tres.\n\nCuatro.<ref>x</ref>", "Unodos tres.\n\nCuatro."),
    ("Uno }} dos ]] tres |} fin <!-- sigue", "Uno dos tres |} fin sigue"),
]


@pytest.mark.parametrize(("wikitext", "expected"), SNIPPETS)
def test_snippet(wikitext: str, expected: str) -> None:
    assert render(wikitext).text == expected


def test_sections_that_are_empty_or_listed_are_dropped() -> None:
    page = (
        "Entrada.\n== Historia ==\n=== Inicio ===\nHubo un inicio.\n=== Vacía ===\n{{AP|x}}\n"
        "== Véase también ==\n* [[a]]\n=== Más ===\nSobra.\n== '''Obra''' {{small|(I)}} ==\nEscribió.\n"
        "== REFERENCIAS: ==\n{{listaref}}\n== Enlaces externos ==\n* [http://a.es web]\n"
    )
    assert render(page) == Rendered(
        "Entrada.\n\nHistoria\n\nInicio\n\nHubo un inicio.\n\nObra (I)\n\nEscribió.", sections=3
    )
    everything = load_language("es", dropped_sections=["Obra (I)"])
    assert render(page, everything).sections == 5
    assert render(page, everything).text.endswith("\n\nSobra.\n\nEnlaces externos\n\nweb")


HOLES = [
    # Sentences with a hole go, and nothing else.
    ("Mide {{x|5}} de largo. Es hondo.", "Es hondo.", 1),
    ("Es hondo. En el {{x|XX}} hubo guerra.", "Es hondo.", 1),
    ("Es hondo. Nació en {{x}}. Es ancho.", "Es hondo. Es ancho.", 1),
    ("Nació el {{#invoke:fecha|x}} en Lima. Murió allí.", "Murió allí.", 1),
    ("{{x|5}} de largo mide el río. Es hondo.", "Es hondo.", 1),
    ("Está en {{coord|1|2}}. Es hondo.", "Es hondo.", 1),
    ("Según datos de {{a|1}} su población era de {{b|2}} habitantes.", "", 1),
    ("El Sr. Ruiz, de EE. UU., mide {{x}} metros según A. Gil. Es alto.", "Es alto.", 1),
    ("«¿Mide {{x}} metros?» Es alto.", "Es alto.", 1),
    ("El presidente de EE.UU. Barack llegó {{x}} ayer. Es alto.", "Es alto.", 1),
    ("Vino el Tte. Cnel. Gil con {{x}} hombres. Es alto.", "Es alto.", 1),
    ("Pesa {{x|5}}, nada más. Es alto.", "Es alto.", 1),
    ("Creció un {{x}}% anual. Es alto.", "Es alto.", 1),
    ("¡{{x}} vino! Es alto.", "Es alto.", 1),
    ("Está en {{coord|1|2}} y crece. Es alto.", "Es alto.", 1),
    ("== Los {{x}} años ==\nEs alto.", "Los años\n\nEs alto.", 0),
    # Of a hole in brackets these are lost.
    ("(El {{x}} gato). Fue.", "Fue.", 1),
    ("Ana (hija {{x}} o (de {{x}} Luz) tal) vive.", "Ana vive.", 2),
    ("Ana vive (con {{x}} gatos) [y canta].", "Ana vive [y canta].", 1),
    ("Es alto. (El {{x}} gato.) Fue.", "Es alto. Fue.", 1),
    ("Ana (hija (de {{x}} Luz) y Gil) vive.", "Ana (hija y Gil) vive.", 1),
    ("Ana (nacida como {{x}}; Lima, 1950) vive.", "Ana vive.", 1),
    ("Lugo (con {{x|9}} habitantes) es así.", "Lugo es así.", 1),
    ("Lugo (capital: {{audio|x}}) es así.", "Lugo es así.", 1),
    # A note, an icon or a mark leaves none.
    ("El río{{x|5}} baja.", "El río baja.", 0),
    ("El río baja.{{x|5}} Llueve {{y}}.", "El río baja. Llueve.", 0),
    ("* {{x}} Ana Gil\n* Luz", "Ana Gil\nLuz", 0),
    ("{{x}} Ana canta.", "Ana canta.", 0),
    ("{{aviso|Historia de Lima}} La ciudad nació.", "La ciudad nació.", 0),
    ("El río baja {{coord|1|2}} y crece.", "El río baja y crece.", 0),
]


@pytest.mark.parametrize(("wikitext", "expected", "holed"), HOLES)
def test_a_sentence_with_a_hole_is_left_out_and_counted(wikitext: str, expected: str, holed: int) -> None:
    rendered = render(wikitext)
    assert (rendered.text, rendered.holed) == (expected, holed)


def test_unknown_templates_in_prose_are_recorded() -> None:
    rendered = render(
        "Tiene {{Población de|28079}} habitantes y {{otra|1}}, {{otra|2}}.\n\n{{Aviso raro|x}}\n* {{sola|1}}"
    )
    assert rendered == Rendered("", unrendered=("otra", "otra", "población de"), holed=1)


def test_unknown_template_shows_its_only_argument_if_it_is_plain_words() -> None:
    assert render("El {{resalte|gran río}} baja.") == Rendered("El gran río baja.")
    assert render("El río{{queja|hay que mejorarlo}} baja.") == Rendered("El río baja.", unrendered=("queja",))
    assert render("El {{dato|abril de 2012}} baja.") == Rendered("", unrendered=("dato",), holed=1)


def test_unknown_templates_of_dropped_parts_are_not_recorded() -> None:
    page = "Uno.<ref>a {{x|1}} b</ref>\n{|\n| a {{y|1}} b\n|}\n== Notas ==\nUn {{z|1}} más.\n"
    assert render(page).unrendered == ()
    assert render(page).text == "Uno."


def template_calls(language: str) -> list[tuple[str, str]]:
    """Sentences with a call, and what a reader of the wiki sees of them: written down from the wiki's documentation
    before the handlers were, «*» where it cannot be known, so that the sentence is left out."""
    with (Path(__file__).parent / f"template_calls_{language}.csv").open(encoding="utf-8", newline="") as stream:
        return [(row["wikitext"], row["expected"].replace("*", "")) for row in csv.DictReader(stream)]


@pytest.mark.parametrize(("wikitext", "expected"), template_calls("es"))
def test_spanish_template(wikitext: str, expected: str) -> None:
    assert render(wikitext).text == expected


@pytest.mark.parametrize(("wikitext", "expected"), template_calls("en"))
def test_english_template(wikitext: str, expected: str) -> None:
    assert render(wikitext, EN).text == expected


def test_what_depends_on_the_page_is_taken_from_it() -> None:
    page = Page("Lugo", "2020-05-02T10:00:00Z")
    assert render("{{PAGENAME}} tiene {{edad|3|5|1980}}.", page=page).text == "Lugo tiene 39 años."
    assert render("Nació el {{fecha|2|5|1980|edad}}.", page=page).text == "Nació el 2 de mayo de 1980 (40 años)."
    assert render("En {{AÑOACTUAL}} sigue.", page=page).text == "En 2020 sigue."


def test_redirect() -> None:
    assert redirect_target("#REDIRECCIÓN [[Ciudad de Lima]]") == "Ciudad de Lima"
    assert redirect_target(" #redirect: [[a_b#Sección|texto]]\n[[Categoría:X]]") == "a b"
    assert redirect_target("#REDIRECT sin enlace") is None
    assert redirect_target("# [[lista]]") is None
    assert redirect_target("Texto #REDIRECT [[X]]") is None
    assert render("#REDIRECCIÓN [[X]]") == Rendered()


def test_template_names() -> None:
    page = (
        "{{Desambiguación}} {{ cita_web |a={{Nowrap|x}}}} {{#if:a|{{B}}}} {{ORDENAR:x}} <!-- {{C}} --> {{Plantilla:D}}"
    )
    assert template_names(page) == ["desambiguación", "cita web", "nowrap", "b", "d"]


def list_share(wikitext: str, language: Language = ES) -> float:
    return render(wikitext, language).list_share


def test_list_share() -> None:
    assert list_share("Texto.\n\nMás.") == 0
    assert list_share("Uno.\n* a\n* b\n# c\n") == 0.75
    assert list_share("Uno.\n: sangrado") == 0
    # Three rows and one line of prose; the rows of a dropped section do not count.
    assert list_share("Uno.\n{|\n! a\n|-\n| b\n|-\n| c\n|}\n== Notas ==\n{|\n| d\n|}") == 0.75
    assert list_share("") == 0


def test_a_language_without_data_is_read_by_what_the_wiki_says_of_itself() -> None:
    siteinfo = {
        "namespaces": {"6": ["Datei"], "14": ["Kategorie"], "10": ["Vorlage"]},
        "redirects": ["#WEITERLEITUNG"],
        "magic_words": ["KEIN_INHALTSVERZEICHNIS"],
        "interlanguage": ["qqq"],
    }
    german = load_language("de", siteinfo, ["Einzelnachweise"])
    page = (
        "__KEIN_INHALTSVERZEICHNIS__\n[[Datei:A.jpg|mini|Bild]]\nDer [[Ebro]]{{Vorlage:small|, Fluss}} ist "
        "{{formatnum:9300}} lang.[[Kategorie:Fluss]][[qqq:Ebro]][[es:Ebro]]\n== Einzelnachweise ==\n* a\n* b"
    )
    assert render(page, german) == Rendered("Der Ebro, Fluss ist 9,300 lang.")
    assert "Bild" in render(page).text
    assert redirect_target("#WEITERLEITUNG [[Ebro]]", german) == "Ebro"
    assert redirect_target("#REDIRECT [[Ebro]]", german) == "Ebro"
    assert redirect_target("#WEITERLEITUNG [[Ebro]]") is None
    assert redirect_target("#REDIRECCIÓN [[Ebro]]", german) is None


def test_a_code_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"'\.\./es' is no code of a language"):
        load_language("../es")


def test_every_rule_of_the_data_files_can_be_used() -> None:
    for language in (ES, EN, load_language("bg")):
        for name in language.rules:
            for arguments in ("", "|a|b|c|d", "|99999999999|1|1|5|5|5", "|1|2|3|4|5|6", "|x=1"):
                render(f"Uno {{{{{name}{arguments}}}}} dos.", language)


# --- Properties ------------------------------------------------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        *(
            "{{",
            "}}",
            "{{{",
            "}}}",
            "[[",
            "]]",
            "[",
            "]",
            "{|",
            "|}",
            "|-",
            "|",
            "!",
            "||",
            "<",
            ">",
            "=",
            "==",
            "''",
            "'''",
        ),
        *("<ref>", "</ref>", "<ref/>", "<!--", "-->", "<nowiki>", "</nowiki>", "<math>", "</math>", "<br>", "<table>"),
        *("</table>", "<sup>", "</sup>", "<div>", "*", "#", ":", ";", "----", "&", "&amp;", "&#42;", "&#0;", "__TOC__"),
        *(
            "[http://a",
            "(",
            ")",
            ",",
            ".",
            "«",
            "»",
            "unidad",
            "fecha",
            "siglo",
            "cita",
            "lang-de",
            "esd",
            "formatnum:",
        ),
        *("#if:", "#switch:", "Archivo:", "Categoría:", "en:", "Ficha", "desconocida", "sup", "e", "frac", "1", "12"),
        *("1492", "km", "a", "e\u0301", "\ud800", "\ufdd0", "\ufdd6", "\u200b", "\u2028", "\xa0", "\r", "\t", "𝔘", "²"),
        *(" ", "\n", "\n\n"),
    ]
)
WORDS = st.text("abcñáíABCÑ0123456789", min_size=1, max_size=8)
PLAIN = st.lists(
    st.lists(
        st.lists(WORDS | st.sampled_from(["(uno)", "a,", "«b»", "c;", "5 %", "(d,", "e)", "f :"]), min_size=1).map(
            " ".join
        ),
        min_size=1,
        max_size=3,
    ).map("\n".join),
    max_size=4,
).map("\n\n".join)


def well_formed(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Wikitext whose constructs are all closed."""
    body = st.lists(children, max_size=4).map(" ".join)
    return st.one_of(
        st.tuples(st.sampled_from(["unidad", "cita", "x y", "siglo", "lang-fr", "nowrap", "#if:"]), body, body).map(
            lambda t: "{{" + "|".join(t) + "}}"
        ),
        st.tuples(WORDS, body).map(lambda t: f"[[{t[0]}|{t[1]}]]"),
        body.map(lambda b: f"[[Archivo:a.jpg|thumb|{b}]]"),
        body.map(lambda b: f"<ref name=a>{b}</ref>".replace("</ref> ", "</ref>") if "<ref" not in b else b),
        body.map(lambda b: f"[http://a.es {b}]" if "[http" not in b and "\n" not in b else b),
        body.map(lambda b: f"'''{b}'''"),
        body.map(lambda b: f"\n{{|\n| {b}\n|}}\n" if "{|" not in b else b),
    )


LINES = st.recursive(WORDS, well_formed, max_leaves=12)
PAGES = st.lists(LINES | LINES.filter(lambda line: "\n" not in line).map("== {} ==".format), max_size=4).map("\n".join)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAGMENTS | st.text(max_size=6), max_size=40).map("".join))
def test_any_string_gives_tidy_text(wikitext: str) -> None:
    rendered = render(wikitext)
    assert unicodedata.is_normalized("NFC", rendered.text)
    assert "  " not in rendered.text
    assert "\n\n\n" not in rendered.text
    assert rendered.text == rendered.text.strip()
    assert not any("\ufdd0" <= c <= "\ufdef" or "\ud800" <= c <= "\udfff" for c in rendered.text)
    assert 0 <= list_share(wikitext) <= 1
    rendered.text.encode("utf-8")
    template_names(wikitext)
    redirect_target(wikitext)


@settings(max_examples=200, deadline=None)
@given(PAGES)
def test_well_formed_markup_leaves_nothing(wikitext: str) -> None:
    text = render(wikitext).text
    for mark in ("[[", "]]", "{{", "}}", "{|", "|}", "<ref", "''", "=="):
        assert mark not in text


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_plain_text_is_left_alone(text: str) -> None:
    assert render(text).text == text


@settings(max_examples=200, deadline=None)
@given(PAGES)
def test_what_was_rendered_is_plain(wikitext: str) -> None:
    text = render(wikitext).text
    assert render(text).text == text


OPENERS = [
    *("{{", "{{a|", "{{{", "{{cita|", "{{#if:", "{{Ficha\n|a=", "[[", "[[a|", "[[Archivo:a|", "[http://a ", "\n{|"),
    *(
        "{|\n{{a|",
        "[[a|{{b|",
        "<ref>",
        "<ref",
        '<ref name="a">x',
        "<!--",
        "<nowiki>",
        "<math>",
        "<table>",
        "<sup>",
        "<",
    ),
    *(
        "uno {{x}} dos . ",
        "uno {{x}} dos .))x",
        "(uno {{x}} dos",
        "(uno {{x}} dos)",
        "uno {{x}} dos!",
        "a.a.",
        "\u0301\u0323",
    ),
    *("{{unidad|1|-", "|1|-", "#REDIRECT ", "[[Archivo:a|b\n\n"),
    *("''", "\n==", "\n*", "&", "__", "<ref/>)", "( ; <ref/>", "{{a}}", "{{formatnum:1.", "{{fecha|9", "{{sup|{{x}}"),
]


@pytest.mark.parametrize("opener", OPENERS)
def test_time_is_linear_on_hostile_pages(opener: str) -> None:
    for page in (opener * 16_000 + " fin.", opener * 16_000 + "}}]]|}</ref>-->)" * 16_000):
        start = time.process_time()
        render(page)
        template_names(page)
        redirect_target(page)
        assert time.process_time() - start < max(1, len(page) / 100_000)


def test_long_numbers_are_no_error() -> None:
    digits = "9" * 6_000
    page = "{{fecha|%s|1|1}} {{unidad|%s|m}} {{siglo|%s}} {{formatnum:%s}} {{#ifeq:%s|1|a|b}}" % ((digits,) * 5)
    assert "999 999" in render(page).text


# --- Real pages ------------------------------------------------------------------------------------------------------

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "wikitext" / "eswiki-30-pages.json"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not here")
def test_real_pages_leave_no_markup() -> None:
    import json

    pages = json.loads(SHARED.read_text(encoding="utf-8"))["query"]["pages"]
    for page in pages:
        text = render(page["revisions"][0]["slots"]["main"]["content"]).text
        assert text, page["title"]
        for mark in ("[[", "]]", "{{", "}}", "{|", "|", "==", "<ref", "''", "()", " ,", "( ", "&nbsp;"):
            assert mark not in text, page["title"]
