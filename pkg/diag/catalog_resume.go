package diag

var resumeChecks = []Check{
	{
		ID: "id-present", Group: "resume", Title: "events have IDs", Worst: Warn,
		How:      "The share of events with an id field.",
		Why:      "Without one, what is sent while a client is away is lost to it.",
		Cite:     "https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header",
		Remedies: []string{"ID"}, run: checkIDPresent,
	},
	{
		ID: "id-stable", Group: "resume", Title: "an ID means one event", Worst: Fail,
		How:      "The same ID has the same data on all connections, and comes once on each.",
		Why:      "IDs that count per connection make a resumption skip or repeat, silently.",
		Cite:     "https://github.com/jaylfc/taOS/issues/1513",
		Remedies: []string{"ID"}, run: checkIDStable,
	},
	{
		ID: "id-syntax", Group: "resume", Title: "IDs can be sent back", Worst: Fail,
		How:      "No NUL, no control characters, no space at the ends, at most 1 KiB.",
		Why:      "Clients ignore an ID with a NUL, and cannot send others as a header.",
		Cite:     "https://html.spec.whatwg.org/multipage/server-sent-events.html#processField",
		Remedies: []string{"ID"}, run: checkIDSyntax,
	},
	{
		ID: "id-order", Group: "resume", Title: "IDs rise", Worst: Info,
		How:      "Numbers only; other IDs need no order.",
		Why:      "Out of order they are legal, and often a sign of two writers.",
		Cite:     "https://html.spec.whatwg.org/multipage/server-sent-events.html#concept-event-stream-last-event-id",
		Remedies: []string{"ID"}, run: checkIDOrder,
	},
	{
		ID: "resume", Group: "resume", Title: "Last-Event-ID resumes", Worst: Fail,
		How:      "One stream stays as witness, two more ask with different IDs and one with none: the starts have to lie as far apart as the IDs.",
		Why:      "After every drop clients lose or repeat events.",
		Cite:     "https://html.spec.whatwg.org/multipage/server-sent-events.html#the-last-event-id-header",
		Remedies: []string{"RESUME"}, run: checkResume,
	},
	{
		ID: "resume-hop", Group: "resume", Title: "no hop takes Last-Event-ID away", Worst: Fail,
		How:      "The same test at --origin and here.",
		Why:      "The server resumes, and behind the proxy nothing does.",
		Cite:     "https://github.com/anomalyco/opencode/issues/25658",
		Remedies: []string{"HOP"}, run: checkResumeHop, Needs: "--origin",
	},
	{
		ID: "resume-unknown-id", Group: "resume", Title: "a stale ID does no harm", Worst: Fail,
		How:      "A reconnection with an ID that the server never gave.",
		Why:      "After a deployment all clients come with stale IDs.",
		Cite:     "https://github.com/dunglas/mercure/issues/704",
		Remedies: []string{"STALE"}, run: checkResumeUnknown,
	},
	{
		ID: "resume-end", Group: "resume", Title: "a finished stream stays finished", Worst: Fail,
		How:      "A reconnection with the last ID after the end: 204, or an open stream.",
		Why:      "Browsers fetch a finished stream every few seconds, forever.",
		Cite:     "https://github.com/inaka/EventSource/issues/23",
		Remedies: []string{"204"}, run: checkResumeEnd,
	},
	{
		ID: "resume-range", Group: "resume", Title: "a stored stream has ranges", Worst: Warn,
		How:      "Range, If-Range with a false condition, and a range behind the end, at the end of an event.",
		Why:      "Without ranges a client has to read all of it again.",
		Cite:     "https://www.rfc-editor.org/rfc/rfc9110#section-14",
		Remedies: []string{"RANGE"}, run: checkResumeRange,
	},
	{
		ID: "resume-header", Group: "resume", Title: "the answer tells what was lost", Worst: Warn,
		How:      "Last-Event-ID and Mercure-Last-Event-ID of the answer.",
		Why:      "Hubs tell in it from where on they still had the past.",
		Cite:     "https://github.com/dunglas/mercure/issues/1317",
		Remedies: []string{"STALE"}, run: checkResumeHeader,
	},
}

var reconnectChecks = []Check{
	{
		ID: "retry-value", Group: "reconnect", Title: "retry is sensible", Worst: Fail,
		How:      "The retry field: digits only, under 250 ms fail, under 1 s or over a minute warn.",
		Why:      "A short time turns a restart into a storm.",
		Cite:     "https://github.com/cluesmith/codev/issues/1126",
		Remedies: []string{"RETRY"}, run: checkRetry,
	},
	{
		ID: "reconnect-now", Group: "reconnect", Title: "coming back at once is allowed", Worst: Warn,
		How:      "The reconnections of this run: none may get 409, 429 or 503.",
		Why:      "A user who reloads a page is locked out.",
		Cite:     "https://github.com/Radiergummi/cetacean/issues/149",
		Remedies: []string{"RETRY"}, run: checkReconnectNow,
	},
	{
		ID: "end-signal", Group: "reconnect", Title: "the end is announced", Worst: Info,
		How:      "An event of a closing type or [DONE] at the end, or 204 after it.",
		Why:      "EventSource takes every end for a drop.",
		Cite:     "https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model",
		Remedies: []string{"204"}, run: checkEndSignal,
	},
}

var cacheChecks = []Check{
	{
		ID: "shared-cache", Group: "cache", Title: "no cache plays a recording", Worst: Fail,
		How:      "A second stream that starts where the first did, against one with a query that no cache knows; Age and X-Cache.",
		Why:      "Users get the stream of another, or of last week.",
		Cite:     "https://bunny.net/docs/cdn/server-sent-events",
		Remedies: []string{"CACHE"}, run: checkSharedCache,
	},
	{
		ID: "path", Group: "cache", Title: "hops on the way", Worst: Info,
		How:  "What the headers of the answer tell of servers and networks; remedies are chosen by it.",
		Why:  "Each hop has a buffer, a timeout and a cache of its own.",
		Cite: "https://github.com/robhunter/agentdeals/issues/1098",
		run:  checkPath, anyAnswer: true,
	},
	{
		ID: "comments-pass", Group: "cache", Title: "comments come through", Worst: Info,
		How:      "With --origin: comments there and none here.",
		Why:      "Heartbeats made of comments then keep nothing alive.",
		Cite:     "https://github.com/leyabierta/leyabierta/issues/28",
		Remedies: []string{"HB"}, run: checkComments, Needs: "--origin",
	},
	{
		ID: "disconnect-seen", Group: "cache", Title: "the origin notices who leaves", Worst: Warn,
		How:      "With --conns-url: the count of streams 10 s after this client left.",
		Why:      "Each reader who left keeps a connection to the origin.",
		Cite:     "https://github.com/vitejs/vite/issues/13522",
		Remedies: []string{"HB"}, run: checkDisconnect, Needs: "--conns-url",
	},
}
