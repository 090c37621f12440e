#!/usr/bin/env bash
# Make the virtual environment: setup.sh PYTHON VENV. pip's own settings (PIP_INDEX_URL, PIP_FIND_LINKS …) apply.
set -euo pipefail
python=$1 venv=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "VEMO needs Python 3.11 or newer; $python is $("$python" --version). Name another: make setup PYTHON=python3.12" >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || {
    echo "The module venv is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
}
echo "Installing into $venv (torch is large; the first time takes some minutes) …"
"$venv/bin/python" -m pip install --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet -r requirements-dev.txt
if ! "$venv/bin/python" -c 'import cv2' 2>/dev/null; then
    libraries="libgl1 libglib2.0-0 libsm6 libice6 libx11-6 libxcb1 libxext6"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $libraries >/dev/null
    fi
    "$venv/bin/python" -c 'import cv2' || {
        echo "OpenCV cannot be loaded. On Debian and Ubuntu: apt-get install $libraries" >&2
        exit 1
    }
fi
