// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/sha256"
	"os"
	"sync"
	"time"

	"github.com/sideloop/sideloop/config"
)

// watchInterval is how often the file is looked at. A change counts when it has
// stayed the same for one interval, so that a file is not read half written.
const watchInterval = time.Second

// watcher looks at a file, through whatever symbolic links lead to it: Kubernetes
// swaps one above the file.
type watcher struct {
	path    string
	changed chan struct{}
	quit    chan struct{}
	done    sync.WaitGroup

	stat    os.FileInfo
	seen    [sha256.Size]byte // at the latest look
	pending bool              // it has changed since it was told
}

// watch tells of changes since the file was read as data.
func watch(path string, data []byte, interval time.Duration) *watcher {
	w := &watcher{path: path, changed: make(chan struct{}, 1), quit: make(chan struct{}), seen: sha256.Sum256(data)}
	w.done.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-tick.C:
				w.step()
			}
		}
	})
	return w
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

// look tells whether the file's content has changed since the look before. What
// cannot be read is in the middle of being replaced.
func (w *watcher) look() bool {
	info, err := os.Stat(w.path)
	if err != nil {
		return false
	}
	if w.stat != nil && os.SameFile(info, w.stat) && info.ModTime().Equal(w.stat.ModTime()) && info.Size() == w.stat.Size() {
		return false
	}
	data, err := config.Read(w.path)
	if err != nil {
		return false
	}
	w.stat = info
	sum := sha256.Sum256(data)
	if sum == w.seen {
		return false
	}
	w.seen, w.pending = sum, true
	return true
}
