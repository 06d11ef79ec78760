// Package window keeps the latest exchanges that passed, so that a person can look
// at them: a [Log] is told of them as an [exchange.Watch], and returns, searches,
// compares and exports the ones that it still has.
//
// Its size is bounded ([Limits]): a stream that never ends does not make it grow.
// Secrets are taken out before anything is kept: headers, cookies and URLs by their
// names, and the values of the credentials of a request wherever they come again,
// also in pieces.
//
//	log := window.New(window.Limits{})
//	watch := log.Watch // for a program that lets exchanges pass
//	for _, summary := range log.Changes(0).Exchanges {
//		fmt.Println(summary.Method, summary.URL, summary.Status, summary.Ended)
//	}
//
// The page on top of it is the work of package inspector.
package window
