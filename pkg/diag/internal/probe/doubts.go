package probe

// Doubts are the questions that an observation leaves open, so far as more
// requests can decide them. The probe does not judge: it asks for the doubts
// about the observation so far, and looks again where there are some.
type Doubts struct {
	Checks  []string // the checks that found a fault of timing on one connection alone
	ByClock bool     // only times in the events make them seem one event late
	Join    bool     // new connections may show more
	Missed  bool     // a new connection missed an event, and one more settles why
	Settled bool     // to watch longer changes nothing
}
