package term

import "testing"

func TestIsUnicode(t *testing.T) {
	for _, test := range []struct {
		system string
		env    map[string]string
		want   bool
	}{
		{"linux", map[string]string{"LANG": "en_US.UTF-8"}, true},
		{"linux", map[string]string{"LANG": "C.utf8"}, true},
		{"linux", map[string]string{"LANG": "de_DE.UTF-8@euro"}, true},
		{"linux", map[string]string{"LANG": "en_US.UTF-8", "LC_ALL": "C"}, false},
		{"linux", map[string]string{"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, true},
		{"linux", map[string]string{"LANG": "en_US.ISO-8859-1"}, false},
		{"linux", nil, false},
		{"windows", nil, true},
	} {
		if got := isUnicode(test.system, func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%s, %v: got %v", test.system, test.env, got)
		}
	}
}
