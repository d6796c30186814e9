package spool

import (
	"encoding/json"
	"errors"
	"fmt"
)

// What is damaged goes to broken/: the envelope of a message as JSON and its
// bytes as they are, or a part of a log file. Nothing reads it but people.

// setAside takes a message out of the spool whose bytes are not what they were.
// It returns the error for the caller.
func (s *Spool) setAside(id ID, cause error) error {
	env, err := s.Envelope(id)
	if errors.Is(err, ErrUnknown) {
		return err // somebody else did
	}
	var p place
	var f *fileBody
	s.index.with(id, func(e *entry) { p, f = e.place, e.file() })
	text, _ := json.MarshalIndent(struct {
		Cause    string
		Envelope *Envelope
		Message  string
	}{cause.Error(), env, id.String()}, "", "\t")
	s.writeBroken(id.String()+".json", text)
	s.copyBroken(id.String()+".message", numbered(segmentPrefix, p.seg), int64(p.off), int64(p.off)+int64(p.n))

	c := &commit{piece: appendGone(newPiece(), id), ready: make(chan bool, 1), vital: true}
	sealPiece(c.piece, 0)
	if err := s.submit(c); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrBroken, id, cause) // it is found again
	}
	if len(c.gone) == 0 {
		return fmt.Errorf("%w: %s", ErrBroken, id)
	}
	if f != nil {
		_ = s.fs.Rename(s.bodyPath(f.name), s.path(brokenFolder, id.String()+".body"))
	}
	s.stats.broken.Add(1)
	s.later(Event{Kind: "broken", ID: id, Text: fmt.Sprintf(
		"message %s is damaged on disk and was set aside: %v; its envelope and what is left of it are in %s",
		id, cause, s.path(brokenFolder))})
	return fmt.Errorf("%w: %s: %w", ErrBroken, id, cause)
}

// writeBroken keeps evidence. That it cannot be kept must not stop anything.
func (s *Spool) writeBroken(name string, text []byte) {
	f, err := s.fs.Open(s.path(brokenFolder, name), Create)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteAt([][]byte{text}, 0)
	_ = f.Datasync()
}

// copyBroken keeps a part of a file.
func (s *Spool) copyBroken(name, from string, off, end int64) {
	in, err := s.fs.Open(s.path(from), ReadOnly)
	if err != nil {
		return
	}
	defer in.Close()
	out, err := s.fs.Open(s.path(brokenFolder, name), Create)
	if err != nil {
		return
	}
	defer out.Close()
	buf := make([]byte, 1<<20)
	for at := off; at < end; {
		n, err := in.ReadAt(buf[:min(int64(len(buf)), end-at)], at)
		if n > 0 {
			_, _ = out.WriteAt([][]byte{buf[:n]}, at-off)
		}
		if err != nil || n == 0 {
			break
		}
		at += int64(n)
	}
	_ = out.Datasync()
}
