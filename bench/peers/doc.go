// SPDX-License-Identifier: Apache-2.0

// Package peers knows the proxies that Sideloop is compared with: how each is
// found, configured for one hop with one worker, and started in the foreground
// as a single process that writes no access log. Limits that would close
// connections during a run are raised; everything else is the program's default.
package peers
