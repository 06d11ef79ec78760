// Package suggest finds the name that a mistyped one was meant to be.
package suggest

// Nearest returns the name that is nearest to the one typed, or "" if none is near
// enough to be meant: one slip in three letters, or two in all, but never all
// letters of a name.
func Nearest(typed string, names []string) string {
	best, least := "", max(2, len(typed)/3)+1
	for _, name := range names {
		if n := distance(typed, name); n < least && n < len(name)-1 {
			best, least = name, n
		}
	}
	return best
}

// distance is that of Levenshtein, in bytes: how many to put in, take out or
// change to make a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
