//go:build race

package tlsstate

// splitStep: the race detector makes cryptography forty times slower.
const splitStep = 23
