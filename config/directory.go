// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// filesLimit bounds the files of one directory; MOSN writes one per cluster or
// virtual host, of which the largest meshes have some thousands.
const filesLimit = 20000

// Directories returns the directories that a configuration file names, to read
// files from, whether or not it has errors.
func Directories(path string, data []byte) []string {
	b := newBuilder(path, true)
	b.parse(data)
	return b.directories
}

// Files returns the paths of what is read of such a directory, by name.
func Files(directory string) ([]string, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("the directory cannot be read: %w", cause(err))
	}
	if len(entries) > filesLimit {
		return nil, fmt.Errorf("the directory holds more than %d files", filesLimit)
	}
	var files []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue // what editors and Kubernetes' volumes leave
		}
		files = append(files, filepath.Join(directory, entry.Name()))
	}
	return files, nil
}

// readDirectory decodes every file of the directory that a key names and hands
// each that is an object to use. Meanwhile the checker's file is that file.
func (b *builder) readDirectory(v view, name string, o *object, use func(view)) {
	directory := v.text(name)
	if !b.files {
		v.errorf(name, "a directory can be named only in a configuration that is a file itself")
		return
	}
	if !filepath.IsAbs(directory) {
		directory = filepath.Join(b.directory, directory)
	}
	b.directories = append(b.directories, directory)
	files, err := Files(directory)
	if err != nil {
		v.errorf(name, "%v", err)
		return
	}
	main := b.file
	defer func() { b.file, b.prefix = main, "" }()
	for _, file := range files {
		b.file = file
		b.prefix = joinPath(v.path, name) + "/" + filepath.Base(file)
		data, err := readRegular(b.file)
		if err != nil {
			b.errorAt(position{}, "", "the file cannot be read: %v", cause(err))
		} else if root := b.decode(data); root != nil {
			b.object(o, root, "", false)
			use(view{&b.checker, o, root, ""})
		}
	}
}
