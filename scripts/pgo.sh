#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the profile that `make build` optimises by: exchanges between every two
# protocols through a worker, and an echo through a loop. It is made of benchmarks
# rather than of a proxy under load, so that all of it is our own code and anyone
# can make it again.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go test ./pipeline -run '^$' -bench '^BenchmarkExchange$' -benchtime 3s -o "$dir/pipeline.test" -cpuprofile "$dir/pipeline"
go test ./eventloop -run '^$' -bench '^Benchmark(PingPong|Flush)$' -benchtime 1s -o "$dir/eventloop.test" -cpuprofile "$dir/eventloop"
go tool pprof -proto "$dir/pipeline" "$dir/eventloop" >cmd/sideloop/hot.pgo
ls -l cmd/sideloop/hot.pgo
