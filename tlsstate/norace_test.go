//go:build !race

package tlsstate

const splitStep = 1
