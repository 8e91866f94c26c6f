// SPDX-License-Identifier: Apache-2.0

package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what Read takes into memory: a day of seconds is about 10 MB.
const maxFile = 64 << 20

// Write stores the result as JSON. A file is replaced as a whole or not at all.
func (r *Result) Write(path string) error { return writeJSON(path, r) }

func writeJSON(path string, v any) error {
	return WriteFile(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	})
}

// Read loads a result that Write has stored. What is not a result, or one of a
// later schema, is an error that says so.
func Read(path string) (*Result, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Result)
	if err := decode(b, r); err != nil {
		return nil, fmt.Errorf("%s is not a loopbench result: %w", path, err)
	}
	return r, nil
}

func decode(b []byte, r *Result) error {
	if err := json.Unmarshal(b, r); err != nil {
		return err
	}
	switch {
	case r.Version == 0:
		return errors.New("it states no version")
	case r.Version > Version:
		return fmt.Errorf("its schema has version %d and this loopbench knows up to %d", r.Version, Version)
	case r.Version < 0:
		return fmt.Errorf("its schema has version %d", r.Version)
	case r.Latency == nil:
		return errors.New("it has no latency histogram")
	case r.Elapsed < 0:
		return fmt.Errorf("elapsed_seconds is %v", r.Elapsed)
	case r.Schedule != nil && !(r.Schedule.LateShare >= 0 && r.Schedule.LateShare <= 1):
		return fmt.Errorf("late_share is %v", r.Schedule.LateShare)
	case r.Schedule != nil && r.Schedule.Lateness == nil:
		return errors.New("its schedule has no lateness histogram")
	}
	return nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// A pipe has no size before its end.
	b := []byte(nil)
	if info.Size() <= maxFile {
		if b, err = io.ReadAll(io.LimitReader(f, maxFile+1)); err != nil {
			return nil, err
		}
	}
	if info.Size() > maxFile || len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxFile>>20)
	}
	return b, nil
}

// WriteFile replaces the file at path by what content writes, through a
// temporary file beside it: a reader sees the old file or the new one, and a
// failure leaves the old one. What is not a regular file (a pipe, /dev/stdout)
// is written to as it is, and a symbolic link is followed.
func WriteFile(path string, content func(io.Writer) error) error {
	path, regular, err := resolve(path)
	if err != nil {
		return err
	}
	if !regular {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(content(f), f.Close())
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return cannotWrite(path, err)
	}
	if err := fill(f, content); err != nil {
		_ = os.Remove(f.Name())
		return cannotWrite(path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		_ = os.Remove(f.Name())
		return cannotWrite(path, err)
	}
	return nil
}

// readable is the mode of files that are written: a temporary file is its
// owner's alone, a report is for everyone.
const readable = 0o644

func fill(f *os.File, content func(io.Writer) error) error {
	err := content(f)
	if err == nil {
		err = f.Chmod(readable)
	}
	return errors.Join(err, f.Close())
}

// CheckWritable says early why WriteFile would fail, so that nobody waits for a
// run whose result cannot be kept. It leaves nothing behind.
func CheckWritable(path string) error {
	path, regular, err := resolve(path)
	if err != nil || !regular {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return cannotWrite(path, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// resolve follows links and tells whether the file is to be replaced.
func resolve(path string) (resolved string, regular bool, err error) {
	if path == "" {
		return "", false, errors.New("cannot write: no file name")
	}
	if resolved, err = filepath.EvalSymlinks(path); err != nil {
		resolved = path // not there yet
	}
	info, err := os.Stat(resolved)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return resolved, true, nil
	case err != nil:
		return "", false, cannotWrite(path, err)
	case info.IsDir():
		return "", false, fmt.Errorf("cannot write %s: it is a folder", path)
	}
	return resolved, info.Mode().IsRegular(), nil
}

// cannotWrite names the file that was asked for rather than the temporary one.
func cannotWrite(path string, err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		err = at.Err
	}
	return fmt.Errorf("cannot write %s: %w", path, err)
}
