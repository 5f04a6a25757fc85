#!/usr/bin/env bash
# Prints the folder of a virtual environment with exactly the pinned requirements, making it on first use.
# Environments live in the cache, named by what is in them, so that clones share them and a change makes a new one.
set -euo pipefail
cd "$(dirname "$0")/.."
file=$1
cache=${ONE_RING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/one-ring}
python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
key=$(basename "$(dirname "$file")")-$(basename "$file" .txt)-py$python-$(sha256sum "$file" | cut -c1-12)
venv=$cache/venv/$key
uv=$cache/venv/uv/bin/uv
if [ ! -x "$uv" ]; then
  echo "Installing uv …" >&2
  python3 -m venv "$cache/venv/uv" && "$cache/venv/uv/bin/pip" --quiet install --require-hashes -r deploy/uv-requirements.txt >&2
fi
if [ ! -e "$venv/.complete" ]; then
  echo "Installing $file into $venv …" >&2
  "$uv" venv --quiet --clear "$venv" --python "$(command -v python3)" >&2
  VIRTUAL_ENV=$venv "$uv" pip install --quiet --require-hashes -r "$file" >&2
  touch "$venv/.complete"
fi
echo "$venv"
