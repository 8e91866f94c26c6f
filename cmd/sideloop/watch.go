// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sideloop/sideloop/config"
)

const (
	// watchInterval is how often the files are looked at. A change counts when
	// all has stayed the same for one interval, so that nothing is read half
	// written.
	watchInterval = time.Second
	// watchShare is the part of the time that looking may take: one in so many.
	// A mesh of thousands of files is looked at less often.
	watchShare = 50
)

// watcher looks at a configuration file and at those of the directories that it
// names, through whatever symbolic links lead to them: Kubernetes swaps one above
// the files.
type watcher struct {
	path    string
	changed chan struct{}
	quit    chan struct{}
	done    sync.WaitGroup

	directories []string   // that the file named when it was read
	stats       []fileStat // at the latest look
	pending     bool       // there is a change that was not told
}

// newWatcher knows the files as they are now; run tells of changes since.
func newWatcher(path string) *watcher {
	w := &watcher{path: path, changed: make(chan struct{}, 1), quit: make(chan struct{})}
	w.look()
	w.look() // with the directories that are known now
	w.pending = false
	return w
}

// run looks every interval until stop.
func (w *watcher) run(interval time.Duration) {
	w.done.Go(func() {
		wait := interval
		for {
			select {
			case <-w.quit:
				return
			case <-time.After(wait):
			}
			began := time.Now()
			w.step()
			wait = max(interval, watchShare*time.Since(began))
		}
	})
}

func (w *watcher) stop() {
	close(w.quit)
	w.done.Wait()
}

// step tells of a change that was there at the look before, too.
func (w *watcher) step() {
	if w.look() || !w.pending {
		return
	}
	w.pending = false
	ask(w.changed)
}

// look tells whether a file was written or replaced since the look before, with
// whatever it held already: the process may have read something else meanwhile. A
// configuration file that cannot be read is in the middle of being replaced.
func (w *watcher) look() bool {
	stats := w.stat()
	if slices.EqualFunc(w.stats, stats, fileStat.same) {
		return false
	}
	data, err := config.Read(w.path)
	if err != nil {
		return false
	}
	w.directories = config.Directories(w.path, data)
	w.stats, w.pending = stats, true
	return true
}

// stat looks at the file and at those of its directories.
func (w *watcher) stat() []fileStat {
	all := []fileStat{statOf(w.path)}
	for _, directory := range w.directories {
		files, _ := config.Files(directory) // a reload says why there are none
		for _, path := range files {
			all = append(all, statOf(path))
		}
	}
	return all
}

// fileStat is what tells that a file is as it was.
type fileStat struct {
	path string
	info os.FileInfo // nil for what is not there
}

func statOf(path string) fileStat {
	info, _ := os.Stat(path)
	return fileStat{path, info}
}

func (f fileStat) same(g fileStat) bool {
	if f.path != g.path || f.info == nil || g.info == nil {
		return f.path == g.path && f.info == g.info
	}
	return os.SameFile(f.info, g.info) && f.info.ModTime().Equal(g.info.ModTime()) && f.info.Size() == g.info.Size()
}
