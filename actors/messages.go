// Package actors owns what has a life: sockets, deliveries, the schedule. Who
// is told what, and when, stands in messages.go.
package actors
