// Package interop tries mtad with other people's programs. Its tests have the
// build tag interop, so that plain `go test ./...` needs nothing but Go.
package interop
