// SPDX-License-Identifier: Apache-2.0

package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Sweep is latency against load: one run per rate, by rising rate.
type Sweep struct {
	Version     int         `json:"version"`
	Name        string      `json:"name"`
	Started     time.Time   `json:"started"`
	Environment Environment `json:"environment"`
	Command     Command     `json:"command"` // of every step; its rate is the step's

	// Partial is why the sweep ended before its time; empty when it did not.
	Partial string `json:"partial,omitempty"`

	// KneeFactor is how many times the lowest latency is past the knee.
	KneeFactor float64 `json:"knee_factor"`
	Steps      []Step  `json:"steps"`
	Knee       *Knee   `json:"knee,omitempty"` // absent when no step was past it
}

// Step is one rate.
type Step struct {
	Rate     float64 `json:"rate"`     // asked for, requests per second
	Achieved float64 `json:"achieved"` // right replies per second
	Errors   uint64  `json:"errors"`
	P50      int64   `json:"p50"` // nanoseconds
	P90      int64   `json:"p90"`
	P99      int64   `json:"p99"`
	P999     int64   `json:"p999"`
	Max      int64   `json:"max"`
	// GeneratorBusy is 0 to 1.
	GeneratorBusy float64 `json:"generator_busy"`
	// CPU is µs per request of the first watched process, 0 without one.
	CPU float64 `json:"cpu_us_per_request,omitempty"`
	// ToldTo is the highest percentile that is the target's, as in Result.
	ToldTo float64 `json:"told_to"`
	// Invalid is as in Result, but for a rate that the target kept from being
	// kept: that is past the knee.
	Invalid string `json:"invalid,omitempty"`
	// Past is why this step is past the knee; empty before it.
	Past string `json:"past,omitempty"`
}

// Knee is where latency leaves the ground: between two rates.
type Knee struct {
	// Below is the highest rate before the knee, 0 when the first step was past
	// it; Above is the lowest rate past it.
	Below float64 `json:"below"`
	Above float64 `json:"above"`
	Why   string  `json:"why"`
}

// Write stores the sweep as JSON, like Result.Write.
func (s *Sweep) Write(path string) error { return writeJSON(path, s) }

// ReadSweep loads a sweep that Write has stored.
func ReadSweep(path string) (*Sweep, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	s := new(Sweep)
	err = json.Unmarshal(b, s)
	switch {
	case err != nil:
	case s.Version < 1 || s.Version > Version:
		err = fmt.Errorf("its schema has version %d and this loopbench knows up to %d", s.Version, Version)
	case len(s.Steps) == 0:
		err = errors.New("it has no steps")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is not a loopbench sweep: %w", path, err)
	}
	if s.Version < 2 {
		// Before, a step that was late was invalid, and all others told all.
		for i := range s.Steps {
			s.Steps[i].ToldTo = 100
		}
	}
	return s, nil
}

// Tells reports whether the percentile p of the step is the target's.
func (s *Step) Tells(p float64) bool { return p <= s.ToldTo }

// KneeText says in one sentence where the knee is.
func (s *Sweep) KneeText() string {
	if s.Knee != nil && s.Knee.Below == 0 {
		return "Already " + PerSecond.Format(s.Knee.Above) + " is past the knee, and no lower rate was before it: " + s.Knee.Why
	}
	if s.Knee != nil {
		return fmt.Sprintf("The knee is between %s and %s: %s", PerSecond.Format(s.Knee.Below), PerSecond.Format(s.Knee.Above), s.Knee.Why)
	}
	highest, invalid := 0.0, ""
	for _, step := range s.Steps {
		invalid = step.Invalid
		if invalid == "" {
			highest = step.Rate
		}
	}
	switch {
	case highest == 0:
		return "No knee: at every rate the figures are the generator's: " + invalid
	case invalid != "":
		return "No knee up to " + PerSecond.Format(highest) + "; beyond, the figures are the generator's: " + invalid
	}
	return "No knee up to " + PerSecond.Format(highest) + "."
}
