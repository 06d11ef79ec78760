// Package fake answers requests in place of a server: with answers written for a test,
// with recordings, or as a well-known API answers.
//
// A [Request] is what a client asks, read whole. A [Reply] is the answer to it, made but
// not sent: the head, and a body or the events of a stream. A [Service] makes replies in
// the form of an API from a [Content], which is what the answer means. Whoever made a
// reply, it is sent by the same code, which paces it and makes faults happen to it.
package fake
