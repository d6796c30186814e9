package auth

import (
	"testing"
	"time"

	"github.com/xdg-go/scram"
)

// RFC 2195 2.
func TestCRAMVector(t *testing.T) {
	t.Parallel()
	const challenge = "<1896.697170952@postoffice.reston.mci.net>"
	if got := cramDigest("tanstaaftanstaaf", challenge); got != "b913a602c7eda7a495b4e6e7334d3890" {
		t.Error(got)
	}
}

// RFC 4616 4.
func TestPLAINVector(t *testing.T) {
	t.Parallel()
	s := &Server{Authenticators: []*Authenticator{{Driver: "plaintext", PublicName: "PLAIN", Users: openUsers(t, cheap(t, "tim", "tanstaaftanstaaf")+cheap(t, "Kurt", "xipj3plmq"))}}}
	if got := talk(s, Session{}, "PLAIN", b64("\x00tim\x00tanstaaftanstaaf")); got.Outcome != Done || got.ID != "tim" {
		t.Error(got)
	}
	if got := talk(s, Session{}, "PLAIN", b64("Ursel\x00Kurt\x00xipj3plmq")); got.Outcome != Rejected {
		t.Error(got)
	}
}

// RFC 7677 3, both sides.
func TestSCRAMVector(t *testing.T) {
	t.Parallel()
	const (
		c1 = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
		s1 = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
		c2 = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
		s2 = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	)
	salt, _ := decode("W22ZaJ0SNY7soEsUEjb6gQ==")
	keys, err := scramClient("user", "pencil").GetStoredCredentialsWithError(scram.KeyFactors{Salt: salt, Iters: 4096})
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{nonce: func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" }, Authenticators: []*Authenticator{
		{Driver: "scram", Users: openUsers(t, "[user.user]\nscram='"+formatScram(keys)+"'\n")}}}
	c := &Client{nonce: func() string { return "rOprNGfwEbeRWgbNEkqO" }, Costs: NewCosts(1, 1, time.Minute)}
	x := c.exchange(choice{Credential{Driver: "scram", User: "user", Secret: "pencil"}, scramPlain}, Channel{}, false)
	if x.Start() != "SCRAM-SHA-256 "+b64(c1) {
		t.Fatal(x.Start())
	}
	d, step := s.Begin(bg, Session{}, scramPlain, b64(c1), true)
	if step.challenge != s1 {
		t.Fatal(step)
	}
	out, err := x.Next(bg, step.Reply().Text)
	if err != nil || out != b64(c2) {
		t.Fatal(out, err)
	}
	if step = d.Next(bg, out); step.challenge != s2 {
		t.Fatal(step)
	}
	if x.Finish() == nil {
		t.Error("finished before the server proved anything")
	}
	if out, err = x.Next(bg, step.Reply().Text); err != nil || x.Finish() != nil {
		t.Fatal(err, x.Finish())
	}
	if step = d.Next(bg, out); step.Outcome != Done || step.ID != "user" {
		t.Error(step)
	}
}
