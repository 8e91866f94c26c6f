// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Load reads a configuration file and the files of the directories that it
// names, as a start would. YAML is told by the ending .yaml or .yml. The error
// is only for a file that cannot be read; the Config is nil when the problems
// hold an error.
func Load(path string) (*Config, Problems, error) {
	data, err := Read(path)
	if err != nil {
		return nil, nil, err
	}
	c, problems := ParseFile(path, data)
	return c, problems, nil
}

// Read returns the text of a configuration file, cut off beyond what is taken.
func Read(path string) ([]byte, error) { return readFile(path) }

// ParseFile is Load for a file that was read.
func ParseFile(path string, data []byte) (*Config, Problems) { return parse(path, data, true) }

// Parse is Load for bytes: the name is for messages and tells YAML. No file is
// read, so naming a directory in it is an error.
func Parse(name string, data []byte) (*Config, Problems) {
	return parse(name, data, false)
}

func parse(name string, data []byte, files bool) (*Config, Problems) {
	b := newBuilder(name, files)
	config := b.parse(data)
	problems := b.finish(name)
	if problems.HasErrors() {
		return nil, problems
	}
	return config, problems
}

func newBuilder(name string, files bool) *builder {
	return &builder{checker: checker{file: name}, files: files, directory: filepath.Dir(name)}
}

// parse builds what it can of a configuration; the problems say whether it is
// one.
func (b *builder) parse(data []byte) *Config {
	root := b.decode(data)
	if root == nil {
		return nil
	}
	b.object(rootObject, root, "", false)
	return b.config(view{&b.checker, rootObject, root, ""})
}

// decode parses the current file; nil means that it reported why it cannot.
func (c *checker) decode(data []byte) *node {
	decode, limit := decodeJSON, sizeLimit
	if isYAML(c.file) {
		decode, limit = decodeYAML, yamlSizeLimit
	}
	if len(data) > limit {
		c.errorAt(position{}, "", "the file is larger than %d MiB", limit>>20)
		return nil
	}
	root, err := decode(data)
	if err != nil {
		c.errorAt(err.position, "", "%s", err.message)
		return nil
	}
	if root.kind != objectNode {
		c.errorAt(root.position, "", "expected an object, found %s", root.describe())
		return nil
	}
	return root
}

func isYAML(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

// cause is the error of a file without its name, which stands beside it.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// readFile reads at most one byte more than decode takes.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, sizeLimit+1))
}

// readRegular is readFile for what was found in a directory, where a pipe or a
// device would not end.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return readFile(path)
}
