// Package expand is Exim's string expansion: $name, ${op:...}, ${item{...}...}.
// A string is parsed once, when the configuration is read, and evaluated as
// often as wanted.
//
//	"/etc/mtad/${lookup{$sender_host_address}iplsearch{certs}{$value}fail}.pem"
//	      │       │      │                              │       └ forced failure: ErrForced
//	      │       │      └ a variable: who evaluates    └ a file is never named by the network
//	      text    └ an item: a node of the tree (item.go, condition.go, operator.go)
//
// Parse finds all that is wrong with the text, with its column, and every
// variable that does not exist where the string is used. What came from the
// network carries a mark (Value); so does what is computed of it. Marked text is
// never expanded again and never names a file, except as a key that was found.
//
// Results are Exim 4.96's, with these differences:
//
//   - regular expressions are RE2, so that time is linear: no look-around and no
//     back references, "." is a character of UTF-8 and not a byte, "$" does not
//     match before a newline at the end, and in ${sg} the empty string is not
//     found where the match before it ended.
//   - {fail} in the place of what is taken on "no" forces failure, as fail does.
//   - ${hmac} knows sha256; hashes for crypteq are those of crypt.go.
//   - ${run}, ${perl}, ${dlfunc}, ${acl} and the like do not exist.
//   - exists{} of what the network said is an error, not "no"; dsearch never finds . and ..;
//     a faulty line in a file for wildlsearch or iplsearch makes every look-up in it an error.
//   - match_domain, match_address and look-ups do not set $0 and $1.
//   - what is wrong in a branch that is not taken is an error all the same.
package expand
