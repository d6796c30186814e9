package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const someConfig = `
primary_hostname = "relay.test"
message_size_limit = "1M"
host_accept_relay = ["127.0.0.1"]
[[listen]]
address = "127.0.0.1:2525"
[[listen]]
address = "127.0.0.1:2526"
[[router]]
name = "a"
driver = "domainlist"
hosts = "192.0.2.1"
[[router]]
name = "b"
driver = "domainlist"
hosts = "192.0.2.2"
[[retry]]
rule = "F,2h,15m"
[[authenticator]]
name = "up"
driver = "plaintext"
public_name = "PLAIN"
client_name = "u"
client_secret = "hush"
[transport.other]
port = 26
[admin]
address = "127.0.0.1:9925"
`

func loadText(t *testing.T, dir, text string) *Config {
	t.Helper()
	file := filepath.Join(dir, "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestChanges(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		from, to string
		want     []string
		refused  string // what Fixed says
		later    []string
	}{
		"nothing":              {"", "", nil, "", nil},
		"the same, otherwise":  {`"1M"`, `"1024K"`, nil, "", nil},
		"an option":            {`"1M"`, `"2M"`, []string{`message_size_limit: now "2M", it was "1M"`}, "", nil},
		"back to the default":  {`message_size_limit = "1M"`, ``, []string{`message_size_limit: now "50M", it was "1M"`}, "", nil},
		"one that was not set": {`message_size_limit`, "smtp_banner = \"hello\"\nmessage_size_limit", []string{`smtp_banner: now "hello"`}, "", nil},
		"one unset":            {`host_accept_relay = ["127.0.0.1"]`, ``, []string{`host_accept_relay: unset now, it was ["127.0.0.1"]`}, "", nil},
		"a secret":             {`hush`, `other`, []string{`authenticator.up.client_secret: changed`}, "", nil},
		"a secret, new":        {"client_name = \"u\"\nclient_secret = \"hush\"", "client_send = \"^u^hush\"", []string{`authenticator.up.client_name: unset now, it was "u"`, `authenticator.up.client_secret: unset now`, `authenticator.up.client_send: set now`}, "", nil},
		"an expansion":         {`message_size_limit`, "smtp_banner = \"${md5:hush}\"\nmessage_size_limit", []string{`smtp_banner: set now`}, "", nil},
		"a router's":           {`192.0.2.1`, `192.0.2.9`, []string{`router.a.hosts: now "192.0.2.9", it was "192.0.2.1"`}, "", nil},
		"a router gone":        {"name = \"b\"", "name = \"c\"", []string{"router.b: gone", "router.c: new"}, "", nil},
		"routers swapped":      {"a|b", "", []string{"router: another order, now router.b, router.a"}, "", nil},
		"a listener":           {`:2526"`, `:2527"`, []string{`listen."127.0.0.1:2526": gone`, `listen."127.0.0.1:2527": new`}, "", nil},
		"a retry rule":         {`F,2h,15m`, `F,3h,15m`, []string{`retry.1.rule: now "F,3h,15m", it was "F,2h,15m"`}, "", nil},
		"a transport's":        {`port = 26`, `port = 27`, []string{`transport.other.port: now 27, it was 26`}, "", nil},
		"the spool":            {`message_size_limit`, "spool_directory = \"elsewhere\"\nmessage_size_limit", []string{`spool_directory: now "elsewhere", it was "spool.d"`}, `config.toml:3: spool_directory: now "elsewhere", it was "spool.d"; it changes with a restart only`, nil},
		"our name":             {`relay.test`, `mail.test`, []string{`primary_hostname: now "mail.test", it was "relay.test"`}, `config.toml:2: primary_hostname: now "mail.test", it was "relay.test"; it changes with a restart only`, nil},
		"admin":                {"[admin]\naddress = \"127.0.0.1:9925\"", "", []string{"admin: gone"}, `config.toml:1: admin: gone; it changes with a restart only`, nil},
		"the log":              {`message_size_limit`, "log_format = \"json\"\nmessage_size_limit", []string{`log_format: now "json", it was "exim"`}, "", []string{"log_format"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			before := loadText(t, dir, someConfig)
			text := strings.Replace(someConfig, test.from, test.to, 1)
			if x, y, swap := strings.Cut(test.from, "|"); swap {
				names := strings.NewReplacer(`"`+x+`"`, `"`+y+`"`, `"`+y+`"`, `"`+x+`"`, "192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.1")
				text = names.Replace(someConfig)
			}
			after := loadText(t, dir, text)
			var got []string
			for _, c := range Changes(before, after) {
				got = append(got, c.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			refused := ""
			if err := Fixed(before, after); err != nil {
				refused = strings.ReplaceAll(err.Error(), dir+"/", "")
			}
			if refused != test.refused {
				t.Errorf("refused: %q, want %q", refused, test.refused)
			}
			if later := Later(before, after); !slices.Equal(later, test.later) {
				t.Errorf("later: %q, want %q", later, test.later)
			}
		})
	}
}

// A daemon is found by a file that has mistakes elsewhere.
func TestFindAdmin(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config.toml")
	for text, want := range map[string]string{
		"smtp_accept_maxx = 3\n[admin]\naddress = \"127.0.0.1:9925\"": "127.0.0.1:9925",
		"smtp_accept_max = 3": "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := FindAdmin(file); err != nil || got.Address != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	os.WriteFile(file, []byte("[admin]\naddres = 1"), 0o600)
	if _, err := FindAdmin(file); err == nil || !strings.Contains(err.Error(), "config.toml:2: admin.addres: unknown key") {
		t.Errorf("%v", err)
	}
}
