// SPDX-License-Identifier: GPL-2.0-only

// Package hugepages has large tables lie in huge pages of memory.
package hugepages
