package auth_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/kvconnect/kvconnect/access"
	"github.com/kvconnect/kvconnect/auth"
	"github.com/kvconnect/kvconnect/protocol"
)

var _ auth.IdentityVerifier = (*auth.Provider)(nil)

// withClock has a Provider take it to be testTime.
func withClock(options *auth.ProviderOptions) { options.Now = atTestTime }

func TestIdentityOfEachAlgorithm(t *testing.T) {
	t.Parallel()
	signers := []signer{rs256("a"), es256(t, "b"), eddsa(t, "c")}
	provider := newPublisher(keySetOf(t, signers...)).open(t, withClock)
	for _, s := range signers {
		got, err := provider.Verify(t.Context(), s.token(t, testTime))
		want := auth.Identity{
			// printf 'https://login.example.com/\0secret-user' | sha256sum
			ID: "x_aeacf9e5a52afb23", Database: "orders", Scope: access.ScopeRead, ExpiresAt: testTime.Add(time.Hour),
		}
		got.ExpiresAt = got.ExpiresAt.UTC()
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", s.method.Alg(), got, err, want)
		}
	}
}

func TestIdentityClaims(t *testing.T) {
	t.Parallel()
	key := eddsa(t, "a")
	published := newPublisher(keySetOf(t, key))
	usual := published.open(t, withClock)
	named := published.open(t, func(options *auth.ProviderOptions) {
		withClock(options)
		options.DatabaseClaim = "https://example.com/kv.db"
		options.ScopeClaim = "permissions"
	})
	scope := func(value any) func(jwt.MapClaims) {
		return func(c jwt.MapClaims) { c["scope"] = value }
	}
	for name, c := range map[string]struct {
		provider *auth.Provider
		change   func(jwt.MapClaims)
		database string
		scope    access.Scope
	}{
		"read":                      {usual, scope("read"), "orders", access.ScopeRead},
		"write":                     {usual, scope("write"), "orders", access.ScopeWrite},
		"kv:read":                   {usual, scope("kv:read"), "orders", access.ScopeRead},
		"kv:write":                  {usual, scope("kv:write"), "orders", access.ScopeWrite},
		"among OAuth scopes":        {usual, scope("openid  kv:read profile"), "orders", access.ScopeRead},
		"write after read":          {usual, scope("read write"), "orders", access.ScopeWrite},
		"write before read":         {usual, scope("kv:write kv:read"), "orders", access.ScopeWrite},
		"list":                      {usual, scope([]string{"email", "kv:write", "read"}), "orders", access.ScopeWrite},
		"list of lists":             {usual, scope([]string{"email read"}), "orders", access.ScopeRead},
		"audience among others":     {usual, func(c jwt.MapClaims) { c["aud"] = []string{"other", testAudience} }, "orders", access.ScopeRead},
		"no iat and no nbf":         {usual, func(c jwt.MapClaims) { delete(c, "iat"); delete(c, "nbf") }, "orders", access.ScopeRead},
		"expires in the year 9999":  {usual, func(c jwt.MapClaims) { c["exp"] = 253402300799 }, "orders", access.ScopeRead},
		"claims with names of URLs": {named, func(c jwt.MapClaims) { c["https://example.com/kv.db"], c["permissions"] = "other", "write" }, "other", access.ScopeWrite},
		"other claims have no sense": {named, func(c jwt.MapClaims) {
			c["https://example.com/kv.db"], c["permissions"], c["scope"] = "other", "read", "write"
		}, "other", access.ScopeRead},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.provider.Verify(t.Context(), key.sign(t, nil, validClaims(testTime, c.change)))
			if err != nil || got.Database != c.database || got.Scope != c.scope {
				t.Errorf("%+v, %v, want database %s and scope %s", got, err, c.database, c.scope)
			}
		})
	}
}

func TestIdentityIDs(t *testing.T) {
	t.Parallel()
	key := eddsa(t, "a")
	provider := newPublisher(keySetOf(t, key)).open(t, withClock)
	idOf := func(subject string) string {
		identity, err := provider.Verify(t.Context(), key.sign(t, nil, validClaims(testTime, func(c jwt.MapClaims) {
			c["sub"] = subject
			c["jti"] = time.Now().String()
		})))
		if err != nil {
			t.Fatal(err)
		}
		return identity.ID
	}
	if a, again, b := idOf("a"), idOf("a"), idOf("b"); a != again || a == b {
		t.Errorf("the ids are %s, %s of the same subject and %s of another", a, again, b)
	}
}

func TestIdentityRefused(t *testing.T) {
	t.Parallel()
	rsa, ec, ed := rs256("rsa"), es256(t, "ec"), eddsa(t, "ed")
	provider := newPublisher(keySetOf(t, rsa, ec, ed)).open(t, withClock)

	claim := func(name string, value any) string {
		return ed.sign(t, nil, validClaims(testTime, func(c jwt.MapClaims) {
			if c[name] = value; value == nil {
				delete(c, name)
			}
		}))
	}
	header := func(name string, value any) string {
		return ed.sign(t, map[string]any{name: value}, validClaims(testTime, nil))
	}
	valid := ed.token(t, testTime)
	if _, err := provider.Verify(t.Context(), valid); err != nil {
		t.Fatalf("the token that the others differ from: %v", err)
	}
	publicKey, err := x509.MarshalPKIXPublicKey(&rsaKeys()[0].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	resign := func(s signer, method jwt.SigningMethod, key any) string {
		s.method, s.private = method, key
		return s.token(t, testTime)
	}
	otherEd, otherRSA := eddsa(t, "ed"), rsaSigner("rsa", jwt.SigningMethodRS256, rsaKeys()[1])
	signature := valid[strings.LastIndexByte(valid, '.'):]
	const secret = "secret"
	for name, c := range map[string]struct {
		token string
		text  string
	}{
		"nothing":                  {"", "is not a JWT"},
		"garbage":                  {"secret", "is not a JWT"},
		"garbage with dots":        {"secret.secret.secret", "is not a JWT"},
		"five parts":               {valid + ".secret.secret", "is not a JWT"},
		"header that is no JSON":   {base64url([]byte(`secret`)) + valid[strings.IndexByte(valid, '.'):], "is not a JWT"},
		"header of null":           {base64url([]byte(`null`)) + valid[strings.IndexByte(valid, '.'):], "algorithm"},
		"claims of null":           {valid[:strings.IndexByte(valid, '.')+1] + base64url([]byte(`null`)) + signature, "signature"},
		"oversized":                {claim("x", strings.Repeat("secret", auth.MaxIdentityTokenBytes/6)), "longer than 8192 bytes"},
		"algorithm none":           {resign(ed, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), "algorithm (header alg) other than"},
		"HMAC of the public key":   {resign(rsa, jwt.SigningMethodHS256, publicKey), "algorithm (header alg) other than"},
		"RS384":                    {resign(rsa, jwt.SigningMethodRS384, rsaKeys()[0]), "algorithm (header alg) other than"},
		"PS256":                    {resign(rsa, jwt.SigningMethodPS256, rsaKeys()[0]), "algorithm (header alg) other than"},
		"algorithm nobody knows":   {header("alg", "secret"), "algorithm (header alg) other than"},
		"no algorithm":             {header("alg", nil), "algorithm (header alg) other than"},
		"key of another algorithm": {header("kid", "rsa"), "algorithm (header alg) that does not fit its key"},
		"no key id":                {header("kid", nil), "does not say which key"},
		"key id that is empty":     {header("kid", ""), "does not say which key"},
		"key id that is a number":  {header("kid", 7), "key id (header kid) that is no string"},
		"unknown key id":           {header("kid", "secret"), "does not publish"},
		"critical extension":       {header("crit", []string{"secret"}), "header crit"},
		"no signature":             {strings.TrimSuffix(valid, signature) + ".", "signature"},
		"signature cut short":      {valid[:len(valid)-4], "signature"},
		"signed by another EdDSA":  {otherEd.token(t, testTime), "signature"},
		"signed by another RS256":  {otherRSA.token(t, testTime), "signature"},
		"signed by another ES256":  {es256(t, "ec").token(t, testTime), "signature"},
		"issuer is another":        {claim("iss", "https://secret.example.com/"), "another issuer"},
		"issuer without its slash": {claim("iss", strings.TrimSuffix(testIssuer, "/")), "another issuer"},
		"issuer is a number":       {claim("iss", 7), "wrong type"},
		"no issuer":                {claim("iss", nil), "lacks a claim: iss"},
		"audience is another":      {claim("aud", "secret"), "another audience"},
		"audience among none":      {claim("aud", []string{}), "lacks a claim: aud"},
		"audience is empty":        {claim("aud", ""), "lacks a claim: aud"},
		"audiences are others":     {claim("aud", []string{"secret", ""}), "another audience"},
		"audiences of two types":   {claim("aud", []any{testAudience, 7}), "wrong type"},
		"no audience":              {claim("aud", nil), "lacks a claim: aud"},
		"no expiry":                {claim("exp", nil), "lacks a claim: exp"},
		"expiry is a string":       {claim("exp", "secret"), "wrong type"},
		"expiry in milliseconds":   {claim("exp", testTime.Add(time.Hour).UnixMilli()), "no usable time"},
		"not valid yet":            {claim("nbf", testTime.Add(2*time.Minute).Unix()), "not valid yet"},
		"not valid for ever":       {claim("nbf", "secret"), "wrong type"},
		"issued in the future":     {claim("iat", testTime.Add(2*time.Minute).Unix()), "issued in the future"},
		"no subject":               {claim("sub", nil), "whose it is (claim sub)"},
		"subject is empty":         {claim("sub", ""), "whose it is (claim sub)"},
		"subject is a number":      {claim("sub", 7), "whose it is (claim sub)"},
		"no database":              {claim("kv_database", nil), `claim "kv_database"`},
		"database is empty":        {claim("kv_database", ""), `claim "kv_database"`},
		"two databases":            {claim("kv_database", []string{"secret", "orders"}), `claim "kv_database"`},
		"no scope":                 {claim("scope", nil), `claim "scope"`},
		"scope is another":         {claim("scope", "secret readwrite kv:kv:read Read"), `claim "scope"`},
		"scope is true":            {claim("scope", true), `claim "scope"`},
		"scopes of two types":      {claim("scope", []any{"read", 7}), `claim "scope"`},
		"claims in capitals":       {ed.sign(t, nil, jwt.MapClaims{"ISS": testIssuer, "AUD": testAudience, "EXP": testTime.Add(time.Hour).Unix()}), "lacks a claim: iss, aud, exp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			identity, err := provider.Verify(t.Context(), c.token)
			if !errors.Is(err, protocol.ErrInvalidAccessToken) || identity != (auth.Identity{}) {
				t.Fatalf("%+v, %v, want ErrInvalidAccessToken", identity, err)
			}
			if !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v does not say %q", err, c.text)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v repeats what stands in the token", err)
			}
		})
	}
}

func TestIdentityClocks(t *testing.T) {
	t.Parallel()
	key := eddsa(t, "a")
	provider := newPublisher(keySetOf(t, key)).open(t, withClock)
	for name, c := range map[string]struct {
		claim string
		at    time.Duration
		want  error
	}{
		"issued by a clock that is ahead":     {"iat", time.Minute, nil},
		"issued by a clock that is wrong":     {"iat", time.Minute + time.Second, protocol.ErrInvalidAccessToken},
		"valid for a clock that is ahead":     {"nbf", time.Minute, nil},
		"not valid for any clock":             {"nbf", time.Minute + time.Second, protocol.ErrInvalidAccessToken},
		"expires in a second":                 {"exp", time.Second, nil},
		"expires now":                         {"exp", 0, protocol.ErrTokenExpired},
		"expired within the leeway of others": {"exp", -59 * time.Second, protocol.ErrTokenExpired},
		"expired long ago":                    {"exp", -24 * time.Hour, protocol.ErrTokenExpired},
		"expires after all times":             {"exp", 1 << 62, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := provider.Verify(t.Context(), key.sign(t, nil, validClaims(testTime, func(claims jwt.MapClaims) {
				claims[c.claim] = testTime.Add(c.at).Unix()
			})))
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
	unsigned := key.sign(t, nil, validClaims(testTime.Add(-24*time.Hour), nil))
	unsigned = unsigned[:strings.LastIndexByte(unsigned, '.')+1]
	if _, err := provider.Verify(t.Context(), unsigned); errors.Is(err, protocol.ErrTokenExpired) {
		t.Error("an expired token that nobody signed is told to be no more than expired")
	}
}

func TestIdentityKeysThatFit(t *testing.T) {
	t.Parallel()
	ed, ec, rsa := eddsa(t, "ed"), es256(t, "ec"), rs256("rsa")
	nameless := eddsa(t, "")
	modulus := base64url(rsaKeys()[0].N.Bytes())
	for name, c := range map[string]struct {
		published []signer
		by        signer
		ok        bool
	}{
		"no alg":                         {[]signer{rsa.with("alg", nil), ed}, rsa, true},
		"no use":                         {[]signer{ec.with("use", nil), ed}, ec, true},
		"alg of the same type":           {[]signer{rsa.with("alg", "PS256"), ed}, rsa, false},
		"alg of another type":            {[]signer{ec.with("alg", "RS256"), ed}, ec, false},
		"for encryption":                 {[]signer{rsa.with("use", "enc"), ed}, rsa, false},
		"for something else":             {[]signer{rsa.with("use", "x"), ed}, rsa, false},
		"operation verify":               {[]signer{ed.with("key_ops", []string{"verify"}), rsa}, ed, true},
		"operation encrypt":              {[]signer{ed.with("key_ops", []string{"encrypt"}), rsa}, ed, false},
		"another curve":                  {[]signer{ecSigner(t, "p384", jwt.SigningMethodES384, elliptic.P384()), ed}, ecSigner(t, "p384", jwt.SigningMethodES384, elliptic.P384()), false},
		"short RSA key":                  {[]signer{rsa.with("n", modulus[:300]), ed}, rsa, false},
		"even RSA modulus":               {[]signer{rsa.with("n", modulus[:340]+"AA"), ed}, rsa, false},
		"RSA exponent above all":         {[]signer{rsa.with("e", strings.Repeat("AQAB", 10)), ed}, rsa, false},
		"point that is not on the curve": {[]signer{ec.with("x", ec.jwk["y"]), ed}, ec, false},
		"certificate that is none":       {[]signer{rsa.with("x5c", []string{"x"}).with("x5t", "x"), ed}, rsa, true},
		"certificates of a wrong type":   {[]signer{rsa.with("x5c", 7), ed}, ed, true},
		"symmetric key beside it":        {[]signer{newSigner("oct", jwt.SigningMethodHS256, nil, map[string]any{"kty": "oct", "k": "AAAA"}), ed}, ed, true},
		"type of key that is unknown":    {[]signer{newSigner("new", jwt.SigningMethodEdDSA, nil, map[string]any{"kty": "NEW"}), ed}, ed, true},
		"private key is published":       {[]signer{ed.with("d", "AAAA"), rsa}, ed, true},
		"one id for two types":           {[]signer{rs256("same"), es256(t, "same").with("x", ec.jwk["x"]).with("y", ec.jwk["y"])}, signer{id: "same", method: ec.method, private: ec.private}, true},
		"one id twice, the first":        {[]signer{ed, eddsa(t, "ed")}, ed, true},
		"one id twice, the second":       {[]signer{eddsa(t, "ed"), ed}, ed, false},
		"the only key, no id at all":     {[]signer{nameless}, nameless, true},
		"the only key, no id in token":   {[]signer{ed}, signer{method: ed.method, private: ed.private}, true},
		"the only usable key, no id":     {[]signer{ed, rsa.with("use", "enc")}, signer{method: ed.method, private: ed.private}, true},
		"the only key is of another alg": {[]signer{rsa}, nameless, false},
		"the only key has another id":    {[]signer{ed}, signer{id: "x", method: ed.method, private: ed.private}, false},
		"one of two keys, no id":         {[]signer{nameless, rsa}, nameless, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := newPublisher(keySetOf(t, c.published...)).open(t, withClock)
			_, err := provider.Verify(t.Context(), c.by.token(t, testTime))
			if (err == nil) != c.ok || err != nil && !errors.Is(err, protocol.ErrInvalidAccessToken) {
				t.Errorf("%v, want ok %v", err, c.ok)
			}
		})
	}
}
