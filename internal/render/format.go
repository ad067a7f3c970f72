package render

// A Format is what a command's output is written as.
type Format string

// The formats, by the name --format gives them.
const (
	Table Format = "table" // for people: bounded, aligned, without what scripts need
	JSON  Format = "json"  // one object, whose rows stream
	CSV   Format = "csv"   // a header and raw values
)

// Formats lists them all, the default first.
var Formats = []Format{Table, JSON, CSV}
