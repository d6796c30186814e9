package admin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"time"
)

const pageStyle = `body{font:16px/1.5 sans-serif;margin:2em auto;max-width:40em;padding:0 1em}table{border-collapse:collapse}td{padding:.1em 1.5em .1em 0}td+td{text-align:right}.no{color:#a00}`

// contentPolicy lets a browser apply our one style sheet and nothing else.
var contentPolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

var pageTemplate = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>mtad</title><meta http-equiv="refresh" content="10"><style>` + pageStyle + `</style></head>
<body><h1>mtad {{.Version}}</h1>
<p>{{if .Ready}}Ready: new mail is accepted.{{else}}<span class="no">Not ready: {{.Reason}}</span>{{end}} Up for {{.Up}}.</p>
<h2>Queue</h2>
<table>{{range $state, $n := .Messages}}<tr><td>{{$state}}</td><td>{{$n}}</td></tr>
{{end}}<tr><td>recipients</td><td>{{.Recipients}}</td></tr>
<tr><td>oldest message</td><td>{{.Oldest}}</td></tr>
{{if .Suspensions}}<tr><td class="no">suspensions in force</td><td>{{.Suspensions}}</td></tr>
{{end}}<tr><td>spool on disk, bytes</td><td>{{.SpoolBytes}}</td></tr></table>
<h2>Outgoing connections</h2>
<table>{{range $transport, $n := .Connections}}<tr><td>{{$transport}}</td><td>{{$n}}</td></tr>
{{else}}<tr><td>none</td><td></td></tr>
{{end}}</table>
<p><a href="/metrics">metrics</a> · <a href="/healthz">healthz</a> · <a href="/readyz">readyz</a> · <a href="/api/v1/status">status as JSON</a></p>
<p>Messages and hosts: <code>mtad queue summary</code>, <code>mtad queue list</code>, <code>mtad queue show ID</code>.</p>
</body></html>
`))

// page is for people: the same counts as /api/v1/status.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	data := struct {
		StatusReply
		Up, Oldest time.Duration
	}{StatusReply: s.statusReply(r.Context())}
	data.Up = time.Duration(data.Uptime) * time.Second
	data.Oldest = time.Duration(data.OldestSeconds) * time.Second
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, data); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(b.Bytes())
}
