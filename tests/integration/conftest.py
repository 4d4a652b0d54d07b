"""A real MediaWiki in a temporary folder: installed from the packages of Debian, with SQLite, in a second."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

MEDIAWIKI = Path(__file__).parents[2] / ".venv/mediawiki/usr/share"


@dataclass(frozen=True)
class Wiki:
    """A wiki of the Spanish language; its settings and database lie in `folder`."""

    folder: Path

    def maintenance(self, script: str, *arguments: str | Path) -> str:
        """Run one of MediaWiki's maintenance scripts and return what it prints."""
        result = subprocess.run(
            ["php", MEDIAWIKI / f"mediawiki/maintenance/{script}.php", *arguments],
            env={**os.environ, "MW_CONFIG_FILE": str(self.folder / "LocalSettings.php")},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


@pytest.fixture
def wiki(tmp_path: Path) -> Wiki:
    """An empty wiki with the namespace of annexes that the Spanish Wikipedia has."""
    if shutil.which("php") is None or not MEDIAWIKI.exists():
        pytest.skip("PHP and MediaWiki are not here (./system-packages.sh test)")
    folder = tmp_path / "wiki"
    folder.mkdir()
    wiki = Wiki(folder)
    database = ["--dbtype", "sqlite", "--dbpath", folder, "--dbname", "wiki"]
    site = ["--lang", "es", "--server", "http://localhost", "--scriptpath", "", "--pass", "only for this test"]
    wiki.maintenance("install", "--confpath", folder, *database, *site, "Sample", "Admin")
    with (folder / "LocalSettings.php").open("a", encoding="utf-8") as settings:
        settings.write('\n$wgExtraNamespaces[104] = "Anexo";\n$wgExtraNamespaces[105] = "Anexo_discusión";\n')
    return wiki
