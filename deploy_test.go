package repository_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

// deployFiles gives the files by which the program is packed and run, by their paths.
func deployFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	read := func(path string) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.ToSlash(path)] = string(content)
	}
	for _, path := range []string{"Dockerfile", ".dockerignore", ".goreleaser.yaml"} {
		read(path)
	}
	err := filepath.WalkDir("deploy", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 12 {
		t.Fatalf("there are %d files", len(files))
	}
	return files
}

func TestDeployFilesParse(t *testing.T) {
	t.Parallel()
	parsed := 0
	for path, content := range deployFiles(t) {
		var err error
		var value map[string]any
		switch filepath.Ext(path) {
		case ".yaml", ".yml":
			err = yaml.Unmarshal([]byte(content), &value)
		case ".toml":
			err = toml.Unmarshal([]byte(content), &value)
		default:
			continue
		}
		parsed++
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if parsed < 3 {
		t.Errorf("%d files were parsed", parsed)
	}
}

// program builds the program, for its help.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kvconnect")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/kvconnect").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return path
}

// commandLine finds the program with what follows it in a line, in the notation of shells, of
// JSON or of YAML.
var commandLine = regexp.MustCompile(`(?m)(?:^|[\s"'/=])kvconnect["',\s]+((?:[a-z]+["',\s]+)*)(.*)$`)

// TestDeployFilesNameWhatThereIs holds each command line, flag and variable in them against
// the help of the program.
func TestDeployFilesNameWhatThereIs(t *testing.T) {
	t.Parallel()
	path := program(t)
	help := func(args ...string) string {
		t.Helper()
		output, err := exec.CommandContext(t.Context(), path, append(args, "--help")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, output)
		}
		return string(output)
	}
	commands := regexp.MustCompile(`(?m)^ {2}([a-z]+) {2,}`)
	isCommand := func(text, name string) bool {
		return slices.ContainsFunc(commands.FindAllStringSubmatch(text, -1), func(m []string) bool { return m[1] == name })
	}
	root := help()
	documented, err := os.ReadFile("docs/configuration.md") // which a test holds against the program
	if err != nil {
		t.Fatal(err)
	}
	variables := help("serve") + help("db") + string(documented)
	variable := regexp.MustCompile(`\b(?:KVCONNECT|DENO_KV)_[A-Z_]*[A-Z]\b`)
	flag := regexp.MustCompile(`--[a-z][a-z-]*`)
	lines := 0
	for file, content := range deployFiles(t) {
		for _, name := range variable.FindAllString(content, -1) {
			if !strings.Contains(variables, name) {
				t.Errorf("%s names %s, which neither help nor docs/configuration.md knows", file, name)
			}
		}
		for _, match := range commandLine.FindAllStringSubmatch(content, -1) {
			words := strings.FieldsFunc(match[1], func(r rune) bool { return strings.ContainsRune(`"', `, r) })
			if len(words) == 0 || !isCommand(root, words[0]) {
				continue // it is the name of something else
			}
			args := words[:1]
			text := help(args...)
			if len(words) > 1 && isCommand(text, words[1]) {
				args = words[:2]
				text = help(args...)
			}
			lines++
			for _, name := range flag.FindAllString(match[2], -1) {
				if !strings.Contains(text, name+" ") {
					t.Errorf("%s names %s, which kvconnect %s does not know", file, name, strings.Join(args, " "))
				}
			}
		}
	}
	if lines < 6 {
		t.Errorf("%d command lines were found", lines)
	}
}

// TestDeployFilesNamePathsThatExist looks for the files that packages and images are made of.
// What is made first is in the folder build.
func TestDeployFilesNamePathsThatExist(t *testing.T) {
	t.Parallel()
	files := deployFiles(t)
	named := regexp.MustCompile(`(?m)(?:src:|install:|remove:|- sh|build:|--config|dockerfile =) +"?(\.?\.?/?[A-Za-z][\w./*-]+|\.\./\.\.(?:/[A-Za-z]+)?)`)
	found := 0
	for file, content := range files {
		if filepath.Base(file) == "kvconnect.example.toml" {
			continue // its paths are those of the user
		}
		for _, match := range named.FindAllStringSubmatch(content, -1) {
			path := match[1]
			if strings.HasPrefix(path, "build/") {
				continue
			}
			if strings.HasPrefix(path, "..") {
				path = filepath.Join(filepath.Dir(file), path)
			}
			if matches, err := filepath.Glob(path); err != nil || len(matches) == 0 {
				t.Errorf("%s names %s, which is not there", file, match[1])
			}
			found++
		}
	}
	if found < 10 {
		t.Errorf("%d paths were found", found)
	}
}

// TestImageHasTheGoOfTheModule keeps the Dockerfile at the version that go.mod asks for.
func TestImageHasTheGoOfTheModule(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	required := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)
	image := regexp.MustCompile(`(?m)^FROM golang:(\d+\.\d+)`).FindStringSubmatch(deployFiles(t)["Dockerfile"])
	if required == nil || image == nil || string(required[1]) != image[1] {
		t.Errorf("go.mod says %s, the Dockerfile %s", required, image)
	}
}

// TestServiceFile holds the unit against systemd's own idea of it, where that is installed.
func TestServiceFile(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil || runtime.GOOS != "linux" {
		t.Skip("there is no systemd-analyze")
	}
	unit := deployFiles(t)["deploy/systemd/kvconnect.service"]
	unit = strings.Replace(unit, "/usr/bin/kvconnect", "/bin/true", 1) // which is there
	path := filepath.Join(t.TempDir(), "kvconnect.service")
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	command := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path)
	command.Stderr = &output
	if err := command.Run(); err != nil || strings.Contains(output.String(), "kvconnect.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, &output)
	}
	// 10 is a service that may do all that root can; what is below 2 is called safe.
	output.Reset()
	command = exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", path)
	command.Stderr = &output
	if err := command.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		t.Errorf("the service may do more than it should: %v\n%s", err, &output)
	}
}
