// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"log/slog"
	"testing"

	"github.com/sideloop/sideloop/accesslog"
	"github.com/sideloop/sideloop/config"
)

// BenchmarkLogged is BenchmarkExchange with an access log of the default format, to
// a device.
func BenchmarkLogged(b *testing.B) {
	line, _ := config.ParseLogFormat(config.DefaultLogFormat)
	files := accesslog.NewFiles(1, slog.New(slog.DiscardHandler))
	b.Cleanup(func() { files.Close(false) })
	file, err := files.Open("/dev/null")
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range rigs {
		b.Run(r.name, func(b *testing.B) {
			g := newRig(b, r.down, r.up, 128, accesslog.New(&config.AccessLog{Line: line, Filter: config.LogFilter{Percent: 100}}, file))
			b.ReportAllocs()
			g.on(func() {
				for range 100 {
					g.round()
				}
				b.ResetTimer()
				for i := 0; i < b.N; i += len(g.callers) {
					g.round()
				}
				b.StopTimer()
			})
		})
	}
}
