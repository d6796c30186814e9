// Package spool is the truth: an append-only segment log with group commit
// that holds every message mtad has answered 250 for, until each recipient of
// it is accounted for.
package spool
