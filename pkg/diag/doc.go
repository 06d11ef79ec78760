// Package diag diagnoses a Server-Sent Events stream from the outside.
//
// [Run] sends a request a few times, as browsers, curl and reconnecting clients
// do, watches the streams for some seconds, and runs its checks on the recorded
// exchanges. The [Report] has a [Result] for each check, with the evidence and
// the remedies:
//
//	report, err := diag.Run(ctx, request, diag.Options{})
//	if err != nil {
//		return err
//	}
//	for _, result := range report.Checks {
//		fmt.Println(result.Status, result.ID, result.Actual)
//	}
//
// A check whose evidence is not enough is [Inconclusive], and its text names the
// option that would decide. Timing is judged relative to the round-trip time, and
// stalls of the machine that runs the probe are left out of account. A timing
// fault is confirmed on another connection before it is reported.
//
// [Checks] lists the checks. The JSON form of a report is stable, see [Schema].
//
// Proxies, TLS and credentials come with the client and the request. Formatting
// is left to the caller.
package diag
