// Package mainlog is what we tell the operator: one function an event, in
// Exim's format or as JSON; an own writer with a bounded buffer, so that a full
// log disk blocks nobody.
package mainlog

// The contract, as the floors above use it (all safe for concurrent use, none blocks, none allocates more than its line):
//
//	Open(Options{Path, Format string; Hostname string; ...}) (*Log, error)     Path as log_file_path: "log/%slog" or "stderr"
//	(*Log) Reopen() error; (*Log) Close() error        Close flushes
//	(*Log) Received(*spool.Envelope, tls ...)          <=
//	(*Log) Delivered(Delivery) / Also                  => and ->
//	(*Log) Deferred(...), Failed(...), Completed(id), Frozen(...)
//	(*Log) HostFailed(...)                             a host that was left for the next one
//	(*Log) Rejected(...)                               rejectlog and mainlog: relaying refused, bad commands, too many errors …
//	(*Log) Connection refused, lost, TLS error …       one function each
//	(*Log) Started, Stopping, Reloaded, Listening …    daemon life
//	(*Log) Panic(text, stack)                          paniclog and mainlog
