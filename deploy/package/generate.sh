#!/bin/sh
# Writes what packages have beside the program: generate.sh FOLDER makes FOLDER/completions, for
# shells, and FOLDER/man.
set -eu
mkdir -p "$1/completions"
go build -o "$1/kvconnect" ./cmd/kvconnect
"$1/kvconnect" completion bash >"$1/completions/kvconnect.bash"
"$1/kvconnect" completion zsh >"$1/completions/_kvconnect"
"$1/kvconnect" completion fish >"$1/completions/kvconnect.fish"
"$1/kvconnect" man "$1/man"
rm "$1/kvconnect"
# Without a name and a time in them, the same pages make the same files.
gzip --best --no-name --force "$1"/man/*.1
