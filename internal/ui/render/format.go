// SPDX-License-Identifier: GPL-2.0-only

// Package render shows what a command found as a table, as JSON or as CSV. A View is declared once, by the command;
// the three forms come from it:
//
//	table   for people: the labelled fields, then the first rows in columns, then what is known after them
//	json    one object, {"format_version": 1, fields, "rows key": [rows, one a line], later fields}
//	csv     a header of the columns' names and a line for each row; a View without rows gives field,value lines
//
// Rows stream: no form holds more than a thousand of them. Text from a device cannot drive the terminal: what is
// not printable is escaped. The package owns tablewriter.
package render

// FormatVersion is the "format_version" of every JSON object. It is raised when a key changes its meaning or goes.
const FormatVersion = 1

// A Format is what a command's output is written as.
type Format string

// The formats, by the name --format gives them.
const (
	Table Format = "table"
	JSON  Format = "json"
	CSV   Format = "csv"
)

// Formats lists them all, the default first.
var Formats = []Format{Table, JSON, CSV}
