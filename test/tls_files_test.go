// SPDX-License-Identifier: Apache-2.0

//go:build tools || peers

package test

import (
	"os"
	"path/filepath"

	"github.com/sideloop/sideloop/test/authority"
)

// files writes the authority and a pair for programs.
func (m *mesh) files(p authority.Pair) (ca, certificate, key string) {
	dir := m.t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			m.t.Fatal(err)
		}
		return path
	}
	return put("ca.pem", m.ca.PEM), put("own.pem", p.Certificate), put("own.key", p.Key)
}
