// SPDX-License-Identifier: Apache-2.0

//go:build browser && !race

// Package browser looks at the admin server's page with Chromium.
package browser

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench"
)

func quote(s string) string { return strconv.Quote(s) }

const isLive = `document.querySelector("#state").dataset.state === "live" && document.querySelectorAll("#listener-rows tr").length > 0`

// busy is a proxy of which some clusters are well and some are not, and clients.
func busy(t *testing.T) (*world, *load) {
	bolts := []string{service(t, bench.Service{}), service(t, bench.Service{Delay: 2 * time.Millisecond}), service(t, bench.Service{})}
	webs := []string{service(t, bench.Service{Speaks: bench.SpeaksHTTP2, ErrorRate: 0.02}), service(t, bench.Service{Speaks: bench.SpeaksHTTP2}), unused(t)}
	w := start(t, configOf([]listen{
		{name: "orders", down: "SofaRpc", up: "SofaRpc", hosts: bolts},
		{name: "web", down: "Http2", up: "Http2", hosts: webs},
		{name: "payments", down: "SofaRpc", up: "Http2", hosts: webs[:2]},
		{name: "gone", down: "Http2", up: "Http2", hosts: []string{unused(t)}},
		{name: "slow", down: "SofaRpc", up: "SofaRpc", timeout: "60ms", hosts: []string{service(t, bench.Service{Delay: 5 * time.Second})}},
	}))
	l := w.load()
	for range 3 {
		l.bolt("orders", 3*time.Millisecond, "com.example.Orders", "com.example.Stock")
		l.http2("web", 4*time.Millisecond, "/shop/", "/shop/cart", "/shop/search?q=shoes")
		l.bolt("payments", 8*time.Millisecond, "com.example.Payments")
	}
	l.http2("web", 150*time.Millisecond, "/nowhere?q=<script>")
	l.http2("gone", 120*time.Millisecond, "/shop/inventory/4711")
	l.bolt("slow", 80*time.Millisecond, "com.example.Reports")
	return w, l
}

// The page shows a busy proxy, and the same as /overview once it is at rest.
func TestPageUnderLoad(t *testing.T) {
	w, l := busy(t)
	b := open(t, w.at)
	b.await("the page is live", isLive)
	for _, reason := range []string{"connect_failed", "upstream_timeout", "no_route"} {
		b.await("the page tells of "+reason, `[...document.querySelectorAll("#failure-rows .tag")].some((e) => e.textContent === `+quote(reason)+`)`)
	}
	b.await("there is a rate and a latency", `/^[1-9]/.test(document.querySelector("#tiles dd").textContent) && /ms|µs/.test(document.querySelector("#tiles div:nth-child(4) dd").textContent)`)
	b.await("the charts have lines", `document.querySelectorAll("#chart-latency path").length === 4 && document.querySelectorAll("#chart-errors path.stack").length >= 3`)
	b.await("requests stand as text", `document.querySelector("#failure-rows").textContent.includes("GET /nowhere?q=<script>")`)
	if pictures() {
		time.Sleep(40 * time.Second) // for the charts to have something
		b.click("[data-cluster=web]")
	}
	for _, scheme := range []string{"light", "dark"} {
		b.scheme(scheme)
		for width, name := range map[int64]string{1360: "busy-", 390: "busy-phone-"} {
			b.size(width, 900)
			b.fits()
			b.contrast(scheme)
			b.shoot(name + scheme)
		}
	}
	b.size(1360, 900)

	l.stop()
	var o overview
	b.await("the page has come to rest", `document.querySelector("#tiles dd").firstChild.textContent === "0"`)
	o = w.overview()
	if got, want := b.text("#tiles dd small"), fmt.Sprintf("%d since the start", o.Counters["downstream_requests_total"]); !strings.HasSuffix(got, "k since the start") && got != want {
		t.Errorf("the page says %q, the overview %q", got, want)
	}
	if n := b.count("#listener-rows tr"); n != len(o.Listeners)+1 {
		t.Errorf("%d rows for %d listeners", n, len(o.Listeners))
	}
	for _, listener := range o.Listeners {
		if !strings.Contains(b.text("#listener-rows"), listener.Address) {
			t.Errorf("%s is not there", listener.Address)
		}
	}
	if n := b.count("#failure-rows tr"); n != len(o.Recent) {
		t.Errorf("%d rows for %d failures", n, len(o.Recent))
	}
	if got := b.text("#failure-rows .request"); got != o.Recent[0].Request {
		t.Errorf("the last request that failed was %q, not %q", o.Recent[0].Request, got)
	}
	b.choose("#reason", "connect_failed")
	failed := 0
	for _, f := range o.Recent {
		if f.Reason == "connect_failed" {
			failed++
		}
	}
	if n := b.count("#failure-rows tr"); n != failed {
		t.Errorf("%d rows for %d that were not connected", n, failed)
	}
	if got, want := b.text(`#reason option[value=connect_failed]`), fmt.Sprintf("connect_failed (%d)", o.Failures["connect_failed"]); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := b.text("#cluster-count"); got != "5 with 10 hosts" {
		t.Errorf("%q", got)
	}
}

// Rates and quantiles are those of what came between two documents.
func TestFiguresOfKnownDocuments(t *testing.T) {
	w := start(t, configOf(nil))
	b := open(t, w.at)
	got := eval[[]float64](b, `(async () => {
 const { Model } = await import("/dashboard/model.js");
 const doc = (at, requests, failed, buckets, busy, tries) => ({
   at, process: { started: 1, pid: 1 }, failures: failed ? { no_route: failed } : {}, glitches: {}, logs: {}, memory: {},
   counters: { downstream_requests_total: requests, upstream_server_errors_total: 0 },
   loops: [{ busy_seconds: busy, turns: 0, read_bytes: 0, written_bytes: 0 }],
   listeners: [{ name: "l", requests, failed: failed ? { no_route: failed } : {}, duration: { sum_seconds: requests, buckets } }],
   clusters: [{ name: "c", requests, failed: {}, hosts: [{ address: "a", tries: tries[0], tries_failed: 0, tries_seconds: tries[0] / 100 }, { address: "b", tries: tries[1], tries_failed: 1, tries_seconds: 0 }] }],
 });
 const m = new Model();
 m.take(doc(100, 1000, 5, [[8192, 1000]], 1, [100, 100]));
 m.take(doc(102, 1200, 15, [[8192, 1090], [1048576, 95], [8388608, 15]], 2, [250, 150]));
 const same = m.take(doc(102, 1200, 15, [], 2, [250, 150]));
 const l = m.listenerFigures().get("l"), h = m.hostFigures(m.latest.clusters[0]), p = m.history[0];
 const before = [l.rate, l.failed, ...l.quantiles.map((s) => s * 1e9), h.get("a").rate, h.get("a").share, h.get("a").mean, p.busy[0], p.reasons.no_route, same ? 1 : 0, m.history.length];
 m.take({ ...doc(103, 4, 0, [[8192, 4]], 0.5, [4, 0]), process: { started: 9, pid: 1 } }); // another process
 return [...before, m.history.length, m.listenerFigures().size];
})()`)
	// The bucket at 1 ms is 131072 ns wide, that at 8 ms 1048576.
	const middle, high = 1048576 + 65536, 8388608 + 524288
	want := []float64{100, 5, middle, middle, high, high, 75, 0.75, 0.01, 0.5, 5, 0, 1, 0, 0}
	for i := range want {
		if d := got[i] - want[i]; len(got) != len(want) || d > 1 || d < -1 || want[i] < 1 && (d > 1e-9 || d < -1e-9) {
			t.Fatalf("%v\nwant %v", got, want)
		}
	}
}

// What changes something asks first, and says what became of it.
func TestPageOperates(t *testing.T) {
	w := start(t, configOf([]listen{{name: "in", down: "Http2", up: "Http2", hosts: []string{unused(t)}}}))
	b := open(t, w.at)
	b.await("the page is live", isLive)
	b.scheme("dark")
	b.shoot("empty-dark")
	b.scheme("light")
	b.shoot("empty-light")
	b.click("#do-reload")
	b.await("it asks", `document.querySelector("#dialog").open && document.activeElement.id === "dialog-no"`)
	b.shoot("dialog")
	b.contrast("dialog")
	b.click("#dialog-no")
	b.await("it is gone", `!document.querySelector("#dialog").open`)
	if n := w.proxy.Reloads().Applied; n != 0 {
		t.Errorf("%d reloads without consent", n)
	}
	b.click("#do-reload")
	b.click("#dialog-yes")
	b.await("it is done", `document.querySelector("#dialog-answer").textContent.startsWith("Done.\n0 changes")`)
	if n := w.proxy.Reloads().Applied; n != 1 {
		t.Errorf("%d reloads", n)
	}
	b.click("#dialog-no")
	b.await("the page tells the generation", `document.querySelector("#facts").textContent.includes("no. 2,")`)
	b.choose("#log-level", "DEBUG")
	b.click("#do-log")
	b.click("#dialog-yes")
	b.await("it is done", `document.querySelector("#dialog-answer").textContent.includes("stderr: DEBUG")`)
	b.click("#dialog-no")
	if l := w.proxy.LogLevels()["stderr"]; l != "DEBUG" {
		t.Errorf("the level is %q", l)
	}

	b.click("#pause")
	b.await("it pauses", `document.querySelector("#state").dataset.state === "paused"`)
	at := b.text("#facts")
	asked := b.asked()
	time.Sleep(2500 * time.Millisecond)
	if now := b.text("#facts"); now != at || b.asked() > asked+1 {
		t.Errorf("it goes on: %q, %q, %d requests", at, now, b.asked()-asked)
	}
	b.click("#pause")
	b.await("it goes on", isLive)

	b.choose("#theme", "dark")
	const ground = `getComputedStyle(document.body).backgroundColor`
	if c := eval[string](b, ground); c != "rgb(13, 17, 23)" {
		t.Errorf("dark is %s", c)
	}
	b.reload()
	b.await("the page is live", isLive)
	if c := eval[string](b, ground); c != "rgb(13, 17, 23)" {
		t.Errorf("dark is %s after a reload", c)
	}
	b.choose("#theme", "auto")
	if c := eval[string](b, ground); c != "rgb(243, 245, 248)" {
		t.Errorf("light is %s", c)
	}
}

// A proxy that does not answer is not shown as if it did.
func TestPageWithoutProxy(t *testing.T) {
	w := start(t, configOf([]listen{{name: "in", down: "Http2", up: "Http2", hosts: []string{unused(t)}}}))
	b := open(t, w.at)
	b.await("the page is live", isLive)
	b.lose()
	w.admin.Close()
	b.await("it says so", `/^Not connected since \d\d:\d\d:\d\d$/.test(document.querySelector("#state-text").textContent)`)
	b.shoot("lost")
	w.serve(w.at)
	b.await("it is live again", isLive)
}

// Of thousands of hosts only those in view are drawn, and each can be found.
func TestPageWithManyHosts(t *testing.T) {
	const clusters, hosts = 200, 10
	var all []string
	for c := range clusters {
		var of []string
		for h := range hosts {
			of = append(of, fmt.Sprintf("10.%d.%d.%d:8080", c/100, c%100, h))
		}
		all = append(all, clusterOf(fmt.Sprintf("service-%03d.production", c), "", of...))
	}
	w := start(t, configOf([]listen{{name: "in", down: "Http2", up: "Http2", hosts: []string{unused(t)}}}, all...))
	l := w.load()
	l.http2("in", 20*time.Millisecond, "/shop/")
	b := open(t, w.at)
	b.await("the page is live", isLive)
	const rows = `document.querySelectorAll("#cluster-rows tr:not(.spacer)").length`
	few := func(what string) {
		t.Helper()
		if n := eval[int](b, rows); n == 0 || n > 60 {
			t.Errorf("%s: %d rows are drawn", what, n)
		}
	}
	few("at first")
	if got := b.text("#cluster-count"); got != "201 with 2001 hosts" {
		t.Errorf("%q", got)
	}
	b.click("#unfold")
	few("unfolded")
	if n := eval[string](b, `document.querySelector("#cluster-table").getAttribute("aria-rowcount")`); n != strconv.Itoa(clusters+1+clusters*hosts+1+1) {
		t.Errorf("%s rows", n)
	}
	eval[bool](b, `(() => { const s = document.querySelector("#cluster-scroll"); s.scrollTop = s.scrollHeight; return true; })()`)
	b.await("the last host is drawn", `[...document.querySelectorAll("#cluster-rows .host th")].some((e) => e.textContent.startsWith("127.0.0.1:"))`)
	few("at the end")
	b.shoot("many")
	b.choose("#find", "10.1.57.9:")
	b.await("one host is found", rows+` === 2 && document.querySelector("#cluster-rows .host th").textContent === "10.1.57.9:8080"`)
	if got := b.text("#found"); got != "1 cluster, 1 host found" {
		t.Errorf("%q", got)
	}
	b.choose("#find", "")
	b.choose("#sort", "rate")
	b.await("the busy one comes first", `document.querySelector("#cluster-rows .fold").dataset.cluster === "in"`)
	b.click("#trouble")
	b.await("only it has trouble", `document.querySelectorAll("#cluster-rows .fold").length === 1`)
	b.click("#trouble")
	b.click("#unfold")
	// A fold keeps the focus while figures come in, and the key works.
	eval[bool](b, `(() => { document.querySelector("#cluster-rows .fold").focus(); return true; })()`)
	b.press("Enter")
	b.await("it is open", `document.activeElement.getAttribute("aria-expanded") === "true"`)
	first := w.overview().At
	eventually(t, "more figures", func() bool { return w.overview().At > first+1 })
	if !eval[bool](b, `document.activeElement.classList.contains("fold")`) {
		t.Error("the focus is lost")
	}
}

// The page can be read by those who do not see it.
func TestPageIsAccessible(t *testing.T) {
	w := start(t, configOf([]listen{{name: "in", down: "Http2", up: "Http2", hosts: []string{unused(t)}}}))
	b := open(t, w.at)
	b.await("the page is live", isLive)
	nameless := eval[[]string](b, `[...document.querySelectorAll("button, select, input, [role=img], [role=region], a")].filter((e) =>
 !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.closest("label") || e.textContent.trim())).map((e) => e.outerHTML.slice(0, 80))`)
	if len(nameless) > 0 {
		t.Errorf("these have no name: %q", nameless)
	}
	if n := b.count("table"); n != b.count("table thead th[scope=col]:first-child") {
		t.Errorf("%d tables", n)
	}
	for _, landmark := range []string{"header", "nav[aria-label]", "main", "footer", "html[lang]"} {
		if b.count(landmark) != 1 {
			t.Errorf("there is no %s", landmark)
		}
	}
	// The tab key reaches everything that can be used, in order.
	var order []string
	eval[bool](b, `(() => { document.activeElement.blur(); return true; })()`)
	for range 60 {
		b.press("Tab")
		id := eval[string](b, `(document.activeElement.id || document.activeElement.getAttribute("href") || document.activeElement.className || "").toString()`)
		order = append(order, id)
	}
	for _, id := range []string{"#main", "pause", "theme", "#operate", "find", "sort", "trouble", "unfold", "fold", "reason", "do-reload", "do-drain", "log-path", "log-level", "do-log"} {
		if !slices.Contains(order, id) {
			t.Errorf("the tab key does not reach %s: %v", id, order)
		}
	}
}
