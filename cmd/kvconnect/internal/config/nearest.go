package config

import "strings"

// nearest gives the name that a misspelt one may have been meant to be.
func nearest(misspelt string, names []string) (string, bool) {
	plain := func(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }
	best, least := "", 1+max(2, len(misspelt)/4)
	for _, name := range names {
		if d := distance(plain(misspelt), plain(name)); d < least {
			best, least = name, d
		}
	}
	return best, best != ""
}

// distance is how many bytes are to be put in, taken out or changed to make one text of the
// other (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // from what is read of a to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
