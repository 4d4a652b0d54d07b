#!/bin/sh
# The system packages of miniLLM, in one place: what each is for, and its name on Debian/Ubuntu, Fedora and macOS.
# As root on Debian or Ubuntu, what is missing is installed; anywhere else one message says how to install it, and the
# job goes on without. Nothing here ever calls sudo or, but for root, changes anything outside this folder.
#   ./system-packages.sh         what the article needs
#   ./system-packages.sh test    what some tests need besides (they are skipped where it is missing)
#   ./system-packages.sh check   installs nothing: the exit status tells whether the article can be compiled here
set -eu
cd "$(dirname "$0")"

# Needed to compile the article: latexmk, pdflatex, and the packages of its preamble.
apt_tex="latexmk texlive-latex-recommended texlive-publishers texlive-science texlive-pictures texlive-lang-spanish \
texlive-fonts-recommended"
dnf_tex="latexmk texlive-scheme-medium texlive-collection-publishers texlive-collection-langspanish"
brew_tex="--cask mactex-no-gui"

have_tex() {
  command -v latexmk >/dev/null 2>&1 && command -v pdflatex >/dev/null 2>&1 &&
    [ -n "$(kpsewhich IEEEtran.cls)" ] && [ -n "$(kpsewhich spanish.ldf)" ] && [ -n "$(kpsewhich algpseudocode.sty)" ]
}

# Needed by tests: a spell checker for the bundled texts, a browser for the report, and what a real MediaWiki runs on.
# MediaWiki itself is only unpacked into .venv/: installed as a package it would bring a web server that starts with the
# machine.
apt_test="hunspell hunspell-es php-cli php-intl php-mbstring php-sqlite3 php-xml"
# Ubuntu has no such package (its chromium comes as a snap): it is installed apart, so that the others come all the same.
apt_browser="chromium-headless-shell"
wiki=.venv/mediawiki

have_test_tools() {
  hunspell -d es_ES -l </dev/null >/dev/null 2>&1 &&
    php -r 'exit(array_diff(["intl", "mbstring", "pdo_sqlite", "xml"], get_loaded_extensions()) ? 1 : 0);' 2>/dev/null
}

have_browser() {
  command -v chromium-headless-shell >/dev/null 2>&1 || command -v chromium >/dev/null 2>&1 ||
    command -v google-chrome >/dev/null 2>&1
}

can_apt() { command -v apt-get >/dev/null 2>&1; }

# apt_install HAVE NAME PACKAGES: false if HAVE is still false afterwards.
apt_install() {
  can_apt && [ "$(id -u)" -eq 0 ] || return 1
  echo "Installing $2 (once, a minute or two) ..."
  log=$(mktemp)
  # shellcheck disable=SC2086  # the list is meant to be split
  if { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $3; } \
    >"$log" 2>&1 && $1; then
    rm -f "$log"
  else
    tail -n 5 "$log"
    echo "$2 could not be installed; going on without (the whole log is in $log)."
    return 1
  fi
}

unpack_wiki() {
  echo "Unpacking MediaWiki into $wiki (once) ..."
  # Beside its place, so that it comes there by one rename, or not at all.
  if part=$(mkdir -p .venv && mktemp -d .venv/unpack.XXXXXX) &&
    (
      cd "$part" || exit 1
      [ "$(id -u)" -ne 0 ] || apt-get update -q
      apt-get download -q mediawiki mediawiki-classes || exit 1
      for package in *.deb; do dpkg -x "$package" root || exit 1; done
    ) >"$part/log" 2>&1 && mv "$part/root" "$wiki"; then
    rm -rf "$part"
  else
    if [ -f "$part/log" ]; then tail -n 3 "$part/log"; fi
    echo "MediaWiki could not be unpacked; the tests that need it are skipped."
    rm -rf "$part"
  fi
}

case "${1:-}" in
check)
  have_tex
  ;;
test)
  if ! can_apt; then
    echo "Tests are skipped that need hunspell with es_ES, PHP or Chromium where these are missing, and those that need"
    echo "MediaWiki, which is taken from the packages of Debian or Ubuntu."
    exit 0
  fi
  if have_test_tools || apt_install have_test_tools "hunspell and PHP" "$apt_test"; then
    if [ ! -d "$wiki" ]; then unpack_wiki; fi
  else
    echo "Some tests are skipped. To run them too: sudo apt-get install --no-install-recommends $apt_test"
  fi
  if ! have_browser && ! apt_install have_browser "Chromium" "$apt_browser"; then
    echo "The tests of the report in a browser are skipped. To run them too: install $apt_browser or another Chromium."
  fi
  ;;
"")
  if have_tex || apt_install have_tex "TeX Live" "$apt_tex"; then exit 0; fi
  if can_apt; then
    how="sudo apt-get install --no-install-recommends $apt_tex"
  elif command -v dnf >/dev/null 2>&1; then
    how="sudo dnf install $dnf_tex"
  elif command -v brew >/dev/null 2>&1; then
    how="brew install $brew_tex"
  else
    how="install TeX Live (https://tug.org/texlive)"
  fi
  echo "No TeX here: the article comes out as article.zip instead of a PDF. To compile it on this machine: $how"
  ;;
*)
  echo "usage: $0 [check | test]" >&2
  exit 2
  ;;
esac
