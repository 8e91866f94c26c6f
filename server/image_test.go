// SPDX-License-Identifier: Apache-2.0

package server

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCleanMappings(t *testing.T) {
	const smaps = `00400000-00b5f000 r-xp 00000000 fe:00 1234                       /usr/bin/sideloop
Rss:                6396 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
00b5f000-01373000 r--p 0075f000 fe:00 1234                       /usr/bin/side loop
Anonymous:             0 kB
01373000-01393000 r--p 0075f000 fe:00 1234                       /usr/bin/relocated
Anonymous:             4 kB
013a3000-013f2000 rw-p 00f73000 fe:00 1234                       /usr/bin/sideloop
Anonymous:             0 kB
013f2000-0143b000 r--p 00000000 00:00 0
Anonymous:             0 kB
01500000-01600000 r--s 00000000 fe:00 99                         /shared
Anonymous:             0 kB
7fff80970000-7fff80972000 r-xp 00000000 00:00 0                  [vdso]
Anonymous:             0 kB
zz-01 r-xp 00000000 fe:00 1234 /nonsense
Anonymous:             0 kB
`
	want := []mapping{{0x400000, 0xb5f000}, {0xb5f000, 0x1373000}}
	if got := cleanMappings(strings.NewReader(smaps)); !slices.Equal(got, want) {
		t.Fatalf("%x, want %x", got, want)
	}
}

// What is released is there again when it is used.
func TestReleaseImage(t *testing.T) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(cleanMappings(f)) == 0 {
		t.Fatal("the program's own text is not among what can be released")
	}
	before := fileResident(t)
	ReleaseImage()
	if after := fileResident(t); after >= before {
		t.Fatalf("%d KiB of files are resident, and were %d before", after, before)
	}
	TestCleanMappings(t)
}

// fileResident is RssFile in KiB.
func fileResident(t *testing.T) (kib int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "RssFile:")
	if !ok {
		t.Fatal("no RssFile")
	}
	for _, r := range strings.Fields(rest)[0] {
		kib = 10*kib + int(r-'0')
	}
	return kib
}
