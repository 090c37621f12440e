#!/usr/bin/env bash
# A real Chromium for the browser tests, installed where that is possible. Never fails: the tests skip and say why.
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium …"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0
fi
echo "!!! There is no Chromium here, so the browser tests will be SKIPPED. Install the package chromium to run them." >&2
