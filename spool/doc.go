// Package spool is the truth: an append-only segment log with group commit
// that holds every message mtad has answered 250 for, until each recipient of
// it is accounted for.
//
// # The folder
//
//	VERSION                what wrote it; another version is left untouched
//	lock                   flock: one daemon a spool
//	seg-NNNNNNNNNN         segments; the highest grows, the others never change
//	checkpoint-NNNNNNNNNN  the index, to be read before segments NNNNNNNNNN and up
//	body/ID                the body of a large message; its Header is in the log
//	broken/                what was damaged, for people
//	reserve                space for outcomes when the disk is full
//
// Folders have mode 0700, files 0600. Links are never followed. All numbers in
// files are little-endian; all checksums are CRC32C.
//
// # A log file
//
// Segments and checkpoints have one format:
//
//	header   64 bytes, twice: magic, number, nonce, previous segment and its
//	         sealed length, CRC
//	frame    what one fdatasync made durable:
//	         header   64 bytes: magic, flags, nonce, own offset, length of the
//	                  pieces, length of the bodies, CRC
//	         pieces   one for each Commit: length of its records (4), length of its
//	                  bodies (4), CRC of these and the records (4), records:
//	                  type (1), length (4), value; see record.go and packed.go
//	         bodies   of the messages, in the order of their records, each with a
//	                  CRC in its record
//	frame …
//
// A start reads headers and pieces and no body. The nonce is random for each
// file and nobody's mail can know it: after damage the next frame is found by
// magic, nonce and own offset. A frame is begun only when the one before it is
// synced, and a segment only when the one before it is: that a later frame is
// there says that all below it was durable, so what is bad below it is damage,
// is copied to broken/ and reported. What is bad at the very end was never
// promised to anybody, and is cut.
//
// A reader passes over types of records that it does not know: an older mtad forgets of a
// newer one's spool what those say (a reroute: its mail goes where the routers say).
//
// Records are absolute, so reading one twice is harmless; that is why a
// checkpoint can be written while commits go on. In a checkpoint each frame is
// there twice, so that one damaged place costs nothing. A segment older than
// the checkpoint is unlinked when it holds the bytes of no live message; the
// last few messages of one are moved: their bytes are written anew.
//
// # If power fails after step k
//
//	Commit of new messages
//	1  bytes of a large body written to body/ID        nothing promised; start removes the file
//	2  fdatasync of body/ID                            the same
//	3  fsync of body/, once for the group              the same
//	4  frame written, wholly or in part                wholly on disk: accepted, though nobody was told, which the
//	                                                   client repeats; in part: cut
//	5  fdatasync of the segment                        accepted; the client was not told and repeats
//	6  index changed, Commit returned                  accepted
//	Commit of outcomes
//	4  frame written, wholly or in part                wholly: done; in part: none of the batch; the delivery is repeated
//	5  fdatasync of the segment                        done
//	6  body/ID unlinked                                done; without this step start removes the file
//	Roll
//	1  seg-N+1 made, headers written and synced        start removes it if its name or header is lost; seg-N is the end
//	2  fsync of the folder                             seg-N is sealed at its length; seg-N+1 is empty
//	Checkpoint N (segment N was begun before it)
//	1  checkpoint-N.tmp written and synced             start removes it; the older checkpoint is read
//	2  renamed                                         either name may be found; both are whole
//	3  fsync of the folder                             checkpoint-N is read, and segments from N on
//	4  older checkpoints and segments unlinked         those that come back are older than N and are removed
//	Move of a message
//	1  frame with its bytes and a record               as a Commit: it is in the new place or in the old one
//	2  old segment unlinked                            the bytes are in the new place
//	Start
//	1  last segment cut, its last frame written over   the same again
//	   itself, synced; folders synced
//	2  a new segment is begun                          as Roll
//	3  counters for ids reserved                       they are reserved, or nobody had one
//
// A sync that fails poisons the spool: what the kernel then thinks is on disk
// need not be. Nothing more is committed until a restart, which reads what is
// there and writes the last frame again.
package spool
