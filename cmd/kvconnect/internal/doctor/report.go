package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Status is how a check ended.
type Status string

const (
	// OK is for what is as it should be.
	OK Status = "ok"
	// Warn is for what a server runs with, and should not.
	Warn Status = "warn"
	// Fail is for what keeps a server from running, or endangers data.
	Fail Status = "fail"
)

// Finding is what one check found.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	// Advice is what to do; "" if there is nothing to be done.
	Advice string `json:"advice,omitempty"`
}

// Report is what all checks found, in the order in which they were made.
type Report struct {
	Findings []Finding `json:"findings"`
	Warnings int       `json:"warnings"`
	Failures int       `json:"failures"`
}

func (r *Report) add(finding Finding) {
	switch finding.Status {
	case Warn:
		r.Warnings++
	case Fail:
		r.Failures++
	case OK:
	}
	r.Findings = append(r.Findings, finding)
}

// WriteJSON writes the report for programs, as one object.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// WriteText writes the report for people: a line for each finding, one below it with what
// to do, and a summary.
func (r *Report) WriteText(w io.Writer) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.Check))
	}
	var text strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&text, "%-4s  %-*s  %s\n", f.Status, width, f.Check, f.Found)
		if f.Advice != "" {
			fmt.Fprintf(&text, "%*s> %s\n", width+8, "", f.Advice)
		}
	}
	fmt.Fprintf(&text, "\n%d checks, %d warnings, %d failures\n", len(r.Findings), r.Warnings, r.Failures)
	_, err := io.WriteString(w, text.String())
	return err
}
