#!/bin/sh
# Make the locks anew from pyproject.toml and environments/*.in; run by hand when dependencies change.
set -eu
cd "$(dirname "$0")/.."
compile=".venv/bin/uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --python-version 3.11"
printf 'hatchling\neditables\n' > .venv/build.in
echo uv | $compile - -o requirements-setup.txt
$compile --extra server pyproject.toml .venv/build.in -o requirements.txt
$compile --all-extras pyproject.toml .venv/build.in -c requirements.txt -o requirements-dev.txt
for source in environments/*.in; do
    $compile "$source" -o "${source%.in}.txt"
done
