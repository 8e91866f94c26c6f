// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// retryCondition is what a word of retry_on stands for.
type retryCondition struct {
	on         RetryOn
	grpc, bolt uint32 // a status, 0 for none
	codes      bool   // status_codes count
}

// retryWords are Envoy's conditions and, for Bolt statuses, ours.
var retryWords = map[string]retryCondition{
	"5xx":                    {on: Retry5xx},
	"gateway-error":          {on: RetryGatewayError},
	"reset":                  {on: RetryReset},
	"connect-failure":        {on: RetryConnectFailure},
	"refused-stream":         {on: RetryRefusedStream},
	"retriable-4xx":          {on: Retry4xx},
	"retriable-status-codes": {codes: true},
	"cancelled":              {grpc: 1},
	"deadline-exceeded":      {grpc: 4},
	"resource-exhausted":     {grpc: 8},
	"internal":               {grpc: 13},
	"unavailable":            {grpc: 14},
	"bolt-error":             {bolt: 1},
	"bolt-server-exception":  {bolt: 2},
	"bolt-unknown":           {bolt: 3},
	"bolt-busy":              {bolt: 4},
	"bolt-no-processor":      {bolt: 6},
	"bolt-timeout":           {bolt: 7, on: RetryTimeout},
	"bolt-closed":            {bolt: 16},
}

// retry reads the retry_policy and the hedge_policy of a route action.
func (b *builder) retry(action view) Retry {
	v, hedge := action.child("retry_policy"), action.child("hedge_policy").flag("hedge_on_per_try_timeout")
	if hedge && !v.has("retry_timeout") {
		action.warnf("hedge_policy", "without retry_policy.retry_timeout no request is hedged")
	}
	if !action.has("retry_policy") {
		return Retry{}
	}
	r := Retry{
		Set:          true,
		StatusCodes:  v.uint32s("status_codes"),
		BoltStatuses: v.uint32s("retriable_bolt_statuses"),
		Count:        v.integer("num_retries"),
	}
	r.PerTryTimeout, _ = v.duration("retry_timeout")
	listed := len(r.StatusCodes) + len(r.BoltStatuses)
	words, on := v.conditions("retry_on")
	switch {
	case on:
		r.On = RetryReset
		if listed == 0 {
			r.On |= Retry5xx
		}
	case words == nil:
		for _, key := range []string{"status_codes", "retriable_bolt_statuses"} {
			if _, n := v.key(key); n != nil && len(n.items) > 0 {
				v.warnf(key, "not looked at, because retry_on asks for no retries")
			}
		}
		r.StatusCodes, r.BoltStatuses = nil, nil
	default:
		b.retryOn(v, &r, words)
	}
	b.retryBackOff(v, &r)
	r.Hedge = hedge && r.PerTryTimeout > 0
	return r
}

// retryOn takes Envoy's words.
func (b *builder) retryOn(v view, r *Retry, words []string) {
	codes := false
	for _, word := range words {
		c := retryWords[word]
		r.On |= c.on
		codes = codes || c.codes
		if c.grpc > 0 {
			r.GRPCStatuses = append(r.GRPCStatuses, c.grpc)
		}
		if c.bolt > 0 {
			r.BoltStatuses = append(r.BoltStatuses, c.bolt)
		}
	}
	switch {
	case !codes && len(r.StatusCodes) > 0:
		v.warnf("status_codes", "not looked at; with words in retry_on they count only where one is \"retriable-status-codes\"")
		r.StatusCodes = nil
	case codes && len(r.StatusCodes) == 0:
		v.warnf("retry_on", "\"retriable-status-codes\" stands for the codes of status_codes, which are missing")
	}
}

// maxBackOffFactor is Envoy's default bound of the wait, in terms of its base.
const maxBackOffFactor = 10

func (b *builder) retryBackOff(v view, r *Retry) {
	off := v.child("retry_back_off")
	r.BackOff, _ = off.duration("base_interval")
	most, stated := off.duration("max_interval")
	switch {
	case !stated:
		most = maxBackOffFactor * r.BackOff
	case most < r.BackOff:
		off.errorf("max_interval", "less than base_interval, which is %v", r.BackOff)
	}
	r.MaxBackOff = most
}

// conditions reads "true", "false" or words joined by commas. Without an error
// words are known; they are nil where the key asks for nothing.
func (v view) conditions(name string) (words []string, on bool) {
	k, n := v.key(name)
	if n != nil && n.kind == boolNode {
		return nil, n.text == "true"
	}
	text, _ := textOf(n)
	if text == "true" || text == "false" {
		return nil, text == "true" // MOSN's YAML may quote it
	}
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		if _, known := retryWords[word]; known {
			words = append(words, word)
			continue
		}
		at, path := v.at(name)
		v.c.report(Error, at, path, word, k.valueNames(), "unknown condition %q; expected true, false or some of %s", word, strings.Join(k.usable(), ", "))
	}
	return words, false
}
