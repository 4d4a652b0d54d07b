"""Pages as MediaWiki itself shows them in plain text: the reference that renderers of wikitext are measured against.

A MediaWiki with an SQLite database is installed in a temporary folder, filled with pages and templates, and asked for
`prop=extracts` over loopback. What the templates show stands in `reference_templates.toml`.
"""

import fnmatch
import json
import os
import re
import shutil
import socket
import subprocess
import time
import tomllib
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.sax.saxutils import escape

MEDIAWIKI = Path(__file__).parents[1] / ".venv/mediawiki/usr/share/mediawiki"
TEMPLATES = Path(__file__).with_name("reference_templates.toml")
EXTENSIONS = ["Cite", "ImageMap", "ParserFunctions", "Poem", "SyntaxHighlight_GeSHi", "TextExtracts"]
# The namespaces of the Spanish Wikipedia, links to other languages and projects, and files that show nothing: the real
# wiki has them, here their names would stand in the text.
SETTINGS = """
$wgPFEnableStringFunctions = true;
$wgExtraNamespaces = [ 100 => "Portal", 101 => "Portal_discusión", 102 => "Wikiproyecto",
  103 => "Wikiproyecto_discusión", 104 => "Anexo", 105 => "Anexo_discusión" ];
$wgShowExceptionDetails = true;
$wgHooks["ImageBeforeProduceHTML"][] = static function ( $linker, $title, $file, &$frame, &$handler, &$time, &$html ) {
  $html = "";
  return false;
};
$wgHooks["InterwikiLoadPrefix"][] = static function ( $prefix, &$data ) {
  $names = MediaWiki\\MediaWikiServices::getInstance()->getLanguageNameUtils();
  $projects = [ "b", "c", "commons", "d", "m", "meta", "n", "q", "s", "species", "v", "voy", "w", "wikt" ];
  if ( $prefix === "es" || !( in_array( $prefix, $projects ) || $names->getLanguageName( $prefix ) ) ) {
    return true;
  }
  $data = [ "iw_prefix" => $prefix, "iw_url" => "http://localhost/$prefix/$1", "iw_api" => "", "iw_wikiid" => "",
    "iw_local" => 0, "iw_trans" => 0 ];
  return false;
};
"""
_TEMPLATE = re.compile(r"\{\{(?!!\}\})([^{}|<>\[\]#:]{1,255}?)(?=\s*(?:\||\}\}|<!--))")


def templates_used(pages: dict[str, str]) -> Counter[str]:
    """Names of the templates that pages call, first letter in lower case, with the number of calls."""
    calls = (match[1] for text in pages.values() for match in _TEMPLATE.finditer(text))
    names = (" ".join(call.replace("_", " ").split()) for call in calls)
    return Counter(name[:1].lower() + name[1:] for name in names if name)


def template_texts() -> tuple[dict[str, str], list[str]]:
    """Wikitext of the templates that show something, by name, and the patterns of those that show nothing."""
    data = tomllib.loads(TEMPLATES.read_text(encoding="utf-8"))
    shown = {**data["shown"], **data["countries"]}
    texts = {name[:1].lower() + name[1:]: text.strip() for name, text in shown.items()}
    for code, language in data["languages"].items():
        texts[code] = f"(en {language})"
        texts[f"lang-{code}"] = f"en {language}: ''{{{{{{1|}}}}}}''"
    named = "{{#switch:{{{1|}}}|" + "|".join(f"{c}={name}" for c, name in data["languages"].items()) + "}}"
    texts |= {"en idioma": f"(en {named})", "idioma": f"(en {named})"}
    return texts, data["empty"]


def undefined(used: Counter[str]) -> Counter[str]:
    """The templates among `used` of which the reference knows nothing."""
    texts, empty = template_texts()
    patterns = [re.compile(fnmatch.translate(pattern)) for pattern in empty]
    known = {name for name in used if name in texts or any(pattern.match(name.lower()) for pattern in patterns)}
    return Counter({name: count for name, count in used.items() if name not in known})


def plain_texts(folder: Path, pages: dict[str, str], templates: dict[str, str]) -> dict[str, str]:
    """What a wiki that is installed in `folder`, with these pages and templates, shows of each page."""
    if shutil.which("php") is None or not MEDIAWIKI.exists():
        raise SystemExit(f"PHP is needed, and MediaWiki in {MEDIAWIKI}: call ./system-packages.sh test")
    _install(folder)
    export = folder / "pages.xml"
    named = {f"Plantilla:{name}": text for name, text in templates.items()}
    export.write_text(_export(named | pages), encoding="utf-8")
    _php(folder, MEDIAWIKI / "maintenance/importDump.php", "--no-updates", export)
    with _served(folder) as address:
        return {title: _extract(address, title) for title in pages}


def _install(folder: Path) -> None:
    folder.mkdir(parents=True)
    database: list[str | Path] = ["--dbtype", "sqlite", "--dbpath", folder, "--dbname", "wiki"]
    site = ["--lang", "es", "--server", "http://127.0.0.1", "--scriptpath", "", "--pass", "only for this benchmark"]
    _php(folder, MEDIAWIKI / "maintenance/install.php", "--confpath", folder, *database, *site, "Reference", "Admin")
    with (folder / "LocalSettings.php").open("a", encoding="utf-8") as settings:
        settings.write(SETTINGS)
        for name in EXTENSIONS:
            settings.write(f'wfLoadExtension( "{name}", "{MEDIAWIKI}/extensions-core/{name}/extension.json" );\n')


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "MW_CONFIG_FILE": str(folder / "LocalSettings.php")}


def _php(folder: Path, *arguments: str | Path) -> None:
    result = subprocess.run(
        ["php", *arguments], env=_environment(folder), capture_output=True, encoding="utf-8", check=False
    )
    if result.returncode:
        raise SystemExit(result.stdout + result.stderr)


def _export(pages: dict[str, str]) -> str:
    """A MediaWiki export with these pages, by title."""
    revision = "<timestamp>2026-01-01T00:00:00Z</timestamp><model>wikitext</model><format>text/x-wiki</format>"
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="es">'
        + "".join(
            f"<page><title>{escape(title)}</title><revision>{revision}"
            f'<text xml:space="preserve">{escape(text)}</text></revision></page>'
            for title, text in pages.items()
        )
        + "</mediawiki>"
    )


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The address of the wiki, served by PHP on a free port of loopback as long as the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "php.log").open("w") as log:
        command: list[str | Path] = ["php", "-S", address, "-t", MEDIAWIKI]
        server = subprocess.Popen(command, env=_environment(folder), stdout=log, stderr=log)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0:
                    break
            time.sleep(0.1)
        yield f"http://{address}/api.php"
    finally:
        server.terminate()
        server.wait()


def _extract(address: str, title: str) -> str:
    query = {"action": "query", "prop": "extracts", "explaintext": 1, "exsectionformat": "plain", "exlimit": 1}
    arguments = urllib.parse.urlencode({**query, "titles": title, "format": "json", "formatversion": 2})
    with urllib.request.urlopen(f"{address}?{arguments}", timeout=300) as answer:
        page = json.load(answer)["query"]["pages"][0]
    if "extract" not in page:
        raise SystemExit(f"MediaWiki has no text of {title!r}: {page}")
    return str(page["extract"])
