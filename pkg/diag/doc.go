// Package diag finds out what is wrong with an event stream, from outside.
//
// [Run] asks a server once for each thing it wants to know, and keeps what it
// saw, with times and sizes, as an [Observation]. The checks of [Catalog] are
// pure functions of that observation: each weighs the evidence and returns a
// [Finding], with the numbers and the remedies. A [Report] is all of them:
//
//	report := diag.Run(ctx, diag.Config{Client: client, Request: request})
//	for _, result := range report.Checks {
//		fmt.Println(result.Status, result.ID, result.Title)
//	}
//
// A check that cannot know says [Inconclusive], and which option would decide
// it. Times are judged against the round trip, and a watch over the machine
// that runs the probe leaves out the stretches in which it slept.
//
// How a report looks to a reader is left to the caller, and so are proxies,
// TLS and credentials, which come with the client and the request.
package diag
