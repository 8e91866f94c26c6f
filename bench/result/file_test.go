// SPDX-License-Identifier: Apache-2.0

package result

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample has every field of the schema.
func sample() *Result {
	r := &Result{
		Version: Version, Name: "sideloop", Started: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		Environment: Environment{
			OS: "linux", Arch: "amd64", Kernel: "6.1.0", CPU: "Some CPU", CPUs: 2, Memory: 8 << 30, Go: "go1.26.0", Loopbench: "v1",
		},
		Command: Command{
			Target: "127.0.0.1:2045", Protocol: "boltv2", Connections: 32, InFlight: 16, BodyBytes: 1024,
			Headers: []string{"a: b"}, Rate: 1000, Seconds: 2, Count: 2000, WarmUp: 1,
		},
		Partial: "interrupted", Invalid: "the generator was busy", Elapsed: 2, Requests: 1990,
		Errors: map[string]uint64{"timeout": 7, "wrong_body": 3}, BytesSent: 2048000, BytesRead: 2037760,
		Latency: NewHistogram(), Service: NewHistogram(), Delay: NewHistogram(),
		Schedule:  &Schedule{Due: 2000, Sent: 1970, LateShare: 0.0005, LateBy: 1e6, Lateness: NewHistogram(), Limit: LimitTarget},
		Steal:     0.0625,
		Seconds:   []Second{{At: 0, Requests: 995, Errors: 10, P50: 100, P99: 200, Max: 300}, {At: 1, Requests: 995, P50: 110, P99: 210, Max: 310}},
		Generator: Usage{User: 0.5, System: 0.25, Busy: 0.375, PeakRSS: 10 << 20},
		Targets: []Process{{
			PID: 7, Name: "sideloop", Usage: Usage{User: 1, System: 2, Busy: 0.75, PeakRSS: 12 << 20}, MicrosPerRequest: 3,
		}},
	}
	for i := range int64(1990) {
		r.Latency.Record(100_000 + i*1000)
		r.Service.Record(90_000 + i*1000)
		r.Delay.Record(10_000)
		r.Schedule.Lateness.Record(5_000)
	}
	return r
}

var sameHistogram = cmp.Comparer(func(a, b *Histogram) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.hdr.Equals(b.hdr) && a.Max() == b.Max() && a.Min() == b.Min()
})

// What is written today has the fields and values of the file that was written
// when the schema was fixed, and that file is read in full.
func TestSchemaIsStable(t *testing.T) {
	golden := filepath.Join("testdata", "result.v2.json")
	r, err := Read(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), r, sameHistogram); diff != "" {
		t.Error("the golden file is read as another result (-want +got):\n", diff)
	}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fields(t, golden), fields(t, path)); diff != "" {
		t.Error("the schema has changed (-golden +today):\n", diff)
	}
}

// A file of version 1 has no schedule: it would have been invalid had the
// generator been late, so all of it is told.
func TestReadVersion1(t *testing.T) {
	r, err := Read(filepath.Join("testdata", "result.v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := sample()
	want.Version, want.Schedule, want.Steal = 1, nil, 0
	if diff := cmp.Diff(want, r, sameHistogram); diff != "" {
		t.Error(diff)
	}
	if !r.Tells(100) || r.TailText() != "" {
		t.Error(r.ToldTo(), r.TailText())
	}
}

// fields is a JSON file without the compressed histograms, whose bytes are the
// compressor's matter.
func fields(t *testing.T, path string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"latency", "service", "delay", "lateness"} {
		from := m
		if name == "lateness" {
			from = m["schedule"].(map[string]any)
		}
		h := from[name].(map[string]any)
		if h["hdr"] == "" {
			t.Errorf("%s has no hdr", name)
		}
		delete(h, "hdr")
	}
	return m
}

func TestReadRefuses(t *testing.T) {
	hdr := func(header ...byte) string {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		_, _ = w.Write(header)
		_ = w.Close()
		return base64.StdEncoding.EncodeToString(append(make([]byte, 8), z.Bytes()...))
	}
	latency := func(s string) string { return `{"version":1,"latency":{"hdr":"` + s + `"}}` }
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "unexpected end"},
		{"not JSON", "hello", "invalid character"},
		{"other JSON", `{"a":1}`, "states no version"},
		{"future", `{"version":99}`, "version 99 and this loopbench knows up to 2"},
		{"negative version", `{"version":-1}`, "version -1"},
		{"no histogram", `{"version":1}`, "no latency histogram"},
		{"no base64", latency("%"), "illegal base64"},
		{"short", latency("AAAA"), "too short"},
		{"no zlib", latency("AAAAAAAAAAAAAAAAAAAA"), "zlib"},
		{"short header", latency(hdr(1, 2, 3)), "inflates to 3 bytes"},
		{"other range", latency(hdr(make([]byte, 40)...)), "its range is 0 to 0 with 0 digits"},
		{"inflates", latency(hdr(make([]byte, 2<<20)...)), "more than 1048576 bytes"},
		{"lateness", strings.Replace(string(mustJSON(t)), `"late_share":0.0005`, `"late_share":1.5`, 1), "late_share is 1.5"},
		{"no lateness", strings.Replace(string(mustJSON(t)), `"lateness":`, `"x":`, 1), "no lateness histogram"},
		{"elapsed", strings.Replace(string(mustJSON(t)), `"elapsed_seconds":2`, `"elapsed_seconds":-2`, 1), "elapsed_seconds is -2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "r.json")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			r, err := Read(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, %v; want %q", r, err, c.want)
			}
		})
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func mustJSON(t *testing.T) []byte {
	t.Helper()
	b, err := json.Marshal(sample())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadRefusesHugeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(maxFile+1), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Error(err)
	}
}

// A failure in the middle leaves the old file and nothing else.
func TestWriteFileIsAtomic(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	write := func(text string, err error) error {
		return WriteFile(path, func(w io.Writer) error {
			_, _ = io.WriteString(w, text)
			return err
		})
	}
	if err := write("old", nil); err != nil {
		t.Fatal(err)
	}
	if err := write("half", errors.New("full disk")); err == nil || err.Error() != "cannot write "+path+": full disk" {
		t.Error(err)
	}
	checkDir(t, dir, "f", "old")
	if err := write("new", nil); err != nil {
		t.Fatal(err)
	}
	checkDir(t, dir, "f", "new")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Error(info.Mode(), err)
	}
}

// checkDir finds one file in a folder, with this content.
func checkDir(t *testing.T, dir, name, content string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Fatal(entries, err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != content {
		t.Errorf("%q, %v", b, err)
	}
}

func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		"":                               "no file name",
		dir:                              "it is a folder",
		filepath.Join(dir, "none", "f"):  "cannot write " + filepath.Join(dir, "none", "f") + ": no such file or directory",
		filepath.Join("/dev/null", "f"):  "not a directory",
		filepath.Join(dir, "no\x00name"): "cannot write",
	} {
		for _, err := range []error{CheckWritable(path), sample().Write(path)} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", path, err, want)
			}
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("left behind:", entries)
	}
	path := filepath.Join(dir, "f")
	if err := CheckWritable(path); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Error("left behind:", entries)
	}
}

// A device is written to rather than replaced, and a link stays one.
func TestWriteFileThroughLinksAndDevices(t *testing.T) {
	if err := sample().Write(os.DevNull); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Fatal(info.Mode(), err)
	}
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o600), os.Symlink("file", link)); err != nil {
		t.Fatal(err)
	}
	if err := sample().Write(link); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(link); err != nil || target != "file" {
		t.Error(target, err)
	}
	if _, err := Read(file); err != nil {
		t.Error(err)
	}
}

// Whatever a file contains, it is a result that can be shown or an error.
func FuzzRead(f *testing.F) {
	for _, name := range []string{"result.v1.json", "result.v2.json"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := new(Result)
		if decode(b, r) != nil {
			return
		}
		for _, row := range Compare(r, r).Rows {
			for _, cell := range row.Cells {
				_ = row.Unit.Format(cell.Median)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}
