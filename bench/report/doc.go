// SPDX-License-Identifier: Apache-2.0

// Package report draws benchmark results: one HTML page that opens without a
// network, in light and dark, on a screen and on a phone; and Markdown tables.
package report
