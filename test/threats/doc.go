// Package threats keeps docs/security.md true: its table of which test tries which
// case is made from the sources of the tests.
package threats
