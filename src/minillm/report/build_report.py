"""The report of a finished run: Snakemake's own, in one HTML file that needs no network.

Snakemake writes settings and parameters into scripts of the page as they are. A prompt or a title in them may hold
`</script>`, which would end the script and begin whatever follows: here such strings are made harmless.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from minillm.files import write_text
from minillm.stage import run_stage

# Values are JSON, which has no line breaks: nothing inside one can look like the end of such a script.
_VALUE = re.compile(r'^( *<script id="([\w-]+)">\n *var \w+ = )(.*)(;\n *</script>)$', re.MULTILINE)


def build_report(targets: list[str], configfiles: list[str], config: list[str], stylesheet: Path, output: Path) -> None:
    """Let Snakemake gather what is marked for the report in all that `targets` need, which must be there already.

    `configfiles` and `config` are what the run itself was called with: Snakemake reads the config anew.
    Raises ValueError if it fails or writes reports that look different from those known here.
    """
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        command = [sys.executable, "-m", "snakemake", *targets, "--report", str(page)]
        command += ["--report-stylesheet", str(stylesheet)]
        command += ["--configfile", *configfiles] if configfiles else []
        command += ["--config", *config] if config else []
        done = subprocess.run(command, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise ValueError(f"snakemake --report ended with {done.returncode}")
        write_text(output, harmless(page.read_text(encoding="utf-8")))


def harmless(page: str) -> str:
    """The page with every < in its values written so that JavaScript reads it, and HTML does not."""
    found = {name for _, name, _, _ in _VALUE.findall(page)}
    if missing := {"workflow-desc", "results", "categories", "rules"} - found:
        raise ValueError(f"this Snakemake writes its reports in another way: there is no script {min(missing)}")
    return _VALUE.sub(lambda match: match[1] + match[3].replace("<", r"\u003c") + match[4], page)


if __name__ == "__main__":
    run_stage(build_report)
