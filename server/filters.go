// SPDX-License-Identifier: Apache-2.0

package server

import (
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/access"
	"github.com/sideloop/sideloop/pipeline/filter/adaptive"
	"github.com/sideloop/sideloop/pipeline/filter/fault"
	"github.com/sideloop/sideloop/pipeline/filter/metadata"
	"github.com/sideloop/sideloop/pipeline/filter/payload"
	"github.com/sideloop/sideloop/pipeline/filter/ratelimit"
)

// filters is the table type → stream filter.
var filters = filter.Registry{
	access.Name:         access.Kind,
	adaptive.Name:       adaptive.Kind,
	fault.Name:          fault.Kind,
	metadata.Name:       metadata.Kind,
	payload.Name:        payload.Kind,
	ratelimit.FlowName:  ratelimit.Flow,
	ratelimit.LocalName: ratelimit.Local,
}
