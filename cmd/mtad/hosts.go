package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"mtad/internal/admin"
)

// queueHosts is mtad queue hosts and mtad queue forget-host HOST....
func queueHosts(file, verb string, names []string, asJSON bool, stdout, stderr io.Writer) int {
	if forget := verb == "forget-host"; forget != (len(names) > 0) {
		fmt.Fprintf(stderr, "mtad queue %s: %s\n", verb, map[bool]string{true: "which host? its name, its address, or address and port", false: "takes no host"}[forget])
		return exitUsage
	}
	client, status := newClient(file, stderr)
	if client == nil {
		return status
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	var err error
	if verb == "forget-host" {
		err = forgetHosts(ctx, client, names, stdout)
	} else {
		err = listHosts(ctx, client, asJSON, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "mtad queue: "+err.Error())
		return exitFailed
	}
	return exitOK
}

func listHosts(ctx context.Context, client *admin.Client, asJSON bool, stdout io.Writer) error {
	hosts, err := client.Hosts(ctx)
	if err != nil {
		return err
	}
	for _, h := range hosts {
		if asJSON {
			json.NewEncoder(stdout).Encode(h)
			continue
		}
		fmt.Fprintf(stdout, "%s [%s] connections %d of %d", h.Name, h.Address, h.Connections, h.Window)
		for _, more := range []string{h.Error, h.Remembered} {
			if more != "" {
				fmt.Fprint(stdout, "; "+more)
			}
		}
		if h.RetryAt != "" {
			fmt.Fprint(stdout, "; not before "+h.RetryAt)
		}
		fmt.Fprintln(stdout)
	}
	return nil
}

func forgetHosts(ctx context.Context, client *admin.Client, names []string, stdout io.Writer) error {
	for _, name := range names {
		r, err := client.Forget(ctx, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %d forgotten\n", name, r.Done)
	}
	return nil
}
