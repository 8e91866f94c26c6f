// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ReleaseImage takes the pages of the program's file out of the process that were
// only needed to start: package initialisation, the configuration's parser, the
// command line. They stay in the system's page cache, so what is used again costs
// a minor fault for each 64 KiB. It is called once everything listens.
//
// Only memory that the process has never written is touched, by the kernel's own
// account: to drop it changes nothing that could be read.
func ReleaseImage() {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return // without /proc it all stays, as it did
	}
	defer f.Close()
	for _, m := range cleanMappings(f) {
		// A mapping that the kernel keeps is one that stays.
		_, _, _ = unix.RawSyscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

// mapping is a range of addresses.
type mapping struct{ start, end uintptr }

// cleanMappings returns, of the text of a smaps file, what is mapped of files,
// cannot be written and has no page that ever was.
func cleanMappings(smaps io.Reader) []mapping {
	var clean []mapping
	var at mapping
	candidate := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		fields := bytes.Fields(lines.Bytes())
		switch {
		case len(fields) == 0:
		case bytes.HasSuffix(fields[0], []byte(":")):
			if candidate && string(fields[0]) == "Anonymous:" && len(fields) > 1 && string(fields[1]) == "0" {
				clean = append(clean, at)
			}
		default:
			at, candidate = fileMapping(fields)
		}
	}
	return clean
}

// fileMapping reads a line that begins a mapping: range, permissions, offset,
// device, inode, path. It is false for what is not a file's or can be written.
func fileMapping(fields [][]byte) (mapping, bool) {
	if len(fields) < 6 || fields[5][0] != '/' || string(fields[4]) == "0" {
		return mapping{}, false
	}
	if p := string(fields[1]); p != "r-xp" && p != "r--p" {
		return mapping{}, false
	}
	from, to, _ := bytes.Cut(fields[0], []byte("-"))
	start, err := strconv.ParseUint(string(from), 16, 64)
	end, err2 := strconv.ParseUint(string(to), 16, 64)
	if err != nil || err2 != nil || start >= end {
		return mapping{}, false
	}
	return mapping{uintptr(start), uintptr(end)}, true
}
