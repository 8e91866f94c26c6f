// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

const (
	// constantsKept are as many as a loop has busy pairs of connections; where there
	// are more, some write these parts of their lines anew.
	constantsKept = 256
	// constantsMax is how long those of a pair may be together: several addresses
	// and names.
	constantsMax = 512
	// runsMax is how many runs a format keeps; what follows is always written.
	runsMax = 4
)

// likeness is what requests between two connections that end alike have in common.
type likeness struct {
	connection, upstream uint64
	cluster, host        string
	status               int
	to                   codec.Protocol
	reason               codec.Reason
}

// constants are the runs of a format, as written for requests that are alike.
type constants struct {
	of   likeness
	text []byte
	ends [runsMax]uint16
}

// run is the text of the run of that index.
func (c *constants) run(i int) []byte {
	if i == 0 {
		return c.text[:c.ends[0]]
	}
	return c.text[c.ends[i-1]:c.ends[i]]
}

// constant tells that a variable is the same for all requests that are alike.
func constant(k config.LogKind) bool {
	if _, ok := k.TLS(); ok {
		return true
	}
	switch k {
	case config.LogProtocol, config.LogUpstreamProtocol, config.LogListener, config.LogCluster, config.LogHost,
		config.LogUpstreamLocal, config.LogUpstreamConnection, config.LogRemote, config.LogLocal, config.LogConnection,
		config.LogLoop, config.LogPeerName, config.LogStatus, config.LogReason, config.LogReasonText, config.LogFlags:
		return true
	}
	return false
}

// constants are the runs for requests like r, nil where they are not
// kept: they are too long, or nobody numbered the connection.
func (f *format) constants(r *pipeline.Ended, m *memory) *constants {
	if r.Connection == 0 {
		return nil
	}
	of := likeness{connection: r.Connection, upstream: r.UpstreamConnection, cluster: r.Cluster, status: r.Status, to: r.To, reason: r.Reason}
	if r.Host != nil {
		of.host = r.Host.Address
	}
	if c := m.last; c != nil && c.of == of {
		return c
	}
	const golden = 0x9E3779B97F4A7C15 // spreads numbers that differ by little
	slot := &m.constants[((of.connection*golden)^of.upstream+uint64(of.status))*golden>>56%constantsKept]
	c := *slot
	if c == nil {
		c = new(constants)
		*slot = c
	}
	if c.of != of {
		c.of, c.text = of, c.text[:0]
		for i, run := range f.runs {
			c.text, _ = f.appendSegments(c.text, run, r, m, constantsMax)
			if len(c.text) > constantsMax {
				*slot, m.last = nil, nil
				return nil
			}
			c.ends[i] = uint16(len(c.text))
		}
	}
	m.last = c
	return c
}
