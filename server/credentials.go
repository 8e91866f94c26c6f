// SPDX-License-Identifier: Apache-2.0

package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/sideloop/sideloop/config"
)

// certificateLimit bounds a file of certificates: the largest bundles of public
// authorities have some hundred KiB.
const certificateLimit = 4 << 20

// credentials is one TLS context's certificates, which may change while the
// context stays.
type credentials struct {
	tls   *config.TLS
	owner string // listener or cluster, for messages
	build func(*material) *tls.Config
	// current is what new handshakes use.
	current atomic.Pointer[material]
	// failure is why what the files say now was not taken, nil if it was.
	failure atomic.Pointer[string]
	// seen is the contents that were looked at last. It belongs to whoever
	// holds Server.watching.
	seen contents
}

// contents is what the three texts of a context stand for.
type contents struct {
	ca, chain, key string
}

// material is the certificates of one moment and what was made of them. It never
// changes.
type material struct {
	own     *tls.Certificate // nil for a client that has none
	trusted *x509.CertPool   // nil for the system's
	config  *tls.Config
	loaded  time.Time
}

// newCredentials reads a context's certificates for the first time.
func newCredentials(t *config.TLS, owner string, build func(*material) *tls.Config) (*credentials, error) {
	c := &credentials{tls: t, owner: owner, build: build}
	read, err := c.read()
	if err == nil {
		err = c.take(read)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", owner, t.Path, err)
	}
	return c, nil
}

// read fetches what the context names.
func (c *credentials) read() (contents, error) {
	var r contents
	for _, part := range []struct {
		key, from string
		to        *string
	}{
		{"ca_cert", c.tls.CACert, &r.ca},
		{"cert_chain", c.tls.CertChain, &r.chain},
		{"private_key", c.tls.PrivateKey, &r.key},
	} {
		if *part.to = part.from; part.from == "" || config.IsPEM(part.from) {
			continue
		}
		text, err := readText(part.from)
		if err != nil {
			return r, fmt.Errorf("%s: %w", part.key, err)
		}
		*part.to = text
	}
	return r, nil
}

func readText(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(fmt.Errorf("%s is not a regular file", path), err)
	}
	text, err := io.ReadAll(io.LimitReader(f, certificateLimit+1))
	if err == nil && len(text) > certificateLimit {
		err = fmt.Errorf("%s is larger than %d MiB", path, certificateLimit>>20)
	}
	return string(text), err
}

// take makes new contents current, unless there is something wrong with them.
func (c *credentials) take(r contents) error {
	c.seen = r
	m := &material{loaded: time.Now()}
	if r.chain != "" {
		own, err := tls.X509KeyPair([]byte(r.chain), []byte(r.key))
		if err != nil {
			return fmt.Errorf("cert_chain and private_key: %w", err)
		}
		if now := time.Now(); now.After(own.Leaf.NotAfter) {
			return fmt.Errorf("cert_chain: the certificate of %s has expired, on %s", own.Leaf.Subject, own.Leaf.NotAfter.Format(time.DateOnly))
		}
		m.own = &own
	}
	if r.ca != "" {
		m.trusted = x509.NewCertPool()
		if !m.trusted.AppendCertsFromPEM([]byte(r.ca)) {
			return errors.New("ca_cert: there is no certificate in it")
		}
	}
	m.config = c.build(m)
	c.current.Store(m)
	return nil
}

// refresh looks at the files again. It returns whether there was news, and what
// is wrong with it; then the certificates from before stay.
func (c *credentials) refresh() (news bool, err error) {
	read, err := c.read()
	if err == nil && read == c.seen {
		return false, nil
	}
	if err == nil {
		err = c.take(read)
	}
	if err == nil {
		c.failure.Store(nil)
		return true, nil
	}
	text := err.Error()
	old := c.failure.Swap(&text)
	return old == nil || *old != text, err
}

// ticketKey makes a key of a secret.
func ticketKey(secret string) [32]byte {
	return sha256.Sum256([]byte("session tickets\n" + secret))
}
