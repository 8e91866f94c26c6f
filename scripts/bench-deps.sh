#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Installs the proxies that loopbench suite compares with, where they are missing
# and Debian's packages are at hand. What stays missing is listed as missing in
# the suite's report, so that this never fails a benchmark.
set -eu

missing=''
for program in haproxy nghttpx h2load h2o nginx; do
	command -v "$program" >/dev/null 2>&1 || [ -x "/usr/sbin/$program" ] || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

packages=''
for program in $missing; do
	case $program in
	nghttpx) packages="$packages nghttp2-proxy" ;;
	h2load) packages="$packages nghttp2-client" ;;
	nginx) packages="$packages nginx-light" ;;
	*) packages="$packages $program" ;;
	esac
done

if ! command -v apt-get >/dev/null 2>&1; then
	echo "missing:$missing; install them by your system's means (Debian's packages:$packages)"
	exit 0
fi
sudo=''
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "missing:$missing; as root: apt-get install$packages"
		exit 0
	fi
	sudo=sudo
fi
echo "installing$packages"
# Debian starts daemons that it installs; a policy of 101 says not to.
policy=/usr/sbin/policy-rc.d
if [ -e "$policy" ]; then
	policy=''
else
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
	trap '$sudo rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM
fi
$sudo apt-get install -y --no-install-recommends $packages ||
	echo "not all of them could be installed (apt-get update may help); missing ones are left out of the comparison"
