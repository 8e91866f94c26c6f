#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Calls between sofa-rpc-node client and server through the seed chain.
set -eu
cd "$(dirname "$0")/../test/interop"
npm ci --no-audit --no-fund --silent
go test -tags interop -count=1 -timeout 10m .
