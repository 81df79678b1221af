package auth_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/kvconnect/kvconnect/auth"
)

func TestSecretsSurviveARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	if _, err := auth.LoadSecrets(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want fs.ErrNotExist", err)
	}
	secrets := auth.GenerateSecrets()
	for _, hash := range []*auth.AccessTokenHash{nil, {1, 2, 3}} {
		secrets.AccessToken = hash
		if err := secrets.Save(path); err != nil {
			t.Fatal(err)
		}
		loaded, err := auth.LoadSecrets(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(secrets, loaded); diff != "" {
			t.Errorf("after loading (-saved +loaded):\n%s", diff)
		}
	}
	registry := auth.NewOneDatabase(uuid.New(), "", nil)
	authority := func(secrets auth.Secrets) *auth.Authority {
		keys, err := secrets.KeyRing()
		if err != nil {
			t.Fatal(err)
		}
		master := hashOf(t, "abcdefghijkl")
		return auth.New(auth.Options{Registry: registry, Keys: keys, Master: &master})
	}
	before := authority(secrets)
	token, _ := issue(t, before, authorize(t, before, "abcdefghijkl", ""))
	loaded, err := auth.LoadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority(loaded).VerifyDataPathToken(token); err != nil {
		t.Errorf("a token from before the restart: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 1 {
		t.Errorf("the folder holds %v, %v; want one file", files, err)
	}
}

func TestSecretsFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	valid := `{"version":1,"signingKeySeed":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","accessTokenSha256":"` + strings.Repeat("00", 32) + `"}`
	for name, c := range map[string]struct {
		content string
		mode    fs.FileMode
		want    string
	}{
		"readable by all":       {valid, 0o644, "run: chmod 600 "},
		"readable by the group": {valid, 0o640, "run: chmod 600 "},
		"not JSON":              {"no JSON", 0o600, "invalid character"},
		"newer version":         {strings.Replace(valid, `"version":1`, `"version":2`, 1), 0o600, "it has version 2"},
		"short key":             {strings.Replace(valid, "AAAA", "", 1), 0o600, "signingKeySeed"},
		"short hash":            {strings.Replace(valid, "0000", "00", 1), 0o600, "accessTokenSha256"},
	} {
		path := filepath.Join(t.TempDir(), "secrets.json")
		if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := auth.LoadSecrets(path)
		if !errors.Is(err, auth.ErrSecrets) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want ErrSecrets that names the path and says %q", name, err, c.want)
		}
	}
	path := filepath.Join(t.TempDir(), "secrets.json")
	if err := os.WriteFile(path, []byte(valid), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.LoadSecrets(path); err != nil {
		t.Errorf("the file that the others differ from: %v", err)
	}
}

func TestSecretsWithoutAKeyMakeNoRing(t *testing.T) {
	t.Parallel()
	if _, err := (auth.Secrets{}).KeyRing(); !errors.Is(err, auth.ErrInvalidKeys) {
		t.Errorf("%v, want ErrInvalidKeys", err)
	}
}
