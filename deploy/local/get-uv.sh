#!/usr/bin/env bash
# Puts uv from PyPI into a folder of ours, touching nothing else: by venv, or by pip where Debian's python3 lacks venv.
#   get-uv.sh PYTHON FOLDER
set -eu
python=$1 folder=$2
command -v "$python" >/dev/null || { echo "no $python here; on Debian: apt-get install -y python3 python3-venv" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$("$python" --version) is too old: Python 3.11 or newer is needed (make PYTHON=...)" >&2; exit 1; }
mkdir -p "$folder/bin"
# One that is here already serves if it runs and is new enough for what the Makefile asks of it.
if uv=$(command -v uv) && "$uv" pip compile --help 2>/dev/null | grep -q -e '--group'; then
  ln -sf "$uv" "$folder/bin/uv"
elif "$python" -c 'import ensurepip' 2>/dev/null; then
  "$python" -m venv "$folder/venv" && "$folder/venv/bin/pip" install -q --disable-pip-version-check uv
  ln -sf ../venv/bin/uv "$folder/bin/uv"
elif "$python" -m pip --version >/dev/null 2>&1; then
  # --target leaves the system's Python alone, so it is allowed where that is externally managed.
  "$python" -m pip install -q --disable-pip-version-check --target "$folder/lib" uv
  ln -sf ../lib/bin/uv "$folder/bin/uv"
else
  echo "this Python has neither venv nor pip; on Debian: apt-get install -y python3-venv" >&2
  exit 1
fi
