// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"sync"

	"github.com/sideloop/sideloop/config"
)

// File is the configuration file of the process. Its methods may be called from
// any goroutine but a loop; changes come one after the other.
type File struct {
	path string

	mu     sync.Mutex
	server *Server
	name   string // of the text in force
	data   []byte
}

// ErrConfig is what a configuration with errors is refused with; the problems say
// which.
var ErrConfig = errors.New("the configuration has errors")

// OpenFile reads the configuration that the process begins with.
func OpenFile(path string) (*File, *config.Config, config.Problems, error) {
	f := &File{path: path, name: path}
	data, err := config.Read(path)
	if err != nil {
		return nil, nil, nil, err
	}
	f.data = data
	c, problems := config.ParseFile(path, data)
	if c == nil {
		return nil, nil, problems, fmt.Errorf("%s: %w", path, ErrConfig)
	}
	return f, c, problems, nil
}

// Serve makes the file that of a running proxy.
func (f *File) Serve(s *Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.server = s
}

// Reload reads the file again and takes what it says. On an error nothing was
// changed.
func (f *File) Reload() (Changes, config.Problems, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, err := config.Read(f.path)
	if err != nil {
		f.server.refused()
		return nil, nil, err
	}
	c, problems := config.ParseFile(f.path, data)
	return f.take(f.path, data, c, problems)
}

// Take takes a configuration that is no file. On an error nothing was changed.
func (f *File) Take(name string, data []byte) (Changes, config.Problems, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, problems := config.Parse(name, data)
	return f.take(name, data, c, problems)
}

func (f *File) take(name string, data []byte, c *config.Config, problems config.Problems) (Changes, config.Problems, error) {
	if c == nil {
		f.server.refused()
		return nil, problems, ErrConfig
	}
	changes, err := f.server.Reload(c)
	if err == nil {
		f.name, f.data = name, data
	}
	return changes, problems, err
}

// Source is the text in force and its name.
func (f *File) Source() (name string, data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name, f.data
}
