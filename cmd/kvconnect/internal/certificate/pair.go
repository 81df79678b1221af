package certificate

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Why a pair of files is no certificate with its key. The errors tell what to do.
var (
	// ErrNoCertificate is of a file without a certificate in PEM.
	ErrNoCertificate = errors.New("there is no certificate in the file: name the one in PEM that begins with " +
		"-----BEGIN CERTIFICATE-----, which certbot calls fullchain.pem")
	// ErrCutShort is of a file that ends within a certificate, or has one that cannot be read.
	ErrCutShort = errors.New("not all of the certificates in the file are whole: clients need those of the issuers too; " +
		"write the file anew")
	// ErrNoKey is of a file without a private key in PEM.
	ErrNoKey = errors.New("there is no private key in the file: name the one in PEM that begins with " +
		"-----BEGIN PRIVATE KEY----- or the like, which certbot calls privkey.pem")
	// ErrKeyEncrypted is of a private key that takes a passphrase.
	ErrKeyEncrypted = errors.New("the private key takes a passphrase, for which a server cannot ask: " +
		"write it without one with \"openssl pkey -in KEY -out NEW-KEY\", and let nobody else read that file")
	// ErrNoPair is of a certificate and a private key that do not belong together.
	ErrNoPair = errors.New("the certificate and the private key do not belong together: name two files of the same renewal; " +
		"if the file holds several certificates, that of the server comes first")
)

const certificateType = "CERTIFICATE"

// pairData is what is in the two files.
type pairData struct{ certificate, key []byte }

func (d pairData) equal(other pairData) bool {
	return bytes.Equal(d.certificate, other.certificate) && bytes.Equal(d.key, other.key)
}

// readPair reads the files. What they hold may be from two renewals.
func readPair(certificatePath, keyPath string) (d pairData, err error) {
	if d.certificate, err = readFile("certificate", certificatePath); err != nil {
		return pairData{}, err
	}
	if d.key, err = readFile("private key", keyPath); err != nil {
		return pairData{}, err
	}
	return d, nil
}

func readFile(what, path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("read the %s: %w: let the user read it that the server runs as", what, err)
	case err != nil:
		return nil, fmt.Errorf("read the %s: %w", what, err)
	}
	return data, nil
}

// parse gives the certificate with its chain and its key. The paths are for errors.
func (d pairData) parse(certificatePath, keyPath string) (*tls.Certificate, error) {
	if !holds(d.certificate, func(b *pem.Block) bool { return b.Type == certificateType }) {
		return nil, fmt.Errorf("%s: %w", certificatePath, ErrNoCertificate)
	}
	if !isWhole(d.certificate) {
		return nil, fmt.Errorf("%s: %w", certificatePath, ErrCutShort)
	}
	if holds(d.key, isEncryptedKey) {
		return nil, fmt.Errorf("%s: %w", keyPath, ErrKeyEncrypted)
	}
	if !holds(d.key, isKey) {
		return nil, fmt.Errorf("%s: %w", keyPath, ErrNoKey)
	}
	pair, err := tls.X509KeyPair(d.certificate, d.key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w (%w)", certificatePath, keyPath, ErrNoPair, err)
	}
	return &pair, nil
}

// holds tells whether one of the blocks is as asked for.
func holds(data []byte, is func(*pem.Block) bool) bool {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if is(block) {
			return true
		}
	}
	return false
}

// isWhole tells whether all blocks that begin can be read: others are passed over in silence,
// and who writes a file may be halfway.
func isWhole(data []byte) bool {
	blocks := 0
	holds(data, func(*pem.Block) bool {
		blocks++
		return false
	})
	return blocks == bytes.Count(data, []byte("-----BEGIN "))
}

func isKey(b *pem.Block) bool { return strings.HasSuffix(b.Type, "PRIVATE KEY") }

// isEncryptedKey knows both ways in which a key in PEM says so, that of PKCS #8 and that of
// RFC 1421.
func isEncryptedKey(b *pem.Block) bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || isKey(b) && strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}
