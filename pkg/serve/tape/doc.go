// Package tape keeps exchanges of HTTP in files that people can read, and answers
// requests from such files.
//
// A [Recorder] is an [exchange.Watch]: it writes a file for each exchange, in the
// format of docs/format.md, with the request, the answer with the times of its
// events, and how it ended. Secrets do not get into a file: credentials, values
// of fields and parameters that are named for secrets, keys of well-known forms,
// and all of these wherever they appear again, also in pieces in several events.
//
// A [Player] is an [http.Handler] that answers from a directory of such files,
// recorded or written by hand: the same bytes, at the same pace, with the same end.
//
//	player, err := tape.Open("testdata/tape", tape.Options{})
//	if err != nil {
//		return err
//	}
//	http.ListenAndServe("localhost:8080", player)
//
// Requests are cleaned of secrets before they are compared, so a request with
// another key matches.
package tape
