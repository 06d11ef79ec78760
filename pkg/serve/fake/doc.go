// Package fake answers requests in place of a server: with answers written for a test,
// with recordings, or as a well-known API answers.
//
// A [Request] is what a client asks, read whole. A [Reply] is the answer to it, made but
// not sent: the head, and a body or the events of a stream. A [Service] makes replies in
// the form of an API from a [Content], which is what the answer means. Whoever made a
// reply, it is sent by the same code, which paces it and makes faults happen to it.
//
// A [Handler] gives each request the first of its answers that matches. [Load] reads
// answers from the YAML and JSON files of a directory, whose form docs/fakes.md describes:
//
//	answers, err := fake.Load("fakes", fake.LoadOptions{})
//	if err != nil {
//		return err
//	}
//	handler, err := fake.NewHandler(fake.Options{Answers: answers})
//	if err != nil {
//		return err
//	}
//	http.ListenAndServe("localhost:8080", handler)
package fake
