// SPDX-License-Identifier: Apache-2.0

package router

import (
	"maps"
	"slices"

	"github.com/bytedance/gopkg/lang/fastrand"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
)

// Target is where a request goes.
type Target struct {
	// Cluster is the name of the cluster; it is a view where the request has it.
	Cluster []byte
	// Subset are the labels that a host must have, nil for any.
	Subset *cluster.Criteria
}

// targets is how the target is chosen.
type targets struct {
	fixed    Target // with a cluster unless one of the others counts
	weighted []weightedTarget
	total    uint32
	header   string
	variable *config.Variable
}

// weightedTarget has the numbers below upTo that no target before it has.
type weightedTarget struct {
	Target
	upTo uint32
}

func newTargets(c *config.Action) targets {
	t := targets{fixed: Target{[]byte(c.Cluster), newCriteria(c.Labels)}, header: c.ClusterHeader}
	if v, ok := config.ParseVariable(c.ClusterVariable); ok {
		t.variable = &v
	}
	for _, w := range c.Weighted {
		subset := t.fixed.Subset
		if len(w.Labels) > 0 {
			labels := maps.Clone(w.Labels)
			for k, v := range c.Labels {
				if _, own := labels[k]; !own {
					labels[k] = v
				}
			}
			subset = newCriteria(labels)
		}
		t.total += w.Weight
		t.weighted = append(t.weighted, weightedTarget{Target{[]byte(w.Cluster), subset}, t.total})
	}
	return t
}

// newCriteria sorts labels; none are nil.
func newCriteria(labels map[string]string) *cluster.Criteria {
	if len(labels) == 0 {
		return nil
	}
	c := new(cluster.Criteria)
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		c.Pairs = append(c.Pairs, cluster.Pair{Key: key, Value: labels[key]})
	}
	return c
}

// none tells that a route's Cluster says it all.
func (t *targets) none() bool {
	return t.fixed.Subset == nil && t.weighted == nil && t.header == "" && t.variable == nil
}

// Target chooses where the request goes. The name is empty where the request
// does not say.
func (t *targets) Target(q *Query) Target {
	switch {
	case t.weighted != nil:
		return t.weighted[t.pick(fastrand.Uint32n(t.total))].Target
	case t.variable != nil:
		name, _ := q.Value(t.variable)
		return Target{name, t.fixed.Subset}
	case t.header != "":
		name, _ := q.header(t.header)
		return Target{name, t.fixed.Subset}
	}
	return t.fixed
}

// pick is the weighted target that has the number n, which is below total.
func (t *targets) pick(n uint32) int {
	i := 0
	for t.weighted[i].upTo <= n {
		i++
	}
	return i
}
