package exchange

import "fmt"

// A Match is where the answer to a request comes from, if there is a choice. The zero
// value means that there is none.
type Match struct {
	Name string // of the recording or the answer, "upstream", or the name of an API; empty if nothing matches

	Why     string       // nothing matches, for people; empty if something does
	Nearest string       // the name of what differs least, if there is anything
	Differs []Difference // the differences of the request from it
}

// A Difference is a part in which a request differs from a recording or an answer.
type Difference struct {
	Part      string `json:"part"`
	Path      string `json:"path,omitempty"` // within a JSON body, as jq writes it
	Request   string `json:"request"`
	Recording string `json:"recording"`
}

func (d Difference) String() string {
	at := d.Part
	if d.Path != "" {
		at += " " + d.Path
	}
	return fmt.Sprintf("%s is %s, recorded %s", at, d.Request, d.Recording)
}

// With returns a Watch whose requests have a Match.
func (w Watch) With(m Match) Watch {
	if w == nil {
		return nil
	}
	return func(r *Request) Watcher {
		r.Match = m
		return w(r)
	}
}
