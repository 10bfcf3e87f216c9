#!/bin/sh
# Installs what is missing on a Debian or Ubuntu machine, and nothing else:
#   scripts/install.sh run     ffmpeg and bubblewrap, which the product needs
#   scripts/install.sh test    the same, and what the tests drive: Chromium, aws CLI, boto3, Node.js, PostgreSQL, tstools, mediainfo
#   scripts/install.sh bench   the same as run, and nginx to compare with
set -eu

case "${1:-run}" in
run)   want="ffmpeg:ffmpeg ffprobe:ffmpeg bwrap:bubblewrap prlimit:util-linux" ;;
test)  want="ffmpeg:ffmpeg ffprobe:ffmpeg bwrap:bubblewrap prlimit:util-linux chromium:chromium tsreport:tstools mediainfo:mediainfo aws:awscli node:nodejs npm:npm curl:curl python3:python3" ;;
bench) want="ffmpeg:ffmpeg ffprobe:ffmpeg bwrap:bubblewrap prlimit:util-linux nginx:nginx-light chromium:chromium" ;;
*)     echo "usage: $0 run|test|bench" >&2; exit 2 ;;
esac

missing=""
for pair in $want; do
	command -v "${pair%%:*}" >/dev/null 2>&1 || case " $missing " in *" ${pair#*:} "*) ;; *) missing="$missing ${pair#*:}" ;; esac
done
# The font of burnt-in timecodes; ffmpeg brings it, or another one.
[ -r /usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf ] || missing="$missing fonts-dejavu-core"
if [ "${1:-run}" = test ]; then
	python3 -c 'import boto3' 2>/dev/null || missing="$missing python3-boto3"
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
	echo "missing:$missing; this script knows apt-get only: install them with your package manager" >&2
	exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
echo "installing$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
