package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mtad/internal/config"
)

// Client asks a running daemon: what the commands use.
type Client struct {
	base  string // "http://127.0.0.1:9925"
	token string
	User  string // who acts, for the audit trail
	http  *http.Client
}

// NewClient finds the daemon by [admin] of the configuration and reads its token.
func NewClient(cfg config.Admin) (*Client, error) {
	if cfg.Address == "" {
		return nil, errors.New("the configuration has no [admin] address: a running daemon cannot be asked")
	}
	if cfg.TokenFile == "" {
		return nil, errors.New("the configuration has no [admin] token_file: what the commands need is off")
	}
	token, err := readToken(cfg.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("%w (a running daemon makes it; are you its user?)", err)
	}
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("[admin] address: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return &Client{
		base:  "http://" + net.JoinHostPort(host, port),
		token: token,
		// Never through a proxy: the token is for the daemon alone.
		http: &http.Client{Timeout: askLimit + 5*time.Second, Transport: &http.Transport{}},
	}, nil
}

// Status counts what is there.
func (c *Client) Status(ctx context.Context) (v StatusReply, err error) {
	err = c.ask(ctx, "GET", "/api/v1/status", nil, &v)
	return v, err
}

// List returns a page of what a selector means ("" is all): from 0, then from the Next
// of the page before.
func (c *Client) List(ctx context.Context, selector string, from uint64, max int) (v QueuePage, err error) {
	query := url.Values{"max": {strconv.Itoa(max)}, "from": {strconv.FormatUint(from, 10)}, "select": {selector}}
	err = c.ask(ctx, "GET", "/api/v1/queue?"+query.Encode(), nil, &v)
	return v, err
}

// Summary returns a part of a summary, as List does.
func (c *Client) Summary(ctx context.Context, by, selector string, from uint64) (v SummaryPage, err error) {
	query := url.Values{"by": {by}, "from": {strconv.FormatUint(from, 10)}, "select": {selector}}
	err = c.ask(ctx, "GET", "/api/v1/queue/summary?"+query.Encode(), nil, &v)
	return v, err
}

// Lanes returns a page of lanes: from "", then from the Next of the page before.
func (c *Client) Lanes(ctx context.Context, after string) (v LanePage, err error) {
	err = c.ask(ctx, "GET", "/api/v1/lanes?"+url.Values{"after": {after}}.Encode(), nil, &v)
	return v, err
}

// Suspensions returns what is suspended.
func (c *Client) Suspensions(ctx context.Context) ([]Suspension, error) {
	var v struct{ Suspensions []Suspension }
	err := c.ask(ctx, "GET", "/api/v1/suspensions", nil, &v)
	return v.Suspensions, err
}

// Suspend and Resume return what was done, in a sentence.
func (c *Client) Suspend(ctx context.Context, s Suspension) (string, error) {
	var v outcomeReply
	err := c.ask(ctx, "POST", "/api/v1/queue/suspend", s, &v)
	return v.Outcome, err
}

func (c *Client) Resume(ctx context.Context, s Suspension) (string, error) {
	var v outcomeReply
	err := c.ask(ctx, "POST", "/api/v1/queue/resume", s, &v)
	return v.Outcome, err
}

// Show returns one message.
func (c *Client) Show(ctx context.Context, id string) (v QueuedMessage, err error) {
	err = c.ask(ctx, "GET", "/api/v1/queue/"+url.PathEscape(id), nil, &v)
	return v, err
}

// Hosts returns what is known of hosts.
func (c *Client) Hosts(ctx context.Context) ([]Host, error) {
	var v struct{ Hosts []Host }
	err := c.ask(ctx, "GET", "/api/v1/hosts", nil, &v)
	return v.Hosts, err
}

// Forget ends what is remembered of a host: its name, its address, or address and port.
func (c *Client) Forget(ctx context.Context, host string) (v Result, err error) {
	err = c.ask(ctx, "POST", "/api/v1/hosts/forget", HostSelector{Host: host}, &v)
	return v, err
}

// Act does one thing to what a request means; where the result has a Next, from there
// on it is still to be done.
func (c *Client) Act(ctx context.Context, verb Verb, req Request) (v Result, err error) {
	err = c.ask(ctx, "POST", "/api/v1/queue/"+string(verb), req, &v)
	return v, err
}

// Drain ends the daemon as TERM does; it returns when that has begun.
func (c *Client) Drain(ctx context.Context) (outcome string, err error) {
	var v outcomeReply
	err = c.ask(ctx, "POST", "/api/v1/drain", nil, &v)
	return v.Outcome, err
}

// Reload does what HUP does; an error means that the old configuration stays in
// force, a WrongConfig that it is to be mended.
func (c *Client) Reload(ctx context.Context) (outcome string, err error) {
	var v outcomeReply
	err = c.ask(ctx, "POST", "/api/v1/reload", nil, &v)
	return v.Outcome, err
}

// maxReply bounds what is read of an answer: a page of the queue with many recipients is large.
const maxReply = 256 << 20

// ask sends one request and reads the answer into out.
func (c *Client) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	if c.User != "" {
		r.Header.Set(userHeader, c.User)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		var why *url.Error
		if errors.As(err, &why) {
			err = why.Err
		}
		return fmt.Errorf("no daemon answers at %s: %w; is mtad serve running?", c.base, err)
	}
	defer answer.Body.Close()
	return readAnswer(answer, out)
}

func readAnswer(answer *http.Response, out any) error {
	d := json.NewDecoder(io.LimitReader(answer.Body, maxReply))
	if answer.StatusCode/100 == 2 {
		if err := d.Decode(out); err != nil {
			return fmt.Errorf("cannot understand the daemon's answer: %w", err)
		}
		return nil
	}
	var e errorReply
	if err := d.Decode(&e); err != nil || e.Error == "" {
		return fmt.Errorf("the daemon answers %s", answer.Status)
	}
	if answer.StatusCode == http.StatusUnauthorized {
		return errors.New("the daemon does not take the token: was token_file changed since it started?")
	}
	if e.Mistakes != nil {
		return WrongConfig{e.Mistakes}
	}
	return errors.New(e.Error)
}
