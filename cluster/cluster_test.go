// SPDX-License-Identifier: Apache-2.0

package cluster

import "testing"

func TestMarkChangesOneHostAndNotTheOriginal(t *testing.T) {
	c := &Cluster{Name: "c", Hosts: []*Host{{Address: "a:1"}, {Address: "b:1"}}}
	down := c.Mark("b:1", FailedCheck, true)
	if down == c || c.Hosts[1].Down != 0 || down.Hosts[1].Down != FailedCheck {
		t.Fatalf("marked %v, original %v", down.Hosts[1].Down, c.Hosts[1].Down)
	}
	if down.Hosts[0] != c.Hosts[0] {
		t.Error("the other host was replaced")
	}
	both := down.Mark("b:1", Ejected, true)
	if got := both.Mark("b:1", FailedCheck, false).Hosts[1].Down; got != Ejected {
		t.Errorf("lifting one verdict left %v", got)
	}
}

func TestMarkWithoutAChangeReturnsTheCluster(t *testing.T) {
	c := &Cluster{Hosts: []*Host{{Address: "a:1", Down: Ejected}}}
	if c.Mark("a:1", Ejected, true) != c || c.Mark("a:1", FailedCheck, false) != c || c.Mark("x:1", Ejected, true) != c {
		t.Error("a copy was made")
	}
}

func TestJudgedChangesWhatIsJudgedOtherwise(t *testing.T) {
	c := &Cluster{Name: "c", Hosts: []*Host{{Address: "a:1"}, {Address: "b:1"}}}
	verdict := map[string]Down{"b:1": FailedCheck | Ejected}
	down := c.Judged(func(h *Host) Down { return verdict[h.Address] })
	if c.Hosts[1].Down != 0 || down.Hosts[1].Down != FailedCheck|Ejected {
		t.Fatalf("judged %v, original %v", down.Hosts[1].Down, c.Hosts[1].Down)
	}
	if down.Hosts[0] != c.Hosts[0] {
		t.Error("the other host was replaced")
	}
	if down.Judged(func(h *Host) Down { return verdict[h.Address] }) != down {
		t.Error("a copy was made without a change")
	}
	if up := down.Judged(func(*Host) Down { return 0 }); up.Hosts[1].Down != 0 {
		t.Error("the verdict was not lifted")
	}
}
