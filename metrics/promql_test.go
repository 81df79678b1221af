package metrics_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// promQLToken is a word of a query, or one of the signs that a word is understood by.
var promQLToken = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\$?[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9][0-9a-zA-Z.+]*|[=!]~|!=|==|>=|<=|[-(){},=<>+*/]|\S`)

// Words of PromQL that are none of ours.
var (
	promQLFunctions   = []string{"rate", "increase", "changes", "histogram_quantile", "time", "vector"}
	promQLAggregators = []string{"sum", "min", "max", "count", "topk"}
	promQLLabelLists  = []string{"by", "on", "without", "ignoring"}
	promQLOperators   = []string{"and", "or", "unless", "offset"}
)

// labelsOfScrapes are those that Prometheus adds to what it scrapes.
var labelsOfScrapes = []string{"job", "instance"}

// vocabulary has the labels of each series, by its name, and the values that there are for
// each label.
type vocabulary map[string]map[string][]string

// check fails for a query with a metric, a label or a word that is not known.
func (v vocabulary) check(query string) error {
	tokens := promQLToken.FindAllString(query, -1)
	at := func(i int) string {
		if i < len(tokens) {
			return tokens[i]
		}
		return ""
	}
	isWord := func(token string) bool { return regexp.MustCompile(`^[a-zA-Z_:]`).MatchString(token) }
	grouped, labels := []string(nil), slices.Clone(labelsOfScrapes)
	metrics := 0
	for i := 0; i < len(tokens); i++ {
		token := tokens[i]
		switch {
		case !isWord(token):
		case slices.Contains(promQLOperators, token):
		case slices.Contains(promQLFunctions, token) && at(i+1) == "(":
		case slices.Contains(promQLAggregators, token) && (at(i+1) == "(" || slices.Contains(promQLLabelLists, at(i+1))):
		case slices.Contains(promQLLabelLists, token) && at(i+1) == "(":
			for i += 2; at(i) != ")" && at(i) != ""; i++ {
				if at(i) != "," {
					grouped = append(grouped, at(i))
				}
			}
		default:
			known, found := v[token]
			if !found {
				return fmt.Errorf("there is no %s", token)
			}
			metrics++
			for label := range known {
				labels = append(labels, label)
			}
			if at(i+1) == "{" {
				end, err := checkMatchers(tokens, i+2, token, known)
				if err != nil {
					return err
				}
				i = end
			}
		}
	}
	for _, label := range grouped {
		if !slices.Contains(labels, label) {
			return fmt.Errorf("there is no label %s", label)
		}
	}
	if metrics == 0 {
		return fmt.Errorf("it asks for nothing")
	}
	return nil
}

// checkMatchers reads matchers to the closing brace, and gives where that is.
func checkMatchers(tokens []string, i int, metric string, known map[string][]string) (end int, err error) {
	for ; i+2 < len(tokens) && tokens[i] != "}"; i += 3 {
		if tokens[i] == "," {
			i++
		}
		label, operator, text := tokens[i], tokens[i+1], strings.Trim(tokens[i+2], `"`)
		values, found := known[label]
		if !found && !slices.Contains(labelsOfScrapes, label) {
			return 0, fmt.Errorf("%s has no label %s", metric, label)
		}
		if found && operator == "=" && !slices.Contains(values, text) {
			return 0, fmt.Errorf("no %s has the label %s=%q", metric, label, text)
		}
	}
	if i >= len(tokens) || tokens[i] != "}" {
		return 0, fmt.Errorf("the braces after %s are not closed", metric)
	}
	return i, nil
}
