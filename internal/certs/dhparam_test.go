package certs

import (
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
)

// ffdhe2048 is the group of RFC 7919 A.1, as openssl genpkey -genparam writes it.
const ffdhe2048 = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`

func TestCheckDHParam(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	params := func(kind string, values ...*big.Int) string {
		der, err := asn1.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	two := big.NewInt(2)
	prime := func() *big.Int {
		var v struct{ P, G *big.Int }
		b, _ := pem.Decode([]byte(ffdhe2048))
		if _, err := asn1.Unmarshal(b.Bytes, &v); err != nil {
			t.Fatal(err)
		}
		return v.P
	}()
	for what, c := range map[string]struct{ pem, want string }{
		"sound":        {ffdhe2048, ""},
		"X9.42":        {params("X9.42 DH PARAMETERS", prime, two, big.NewInt(7)), ""},
		"small":        {params("DH PARAMETERS", new(big.Int).Lsh(two, 1022), two), "have 1024 bits and 2048 is the least"},
		"not prime":    {params("DH PARAMETERS", new(big.Int).Lsh(two, 2048), two), "worthless"},
		"generator 1":  {params("DH PARAMETERS", prime, big.NewInt(1)), "faulty"},
		"no generator": {params("DH PARAMETERS", prime), "faulty"},
		"negative":     {params("DH PARAMETERS", new(big.Int).Neg(prime), two), "faulty"},
		"certificate":  {string(issue(t, "a", nil).pem()), "what is in it is \"CERTIFICATE\""},
		"empty":        {"", "it is empty"},
	} {
		file := write(t, dir, "dh.pem", []byte(c.pem))
		notice, err := CheckDHParam(file)
		checkError(t, what, err, c.want)
		if err == nil && (!strings.Contains(notice, "(2048 bits) is in order and has no effect") || strings.Contains(notice, "\n")) {
			t.Errorf("%s: %q", what, notice)
		}
	}
	_, err := CheckDHParam(dir + "/none")
	checkError(t, "missing", err, "there is no file")
}
