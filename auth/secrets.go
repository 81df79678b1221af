package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ErrSecrets is returned for a secrets file that cannot be used.
var ErrSecrets = errors.New("the secrets file cannot be used")

// Secrets is what a server must keep across restarts and show to nobody.
type Secrets struct {
	// SigningKey signs data path tokens.
	SigningKey ed25519.PrivateKey
	// AccessToken is the hash of the generated access token; nil if none was
	// generated yet.
	AccessToken *AccessTokenHash
}

// GenerateSecrets gives secrets with a new signing key and no access token.
func GenerateSecrets() Secrets {
	_, key, _ := ed25519.GenerateKey(rand.Reader) // never fails with this reader
	return Secrets{SigningKey: key}
}

// KeyRing gives the ring of the signing key alone. It fails with ErrInvalidKeys for a key
// that is none.
func (s Secrets) KeyRing() (*KeyRing, error) {
	public, _ := publicKeyOf(s.SigningKey)
	return NewKeyRing([]Key{{ID: KeyID(public), Private: s.SigningKey}})
}

const secretsVersion = 1

// secretsFile is the JSON form of Secrets.
type secretsFile struct {
	Comment     string `json:"comment"`
	Version     int    `json:"version"`
	SigningSeed string `json:"signingKeySeed"`              // base64
	AccessToken string `json:"accessTokenSha256,omitempty"` // hexadecimal
}

// LoadSecrets reads the file at path. It fails with fs.ErrNotExist if there is
// none, and with ErrSecrets if others than its owner may read it or if it makes
// no sense.
func LoadSecrets(path string) (Secrets, error) {
	secrets, err := loadSecrets(path)
	if err != nil {
		return Secrets{}, fmt.Errorf("load secrets from %s: %w", path, err)
	}
	return secrets, nil
}

func loadSecrets(path string) (Secrets, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Secrets{}, err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return Secrets{}, fmt.Errorf("%w: its mode is %04o, so others than its owner may read it; run: chmod 600 %s", ErrSecrets, mode, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Secrets{}, err
	}
	var file secretsFile
	if err := json.Unmarshal(data, &file); err != nil {
		return Secrets{}, fmt.Errorf("%w: %w", ErrSecrets, err)
	}
	if file.Version != secretsVersion {
		return Secrets{}, fmt.Errorf("%w: it has version %d, this server knows version %d", ErrSecrets, file.Version, secretsVersion)
	}
	seed, err := base64.StdEncoding.DecodeString(file.SigningSeed)
	if err != nil || len(seed) != ed25519.SeedSize {
		return Secrets{}, fmt.Errorf("%w: signingKeySeed is not the base64 of %d bytes", ErrSecrets, ed25519.SeedSize)
	}
	secrets := Secrets{SigningKey: ed25519.NewKeyFromSeed(seed)}
	if file.AccessToken != "" {
		hash, err := hex.DecodeString(file.AccessToken)
		if err != nil || len(hash) != len(AccessTokenHash{}) {
			return Secrets{}, fmt.Errorf("%w: accessTokenSha256 is not a SHA-256 in hexadecimal", ErrSecrets)
		}
		secrets.AccessToken = (*AccessTokenHash)(hash)
	}
	return secrets, nil
}

// Save writes the secrets to the file at path, which only its owner can read. The
// file is replaced whole: after a crash it is the old one or the new one.
func (s Secrets) Save(path string) error {
	file := secretsFile{
		Comment:     "kvconnect: keep this file private and beside the database",
		Version:     secretsVersion,
		SigningSeed: base64.StdEncoding.EncodeToString(s.SigningKey.Seed()),
	}
	if s.AccessToken != nil {
		file.AccessToken = hex.EncodeToString(s.AccessToken[:])
	}
	data, err := json.MarshalIndent(file, "", "  ")
	if err == nil {
		err = replaceFile(path, append(data, '\n'))
	}
	if err != nil {
		return fmt.Errorf("save secrets to %s: %w", path, err)
	}
	return nil
}

// replaceFile relies on os.CreateTemp, whose files only the owner can read.
func replaceFile(path string, data []byte) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a new name in a folder durable: a token that was shown must
// not be lost with the power.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // cannot, and need not
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
