#!/bin/sh
# The system packages of miniLLM, in one place: what each is for, and its name on Debian/Ubuntu, Fedora and macOS.
# As root on Debian or Ubuntu, what is missing is installed; anywhere else one message says how to install it, and the
# job goes on without. Nothing here ever calls sudo.
set -eu

# Needed to compile the article: latexmk, pdflatex, and the packages of its preamble.
apt_tex="latexmk texlive-latex-recommended texlive-publishers texlive-science texlive-pictures texlive-lang-spanish \
texlive-fonts-recommended"
dnf_tex="latexmk texlive-scheme-medium texlive-collection-publishers texlive-collection-langspanish"
brew_tex="--cask mactex-no-gui"

have_tex() {
  command -v latexmk >/dev/null 2>&1 && command -v pdflatex >/dev/null 2>&1 &&
    [ -n "$(kpsewhich IEEEtran.cls)" ] && [ -n "$(kpsewhich spanish.ldf)" ] && [ -n "$(kpsewhich algpseudocode.sty)" ]
}

if have_tex; then exit 0; fi
# `system-packages.sh check` only tells whether the article can be compiled here.
if [ "${1:-}" = check ]; then exit 1; fi

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
  echo "Installing TeX Live (once, a minute or two) ..."
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # shellcheck disable=SC2086  # the list is meant to be split
  if { apt-get update -q && apt-get install -q -y --no-install-recommends $apt_tex; } >"$log" 2>&1 && have_tex; then
    rm -f "$log"
    exit 0
  fi
  tail -n 5 "$log"
  echo "TeX Live could not be installed; going on without it (the whole log is in $log)."
fi

if command -v apt-get >/dev/null 2>&1; then
  how="sudo apt-get install --no-install-recommends $apt_tex"
elif command -v dnf >/dev/null 2>&1; then
  how="sudo dnf install $dnf_tex"
elif command -v brew >/dev/null 2>&1; then
  how="brew install $brew_tex"
else
  how="install TeX Live (https://tug.org/texlive)"
fi
echo "No TeX here: the article comes out as article.zip instead of a PDF. To compile it on this machine: $how"
