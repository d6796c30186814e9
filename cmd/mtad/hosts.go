package main

import (
	"encoding/json"
	"fmt"
)

// hosts prints what is known of the hosts that mail is sent to.
func (q *queueCommand) hosts() error {
	ctx, cancel := asking()
	defer cancel()
	hosts, err := q.client.Hosts(ctx)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if q.json {
			json.NewEncoder(q.stdout).Encode(h)
			continue
		}
		fmt.Fprintf(q.stdout, "%s [%s] connections %d of %d%s", h.Name, h.Address, h.Connections, h.Window, ofSite(h.Site))
		for _, more := range []string{h.Error, h.Remembered} {
			if more != "" {
				fmt.Fprint(q.stdout, "; "+more)
			}
		}
		if h.RetryAt != "" {
			fmt.Fprint(q.stdout, "; not before "+h.RetryAt)
		}
		fmt.Fprintln(q.stdout)
	}
	return nil
}

// forgetHosts ends what is remembered of hosts.
func (q *queueCommand) forgetHosts() error {
	for _, name := range q.words {
		ctx, cancel := asking()
		r, err := q.client.Forget(ctx, name)
		cancel()
		if err != nil {
			return err
		}
		fmt.Fprintf(q.stdout, "%s: %d forgotten\n", name, r.Done)
	}
	return nil
}
