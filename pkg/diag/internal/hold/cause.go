package hold

// A Cause is the check of buffering that reports a hold: one fault, one failure.
type Cause string

const (
	NoCause       Cause = ""
	ByWhole       Cause = "buffer-whole"
	ByCompression Cause = "buffer-compression"
	BySize        Cause = "buffer-proxy"
	ByTimer       Cause = "buffer-timer"
	ByTail        Cause = "buffer-tail"
)

// A row of attribution is a rule: where its estimate is above Clean, the cause is
// that of the rule, and later rules do not count.
type row struct {
	estimate func(v *View) Estimate
	cause    func(v *View) Cause
}

func always(c Cause) func(*View) Cause { return func(*View) Cause { return c } }

// attribution is in the order in which the evidence is certain.
var attribution = []row{
	// All events come at once, at the end.
	{func(v *View) Estimate {
		if v.Verdict(Whole) != Held {
			return Estimate{}
		}
		return v.Estimate(Whole)
	}, always(ByWhole)},

	// The stream pauses inside events that come one by one.
	{func(v *View) Estimate {
		if !v.MostlySingle() {
			return Estimate{}
		}
		return v.Estimate(Pauses)
	}, always(ByTail)},

	// Pieces are cut or grouped as no server does.
	{func(v *View) Estimate {
		return v.Worst(Sizes, Pauses, Heartbeats)
	}, always(BySize)},

	// The stream pauses inside large events.
	{func(v *View) Estimate { return v.Estimate(Tails) }, always(ByTail)},

	// Events come when the next one is made.
	{func(v *View) Estimate { return v.Estimate(Shift) }, always(ByTail)},

	// A compressed stream is late.
	{func(v *View) Estimate {
		if v.Browser.Encoded == "" {
			return Estimate{}
		}
		return v.Worst(Encoding, Bare, Second)
	}, always(ByCompression)},

	// The start of each stream is late.
	{func(v *View) Estimate { return v.Worst(Opening, Lump) }, always(BySize)},

	// New connections miss an event.
	{func(v *View) Estimate {
		est := v.Estimate(First)
		if est.Verdict <= Clean || v.Verdict(Second) > Clean || v.All().TerminatorLate() {
			return Estimate{}
		}
		est.Verdict = max(est.Verdict, v.Verdict(Clock)) // two that agree
		return est
	}, always(ByTail)},

	// Connections or clocks differ.
	{func(v *View) Estimate { return v.Worst(Second, Clock, Origin) }, func(v *View) Cause {
		if _, regular := Beat(v.Main); regular {
			return v.regularBatches()
		}
		return BySize
	}},

	// A client that comes back is ahead.
	{func(v *View) Estimate {
		if v.All().TerminatorLate() {
			return Estimate{}
		}
		return v.Estimate(Lead)
	}, always(ByTail)},

	// Batches come by the clock, and nothing is there to compare.
	{func(v *View) Estimate {
		if v.Verdict(Second) != Undecided || v.Verdict(Clock) != Undecided {
			return Estimate{}
		}
		return v.Estimate(Period)
	}, (*View).regularBatches},
}

// Attribute returns the cause of a hold, and the estimate that shows it.
func (v *View) Attribute() (Cause, Estimate) {
	type attributed struct {
		cause Cause
		est   Estimate
	}
	a := v.Once(causeKey{}, func() any {
		for _, r := range attribution {
			if est := r.estimate(v); est.Verdict > Clean {
				return attributed{r.cause(v), est}
			}
		}
		return attributed{}
	}).(attributed)
	return a.cause, a.est
}

// Holds reports whether anything holds the stream.
func (v *View) Holds() bool {
	cause, _ := v.Attribute()
	return cause != NoCause
}

// OnSeveral reports whether the hold was seen by a method that each connection
// is a case of, or such a method agrees.
func (v *View) OnSeveral() bool {
	_, est := v.Attribute()
	return est.several || v.Worst(First, Lead, Opening, Phases).Verdict > Clean
}

// MostlySingle reports whether the arrivals bring hardly more than an event
// each, so that the end of one is held, not a pile of them.
func (v *View) MostlySingle() bool {
	all := v.All()
	return len(v.Main.Events) <= 2*len(v.Main.Arrivals) && 4*all.Several <= all.Arrivals
}

// regularBatches returns the cause of batches that come by a beat: where they are
// of one size and the source is regular, that makes the beat.
func (v *View) regularBatches() Cause {
	if BufferSize(v.Main) > 0 {
		return BySize
	}
	return ByTimer
}
