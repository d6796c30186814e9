package explain

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Print writes the report for people.
func (r *Report) Print(w io.Writer, now time.Time) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "%s\n", clean(r.Address))
	if !strings.HasSuffix(r.Address, "@"+r.Domain) {
		fmt.Fprintf(b, "  domain %s: the address has none\n", clean(r.Domain))
	}
	for _, a := range r.Routers {
		fmt.Fprintf(b, "  router %s %s: %s%s\n", a.Router, map[bool]string{true: "takes it", false: "does not take it"}[a.Takes], a.Why, item(a.Item))
	}
	if r.Fault != "" {
		fmt.Fprintf(b, "  NOWHERE TO GO: %s (%s)\n", r.Fault, map[bool]string{true: "the mail is returned", false: "the mail waits"}[r.Permanent])
	}
	if r.Transport != "" {
		fmt.Fprintf(b, "  transport %s\n", r.Transport)
	}
	for _, f := range r.General {
		f.print(b, "    ")
	}
	for _, n := range r.Notes {
		fmt.Fprintf(b, "  %s\n", n)
	}
	if r.Daemon != "" {
		fmt.Fprintf(b, "  what a running daemon knows of the hosts is not said here: %s\n", r.Daemon)
	}
	for i := range r.Hosts {
		r.Hosts[i].print(b, i+1, now)
	}
	return b.Flush()
}

func item(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", text)
}

func (f *Finding) print(w io.Writer, indent string) {
	fmt.Fprintf(w, "%s%-12s %s\n", indent, f.About, f.Text)
}

func (h *Host) print(w io.Writer, n int, now time.Time) {
	fmt.Fprintf(w, "  %d. %s [%s]\n", n, clean(h.Name), h.Address)
	for i := range h.Findings {
		h.Findings[i].print(w, "     ")
	}
	if h.Probe != nil {
		for _, line := range h.Probe.lines(now) {
			fmt.Fprintf(w, "     | %s\n", line)
		}
	}
}
