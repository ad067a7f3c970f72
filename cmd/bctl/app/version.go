// SPDX-License-Identifier: GPL-2.0-only

package app

// Version is bctl's.
const Version = "0.1.0"
