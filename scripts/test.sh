#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# gofmt, vet, staticcheck, unit and end-to-end tests. Suites whose peers are not
# installed are left out and named at the end; with REQUIRE_ALL set that is a
# failure.
set -eu
cd "$(dirname "$0")/.."
STATICCHECK=honnef.co/go/tools/cmd/staticcheck@v0.8.2

left_out=''
leave_out() { left_out="$left_out
  $1: $2"; }
have() { command -v "$1" >/dev/null 2>&1; }

echo '== gofmt'
bad=$(gofmt -l $(git ls-files --cached --others --exclude-standard '*.go'))
[ -z "$bad" ] || { echo "not formatted:" "$bad"; exit 1; }
echo '== vet'
go vet ./...
go vet -tags interop,tools,peers,browser,systemd ./...
echo '== staticcheck'
go run "$STATICCHECK" -tags interop,tools,peers,browser,systemd ./...

echo '== unit and end-to-end tests'
tags='none'
if have chromium; then tags="$tags,browser"; else leave_out 'the admin page in a browser' 'needs chromium'; fi
if have nghttp && have curl && have openssl; then tags="$tags,tools"; else leave_out 'nghttp, curl and openssl as peers' 'needs nghttp2-client, curl and openssl'; fi
if have haproxy && have nghttpx && have nginx && have h2o; then tags="$tags,peers"; else leave_out 'other proxies' 'make bench-deps installs them'; fi
if have systemd-analyze; then tags="$tags,systemd"; else leave_out 'systemd as the reader of its units' 'needs systemd-analyze'; fi
# ./test takes longest and mostly waits, so it begins first, beside all others.
go test -tags "$tags" -timeout 10m ./test ./...
if have gcc || have clang; then
	echo '== the same under the race detector'
	CGO_ENABLED=1 go test -race -tags "$tags" -timeout 15m ./test ./...
else
	leave_out 'race detector' 'needs a C compiler'
fi

echo '== manifests by the types of Kubernetes'
(cd test/manifests && go vet ./... && go test -count=1 ./...)

echo '== interop with SOFARPC for Node.js'
if have node && have npm; then scripts/interop.sh; else leave_out 'sofa-rpc-node' 'needs Node.js and npm'; fi

if [ -n "$left_out" ]; then
	echo "left out:$left_out"
	[ -z "${REQUIRE_ALL:-}" ] || exit 1
else
	echo 'no suite was left out'
fi
