// SPDX-License-Identifier: Apache-2.0

package config

import "strings"

// nearest is the candidate that name was most likely meant to be, or "".
// Case, underscores and dashes count for nothing, so routerConfigName is
// router_config_name.
func nearest(name string, candidates []string) string {
	const (
		longest = 128  // no key or value is near this long, names of clusters are
		most    = 1000 // among more names the search would take long
	)
	if name == "" || len(name) > longest || len(candidates) > most {
		return ""
	}
	folded := foldName(name)
	best, bestDistance := "", len(folded)/3+1
	for _, c := range candidates {
		if len(c) > longest {
			continue
		}
		if d := editDistance(folded, foldName(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func foldName(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
