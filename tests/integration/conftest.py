"""A real MediaWiki in a temporary folder: installed from the packages of Debian, with SQLite, in a second."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as for the unit tests, which come later: torch reads it once

MEDIAWIKI = Path(__file__).parents[2] / ".venv/mediawiki/usr/share"


@dataclass(frozen=True)
class Wiki:
    """A wiki of the Spanish language; its settings and database lie in `folder`."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "MW_CONFIG_FILE": str(self.folder / "LocalSettings.php")}

    def maintenance(self, script: str, *arguments: str | Path, text: str = "") -> str:
        """Run one of MediaWiki's maintenance scripts with `text` as its input and return what it prints."""
        result = subprocess.run(
            ["php", MEDIAWIKI / f"mediawiki/maintenance/{script}.php", *arguments],
            env=self.environment,
            input=text,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def add_settings(self, php: str) -> None:
        """Settings that hold from the next request on."""
        with (self.folder / "LocalSettings.php").open("a", encoding="utf-8") as settings:
            settings.write(f"\n{php}\n")

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve the wiki on loopback; gives the address of the folder of its api.php."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = ["php", "-S", f"127.0.0.1:{port}", "-t", MEDIAWIKI / "mediawiki"]
        with (self.folder / "server.log").open("wb") as log:
            server = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            while server.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
            assert server.poll() is None, (self.folder / "server.log").read_text()
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.kill()
            server.wait()


def new_wiki(folder: Path) -> Wiki:
    """An empty wiki with the namespace of annexes that the Spanish Wikipedia has."""
    if shutil.which("php") is None or not MEDIAWIKI.exists():
        pytest.skip("PHP and MediaWiki are not here (./system-packages.sh test)")
    folder.mkdir()
    wiki = Wiki(folder)
    database = ["--dbtype", "sqlite", "--dbpath", folder, "--dbname", "wiki"]
    site = ["--lang", "es", "--server", "http://localhost", "--scriptpath", "", "--pass", "only for this test"]
    wiki.maintenance("install", "--confpath", folder, *database, *site, "Sample", "Admin")
    wiki.add_settings('$wgExtraNamespaces[104] = "Anexo"; $wgExtraNamespaces[105] = "Anexo_discusión";')
    return wiki


@pytest.fixture
def wiki(tmp_path: Path) -> Wiki:
    """An empty wiki."""
    return new_wiki(tmp_path / "wiki")
