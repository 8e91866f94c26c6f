// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// upgrade answers when the new process has taken over, or will not.
func (a *admin) upgrade(w http.ResponseWriter, q *http.Request) {
	path := q.URL.Query().Get("binary")
	if path != "" && !trusted(q) {
		http.Error(w, "a program is named only by a process on this host that is of the proxy's user, or of root", http.StatusForbidden)
		return
	}
	if a.Upgrade == nil {
		http.Error(w, "this process cannot be upgraded", http.StatusNotFound)
		return
	}
	pid, err := a.Upgrade(path)
	if err != nil {
		http.Error(w, fmt.Sprintf("nothing was changed: %v", err), http.StatusConflict)
		return
	}
	fmt.Fprintf(w, "process %d has taken over\n", pid)
}

// trusted tells whether a request comes from a process that might as well start a
// program itself: one on this host, of our user or of root. The admin server has
// no other authentication.
func trusted(q *http.Request) bool {
	ours, ok := q.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	local, err := netip.ParseAddrPort(ours.String())
	if err != nil {
		return false
	}
	remote, err := netip.ParseAddrPort(q.RemoteAddr)
	if err != nil {
		return false
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		uid, found := ownerOf(f, remote, local)
		f.Close()
		if found {
			return uid == 0 || uid == os.Geteuid()
		}
	}
	return false
}

// ownerOf is the user of the socket that is bound to one address and connected to
// another, by the kernel's table (proc(5)).
func ownerOf(table io.Reader, bound, connected netip.AddrPort) (uid int, found bool) {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		const local, remote, user = 1, 2, 7
		fields := strings.Fields(lines.Text())
		if len(fields) <= user || tableAddress(fields[local]) != unmapped(bound) || tableAddress(fields[remote]) != unmapped(connected) {
			continue
		}
		uid, err := strconv.Atoi(fields[user])
		return uid, err == nil
	}
	return 0, false
}

// tableAddress reads an address of the kernel's table: words of 32 bits in the
// machine's order, in hexadecimal.
func tableAddress(text string) netip.AddrPort {
	host, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(host)
	n, wrong := strconv.ParseUint(port, 16, 16)
	if err != nil || wrong != nil || len(b)%4 != 0 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	return unmapped(netip.AddrPortFrom(a, uint16(n)))
}

// unmapped is an address as it is compared.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
