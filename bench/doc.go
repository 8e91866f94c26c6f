// SPDX-License-Identifier: Apache-2.0

// Package bench is what the proxy is measured and tried with: services that
// echo, and calls to them.
package bench
