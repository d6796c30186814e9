// Package auth tries a running mtad over TCP: who may relay through it, what
// ends that, and that a secret is nowhere but where its owner put it.
package auth
