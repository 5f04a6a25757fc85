#!/usr/bin/env bash
# Pins every environment by hash: one requirements file beside each image, one for development.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=${ONE_RING_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/one-ring}/venv/uv/bin:$PATH
pin() { # FILE EXTRA...
  local file=$1; shift
  uv pip compile pyproject.toml "${@/#/--extra=}" --generate-hashes --no-emit-index-url --no-header \
    --no-annotate --python-version 3.11 --python-platform x86_64-manylinux_2_28 --quiet --output-file "$file"
}
echo "uv>=0.9,<1" | uv pip compile - --generate-hashes --no-emit-index-url --no-header --no-annotate \
  --python-version 3.11 --quiet --output-file deploy/uv-requirements.txt
pin operator/requirements.txt operator
pin api-gateway/requirements.txt gateway
pin trainer-image/requirements.txt trainer
pin requirements-dev.txt operator gateway dev
pin tests/trainer/requirements.txt trainer dev
