package certificate_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvconnect/kvconnect/cmd/kvconnect/internal/certificate"
)

// files are a pair that is open, and kept in a bubble of synctest.
type files struct {
	*certificate.Files
	log      *logged
	cert     string // their paths
	key      string
	reload   chan os.Signal
	original issued
}

// keep opens the files, and keeps them until the test ends.
func keep(t *testing.T, original issued) *files {
	t.Helper()
	folder := t.TempDir()
	f := &files{
		log: new(logged), cert: filepath.Join(folder, "cert.pem"), key: filepath.Join(folder, "key.pem"),
		reload: make(chan os.Signal), original: original,
	}
	f.write(t, original)
	f.open(t)
	return f
}

func (f *files) write(t *testing.T, i issued) {
	t.Helper()
	write(t, f.cert, i.certificate)
	write(t, f.key, i.key)
}

func (f *files) open(t *testing.T) {
	t.Helper()
	var err error
	f.Files, err = certificate.OpenFiles(certificate.FilesOptions{
		CertificatePath: f.cert, KeyPath: f.key, Reload: f.reload, Logger: f.log.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.Keep(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

// pass lets the files be looked at so many times.
func pass(times int) {
	<-time.After(time.Duration(times)*10*time.Second + time.Second)
	synctest.Wait()
}

// want fails the test unless clients are shown the certificate.
func (f *files) want(t *testing.T, what string, want issued) {
	t.Helper()
	got, err := shown(t, f.TLSConfig(), &tls.Config{})
	if err != nil || !got.Equal(want.parsed) {
		t.Errorf("%s: clients get another certificate, %v", what, err)
	}
	if notAfter, known := f.NotAfter(); !known || !notAfter.Equal(want.parsed.NotAfter) {
		t.Errorf("%s: it expires at %v, want %v", what, notAfter, want.parsed.NotAfter)
	}
}

// Whatever way the files are renewed in, the certificate is taken, once.
func TestFilesRenewed(t *testing.T) {
	t.Parallel()
	for name, renew := range map[string]func(*testing.T, *files, issued){
		"written over": func(t *testing.T, f *files, renewed issued) {
			t.Helper()
			f.write(t, renewed)
		},
		"renamed into place": func(t *testing.T, f *files, renewed issued) {
			t.Helper()
			for path, data := range map[string][]byte{f.cert: renewed.certificate, f.key: renewed.key} {
				write(t, path+".new", data)
				if err := os.Rename(path+".new", path); err != nil {
					t.Fatal(err)
				}
			}
		},
		"the same size and time": func(t *testing.T, f *files, renewed issued) {
			t.Helper()
			before, err := os.Stat(f.cert)
			if err != nil {
				t.Fatal(err)
			}
			f.write(t, renewed)
			for _, path := range []string{f.cert, f.key} {
				if err := os.Chtimes(path, before.ModTime(), before.ModTime()); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, renewed := issue(t, 60*day, "kv.example.com"), issue(t, 90*day, "kv.example.com", "10.0.0.1")
			synctest.Test(t, func(t *testing.T) {
				f := keep(t, original)
				f.log.wantLines(t, "at the start", `msg="tls certificate loaded" names=[kv.example.com]`)
				pass(3)
				f.want(t, "before", original)
				renew(t, f, renewed)
				f.want(t, "before it was looked", original)
				pass(1)
				f.want(t, "after", renewed)
				pass(10)
				f.log.wantLines(t, "after", `msg="tls certificate loaded" names="[kv.example.com 10.0.0.1]"`)
			})
		})
	}
}

// Links are set anew by certbot, for each of the files, and by Kubernetes, for their folder.
func TestFilesBehindLinks(t *testing.T) {
	t.Parallel()
	for name, folders := range map[string]bool{"of the files": false, "of the folder": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, renewed := issue(t, 60*day, "kv.example.com"), issue(t, 90*day, "kv.example.com")
			synctest.Test(t, func(t *testing.T) {
				root := t.TempDir()
				f := &files{
					log: new(logged), cert: filepath.Join(root, "live", "cert.pem"), key: filepath.Join(root, "live", "key.pem"),
					reload: make(chan os.Signal), original: original,
				}
				if !folders {
					if err := os.Mkdir(filepath.Join(root, "live"), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				point := func(version string, i issued) {
					target := filepath.Join(root, version)
					if err := os.Mkdir(target, 0o700); err != nil {
						t.Fatal(err)
					}
					write(t, filepath.Join(target, "cert.pem"), i.certificate)
					write(t, filepath.Join(target, "key.pem"), i.key)
					if folders {
						link(t, target, filepath.Join(root, "live"))
						return
					}
					link(t, filepath.Join(target, "cert.pem"), f.cert)
					link(t, filepath.Join(target, "key.pem"), f.key)
				}
				point("1", original)
				f.open(t)
				point("2", renewed)
				pass(1)
				f.want(t, "after", renewed)
			})
		})
	}
}

// link puts a symbolic link in the place of one that may be there.
func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// What cannot be taken leaves the certificate in use. It is told of once, and not while the
// second file may be on its way.
func TestFilesNotTaken(t *testing.T) {
	t.Parallel()
	const notTaken = `msg="tls certificate not taken, the one before goes on"`
	for name, c := range map[string]struct {
		spoil func(t *testing.T, f *files, renewed issued)
		why   string
	}{
		"one file renewed": {func(t *testing.T, f *files, renewed issued) {
			t.Helper()
			write(t, f.cert, renewed.certificate)
		}, "do not belong together"},
		"cut short": {func(t *testing.T, f *files, renewed issued) {
			t.Helper()
			write(t, f.cert, renewed.certificate[:len(renewed.certificate)/2])
		}, "no certificate"},
		"issuers cut short": {func(t *testing.T, f *files, renewed issued) {
			t.Helper()
			issuer := issue(t, 300*day, "issuer.example.com").certificate
			write(t, f.cert, slices.Concat(renewed.certificate, issuer[:len(issuer)/2]))
			write(t, f.key, renewed.key)
		}, "not all of the certificates"},
		"removed": {func(t *testing.T, f *files, _ issued) {
			t.Helper()
			if err := os.Remove(f.key); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			original, renewed := issue(t, 60*day, "kv.example.com"), issue(t, 90*day, "kv.example.com")
			synctest.Test(t, func(t *testing.T) {
				f := keep(t, original)
				f.log.take()
				c.spoil(t, f, renewed)
				pass(1)
				f.log.wantLines(t, "at first")
				pass(1)
				f.log.wantLines(t, "then", notTaken)
				pass(100)
				f.log.wantLines(t, "and no more")
				f.want(t, "meanwhile", original)
				f.reload <- os.Interrupt
				synctest.Wait()
				if text := f.log.take(); !strings.Contains(text, c.why) {
					t.Errorf("who asks is told %q, want %q", text, c.why)
				}
				f.write(t, renewed)
				pass(1)
				f.want(t, "in the end", renewed)
				f.log.wantLines(t, "in the end", "tls certificate loaded")
				c.spoil(t, f, original)
				pass(2)
				f.log.wantLines(t, "again", notTaken)
			})
		})
	}
}

// Who asks for it need not wait, and is answered in any case.
func TestFilesReload(t *testing.T) {
	t.Parallel()
	original, renewed := issue(t, 60*day, "kv.example.com"), issue(t, 90*day, "kv.example.com")
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, original)
		f.log.take()
		ask := func() {
			f.reload <- os.Interrupt
			synctest.Wait()
		}
		ask()
		f.log.wantLines(t, "nothing new", "the same as before")
		write(t, f.cert, renewed.certificate)
		ask()
		f.log.wantLines(t, "half of it", "not taken")
		write(t, f.key, renewed.key)
		ask()
		f.log.wantLines(t, "all of it", "tls certificate loaded")
		f.want(t, "after", renewed)
	})
}

// A certificate that nobody renews is told of each day, in other words once it has expired.
func TestFilesExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := keep(t, issue(t, 16*day, "kv.example.com"))
		f.log.wantLines(t, "at the start", "tls certificate loaded")
		<-time.After(day)
		f.log.wantLines(t, "15 days")
		<-time.After(day + time.Hour)
		f.log.wantLines(t, "14 days", `level=WARN msg="tls certificate expires soon"`)
		<-time.After(3 * day)
		f.log.wantLines(t, "11 days", "expires soon", "expires soon", "expires soon")
		<-time.After(10*day + 12*time.Hour)
		f.log.take()
		<-time.After(day)
		f.log.wantLines(t, "no days", `level=WARN msg="tls certificate has expired"`)
		f.write(t, issue(t, 90*day, "kv.example.com"))
		pass(1)
		f.log.wantLines(t, "renewed", "tls certificate loaded")
		<-time.After(3 * day)
		f.log.wantLines(t, "after that")
	})
}

// A pair that cannot be served keeps the server from starting, with a text that says what to do.
func TestOpenFilesFails(t *testing.T) {
	t.Parallel()
	good, other := issue(t, 90*day, "kv.example.com"), issue(t, 90*day, "kv.example.com")
	block := func(kind, header string) []byte {
		return []byte("-----BEGIN " + kind + "-----\n" + header + "aGVsbG8=\n-----END " + kind + "-----\n")
	}
	for name, c := range map[string]struct {
		certificate, key []byte // nil for no file
		want             error
		text             string
	}{
		"no certificate file":     {nil, good.key, fs.ErrNotExist, "read the certificate"},
		"no key file":             {good.certificate, nil, fs.ErrNotExist, "read the private key"},
		"empty certificate":       {[]byte{}, good.key, certificate.ErrNoCertificate, "fullchain.pem"},
		"swapped":                 {good.key, good.certificate, certificate.ErrNoCertificate, "cert.pem"},
		"no PEM":                  {good.parsed.Raw, good.key, certificate.ErrNoCertificate, "PEM"},
		"certificate for a key":   {good.certificate, good.certificate, certificate.ErrNoKey, "privkey.pem"},
		"encrypted, PKCS #8":      {good.certificate, block("ENCRYPTED PRIVATE KEY", ""), certificate.ErrKeyEncrypted, "openssl pkey"},
		"encrypted, RFC 1421":     {good.certificate, block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"), certificate.ErrKeyEncrypted, "openssl pkey"},
		"key of another":          {good.certificate, other.key, certificate.ErrNoPair, "same renewal"},
		"damaged key":             {good.certificate, block("PRIVATE KEY", ""), certificate.ErrNoPair, "key.pem"},
		"damaged certificate":     {block("CERTIFICATE", ""), good.key, certificate.ErrNoPair, "cert.pem"},
		"issuer before the leaf":  {append(append([]byte{}, other.certificate...), good.certificate...), good.key, certificate.ErrNoPair, "comes first"},
		"parameters are no key":   {good.certificate, block("EC PARAMETERS", ""), certificate.ErrNoKey, "PRIVATE KEY"},
		"request for certificate": {block("CERTIFICATE REQUEST", ""), good.key, certificate.ErrNoCertificate, "PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			options := certificate.FilesOptions{
				CertificatePath: filepath.Join(folder, "cert.pem"), KeyPath: filepath.Join(folder, "key.pem"), Logger: new(logged).logger(),
			}
			for path, data := range map[string][]byte{options.CertificatePath: c.certificate, options.KeyPath: c.key} {
				if data != nil {
					write(t, path, data)
				}
			}
			_, err := certificate.OpenFiles(options)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %v with %q", err, c.want, c.text)
			}
		})
	}
	t.Run("no permission", func(t *testing.T) {
		t.Parallel()
		if os.Geteuid() == 0 {
			t.Skip("root may read everything")
		}
		path := filepath.Join(t.TempDir(), "both.pem")
		if err := os.WriteFile(path, good.certificate, 0); err != nil {
			t.Fatal(err)
		}
		_, err := certificate.OpenFiles(certificate.FilesOptions{CertificatePath: path, KeyPath: path, Logger: new(logged).logger()})
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "let the user read it") {
			t.Errorf("%v", err)
		}
	})
}

// Certificate and key may be in one file, and the chain after the certificate.
func TestOneFile(t *testing.T) {
	t.Parallel()
	good, issuer := issue(t, 90*day, "kv.example.com"), issue(t, 90*day)
	path := filepath.Join(t.TempDir(), "both.pem")
	write(t, path, append(append(append([]byte{}, good.key...), good.certificate...), issuer.certificate...))
	f, err := certificate.OpenFiles(certificate.FilesOptions{CertificatePath: path, KeyPath: path, Logger: new(logged).logger()})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := shown(t, f.TLSConfig(), &tls.Config{}); err != nil || !got.Equal(good.parsed) {
		t.Errorf("clients get another certificate, %v", err)
	}
}

func TestFilesHost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		names      []string
		host, want string
	}{
		"its own":        {[]string{"kv.example.com", "localhost"}, "localhost", "localhost"},
		"the first name": {[]string{"*.example.com", "kv.example.com"}, "localhost", "kv.example.com"},
		"an address":     {[]string{"10.0.0.1"}, "localhost", "10.0.0.1"},
		"IPv6":           {[]string{"::1"}, "localhost", "::1"},
		"wildcard only":  {[]string{"*.example.com"}, "localhost", "localhost"},
		"covered by it":  {[]string{"*.example.com"}, "kv.example.com", "kv.example.com"},
		"no names":       {nil, "localhost", "localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder, i := t.TempDir(), issue(t, 90*day, c.names...)
			options := certificate.FilesOptions{
				CertificatePath: filepath.Join(folder, "cert.pem"), KeyPath: filepath.Join(folder, "key.pem"), Logger: new(logged).logger(),
			}
			write(t, options.CertificatePath, i.certificate)
			write(t, options.KeyPath, i.key)
			f, err := certificate.OpenFiles(options)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Host(c.host); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// A client is held to TLS 1.2, and gets the protocol of HTTP that it prefers of two.
func TestTLSConfig(t *testing.T) {
	t.Parallel()
	i, folder := issue(t, 90*day, "kv.example.com"), t.TempDir()
	options := certificate.FilesOptions{
		CertificatePath: filepath.Join(folder, "cert.pem"), KeyPath: filepath.Join(folder, "key.pem"), Logger: new(logged).logger(),
	}
	write(t, options.CertificatePath, i.certificate)
	write(t, options.KeyPath, i.key)
	f, err := certificate.OpenFiles(options)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		client *tls.Config
		fails  bool
	}{
		"TLS 1.3":        {&tls.Config{MinVersion: tls.VersionTLS13}, false},
		"TLS 1.2":        {&tls.Config{MaxVersion: tls.VersionTLS12}, false},
		"TLS 1.1":        {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, true},
		"h2":             {&tls.Config{NextProtos: []string{"h2"}}, false},
		"http/1.1":       {&tls.Config{NextProtos: []string{"http/1.1"}}, false},
		"something else": {&tls.Config{NextProtos: []string{"acme-tls/1"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := shown(t, f.TLSConfig(), c.client); (err != nil) != c.fails {
				t.Errorf("the handshake gives %v", err)
			}
		})
	}
}
