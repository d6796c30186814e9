package mainlog

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Options of Open.
type Options struct {
	Path   string // log_file_path: %s becomes main, reject, panic; "stderr" writes everything to standard error
	Format string // log_format: "exim" (also "") or "json"

	HideTLSCipher bool // tls_log_cipher = false: no X=
	ShowPeerDN    bool // tls_log_peerdn = true: DN=

	Buffer    int              // bytes a file may lag behind before lines are dropped [4 MiB]
	FloodRate int              // lines a second and kind that strangers can cause [100]; the others are counted
	Stderr    *os.File         // [os.Stderr]
	Now       func() time.Time // [time.Now]
}

func (o *Options) setDefaults() {
	if o.Buffer == 0 {
		o.Buffer = 4 << 20
	}
	if o.FloodRate == 0 {
		o.FloodRate = 100
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Log writes what happened. All methods are safe for concurrent use and none
// waits for a disk. A nil *Log logs nothing.
type Log struct {
	opt   Options
	json  bool
	stamp clockFace
	flood flood
	lines sync.Pool // of *line

	main, reject, panic *sink // all the same one for "stderr"
	stderr              *sink
	sinks               []*sink
}

// Open opens the log files, making their folder where it is missing, and
// starts their writers. Close stops them.
func Open(opt Options) (*Log, error) {
	opt.setDefaults()
	l := &Log{opt: opt}
	switch opt.Format {
	case "", "exim":
	case "json":
		l.json = true
	default:
		return nil, fmt.Errorf("log_format %q is neither exim nor json", opt.Format)
	}
	l.lines.New = func() any { return &line{log: l, buf: make([]byte, 0, 512)} }
	l.flood.init(l)
	l.stderr = l.newSink(opt.Stderr, "")
	if opt.Path == "stderr" {
		l.main, l.reject, l.panic = l.stderr, l.stderr, l.stderr
	} else if err := l.openFiles(); err != nil {
		return nil, err
	}
	for _, s := range l.sinks {
		go s.write()
	}
	return l, nil
}

// openFiles opens mainlog, rejectlog and paniclog.
func (l *Log) openFiles() error {
	if strings.Count(l.opt.Path, "%s") != 1 {
		return fmt.Errorf("log_file_path %q must hold %%s once, where main, reject or panic goes", l.opt.Path)
	}
	for _, f := range []struct {
		name string
		sink **sink
	}{{"main", &l.main}, {"reject", &l.reject}, {"panic", &l.panic}} {
		path := strings.Replace(l.opt.Path, "%s", f.name, 1)
		file, err := openFile(path)
		if err != nil {
			l.closeFiles()
			return err
		}
		*f.sink = l.newSink(file, path)
	}
	return nil
}

func (l *Log) newSink(f *os.File, path string) *sink {
	s := newSink(f, path, l.opt.Buffer, l.droppedLine)
	l.sinks = append(l.sinks, s)
	return s
}

func (l *Log) closeFiles() {
	for _, s := range l.sinks {
		s.closeFile()
	}
}

// Reopen opens the files anew under their names, after they have been renamed
// away. No line is lost: what waits goes to the new files. A file that cannot
// be opened leaves the old one in use.
func (l *Log) Reopen() error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, s := range l.sinks {
		errs = append(errs, s.reopen())
	}
	return errors.Join(errs...)
}

// Flush waits until everything said so far is written, or the time is over.
func (l *Log) Flush(limit time.Duration) error { return l.each(limit, (*sink).flush) }

// closeLimit is how long Close waits for a slow disk.
const closeLimit = 5 * time.Second

// Close writes what waits and closes the files. Lines that come later are dropped.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.flood.report.Stop()
	l.flood.tell()
	return l.each(closeLimit, (*sink).close)
}

// each does one thing to every sink, at the same time: one that hangs takes no time from the others.
func (l *Log) each(limit time.Duration, do func(*sink, <-chan time.Time) error) error {
	if l == nil {
		return nil
	}
	errs := make([]error, len(l.sinks))
	var wg sync.WaitGroup
	for i, s := range l.sinks {
		wg.Go(func() { errs[i] = do(s, time.After(limit)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
