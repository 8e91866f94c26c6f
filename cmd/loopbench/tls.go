// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/load"
)

// h2 is the name of HTTP/2 in TLS.
const h2 = "h2"

// tls is how to encrypt, nil for plain text. Version, cipher suite and key
// exchange are the same toward every target, so that comparisons are of the same
// work: TLS 1.3 takes AES-128-GCM where the target has no other preference.
func (f *loadFlags) tls() (*tls.Config, error) {
	if f.TLSCA == "" {
		if f.TLSResume {
			return nil, errors.New("--tls-resume needs --tls-ca")
		}
		return nil, nil
	}
	text, err := os.ReadFile(f.TLSCA)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{
		RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519},
		DynamicRecordSizingDisabled: true,
	}
	if !c.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", f.TLSCA)
	}
	if c.ServerName, _, err = net.SplitHostPort(f.Target); err != nil {
		return nil, fmt.Errorf("with TLS the target is HOST:PORT: %w", err)
	}
	if f.Protocol == load.HTTP2 || f.Protocol == load.GRPC {
		c.NextProtos = []string{h2}
	}
	if f.TLSResume {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(f.Connections)
	}
	return c, nil
}

// tls is how a service encrypts, nil for plain text.
func (s *serve) tls() (*tls.Config, error) {
	if s.TLSCert == "" && s.TLSKey == "" {
		return nil, nil
	}
	own, err := tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, DynamicRecordSizingDisabled: true}
	if s.Protocol != bench.SpeaksBolt {
		c.NextProtos = []string{h2}
	}
	return c, nil
}
