package conformance

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const urlInDocs = "http://localhost:4512"

// docBlock is a fenced block of a document.
type docBlock struct {
	language string
	text     string
	line     int // of the opening fence, from 1
}

func readBlocks(t *testing.T, path string) []docBlock {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []docBlock
	var open *docBlock
	for i, line := range strings.SplitAfter(string(data), "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &docBlock{language: fence, line: i + 1}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block is not closed", path, open.line)
	}
	return blocks
}

// Every program in the documents is run by real Deno, in order, against one
// server, and must print what the block after it says.
func TestProgramsInTheDocs(t *testing.T) {
	t.Parallel()
	needClients(t)
	for _, path := range []string{"../README.md", "../docs/guide.md", "../docs/databases.md"} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			server := startProcess(t, filepath.Join(t.TempDir(), "kv.sqlite"))
			programs := writeDocPrograms(t, server, path)
			if len(programs) == 0 {
				t.Fatal("there are no programs")
			}
			var files []string
			for _, program := range programs {
				files = append(files, program.file)
			}
			// All at once, for it takes longer than to run them.
			runDocCommand(t, server, "check", files...)
			for _, program := range programs {
				got := runDocCommand(t, server, "run", "-A", program.file)
				if diff := cmp.Diff(program.prints, got); diff != "" {
					t.Errorf("%s:%d prints otherwise (-the text +real Deno):\n%s", path, program.line, diff)
				}
			}
		})
	}
}

// docProgram is a program of a document.
type docProgram struct {
	file   string
	line   int // of its opening fence
	prints string
}

// writeDocPrograms writes the programs of a document into files of one folder. They need
// not open and close the database themselves.
func writeDocPrograms(t *testing.T, server *process, path string) []docProgram {
	t.Helper()
	folder := t.TempDir()
	var programs []docProgram
	blocks := readBlocks(t, path)
	for i, block := range blocks {
		if block.language != "ts" {
			continue
		}
		program := docProgram{file: filepath.Join(folder, fmt.Sprintf("line_%d.ts", block.line)), line: block.line}
		if i+1 < len(blocks) && blocks[i+1].language == "text" {
			program.prints = blocks[i+1].text
		}
		text := block.text
		if !strings.Contains(text, "Deno.openKv(") {
			text = "const kv = await Deno.openKv(\"" + urlInDocs + "\");\n" + text + "kv.close();\n"
		}
		text = strings.ReplaceAll(text, urlInDocs, server.url)
		if err := os.WriteFile(program.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		programs = append(programs, program)
	}
	return programs
}

// runDocCommand runs a command of Deno on files of one folder.
func runDocCommand(t *testing.T, server *process, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := clientCommand(ctx, server.target(), denoPath(t), append([]string{name, "--unstable-kv", "--no-config"}, args...)...)
	command.Dir = filepath.Dir(args[len(args)-1])
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, filepath.Base(args[len(args)-1]), err, &stderr)
	}
	return stdout.String()
}

var (
	generatedToken = regexp.MustCompile(`kvc_[0-9A-Za-z]{49}`)
	databaseLine   = regexp.MustCompile(`(?m)^( {2}database {6}).*(/kvconnect\.sqlite)$`)
)

// The README shows what the first start prints, with a token and a folder of its
// own.
func TestGreetingInTheReadme(t *testing.T) {
	t.Parallel()
	normalize := func(text string) string {
		text = generatedToken.ReplaceAllString(text, "TOKEN")
		return databaseLine.ReplaceAllString(text, "${1}FOLDER${2}")
	}
	got := normalize(firstGreeting(t))
	for _, block := range readBlocks(t, "../README.md") {
		if block.language == "text" && strings.HasPrefix(block.text, "kvconnect is listening") {
			if diff := cmp.Diff(normalize(block.text), strings.TrimRight(got, "\n")+"\n"); diff != "" {
				t.Errorf("(-README +program):\n%s", diff)
			}
			return
		}
	}
	t.Error("the README does not show what the first start prints")
}

// firstGreeting starts a server as a new user does, but for the port, and gives
// what it prints, with the port of a new user.
func firstGreeting(t *testing.T) string {
	t.Helper()
	binary, err := buildServer()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(freeAddr(t), ":")
	command := exec.CommandContext(t.Context(), binary, "serve", "--addr", "0.0.0.0:"+port, "--admin-addr", "")
	command.Dir = t.TempDir()
	command.Env = plainEnviron()
	var stdout logBuffer
	command.Stdout = &stdout
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	server := &process{url: "http://127.0.0.1:" + port, cmd: command, exited: make(chan struct{}), stderr: &logBuffer{}}
	go func() {
		defer close(server.exited)
		_ = command.Wait() // stop looks at the outcome
	}()
	server.awaitReady(t)
	server.stop(t)
	return strings.ReplaceAll(stdout.String(), ":"+port, ":4512")
}
