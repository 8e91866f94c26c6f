// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"slices"

	"github.com/sideloop/sideloop/config"
)

// matcher is the stats_matcher of the configuration in force.
type matcher struct {
	all          bool
	keys, labels []string
}

func newMatcher(c *config.Metrics) matcher {
	return matcher{c.RejectAll, c.ExclusionKeys, c.ExclusionLabels}
}

func (m *matcher) rejectsAny() bool { return m.all || len(m.keys)+len(m.labels) > 0 }

// rejects tells that a family is not shown.
func (m *matcher) rejects(f *family) bool {
	return m.rejectsName(f.name) || slices.ContainsFunc(f.labels, m.rejectsLabel)
}

func (m *matcher) rejectsName(name string) bool { return m.all || slices.Contains(m.keys, name) }

func (m *matcher) rejectsLabel(label string) bool { return slices.Contains(m.labels, label) }
