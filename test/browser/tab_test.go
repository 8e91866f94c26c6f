// SPDX-License-Identifier: Apache-2.0

//go:build browser && !race

package browser

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// tab is a page in a browser of its own, with all that it said and asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu        sync.Mutex
	complains []string
	hosts     map[string]bool
	requests  int
	lost      bool // the server is away on purpose
}

// open opens the admin server's page.
func open(t *testing.T, address string) *tab {
	t.Helper()
	b := &tab{t: t, hosts: make(map[string]bool)}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Headless, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.UserDataDir(t.TempDir()))
	t.Cleanup(cancel)
	b.ctx, cancel = chromedp.NewContext(allocator, chromedp.WithListener(b.event))
	t.Cleanup(cancel)
	// The browser lives as long as the context of its first action.
	if err := chromedp.Do(b.ctx, call(network.Enable, network.EnableParams{}), call(log.Enable, cdp.Empty{})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := chromedp.Cancel(b.ctx); err != nil {
			t.Error(err)
		}
	})
	b.size(1360, 900)
	b.do(chromedp.Navigate("http://" + address + "/"))
	t.Cleanup(func() { b.check(address) })
	return b
}

// call is a command of the protocol whose result does not matter.
func call[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *tab) event(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil {
			b.hosts[u.Host] = true
			b.requests++
		}
	case *runtime.EventConsoleAPICalled:
		for _, a := range e.Args {
			b.complains = append(b.complains, "console: "+string(a.Value))
		}
	case *runtime.EventExceptionThrown:
		said := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			said += " " + e.ExceptionDetails.Exception.Description
		}
		b.complains = append(b.complains, said)
	case *log.EventEntryAdded:
		if !b.lost {
			b.complains = append(b.complains, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// check fails on anything that the page complained of, and on a request to
// anybody but the admin server.
func (b *tab) check(address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complains {
		b.t.Error("the page says: ", c)
	}
	delete(b.hosts, address)
	for h := range b.hosts {
		b.t.Errorf("the page asked %q", h)
	}
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, waitLimit)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is the value of an expression, which may be a promise.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, waitLimit)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// text is that of the first element that a selector finds.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, `document.querySelector(`+quote(selector)+`)?.textContent ?? ""`)
}

func (b *tab) count(selector string) int {
	b.t.Helper()
	return eval[int](b, `document.querySelectorAll(`+quote(selector)+`).length`)
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// choose picks an option or types into a field, as its user would.
func (b *tab) choose(selector, value string) {
	b.t.Helper()
	eval[bool](b, `(() => { const e = document.querySelector(`+quote(selector)+`); e.value = `+quote(value)+`;
 e.dispatchEvent(new Event("input", {bubbles: true})); e.dispatchEvent(new Event("change", {bubbles: true})); return true; })()`)
}

func (b *tab) await(what string, expression string) {
	b.t.Helper()
	eventually(b.t, what, func() bool { return eval[bool](b, expression) })
}

func (b *tab) size(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
}

// scheme makes the system's preference light or dark.
func (b *tab) scheme(name string) {
	b.t.Helper()
	b.do(call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}))
}

// asked is how many requests the page has made.
func (b *tab) asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests
}

// lose tells that the server will go away, of which the browser complains.
func (b *tab) lose() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost = true
}

func (b *tab) reload() {
	b.t.Helper()
	b.do(chromedp.Reload())
}

// press presses a key with the focus where it is.
func (b *tab) press(key string) {
	b.t.Helper()
	codes := map[string]string{"Enter": kb.Enter, "Tab": kb.Tab}
	b.do(chromedp.KeyEvent(codes[key]))
}

// fits fails where the page is wider than the window.
func (b *tab) fits() {
	b.t.Helper()
	if by := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); by > 0 {
		b.t.Errorf("the page is %d pixels too wide", by)
	}
}

// contrast fails on text that does not stand out from what is behind it as much
// as WCAG 2.1 AA asks for.
func (b *tab) contrast(what string) {
	b.t.Helper()
	bad := eval[[]string](b, `(() => {
 const parse = (c) => { const n = c.match(/[\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
 const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
 const ground = (e) => { let stack = []; for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); stack.push(c); if (c[3] === 1) break; }
  return stack.reverse().reduce((under, c) => over(c, under), [255, 255, 255, 1]); };
 const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
 const bad = new Set(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
 for (let n = walker.nextNode(); n; n = walker.nextNode()) {
  const e = n.parentElement;
  if (!n.textContent.trim() || !e.checkVisibility() || e.closest("noscript, .skip, option")) continue;
  const style = getComputedStyle(e), under = ground(e), ink = over(parse(e instanceof SVGElement ? style.fill : style.color), under);
  const [a, b] = [light(ink), light(under)].sort((x, y) => y - x), ratio = (a + 0.05) / (b + 0.05);
  const large = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
  if (ratio < (large ? 3 : 4.5)) bad.add(e.className + " " + n.textContent.trim().slice(0, 20) + " " + ratio.toFixed(2));
 }
 return [...bad];
})()`)
	if len(bad) > 0 {
		b.t.Errorf("%s: too little contrast: %q", what, bad)
	}
}

// pictures tells that pictures are wanted.
func pictures() bool { return os.Getenv("SIDELOOP_SCREENSHOTS") != "" }

// shoot writes a picture of the page into the folder that SIDELOOP_SCREENSHOTS
// names, if it does.
func (b *tab) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("SIDELOOP_SCREENSHOTS")
	if folder == "" {
		return
	}
	eval[bool](b, `new Promise((done) => { scrollTo({ top: 0, behavior: "instant" }); setTimeout(() => done(true), 1500); })`)
	ctx, cancel := context.WithTimeout(b.ctx, waitLimit)
	defer cancel()
	picture, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		m, err := cdp.Call(ctx, t, page.GetLayoutMetrics, cdp.Empty{})
		if err != nil {
			return nil, err
		}
		all := true
		r, err := cdp.Call(ctx, t, page.CaptureScreenshot, page.CaptureScreenshotParams{
			CaptureBeyondViewport: &all,
			Clip:                  &page.Viewport{Width: m.CSSContentSize.Width, Height: m.CSSContentSize.Height, Scale: 1},
		})
		return r.Data, err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
