#!/usr/bin/env bash
# Builds the site: guides, gallery, examples, commands and the reference of every room. A warning ends
# it. Extra arguments go to sphinx-build:
#   bash launch/docs.sh            the pages lie in docs/_build/index.html
set -euo pipefail
cd "$(dirname "$0")/.."
source launch/install.sh docs
python -m sphinx -W --keep-going -q "$@" docs docs/_build
echo "docs/_build/index.html"
