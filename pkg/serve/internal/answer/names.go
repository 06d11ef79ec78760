package answer

import (
	"cmp"
	"strings"
)

// CompareNames orders the names of files: those that begin with numbers by the number,
// for a recorder writes 10000-... after 9999-..., the others by their bytes.
func CompareNames(a, b string) int {
	x, y := leadingNumber(a), leadingNumber(b)
	if x == "" || y == "" {
		return strings.Compare(a, b)
	}
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y), strings.Compare(a, b))
}

func leadingNumber(name string) string {
	return name[:len(name)-len(strings.TrimLeft(name, "0123456789"))]
}
