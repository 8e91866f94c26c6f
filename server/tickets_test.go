// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/test/authority"
)

// resumes makes a handshake and a byte of data, by which a ticket arrives, and
// tells whether a session of before was resumed.
func resumes(t *testing.T, server, client *tls.Config) bool {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	go func() {
		defer far.Close()
		// The client tells what fails.
		_, _ = tls.Server(far, server).Write([]byte("x"))
	}()
	c := tls.Client(near, client)
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState().DidResume
}

// A ticket is good for a week, whether its key is one of those that rotate daily,
// and whether others come in between or nobody does, or one that proxies share.
func TestTicketsLiveForAWeek(t *testing.T) {
	for name, secret := range map[string]string{"rotating": "", "shared": "a secret of the cluster"} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, busy := range []bool{true, false} {
				t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						ticketLives(t, secret, version, busy)
					})
				})
			}
		}
	}
}

func ticketLives(t *testing.T, secret string, version uint16, busy bool) {
	own := authority.New(t, "tickets").Sign(t, authority.Request{Names: []string{"proxy"}, Lasts: 30 * 24 * time.Hour})
	s, err := newServerTLS(&config.Listener{Name: "in", TLS: []config.TLS{{
		CertChain: own.Certificate, PrivateKey: own.Key, MinVersion: tls.VersionTLS12, MaxVersion: version, Ticket: secret,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	client := func() *tls.Config {
		// The authority is one of tests and does not live for a week.
		return &tls.Config{InsecureSkipVerify: true, ServerName: "proxy", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	}
	returning := make(map[int]*tls.Config) // by the hour at which it comes back
	for _, hour := range []int{1, 25, 49, 6*24 + 23, 7*24 + 1, 14 * 24} {
		returning[hour] = client()
		if resumes(t, s.ready.Config, returning[hour]) {
			t.Error("there was a session before the first")
		}
	}
	for hour := 1; hour <= 14*24; hour++ {
		time.Sleep(time.Hour)
		if busy && hour%12 == 0 {
			resumes(t, s.ready.Config, client())
		}
		if c := returning[hour]; c != nil {
			if got, want := resumes(t, s.ready.Config, c), hour < 7*24; got != want {
				t.Errorf("after %d hours: resumed %v", hour, got)
			}
		}
	}
}
