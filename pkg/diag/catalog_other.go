package diag

var corsChecks = []Check{
	{
		ID: "cors-origin", Group: "cors", Title: "the page may read the stream", Worst: Fail,
		How:      "With --web-origin: Access-Control-Allow-Origin names it, or *.",
		Why:      "EventSource fails with no reason given.",
		Cite:     "https://fetch.spec.whatwg.org/#cors-check",
		Remedies: []string{"CORS"}, run: checkCORSOrigin, Needs: "--web-origin",
	},
	{
		ID: "cors-credentials", Group: "cors", Title: "the page may send cookies", Worst: Fail,
		How:      "With --credentials: the origin by name, Allow-Credentials: true, Vary: Origin.",
		Why:      "withCredentials does not go with *.",
		Cite:     "https://fetch.spec.whatwg.org/#cors-protocol-and-credentials",
		Remedies: []string{"CORS"}, run: checkCORSCredentials, Needs: "--credentials",
	},
	{
		ID: "cors-reflect", Group: "cors", Title: "not every page may send cookies", Worst: Warn,
		How:      "A strange Origin must not be reflected together with Allow-Credentials: true.",
		Why:      "Every page can read the stream of who visits it.",
		Cite:     "https://fetch.spec.whatwg.org/#cors-protocol-and-credentials",
		Remedies: []string{"CORS"}, run: checkCORSReflect,
	},
	{
		ID: "cors-preflight", Group: "cors", Title: "fetch clients may send their headers", Worst: Warn,
		How:      "An OPTIONS request that asks for last-event-id, cache-control and authorization, and has 2 s.",
		Why:      "EventSource needs no preflight, clients built on fetch do.",
		Cite:     "https://github.com/EventSource/eventsource/issues/75",
		Remedies: []string{"CORS"}, run: checkCORSPreflight,
	},
	{
		ID: "h1-limit", Group: "cors", Title: "more than six tabs work", Worst: Warn,
		How:      "Whether only HTTP/1.1 is to be had over TLS.",
		Why:      "A browser opens six connections at most: tab seven hangs without a word.",
		Cite:     "https://github.com/freenet/freenet-core/issues/5213",
		Remedies: []string{"H2"}, run: checkH1Limit,
	},
}

var protocolChecks = []Check{
	{
		ID: "h2-offered", Group: "protocol", Title: "HTTP/2 is offered", Worst: Info,
		How:  "What ALPN settled.",
		Why:  "See h1-limit.",
		Cite: "https://www.rfc-editor.org/rfc/rfc9113",
		run:  checkH2Offered,
	},
	{
		ID: "h3-advertised", Group: "protocol", Title: "HTTP/3 is advertised", Worst: Info,
		How:  "Alt-Svc.",
		Why:  "A browser may move, and reconnect once.",
		Cite: "https://www.rfc-editor.org/rfc/rfc9114#section-3.1.1",
		run:  checkH3,
	},
}

var llmChecks = []Check{
	{
		ID: "llm-terminal", Group: "llm", Title: "a model's answer is whole", Worst: Fail,
		How:      "What ends an answer: a finish reason and [DONE], response.completed, or message_stop.",
		Why:      "A cut answer looks like a whole one.",
		Cite:     "https://github.com/vercel/ai/issues/19165",
		Remedies: []string{"LLM"}, run: checkLLMTerminal, Needs: "--profile",
	},
	{
		ID: "llm-error", Group: "llm", Title: "errors are told", Worst: Fail,
		How:      "Error objects and events within the answer, and error fields that clients ignore.",
		Why:      "The status is 200, so nothing else can tell.",
		Cite:     "https://github.com/mozilla-ai/any-llm/issues/847",
		Remedies: []string{"LLM"}, run: checkLLMError, Needs: "--profile",
	},
	{
		ID: "llm-cadence", Group: "llm", Title: "tokens come one by one", Worst: Fail,
		How:      "Time to the first event, the gaps, how many come alone; all at once fails.",
		Why:      "A chat that is not streamed feels broken.",
		Cite:     "https://github.com/tmokmss/dify-on-aws-cdk/issues/1",
		Remedies: []string{"WHOLE"}, run: checkLLMCadence, Needs: "--profile", timing: true,
	},
	{
		ID: "mcp-get", Group: "llm", Title: "GET gives a stream or 405", Worst: Fail,
		How:      "GET on an MCP endpoint, accepting text/event-stream.",
		Why:      "With 200 and another type, clients come back without end.",
		Cite:     "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports",
		Remedies: []string{"MCP"}, run: checkMCPGet, Needs: "--profile mcp", anyAnswer: true,
	},
	{
		ID: "mcp-post", Group: "llm", Title: "POST is answered", Worst: Fail,
		How:      "initialize, accepting JSON and a stream: a response comes, and a stream ends after it.",
		Why:      "Clients wait for a response that never comes.",
		Cite:     "https://modelcontextprotocol.io/specification/2025-11-25/basic/transports",
		Remedies: []string{"MCP"}, run: checkMCPPost, Needs: "--profile mcp", anyAnswer: true,
	},
}

var securityChecks = []Check{
	{
		ID: "sec-url-token", Group: "security", Title: "no secret in the URL", Worst: Warn,
		How:      "The names of the query parameters given, and user information.",
		Why:      "URLs end up in access logs, and in those of every hop.",
		Cite:     "https://github.com/Wave-RF/WaveHouse/issues/324",
		Remedies: []string{"TOKEN"}, run: checkURLToken, anyAnswer: true,
	},
	{
		ID: "sec-plain", Group: "security", Title: "the stream is encrypted", Worst: Warn,
		How:      "http to a host that is not this machine.",
		Why:      "Everyone on the way can read and change it.",
		Cite:     "https://www.rfc-editor.org/rfc/rfc7258",
		Remedies: []string{"TLS"}, run: checkPlain, anyAnswer: true,
	},
	{
		ID: "sec-private-cache", Group: "security", Title: "private answers stay private", Worst: Fail,
		How:      "Where credentials were sent, the answer has to be private or no-store.",
		Why:      "A shared cache gives the stream of one user to the next.",
		Cite:     "https://www.rfc-editor.org/rfc/rfc9111#section-3.5",
		Remedies: []string{"CACHE"}, run: checkPrivateCache,
	},
	{
		ID: "sec-echo", Group: "security", Title: "nobody writes events from outside", Worst: Fail,
		How:      "With --probe-injection: a query with a line break and an event field.",
		Why:      "Whoever chooses a query or header writes events to others.",
		Cite:     "https://github.com/advisories/GHSA-4hxc-9384-m385",
		Remedies: []string{"NL"}, run: checkEcho, Needs: "--probe-injection",
	},
}
