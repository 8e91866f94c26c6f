#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Runs the seed chain: a Bolt call to 127.0.0.1:2045 crosses HTTP/2 to :2046 and
# reaches a Bolt echo service on :8080.
set -eu
cd "$(dirname "$0")/.."

echo_pid='' proxy_pid=''
stop() {
	trap - INT TERM EXIT
	[ -z "$proxy_pid" ] || kill "$proxy_pid" 2>/dev/null || true
	[ -z "$echo_pid" ] || kill "$echo_pid" 2>/dev/null || true
	wait
}
trap stop EXIT
trap 'stop; exit 0' INT TERM

bin/loopbench serve --address 127.0.0.1:8080 &
echo_pid=$!
bin/sideloop start -c examples/seed/config.json &
proxy_pid=$!

echo 'calling com.example.Echo:1.0 through 127.0.0.1:2045:'
bin/loopbench call 127.0.0.1:2045 --wait 10s --body 'hello from the seed chain'
echo 'serving; Ctrl-C ends it'
# Whichever ends first ends the other.
while kill -0 "$proxy_pid" 2>/dev/null && kill -0 "$echo_pid" 2>/dev/null; do
	sleep 1
done
exit 1
