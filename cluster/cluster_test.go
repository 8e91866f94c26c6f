// SPDX-License-Identifier: Apache-2.0

package cluster

import "testing"

func TestJudgedChangesWhatIsJudgedOtherwise(t *testing.T) {
	c := &Cluster{Name: "c", Hosts: []*Host{{Address: "a:1"}, {Address: "b:1"}}}
	verdict := map[string]Down{"b:1": FailedCheck | Ejected}
	down := c.Judged(func(a string) Down { return verdict[a] })
	if c.Hosts[1].Down != 0 || down.Hosts[1].Down != FailedCheck|Ejected {
		t.Fatalf("judged %v, original %v", down.Hosts[1].Down, c.Hosts[1].Down)
	}
	if down.Hosts[0] != c.Hosts[0] {
		t.Error("the other host was replaced")
	}
	if down.Judged(func(a string) Down { return verdict[a] }) != down {
		t.Error("a copy was made without a change")
	}
	if up := down.Judged(func(string) Down { return 0 }); up.Hosts[1].Down != 0 {
		t.Error("the verdict was not lifted")
	}
}
