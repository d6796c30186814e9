package spool

// Maintain does at once what the keeper does in its own time.
func (s *Spool) Maintain() { s.maintain() }
