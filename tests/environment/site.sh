#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# The documentation site, by antsibull-docs and Sphinx, into build/site/html; a warning is an error.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/environment/lib/common.sh
. "$HERE/lib/common.sh"
cd -- "$PROJECT_DIR"

OUT=$PROJECT_DIR/build/site
export PATH="$DEV_CACHE/release-venv/bin:$PATH"
export ANSIBLE_COLLECTIONS_PATH="$PROJECT_DIR/collections"

antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=self .
rm -rf -- "$OUT"
mkdir -p "$OUT/rst"
chmod go-w "$OUT" "$OUT/rst"
antsibull-docs collection --use-current --squash-hierarchy --fail-on-error --dest-dir "$OUT/rst" optio.codex
# the pages name the pictures from where they are in the collection
cp -r -- docs/images "$OUT/images"
find "$OUT/rst/docsite" -name '*.rst' -exec sed -i 's#\.\./\.\./images/#../../images/#' {} +
python "$HERE/site/playbooks.py" "$OUT/rst"
cp -- "$HERE/site/conf.py" "$OUT/rst/conf.py"
python -m sphinx -q -n -W --keep-going -j auto -b html "$OUT/rst" "$OUT/html"
echo "the site: $OUT/html/index.html"
