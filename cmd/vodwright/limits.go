package main

import "vodwright.dev/vodwright/internal/limit"

// limitFlags bound what untrusted input may take. They are shared by the
// subcommands that read sources.
type limitFlags struct {
	Limits limit.Limits `embed:"" prefix:"limit-" envprefix:"VODWRIGHT_LIMIT_" group:"Limits of untrusted input:"`
}
