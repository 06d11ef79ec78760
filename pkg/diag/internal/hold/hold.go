package hold

import "github.com/ssectl/ssectl/pkg/diag/internal/seen"

// A Method estimates from an observation whether anything holds the stream. It
// runs when a check asks for it, and once for each observation.
type Method struct {
	Name     string
	Doc      string    // the evidence it looks for
	Requires []*Method // whose estimates it is given, in this order
	Compares bool      // it compares two connections of the same time

	estimate func(v *View, required ...Estimate) Estimate
}

// String returns the name, "" for none.
func (m *Method) String() string {
	if m == nil {
		return ""
	}
	return m.Name
}

// A View is an observation as the methods see it, with the estimates that were
// asked for.
type View struct {
	*seen.Observation
	Main    *seen.Timeline // by which hops are judged: without compression where there is some
	Browser *seen.Timeline // of the stream as a browser asks for it

	estimates map[*Method]Estimate
}

// Of returns the view of an observation, one for each.
func Of(o *seen.Observation) *View {
	return o.Once(viewKey{}, func() any {
		a := o.Main().Timeline()
		v := &View{Observation: o, Browser: a, Main: a, estimates: map[*Method]Estimate{}}
		if a.Encoded != "" {
			v.Main = &seen.Timeline{}
			if identity := o.Get(seen.RoleIdentity); identity.OK() {
				v.Main = identity.Timeline()
			}
		}
		return v
	}).(*View)
}

// Keys of Observation.Once.
type (
	viewKey  struct{}
	allKey   struct{}
	largeKey struct{}
	clockKey struct{}
	causeKey struct{}
)

// Estimate returns the estimate of a method.
func (v *View) Estimate(m *Method) Estimate {
	est, ok := v.estimates[m]
	if !ok {
		required := make([]Estimate, len(m.Requires))
		for i, other := range m.Requires {
			required[i] = v.Estimate(other)
		}
		est = m.estimate(v, required...)
		if est.Method == nil {
			est.Method = m
		}
		v.estimates[m] = est
	}
	return est
}

// Verdict returns the verdict of a method.
func (v *View) Verdict(m *Method) Verdict { return v.Estimate(m).Verdict }

// Worst returns the gravest estimate of the methods, and the first of those.
func (v *View) Worst(methods ...*Method) Estimate {
	var list []Estimate
	for _, m := range methods {
		list = append(list, v.Estimate(m))
	}
	return worst(list...)
}

// FirstClean returns the first estimate that the stream is not held.
func (v *View) FirstClean(methods ...*Method) (Estimate, bool) {
	for _, m := range methods {
		if v.Verdict(m) == Clean {
			return v.Estimate(m), true
		}
	}
	return Estimate{}, false
}

// All counts the pauses of the stream.
func (v *View) All() *PauseTest {
	return v.Once(allKey{}, func() any { p := CountPauses(v.Observation, v.Main, false); return &p }).(*PauseTest)
}

// large counts those next to large events.
func (v *View) large() *PauseTest {
	return v.Once(largeKey{}, func() any { p := CountPauses(v.Observation, v.Main, true); return &p }).(*PauseTest)
}

// clock returns the time that the events carry, or nil.
func (v *View) clock() *clock {
	return v.Once(clockKey{}, func() any { return findClock(v.Observation, v.Main) }).(*clock)
}

// Doubt returns the evidence that a time in the events speaks of a hold, where
// other connections contradict it.
func (v *View) Doubt() string {
	if doubt := v.Estimate(Shift).Doubt; doubt != "" {
		return doubt
	}
	return v.Estimate(Clock).Doubt
}
